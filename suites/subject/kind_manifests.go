// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"text/template"

	"github.com/ingress-auth/conformance/suites/platform/cluster"
	"github.com/ingress-auth/conformance/suites/platform/kube"
)

// Node ports of the gateways: kind publishes them on loopback. There is room for a hundred gateways.
const (
	firstHTTPNodePort  = 30100
	firstHTTPSNodePort = 30200
)

// KindPorts lists the ports that a cluster for these gateways has to publish.
func KindPorts(gateways []GatewayConfig) []cluster.PortMapping {
	var ports []cluster.PortMapping
	for i, g := range gateways {
		ports = append(ports, cluster.PortMapping{Name: portName(g.Name, "http"), NodePort: firstHTTPNodePort + i})
		if g.TLS {
			ports = append(ports, cluster.PortMapping{Name: portName(g.Name, "https"), NodePort: firstHTTPSNodePort + i})
		}
	}
	return ports
}

func portName(gateway, scheme string) string { return gateway + "-" + scheme }

// standinServices are the Services of the stand-in and the container port each leads to. The canary is the echo backend
// under another name, so that it is a second upstream.
var standinServices = []struct{ Name, Port string }{
	{"standin", "auth"}, {"echo", "backend"}, {"upstream", "upstream"}, {"canary", "backend"}, {"grpc", "grpc"},
	{"error-x-code", "x-code"}, {"error-always-200", "always-200"}, {"error-not-found", "not-found"},
}

// backchannelLogoutPath is where the proxy is told of logouts.
const backchannelLogoutPath = "/oauth2/backchannel-logout"

const (
	idpHost         = "idp"
	idpService      = "mockidp"
	backchannelPort = 8080
	oidcClient      = "ingress-auth"
)

func serviceURL(namespace, name string) string {
	return "http://" + name + "." + namespace + ".svc.cluster.local"
}

// idpBackchannel is where pods reach the identity provider of a namespace.
func idpBackchannel(namespace string) string {
	return fmt.Sprintf("%s:%d", serviceURL(namespace, idpService), backchannelPort)
}

func publicURL(host string) string { return "https://" + host + "." + Domain }

// kindPlaceholders are what routes may name in a cluster of the harness's own.
func kindPlaceholders() placeholders {
	return clusterPlaceholders(RouteNamespace, ingressClass(MainGateway))
}

// clusterPlaceholders are what routes may name, as gateways in the cluster reach it. Names are fully qualified, because
// nginx's resolver knows no search domains.
func clusterPlaceholders(namespace, class string) placeholders {
	values := map[string]string{
		"standin": serviceURL(namespace, "standin"), "refused": serviceURL(namespace, "refused"),
		"backend": serviceURL(namespace, "echo"), "upstream": serviceURL(namespace, "upstream"),
		"unresolvable":    serviceURL(namespace, "unresolvable"), // no such Service: the cluster's DNS says so at once
		"auth":            publicURL(AuthServices()[0].Host),
		"domain":          Domain,
		"class":           class,
		"client-ca":       namespace + "/client-ca",
		"idp-backchannel": idpBackchannel(namespace),
		"redis":           "redis://redis." + namespace + ".svc.cluster.local:6379/0",
		"redis-away":      strings.TrimPrefix(serviceURL(namespace, "refused"), "http://") + ":80",
	}
	for _, service := range AuthServices() {
		values[service.Name] = serviceURL(namespace, service.Name)
	}
	return newPlaceholders(values)
}

// publicRoutes are the routes by which the browser reaches the identity provider and the sign-in pages.
func publicRoutes() []Route {
	routes := []Route{{Name: idpHost, TLS: true, Backend: "idp", Probe: "/.well-known/openid-configuration"}}
	for _, service := range AuthServices() {
		routes = append(routes, Route{
			Name: service.Host, TLS: true, Backend: service.Name, Probe: "/ping",
			// A session in several cookies is more header than the default of one memory page.
			Annotations: map[string]string{"proxy-buffer-size": "16k"},
		})
	}
	return routes
}

