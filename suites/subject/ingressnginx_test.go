// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/ingress-auth/conformance/suites/platform/kube"
)

func TestRouteBecomesAnnotations(t *testing.T) {
	const prefix = "nginx.ingress.kubernetes.io/"
	cases := []struct {
		rule  string
		route Route
		want  map[string]string
	}{
		{"an open route has none", Route{Name: "open"}, nil},
		{
			"placeholders become addresses in the cluster, nginx's variables stay",
			Route{Name: "a", AuthURL: "{proxy}/oauth2/auth", AuthSignIn: "{auth}/oauth2/start?rd=$scheme://$host$escaped_request_uri"},
			map[string]string{
				prefix + "auth-url":    "http://proxy.conformance.svc.cluster.local/oauth2/auth",
				prefix + "auth-signin": "https://auth.ingress-auth.test/oauth2/start?rd=$scheme://$host$escaped_request_uri",
			},
		},
		{
			"a variant is not mistaken for the proxy, nor a block for a placeholder",
			Route{Name: "b", AuthURL: "{proxy-domain}/auth", ServerSnippet: "location /x { return 204; }", ConfigurationSnippet: "if ($arg_x) {return 403;}"},
			map[string]string{
				prefix + "auth-url":              "http://proxy-domain.conformance.svc.cluster.local/auth",
				prefix + "server-snippet":        "location /x { return 204; }",
				prefix + "configuration-snippet": "if ($arg_x) {return 403;}",
			},
		},
		{
			"lists are joined, switches are words",
			Route{Name: "c", AuthResponseHeaders: []string{"X-A", "X-B"}, CustomHTTPErrors: []int{401, 404}, DisableInterceptErrors: true, AuthSnippet: "# {standin}"},
			map[string]string{
				prefix + "auth-response-headers":          "X-A,X-B",
				prefix + "custom-http-errors":             "401,404",
				prefix + "disable-proxy-intercept-errors": "true",
				prefix + "auth-snippet":                   "# http://standin.conformance.svc.cluster.local",
			},
		},
		{
			"further annotations get the prefix unless they have one, and may be empty",
			Route{Name: "d", Annotations: map[string]string{"auth-tls-secret": "{client-ca}", "example.com/x": "{domain}", "auth-url": ""}},
			map[string]string{
				prefix + "auth-tls-secret": "conformance/client-ca",
				"example.com/x":            "ingress-auth.test",
				prefix + "auth-url":        "",
			},
		},
		{
			"addresses that fail are named so that nginx finds out",
			Route{Name: "e", AuthURL: "{refused}/", AuthSignIn: "{unresolvable}/", AuthSnippet: "{nobody}"},
			map[string]string{
				prefix + "auth-url":     "http://refused.conformance.svc.cluster.local/",
				prefix + "auth-signin":  "http://unresolvable.conformance.svc.cluster.local/",
				prefix + "auth-snippet": "{nobody}",
			},
		},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			got := renderRoute(c.route, kindPlaceholders()).GetAnnotations()
			if !maps.Equal(got, c.want) {
				t.Errorf("got  %v\nwant %v", got, c.want)
			}
		})
	}
}

func TestRouteBecomesAnIngress(t *testing.T) {
	cases := []struct {
		rule          string
		route         Route
		class, host   string
		path, service string
		pathType      string
		tls           bool
		labels        map[string]string
	}{
		{"defaults", Route{Name: "app"}, "nginx", "app.ingress-auth.test", "/", "echo", "Prefix", false, map[string]string{labelGateway: "main"}},
		{
			"another gateway, host, path and backend",
			Route{Name: "b", Host: "shared", Gateway: "scratch", Path: "/x", PathType: "Exact", Backend: "idp", TLS: true},
			"scratch", "shared.ingress-auth.test", "/x", "mockidp", "Exact", true, map[string]string{labelGateway: "scratch"},
		},
		{"past admission", Route{Name: "c", SkipAdmission: true}, "nginx", "c.ingress-auth.test", "/", "echo", "Prefix", false, map[string]string{labelGateway: "main", labelAdmission: "skip"}},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			object := renderRoute(c.route, kindPlaceholders())
			if classOf(object) != c.class || !maps.Equal(object.GetLabels(), c.labels) || hostsOf(object)[0] != c.host {
				t.Errorf("class %q, labels %v, hosts %v", classOf(object), object.GetLabels(), hostsOf(object))
			}
			spec := object.Object["spec"].(map[string]any)
			path := spec["rules"].([]any)[0].(map[string]any)["http"].(map[string]any)["paths"].([]any)[0].(map[string]any)
			service := path["backend"].(map[string]any)["service"].(map[string]any)["name"]
			if path["path"] != c.path || path["pathType"] != c.pathType || service != c.service {
				t.Errorf("path %v, service %v", path, service)
			}
			if _, ok := spec["tls"]; ok != c.tls {
				t.Errorf("tls: %v", spec["tls"])
			}
		})
	}
}

