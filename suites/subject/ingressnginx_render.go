// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ingress-auth/conformance/suites/platform/kube"
)

// Names in the cluster.
const (
	// RouteNamespace holds the routes and everything they lead to; GatewayNamespace holds the controllers.
	RouteNamespace   = "conformance"
	GatewayNamespace = "ingress-nginx"

	labelGateway   = "ingress-auth.test/gateway"
	labelAdmission = "ingress-auth.test/admission"
	// labelWitness marks the harness's own Ingresses and labelGeneration counts their changes, see settle.
	labelWitness    = "ingress-auth.test/witness"
	labelGeneration = "ingress-auth.test/generation"

	// annotationPrefix is what ingress-nginx looks for; a route's annotations come without it.
	annotationPrefix = "nginx.ingress.kubernetes.io/"
)

// ingressClass is the IngressClass of a gateway. The main gateway has the class that users' manifests name.
func ingressClass(gateway string) string {
	if gateway == MainGateway {
		return "nginx"
	}
	return gateway
}

// placeholders replaces the names in braces by what a gateway in the cluster reaches. Any other brace stays, as do
// nginx's variables.
type placeholders struct{ replacer *strings.Replacer }

func newPlaceholders(values map[string]string) placeholders {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		pairs = append(pairs, "{"+name+"}", values[name])
	}
	return placeholders{strings.NewReplacer(pairs...)}
}

func (p placeholders) expand(text string) string { return p.replacer.Replace(text) }

// renderRoute writes a route as an Ingress.
func renderRoute(r Route, p placeholders) *kube.Object {
	labels := map[string]any{labelGateway: r.GatewayName()}
	if r.SkipAdmission {
		labels[labelAdmission] = "skip"
	}
	host := r.HostLabel() + "." + Domain
	spec := map[string]any{
		"ingressClassName": ingressClass(r.GatewayName()),
		"rules":            []any{ingressRule(host, ingressPath(r.MatchPath(), r.PathType, backendService(r.Backend), "http"))},
	}
	if r.TLS {
		spec["tls"] = []any{map[string]any{"hosts": []any{host}}} // no secret: the gateway's default certificate
	}
	metadata := map[string]any{"name": r.Name, "namespace": RouteNamespace, "labels": labels}
	if annotations := renderAnnotations(r, p); len(annotations) > 0 {
		metadata["annotations"] = annotations
	}
	return ingress(metadata, spec)
}

func renderAnnotations(r Route, p placeholders) map[string]any {
	out := map[string]any{}
	set := func(key, value string) {
		if value == "" {
			return
		}
		if !strings.Contains(key, "/") {
			key = annotationPrefix + key
		}
		out[key] = p.expand(value)
	}
	set("auth-url", r.AuthURL)
	set("auth-signin", r.AuthSignIn)
	set("auth-response-headers", strings.Join(r.AuthResponseHeaders, ","))
	set("auth-snippet", r.AuthSnippet)
	set("custom-http-errors", joinCodes(r.CustomHTTPErrors))
	if r.DisableInterceptErrors {
		set("disable-proxy-intercept-errors", "true")
	}
	set("server-snippet", r.ServerSnippet)
	set("configuration-snippet", r.ConfigurationSnippet)
	for key, value := range r.Annotations {
		if !strings.Contains(key, "/") {
			key = annotationPrefix + key
		}
		out[key] = p.expand(value) // an empty value is asked for, and is not the same as none
	}
	return out
}

// renderSettings writes a gateway's configuration as the data of its ConfigMap.
func renderSettings(c GatewayConfig, p placeholders) map[string]string {
	out := map[string]string{
		"worker-processes":          "1", // one generation of workers is then one process, see settle
		"allow-snippet-annotations": strconv.FormatBool(!c.ForbidSnippets),
	}
	if !c.ForbidSnippets {
		out["annotations-risk-level"] = "Critical" // later versions refuse snippets below this level
	}
	set := func(key, value string) {
		if value != "" {
			out[key] = p.expand(value)
		}
	}
	set("custom-http-errors", joinCodes(c.CustomHTTPErrors))
	if c.DisableInterceptErrors {
		set("disable-proxy-intercept-errors", "true")
	}
	set("http-snippet", c.HTTPSnippet)
	set("server-snippet", c.ServerSnippet)
	set("location-snippet", c.LocationSnippet)
	set("global-auth-url", c.GlobalAuthURL)
	set("global-auth-signin", c.GlobalAuthSignIn)
	for key, value := range c.Settings {
		out[key] = p.expand(value)
	}
	return out
}

func ingress(metadata, spec map[string]any) *kube.Object {
	return &kube.Object{Object: map[string]any{
		"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec,
	}}
}

func ingressRule(host string, paths ...any) map[string]any {
	return map[string]any{"host": host, "http": map[string]any{"paths": paths}}
}

func ingressPath(path, pathType, service, port string) map[string]any {
	if pathType == "" {
		pathType = "Prefix"
	}
	return map[string]any{
		"path": path, "pathType": pathType,
		"backend": map[string]any{"service": map[string]any{"name": service, "port": map[string]any{"name": port}}},
	}
}

// backendService is the Service of a route's backend.
func backendService(backend string) string {
	switch backend {
	case "":
		return "echo"
	case "idp":
		return "mockidp"
	}
	return backend
}

func joinCodes(codes []int) string {
	var out []string
	for _, c := range codes {
		out = append(out, strconv.Itoa(c))
	}
	return strings.Join(out, ",")
}