// warmServices are the Services that routes have as their backend, but for two: "canary", because a Service that any
// other Ingress leads to is no canary for ingress-nginx any more (upstream.NoServer), and "grpc", because HTTP/1.1 must
// not meet it (nginx shares the connections it keeps to an address).
func warmServices() []string {
	services := []string{"echo", "standin", idpService}
	for _, service := range AuthServices() {
		services = append(services, service.Name)
	}
	return services
}

// authServiceArgs are the flags of one variant of the proxy. What the variant says itself comes instead of the default.
func authServiceArgs(service AuthService, p placeholders) []string {
	args := []string{
		"--http-address=0.0.0.0:4180",
		"--oidc-issuer-url=" + publicURL(idpHost),
		"--oidc-discovery-url=" + p.expand("{idp-backchannel}") + "/.well-known/openid-configuration",
		"--client-id=" + oidcClient,
		"--client-secret-file=/secrets/client-secret",
		"--cookie-secret-file=/secrets/cookie-secret",
		"--cookie-domain=." + Domain,
		"--whitelist-domain=." + Domain,
		"--redirect-url=" + publicURL(service.Host) + "/oauth2/callback",
		"--scope=openid email profile groups",
		"--email-domain=*",
		"--set-xauthrequest",
		"--skip-jwt-bearer-tokens",
		"--reverse-proxy",
	}
	args = slices.DeleteFunc(args, func(base string) bool {
		return slices.ContainsFunc(service.Args, func(own string) bool { return flagName(own) == flagName(base) })
	})
	for _, own := range service.Args {
		args = append(args, p.expand(own))
	}
	return args
}

func flagName(arg string) string {
	name, _, _ := strings.Cut(arg, "=")
	return name
}

// kindManifests renders everything a cluster gets.
type kindManifests struct {
	files    fs.FS
	images   KindImages
	material *material
	expand   placeholders
	// namespace holds the parts; "" is RouteNamespace.
	namespace string
}

// home is the namespace of the parts.
func (k kindManifests) home() string { return cmp.Or(k.namespace, RouteNamespace) }

type certificate struct{ Cert, Key string }

// namespaces has to be there before the material can be kept.
func (k kindManifests) namespaces() ([]*kube.Object, error) {
	return k.render("namespaces.yaml", map[string]any{"GatewayNamespace": GatewayNamespace, "Namespace": RouteNamespace})
}

// parts are the auth services, the identity provider and the stand-ins.
func (k kindManifests) parts() ([]*kube.Object, error) {
	var hosts []string
	for _, service := range AuthServices() {
		hosts = append(hosts, service.Host+"."+Domain)
	}
	config, err := k.text("idp.yaml", map[string]any{
		"Issuer": publicURL(idpHost), "Backchannel": idpBackchannel(k.home()), "ClientSecret": k.material.clientSecret, "AuthHosts": hosts,
		"BackchannelLogout": serviceURL(k.home(), storeReplica) + backchannelLogoutPath,
	})
	if err != nil {
		return nil, err
	}
	objects, err := k.render("standin.yaml", map[string]any{
		"StandinServices": standinServices, "WitnessPorts": witnessServicePorts(), "Relays": clusterRelays(k.home()), "RelayServices": relayServices(k.home()),
	})
	if err != nil {
		return nil, err
	}
	more, err := k.render("mockidp.yaml", map[string]any{"IdPConfig": config, "SettingsHash": hashOf(config)})
	if err != nil {
		return nil, err
	}
	objects = append(objects, more...)
	if more, err = k.render("redis.yaml", map[string]any{}); err != nil {
		return nil, err
	}
	objects = append(objects, more...)
	for _, service := range AuthServices() {
		probe := "/ready"
		if service.StoreAway {
			probe = "/ping"
		}
		more, err := k.render("auth-service.yaml", map[string]any{
			"Probe": probe,
			"Name":  service.Name, "Origin": origin(service.Name), "Args": authServiceArgs(service, k.expand),
			"ClientSecret": k.material.clientSecret, "CookieSecret": k.material.cookieSecret,
		})
		if err != nil {
			return nil, err
		}
		objects = append(objects, more...)
	}
	return objects, nil
}

