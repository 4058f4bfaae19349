// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/ingress-auth/conformance/suites/platform"
	"github.com/ingress-auth/conformance/suites/platform/kube"
)

// fakeAPI plays an API server that holds objects by their paths and refuses what refuses says.
type fakeAPI struct {
	mu      sync.Mutex
	objects map[string]map[string]any // "/api/v1/pods" → list; full path → object
	refuse  func(r *http.Request, body map[string]any) string
	kept    []string // what was written for good, by name
	deleted []string // paths
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	answer := func(code int, content any) {
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(content)
	}
	status := func(code int, reason, message string) {
		answer(code, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message})
	}
	switch r.URL.Path {
	case "/api/v1":
		answer(200, resources("v1", "namespaces", "Namespace", false, "pods", "Pod", true, "services", "Service", true, "nodes", "Node", false, "secrets", "Secret", true, "configmaps", "ConfigMap", true))
		return
	case "/apis/networking.k8s.io/v1":
		answer(200, resources("networking.k8s.io/v1", "ingresses", "Ingress", true, "ingressclasses", "IngressClass", false))
		return
	case "/apis/apps/v1":
		answer(200, resources("apps/v1", "deployments", "Deployment", true))
		return
	}
	switch r.Method {
	case http.MethodDelete:
		f.deleted = append(f.deleted, r.URL.Path)
		delete(f.objects, r.URL.Path)
		answer(200, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Success"})
	case http.MethodPatch, http.MethodPost:
		var body map[string]any
		_ = json.NewDecoder(r.Body).Decode(&body)
		if f.refuse != nil {
			if words := f.refuse(r, body); words != "" {
				status(400, "BadRequest", words)
				return
			}
		}
		if r.URL.Query().Get("dryRun") == "" {
			f.kept = append(f.kept, body["metadata"].(map[string]any)["name"].(string))
		}
		answer(200, body)
	default:
		object, ok := f.objects[r.URL.Path]
		switch {
		case !ok && !strings.HasSuffix(r.URL.Path, "s"): // one object; a list ends in the plural
			status(404, "NotFound", "not found")
		case !ok:
			answer(200, map[string]any{"kind": "List", "apiVersion": "v1", "items": []any{}})
		case object == nil:
			status(403, "Forbidden", "forbidden")
		default:
			answer(200, object)
		}
	}
}

func resources(groupVersion string, triples ...any) map[string]any {
	var list []any
	for i := 0; i < len(triples); i += 3 {
		list = append(list, map[string]any{"name": triples[i], "kind": triples[i+1], "namespaced": triples[i+2]})
	}
	return map[string]any{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": groupVersion, "resources": list}
}

func (f *fakeAPI) client(t *testing.T) *kube.Client {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	client, err := kube.New(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func listOf(items ...any) map[string]any {
	return map[string]any{"kind": "List", "apiVersion": "v1", "items": items}
}

func controllerPodObject(image string, args ...any) map[string]any {
	return map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "c", "namespace": "edge", "labels": map[string]any{"app": "ingress"}},
		"spec": map[string]any{"nodeName": "n", "containers": []any{map[string]any{
			"name": "controller", "image": image, "args": append([]any{"/nginx-ingress-controller"}, args...),
		}}},
		"status": map[string]any{"phase": "Running"},
	}
}

// clusterWith is a cluster with one class and one controller behind a load balancer and node ports.
func clusterWith(pod map[string]any) *fakeAPI {
	return &fakeAPI{objects: map[string]map[string]any{
		"/apis/networking.k8s.io/v1/ingressclasses/web": {
			"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": map[string]any{"name": "web"}, "spec": map[string]any{"controller": "k8s.io/ingress-nginx"},
		},
		"/api/v1/pods": listOf(pod),
		"/api/v1/namespaces/edge/services": listOf(
			map[string]any{
				"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "admission", "namespace": "edge"},
				"spec": map[string]any{"selector": map[string]any{"app": "ingress"}, "ports": []any{map[string]any{"name": "https-webhook", "port": 443}}},
			},
			map[string]any{
				"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "controller", "namespace": "edge"},
				"spec": map[string]any{"selector": map[string]any{"app": "ingress"}, "ports": []any{
					map[string]any{"name": "http", "port": 80, "nodePort": 30080}, map[string]any{"name": "https", "port": 443, "nodePort": 30443},
				}},
				"status": map[string]any{"loadBalancer": map[string]any{"ingress": []any{map[string]any{"ip": "192.0.2.7"}}}},
			},
			map[string]any{
				"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "other", "namespace": "edge"},
				"spec": map[string]any{"selector": map[string]any{"app": "other"}, "ports": []any{map[string]any{"name": "http", "port": 80, "nodePort": 31080}}},
			},
		),
		"/api/v1/nodes/n": {"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": "n"}, "status": map[string]any{"addresses": []any{
			map[string]any{"type": "InternalIP", "address": "10.0.0.4"}, map[string]any{"type": "Hostname", "address": "n"},
		}}},
	}}
}