func TestGatewayConfigBecomesConfigMap(t *testing.T) {
	got := renderSettings(GatewayConfig{
		Name: "x", CustomHTTPErrors: []int{404, 503}, DisableInterceptErrors: true, ForbidSnippets: true,
		HTTPSnippet: "# http", ServerSnippet: "# server", LocationSnippet: "# location",
		GlobalAuthURL: "{standin}/", GlobalAuthSignIn: "{auth}/oauth2/sign_in", Settings: map[string]string{"use-http2": "false"},
	}, kindPlaceholders())
	want := map[string]string{
		"worker-processes": "1", "allow-snippet-annotations": "false", "custom-http-errors": "404,503",
		"disable-proxy-intercept-errors": "true", "http-snippet": "# http", "server-snippet": "# server",
		"location-snippet": "# location", "global-auth-url": "http://standin.conformance.svc.cluster.local/",
		"global-auth-signin": "https://auth.ingress-auth.test/oauth2/sign_in", "use-http2": "false",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestOnlyARefusalIsAnAdmissionError(t *testing.T) {
	status := func(code int32, message string) error {
		return fmt.Errorf("apply: %w", &apierrors.StatusError{ErrStatus: metav1.Status{Code: code, Message: message}})
	}
	cases := []struct {
		rule    string
		err     error
		refused bool
	}{
		{"the webhook denies", status(400, "admission webhook denied the request: duplicate"), true},
		{"the API finds a field invalid", status(422, "Ingress is invalid"), true},
		{"the webhook is not there", status(500, "failed calling webhook: connection refused"), false},
		{"the API server is busy", status(429, "too many requests"), false},
		{"the network fails", errors.New("connection reset"), false},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			err := refusal("r", c.err)
			var admission *AdmissionError
			if err == nil || errors.As(err, &admission) != c.refused {
				t.Fatalf("error: %v", err)
			}
			if c.refused && (admission.Route != "r" || admission.Code == 0 || admission.Message == "") {
				t.Errorf("refusal: %+v", admission)
			}
		})
	}
	if err := refusal("r", nil); err != nil {
		t.Errorf("no error became %v", err)
	}
}

func TestTheDigestTellsOfEveryChangeOfAGatewaysIngresses(t *testing.T) {
	object := func(name, class, uid, version string) *kube.Object {
		o := ingress(map[string]any{"name": name, "uid": uid, "resourceVersion": version}, map[string]any{"ingressClassName": class})
		return o
	}
	base := map[string]*kube.Object{"a": object("a", "x", "1", "1"), "b": object("b", "x", "2", "2"), "o": object("o", "y", "9", "9")}
	digest := digestOf(base, "x")
	change := func(edit func(map[string]*kube.Object)) string {
		m := maps.Clone(base)
		edit(m)
		return digestOf(m, "x")
	}
	for rule, c := range map[string]struct {
		edit func(map[string]*kube.Object)
		same bool
	}{
		"nothing":                      {func(map[string]*kube.Object) {}, true},
		"another gateway's":            {func(m map[string]*kube.Object) { delete(m, "o") }, true},
		"changed":                      {func(m map[string]*kube.Object) { m["a"] = object("a", "x", "1", "3") }, false},
		"deleted and made again":       {func(m map[string]*kube.Object) { m["a"] = object("a", "x", "7", "1") }, false},
		"removed":                      {func(m map[string]*kube.Object) { delete(m, "a") }, false},
		"added":                        {func(m map[string]*kube.Object) { m["c"] = object("c", "x", "5", "5") }, false},
		"annotation's class, no field": {func(m map[string]*kube.Object) { m["c"] = annotated("c", "x") }, false},
	} {
		if got := change(c.edit) == digest; got != c.same {
			t.Errorf("%s: same digest is %v", rule, got)
		}
	}
}