// gateways are the controllers and what they share.
func (k kindManifests) gateways(gateways []GatewayConfig) ([]*kube.Object, error) {
	objects, err := k.render("ingress-nginx.yaml", map[string]any{
		"Wildcard":  certificate{k.material.wildcardCert, k.material.wildcardKey},
		"Admission": certificate{k.material.admissionCert, k.material.admissionKey},
		"ClientCA":  k.material.authorityCert,
	})
	if err != nil {
		return nil, err
	}
	for i, g := range gateways {
		more, err := k.gateway(i, g, gateways)
		if err != nil {
			return nil, fmt.Errorf("gateway %q: %w", g.Name, err)
		}
		objects = append(objects, more...)
	}
	return objects, nil
}

func (k kindManifests) gateway(index int, g GatewayConfig, all []GatewayConfig) ([]*kube.Object, error) {
	page, err := errorPageService(g.DefaultBackend)
	if err != nil {
		return nil, err
	}
	settings := renderSettings(g, k.expand)
	encoded, err := json.Marshal(settings)
	if err != nil {
		return nil, err
	}
	controller, https := "ingress-auth.test/"+g.Name, 0
	var others []string
	if g.Name == MainGateway {
		controller = "k8s.io/ingress-nginx"
		for _, other := range all {
			if other.Name != g.Name {
				others = append(others, other.Name)
			}
		}
	}
	if g.TLS {
		https = firstHTTPSNodePort + index
	}
	return k.render("gateway.yaml", map[string]any{
		"Name": g.Name, "Class": ingressClass(g.Name), "Controller": controller,
		"ConfigMap": settings, "SettingsHash": hashOf(string(encoded)), "DefaultBackend": page,
		"Admission": !g.NoAdmission, "AdmissionService": g.Name + "-admission",
		"Main": g.Name == MainGateway, "Others": others,
		"CABundle":     base64.StdEncoding.EncodeToString([]byte(k.material.authorityCert)),
		"HTTPNodePort": firstHTTPNodePort + index, "HTTPSNodePort": https,
		"SyncRate": syncRate(g), "Image": k.images.IngressNginx.Ref,
	})
}

type servicePort struct {
	Name string
	Port int
}

func witnessServicePorts() []servicePort {
	var ports []servicePort
	for i := range witnessPorts {
		ports = append(ports, servicePort{Name: witnessPort(i), Port: 8000 + i})
	}
	return ports
}

// syncRate is how many configurations per second a gateway may take. A gateway that a single check breaks and mends may
// take more: that check observes each step.
func syncRate(g GatewayConfig) string {
	if g.Disposable {
		return "4"
	}
	return "0.5"
}

// errorPageService is the Service of a GatewayConfig.DefaultBackend.
func errorPageService(page string) (string, error) {
	switch page {
	case "":
		return "", nil
	case "x-code", "always-200", "not-found":
		return "error-" + page, nil
	}
	return "", fmt.Errorf("no error page is called %q; there are x-code, always-200 and not-found", page)
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

func (k kindManifests) render(file string, data map[string]any) ([]*kube.Object, error) {
	text, err := k.text(file, data)
	if err != nil {
		return nil, err
	}
	objects, err := kube.Decode([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", file, err)
	}
	return objects, nil
}

// text fills in one template of fixtures/manifests.
func (k kindManifests) text(file string, data map[string]any) (string, error) {
	functions := template.FuncMap{"quote": func(value string) (string, error) {
		quoted, err := json.Marshal(value)
		return string(quoted), err
	}}
	t, err := template.New(file).Funcs(functions).Option("missingkey=error").ParseFS(k.files, "manifests/confined.yaml", "manifests/"+file)
	if err != nil {
		return "", fmt.Errorf("manifest %s: %w", file, err)
	}
	data["Namespace"], data["GatewayNamespace"] = k.home(), GatewayNamespace
	data["Images"] = map[string]string{"Proxy": k.images.Proxy.Ref, "MockIdP": k.images.MockIdP.Ref, "Redis": k.images.Redis.Ref, "Standin": k.images.Standin.Ref}
	var out bytes.Buffer
	if err := t.Execute(&out, data); err != nil {
		return "", fmt.Errorf("manifest %s: %w", file, err)
	}
	return out.String(), nil
}