func TestAControllerIsFoundByItsClassWithItsVersionAndAddresses(t *testing.T) {
	const image = "registry.k8s.io/ingress-nginx/controller:v1.12.3@sha256:0"
	everywhere := []address{{"http", "192.0.2.7:80"}, {"https", "192.0.2.7:443"}, {"http", "10.0.0.4:30080"}, {"https", "10.0.0.4:30443"}}
	for rule, row := range map[string]struct {
		pod           map[string]any
		edit          func(*fakeAPI)
		name, version string
		candidates    []address
	}{
		"by its image's tag":            {controllerPodObject(image), nil, "ingress-nginx", "1.12.3", everywhere},
		"a chroot image":                {controllerPodObject("x/controller-chroot:v1.9.6-chroot"), nil, "ingress-nginx", "1.9.6", everywhere},
		"an image that tells nothing":   {controllerPodObject("x/controller@sha256:0"), nil, "ingress-nginx", UnknownVersion, everywhere},
		"a controller of other classes": {controllerPodObject(image, "--controller-class=example.com/other"), nil, "ingress-nginx", UnknownVersion, nil},
		"pods that may not be seen":     {nil, func(f *fakeAPI) { f.objects["/api/v1/pods"] = nil }, "ingress-nginx", UnknownVersion, nil},
		"a class that may not be seen":  {controllerPodObject(image), func(f *fakeAPI) { f.objects["/apis/networking.k8s.io/v1/ingressclasses/web"] = nil }, "ingress-nginx", "1.12.3", everywhere},
		"nodes that may not be seen":    {controllerPodObject(image), func(f *fakeAPI) { f.objects["/api/v1/nodes/n"] = nil }, "ingress-nginx", "1.12.3", everywhere[:2]},
		"another controller": {controllerPodObject(image), func(f *fakeAPI) {
			f.objects["/apis/networking.k8s.io/v1/ingressclasses/web"]["spec"] = map[string]any{"controller": "traefik.io/ingress-controller"}
		}, "traefik.io/ingress-controller", UnknownVersion, nil},
	} {
		t.Run(rule, func(t *testing.T) {
			api := clusterWith(row.pod)
			if row.edit != nil {
				row.edit(api)
			}
			got, err := findController(t.Context(), api.client(t), "web")
			if err != nil {
				t.Fatal(err)
			}
			if got.name != row.name || got.version != row.version || !slices.Equal(got.candidates, row.candidates) {
				t.Errorf("%s %s at %v", got.name, got.version, got.candidates)
			}
		})
	}
	var notReady *platform.NotReadyError
	if _, err := findController(t.Context(), clusterWith(controllerPodObject(image)).client(t), "none"); !errors.As(err, &notReady) {
		t.Errorf("a class that does not exist: %v", err)
	}
}

func TestAnAddressIsTakenWhenItAnswers(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	open, dead := listener.Addr().String(), closed.Addr().String()
	c := controller{candidates: []address{{"http", dead}, {"http", open}, {"https", dead}}}
	if err := c.reach(t.Context(), map[string]string{"https": open}); err != nil || c.addresses["http"] != open || c.addresses["https"] != open {
		t.Errorf("%v: %v", c.addresses, err)
	}
	var notReady *platform.NotReadyError
	if err := c.reach(t.Context(), nil); !errors.As(err, &notReady) || !strings.Contains(err.Error(), "--gateway-address https://host:port") {
		t.Errorf("nobody answers over https: %v", err)
	}
}

func existingGatewayFor(t *testing.T, api *fakeAPI) *existingGateway {
	t.Helper()
	client := api.client(t)
	namespace := newExistingNamespace(client, "mine")
	return newExistingGateway(client, namespace, "web", clusterPlaceholders("mine", "web"), map[string]string{"http": "h:1", "https": "h:2"}, nil)
}

func TestARouteOnAUsersGatewayStaysInItsNamespace(t *testing.T) {
	g := existingGatewayFor(t, &fakeAPI{})
	object := g.render(Route{Name: "a", TLS: true, AuthURL: "{standin}/", CustomHTTPErrors: []int{404}})
	if object.GetNamespace() != "mine" || classOf(object) != "web" || object.GetLabels()[labelRun] != g.namespace.run {
		t.Errorf("namespace %q, class %q, labels %v", object.GetNamespace(), classOf(object), object.GetLabels())
	}
	annotations := object.GetAnnotations()
	if annotations[annotationPrefix+"auth-url"] != "http://standin.mine.svc.cluster.local/" || annotations[errorPages] != "error-x-code" {
		t.Errorf("annotations %v", annotations)
	}
	tls := object.Object["spec"].(map[string]any)["tls"].([]any)[0].(map[string]any)
	if tls["secretName"] != certificateSecret {
		t.Errorf("tls %v", tls)
	}
}