func annotated(name, class string) *kube.Object {
	return ingress(map[string]any{"name": name, "annotations": map[string]any{"kubernetes.io/ingress.class": class}}, map[string]any{})
}

func TestRoutesOfOneHostKeepTheirOrder(t *testing.T) {
	groups := byHost([]Route{{Name: "a", Host: "h"}, {Name: "x"}, {Name: "b", Host: "h"}, {Name: "h"}})
	if len(groups) != 2 || groups[0][0].Name != "a" || groups[0][1].Name != "b" || groups[0][2].Name != "h" || groups[1][0].Name != "x" {
		t.Errorf("groups: %v", groups)
	}
}

func TestAFailedReloadCountsOnlyAfterTheChange(t *testing.T) {
	log := []byte("2026-03-01T12:00:00.5Z E0301 controller.go:211] Unexpected failure reloading the backend:\n" +
		"2026-03-01T12:00:00.6Z nginx: [emerg] duplicate\n")
	at := func(s string) time.Time {
		parsed, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	if !failedReload(log, at("2026-03-01T12:00:00.4Z")) {
		t.Error("a failure after the change is not seen")
	}
	if failedReload(log, at("2026-03-01T12:00:00.55Z")) {
		t.Error("a failure before the change counts")
	}
}

// workers plays nginx in the middle of a reload: connections are answered by the old or the new worker.
type workers struct {
	listener net.Listener
	// reloaded makes the next connections go to the new worker; retired makes the old one close its connections.
	reloaded atomic.Bool
	retired  chan struct{}
	oldAsked chan struct{} // one for each answer of the old worker
}

func newWorkers(t *testing.T) *workers {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &workers{listener: listener, retired: make(chan struct{}), oldAsked: make(chan struct{}, 1000)}
	var serving sync.WaitGroup
	t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { w.serve(conn, w.reloaded.Load()) })
		}
	})
	return w
}

func (w *workers) serve(conn net.Conn, renewed bool) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	if !renewed {
		go func() {
			<-w.retired
			conn.Close()
		}()
	}
	for {
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		if renewed {
			fmt.Fprintf(conn, "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://%s\r\nContent-Length: 0\r\n\r\n", request.Host)
			continue
		}
		fmt.Fprint(conn, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
		w.oldAsked <- struct{}{}
	}
}