func TestAUsersGatewayIsNotAskedForWhatCouldHarmIt(t *testing.T) {
	api := &fakeAPI{refuse: func(_ *http.Request, body map[string]any) string {
		if body["metadata"].(map[string]any)["name"] == "refused" {
			return "denied by policy"
		}
		return ""
	}}
	g := existingGatewayFor(t, api)
	g.missing = map[Feature]string{}
	var declined *DeclinedError
	var refused *AdmissionError
	for rule, row := range map[string]struct {
		route Route
		is    any
	}{
		"another gateway":             {Route{Name: "a", Gateway: "errors-404"}, &declined},
		"past admission":              {Route{Name: "b", SkipAdmission: true}, &declined},
		"a snippet outside of Expose": {Route{Name: "c", ServerSnippet: "no_such_directive on;"}, &declined},
		"refused by the cluster":      {Route{Name: "refused"}, &refused},
	} {
		if err := g.Apply(t.Context(), row.route); err == nil || !errors.As(err, row.is) {
			t.Errorf("%s: %v", rule, err)
		}
	}
	if len(api.kept) != 0 {
		t.Errorf("kept all the same: %v", api.kept)
	}
	if err := g.Apply(t.Context(), Route{Name: "harmless"}); err != nil || !slices.Equal(api.kept, []string{"harmless"}) {
		t.Errorf("kept %v: %v", api.kept, err)
	}
	if err := g.exposeOne(t.Context(), Route{Name: "refused"}); err != nil {
		t.Errorf("one refusal keeps the others from being exposed: %v", err)
	}
	if reason := g.declines(Route{Name: "refused"}); !strings.Contains(reason, "denied by policy") {
		t.Errorf("the refusal is not told: %q", reason)
	}
	g.missing[FeatureSnippets] = "no snippets here"
	if reason := g.declines(Route{Name: "d", AuthSnippet: "# x"}); reason != "no snippets here" {
		t.Errorf("a snippet: %q", reason)
	}
}

func TestAManifestOfNoClassIsNotKeptInAUsersCluster(t *testing.T) {
	const manifest = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: m, namespace: other}\nspec: {ingressClassName: %s}\n"
	api := &fakeAPI{}
	g := existingGatewayFor(t, api)
	var declined *DeclinedError
	if err := g.ApplyManifest(t.Context(), []byte(strings.ReplaceAll(manifest, "%s", "another")), false); !errors.As(err, &declined) {
		t.Errorf("another class: %v", err)
	}
	if err := g.ApplyManifest(t.Context(), []byte(strings.ReplaceAll(manifest, "%s", "another")), true); err != nil || len(api.kept) != 0 {
		t.Errorf("another class, not kept: %v, kept %v", err, api.kept)
	}
	if err := g.ApplyManifest(t.Context(), []byte(strings.ReplaceAll(manifest, "%s", "{class}")), false); err != nil || len(api.kept) != 1 {
		t.Errorf("the class of the gateway: %v, kept %v", err, api.kept)
	}
}

func TestOnlyWhatARunBroughtIsRemoved(t *testing.T) {
	ingress := map[string]any{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": map[string]any{"name": "i", "namespace": "mine"}}
	namespace := map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "mine"}}
	for rule, row := range map[string]struct {
		namespace string
		made      []any
		deleted   []string
	}{
		"a namespace that runs made goes as a whole": {"", []any{namespace}, []string{"/apis/networking.k8s.io/v1/namespaces/mine/ingresses/i", "/api/v1/namespaces/mine"}},
		"a namespace of the user's stays":            {"mine", nil, []string{"/apis/networking.k8s.io/v1/namespaces/mine/ingresses/i"}},
		"nothing was left":                           {"", nil, nil},
	} {
		t.Run(rule, func(t *testing.T) {
			api := &fakeAPI{objects: map[string]map[string]any{
				"/api/v1/namespaces": listOf(row.made...), "/api/v1/namespaces/mine": namespace,
				"/apis/networking.k8s.io/v1/namespaces/mine/ingresses": listOf(ingress),
			}}
			api.objects["/api/v1/namespaces"]["kind"] = "NamespaceList"
			if _, err := RemoveExisting(t.Context(), api.client(t), row.namespace); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(api.deleted, row.deleted) {
				t.Errorf("deleted %v", api.deleted)
			}
		})
	}
}