func TestAGatewayServesOnlyWhenTheOldWorkerIsGone(t *testing.T) {
	w := newWorkers(t)
	done := make(chan error, 1)
	go func() {
		done <- awaitWitness(t.Context(), w.listener.Addr().String(), "witness.test", http.StatusPermanentRedirect)
	}()
	<-w.oldAsked // the old worker has answered on a connection that stays open
	w.reloaded.Store(true)
	for range 3 { // it is asked again and again, although the new worker answers new connections
		<-w.oldAsked
	}
	select {
	case err := <-done:
		t.Fatalf("served (%v) while the old worker still answers", err)
	default:
	}
	close(w.retired)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestAGatewayWithOtherSettingsDoesNotCount(t *testing.T) {
	w := newWorkers(t)
	w.reloaded.Store(true)
	close(w.retired)
	ctx, cancel := context.WithCancel(t.Context())
	conn, err := net.Dial("tcp", w.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	served, other := (&witnessConn{conn: conn, reader: bufio.NewReader(conn)}).ask("witness.test", http.StatusTemporaryRedirect)
	if served || !other.open {
		t.Errorf("a redirect with another status counts: %v %+v", served, other)
	}
	cancel()
	if err := awaitWitness(ctx, w.listener.Addr().String(), "witness.test", http.StatusTemporaryRedirect); !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
}

func TestEachGenerationLeadsToAnUpstreamThatTheOneBeforeDidNotHave(t *testing.T) {
	n := &IngressNginx{warm: []string{"echo"}}
	for generation := range 2 * witnessPorts {
		before, after := n.warmUp("main", generation), n.warmUp("main", generation+1)
		if generationOf(before) != generation {
			t.Errorf("generation %d is read back as %d", generation, generationOf(before))
		}
		if witnessPort(generation) == witnessPort(generation+1) || witnessHost("main", "d", generation) == witnessHost("main", "d", generation+1) {
			t.Errorf("generations %d and %d cannot be told apart", generation, generation+1)
		}
		if same, err := kube.Same(before, after); err != nil || same {
			t.Errorf("generations %d and %d are the same object (%v)", generation, generation+1, err)
		}
	}
	if generationOf(nil) != 0 {
		t.Error("a gateway without warm-up has a generation")
	}
}

// gatewayAndAPI plays an API server and a gateway that serves the newest witness at once, but whose balancer misses the
// posts of the first generations.
type gatewayAndAPI struct {
	mu      sync.Mutex
	objects map[string]map[string]any
	misses  int
}

func (g *gatewayAndAPI) api(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.Method == http.MethodPatch:
		var object map[string]any
		if err := json.NewDecoder(r.Body).Decode(&object); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		g.objects[object["metadata"].(map[string]any)["name"].(string)] = object
		json.NewEncoder(w).Encode(object)
	case strings.HasSuffix(r.URL.Path, "/ingresses"):
		items := []any{}
		for _, o := range g.objects {
			items = append(items, o)
		}
		json.NewEncoder(w).Encode(map[string]any{"kind": "IngressList", "apiVersion": "networking.k8s.io/v1", "items": items})
	default:
		fmt.Fprint(w, `{"kind":"APIResourceList","apiVersion":"v1","resources":[{"name":"ingresses","kind":"Ingress","namespaced":true}]}`)
	}
}

func (g *gatewayAndAPI) gateway(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	witness := &kube.Object{Object: g.objects["witness-main"]}
	switch {
	case witness.Object != nil && r.Host == hostsOf(witness)[0]:
		http.Redirect(w, r, "https://"+r.Host+"/", http.StatusPermanentRedirect)
	case r.Host == warmHost("main") && generationOf(&kube.Object{Object: g.objects["warm-main"]}) <= g.misses:
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		w.WriteHeader(http.StatusOK)
	}
}

func TestAGatewayThatMissedItsBackendsIsToldAgain(t *testing.T) {
	for _, misses := range []int{0, 2} {
		g := &gatewayAndAPI{objects: map[string]map[string]any{}, misses: misses}
		api, gateway := httptest.NewServer(http.HandlerFunc(g.api)), httptest.NewServer(http.HandlerFunc(g.gateway))
		defer api.Close()
		defer gateway.Close()
		client, err := kube.New(&rest.Config{Host: api.URL})
		if err != nil {
			t.Fatal(err)
		}
		n := &IngressNginx{
			kube: client, placeholders: kindPlaceholders(), warm: []string{"echo"}, balancerPatience: 100 * time.Millisecond,
			gateways: map[string]GatewayConfig{MainGateway: {Name: MainGateway}},
			addr:     func(string, string) (string, bool) { return gateway.Listener.Addr().String(), true },
			hosts:    map[string]string{}, changed: map[string]time.Time{},
		}
		route := []Route{{Name: "app"}}
		if err := n.Expose(t.Context(), route); err != nil {
			t.Fatal(err)
		}
		told := generationOf(&kube.Object{Object: g.objects["warm-main"]})
		if told <= misses {
			t.Errorf("exposed after generation %d, of which the balancer missed %d", told, misses)
		}
		if err := n.Expose(t.Context(), route); err != nil {
			t.Fatal(err)
		}
		if again := generationOf(&kube.Object{Object: g.objects["warm-main"]}); again != told {
			t.Errorf("nothing changed, but generation %d became %d", told, again)
		}
		if _, ok := n.GatewayOf("app." + Domain); !ok {
			t.Error("the route's host is not known")
		}
	}
}
