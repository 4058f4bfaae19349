// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/ingress-auth/conformance/suites/platform/kube"
)

// apiServer is as much of an API server as these tests need: it keeps what is applied and can refuse.
type apiServer struct {
	mu      sync.Mutex
	objects map[string]map[string]any // by path
	calls   []string                  // "METHOD path?query", without reads
	refuse  map[string]string         // name → message of a 400
}

func newAPIServer(t *testing.T) (*apiServer, *kube.Client) {
	t.Helper()
	s := &apiServer{objects: map[string]map[string]any{}, refuse: map[string]string{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	client, err := kube.New(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return s, client
}

const (
	coreKinds = `{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"v1","resources":[
		{"name":"configmaps","kind":"ConfigMap","namespaced":true},
		{"name":"namespaces","kind":"Namespace","namespaced":false},
		{"name":"namespaces/status","kind":"Namespace","namespaced":false}]}`
	podLog = "started\n"
)

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method != http.MethodGet {
		s.calls = append(s.calls, r.Method+" "+r.URL.RequestURI())
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.URL.Path == "/api/v1":
		io.WriteString(w, coreKinds)
	case strings.HasSuffix(r.URL.Path, "/log"):
		io.WriteString(w, podLog+r.URL.RawQuery)
	case strings.Contains(r.URL.Path, "/proxy/"):
		fmt.Fprintf(w, "%s %s", r.Method, r.URL.RequestURI())
	case r.Method == http.MethodPatch:
		s.store(w, r, r.URL.Path)
	case r.Method == http.MethodPost:
		s.create(w, r)
	case r.Method == http.MethodPut:
		s.store(w, r, r.URL.Path)
	case r.Method == http.MethodDelete:
		s.status(w, http.StatusNotFound, "NotFound", "there is none")
	default:
		s.read(w, r.URL.Path)
	}
}

func (s *apiServer) store(w http.ResponseWriter, r *http.Request, path string) {
	var object map[string]any
	if err := json.NewDecoder(r.Body).Decode(&object); err != nil {
		s.status(w, http.StatusBadRequest, "BadRequest", err.Error())
		return
	}
	name, _ := object["metadata"].(map[string]any)["name"].(string)
	if message := s.refuse[name]; message != "" {
		s.status(w, http.StatusBadRequest, "BadRequest", message)
		return
	}
	object["metadata"].(map[string]any)["uid"] = "uid-" + name
	s.objects[path] = object
	json.NewEncoder(w).Encode(object)
}

func (s *apiServer) create(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var object map[string]any
	_ = json.Unmarshal(body, &object)
	path := r.URL.Path + "/" + object["metadata"].(map[string]any)["name"].(string)
	if s.objects[path] != nil {
		s.status(w, http.StatusConflict, "AlreadyExists", "there is one")
		return
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	s.store(w, r, path)
}

func (s *apiServer) read(w http.ResponseWriter, path string) {
	if object := s.objects[path]; object != nil {
		json.NewEncoder(w).Encode(object)
		return
	}
	if !strings.HasSuffix(path, "/configmaps") && !strings.HasSuffix(path, "/namespaces") {
		s.status(w, http.StatusNotFound, "NotFound", "there is none")
		return
	}
	items := []any{}
	for at, object := range s.objects {
		if strings.HasPrefix(at, path+"/") {
			items = append(items, object)
		}
	}
	json.NewEncoder(w).Encode(map[string]any{"kind": "List", "apiVersion": "v1", "items": items})
}

func (s *apiServer) status(w http.ResponseWriter, code int, reason, message string) {
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(map[string]any{
		"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message,
	})
}

func (s *apiServer) changes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.calls
	s.calls = nil
	return out
}

func decode(t *testing.T, manifests string) []*kube.Object {
	t.Helper()
	objects, err := kube.Decode([]byte(manifests))
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func configMap(name, value string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: ns}\ndata: {key: %q}\n", name, value)
}

func TestNamespacesAreAppliedBeforeWhatIsInThem(t *testing.T) {
	server, client := newAPIServer(t)
	manifests := configMap("a", "1") + "---\n# nothing\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: ns}\n"
	applied, err := client.Apply(t.Context(), decode(t, manifests), kube.ApplyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	calls := server.changes()
	if len(calls) != 2 || !strings.HasPrefix(calls[0], "PATCH /api/v1/namespaces/ns?") || !strings.HasPrefix(calls[1], "PATCH /api/v1/namespaces/ns/configmaps/a?") {
		t.Fatalf("calls: %q", calls)
	}
	if !strings.Contains(calls[0], "fieldManager="+kube.Manager) {
		t.Errorf("no field manager: %s", calls[0])
	}
	if applied[0].Object.GetUID() != "uid-a" || applied[1].Object.GetName() != "ns" {
		t.Errorf("the result is not in the order given: %v", applied)
	}
}

func TestUnchangedObjectsAreSkippedAndChangedOnesAreNot(t *testing.T) {
	server, client := newAPIServer(t)
	skip := kube.ApplyOptions{SkipUnchanged: true}
	apply := func(manifests string) []kube.Applied {
		t.Helper()
		applied, err := client.Apply(t.Context(), decode(t, manifests), skip)
		if err != nil {
			t.Fatal(err)
		}
		return applied
	}
	apply(configMap("a", "1") + "---\n" + configMap("b", "1"))
	server.changes()
	applied := apply(configMap("a", "1") + "---\n" + configMap("b", "2"))
	if calls := server.changes(); len(calls) != 1 || !strings.Contains(calls[0], "/configmaps/b?") {
		t.Fatalf("calls: %q", calls)
	}
	if applied[0].Changed || applied[0].Object.GetUID() != "uid-a" || !applied[1].Changed {
		t.Errorf("applied: %+v", applied)
	}
}

func TestADryRunIsSaidToTheAPIServer(t *testing.T) {
	server, client := newAPIServer(t)
	if _, err := client.Apply(t.Context(), decode(t, configMap("a", "1")), kube.ApplyOptions{DryRun: true}); err != nil {
		t.Fatal(err)
	}
	if err := client.Put(t.Context(), decode(t, configMap("b", "1"))[0], true); err != nil {
		t.Fatal(err)
	}
	for _, call := range server.changes() {
		if !strings.Contains(call, "dryRun=All") {
			t.Errorf("not a dry run: %s", call)
		}
	}
}

func TestARefusalKeepsItsCodeAndMessage(t *testing.T) {
	server, client := newAPIServer(t)
	server.refuse["bad"] = `admission webhook "validate.example" denied the request: no`
	_, err := client.Apply(t.Context(), decode(t, configMap("bad", "1")), kube.ApplyOptions{})
	code, message, ok := kube.Refusal(err)
	if !ok || code != 400 || !strings.HasSuffix(message, "denied the request: no") {
		t.Fatalf("refusal: %d %q %v (%v)", code, message, ok, err)
	}
	if kube.IsWebhookUnavailable(err) {
		t.Error("a refusal is taken for a webhook that is not there")
	}
}

func TestPutCreatesStrictlyAndReplacesWhatIsThere(t *testing.T) {
	server, client := newAPIServer(t)
	for range 2 {
		if err := client.Put(t.Context(), decode(t, configMap("a", "1"))[0], false); err != nil {
			t.Fatal(err)
		}
	}
	var methods []string
	for _, call := range server.changes() {
		method, target, _ := strings.Cut(call, " ")
		methods = append(methods, method)
		if !strings.Contains(target, "fieldValidation=Strict") {
			t.Errorf("fields are not checked: %s", call)
		}
	}
	if want := []string{"POST", "POST", "PUT"}; !slices.Equal(methods, want) {
		t.Errorf("methods %v, want %v", methods, want)
	}
}

func TestAKindTheClusterLacksIsNamed(t *testing.T) {
	_, client := newAPIServer(t)
	for _, manifest := range []string{
		"apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: a, namespace: ns}\n",
		"apiVersion: v1\nkind: Unicorn\nmetadata: {name: a, namespace: ns}\n",
	} {
		_, err := client.Apply(t.Context(), decode(t, manifest), kube.ApplyOptions{})
		var unknown *kube.NoKindError
		if !errors.As(err, &unknown) || !strings.Contains(err.Error(), "no matches for kind") {
			t.Errorf("error: %v", err)
		}
	}
}

func TestWhatIsNoObjectIsRefused(t *testing.T) {
	for rule, text := range map[string]string{
		"no kind":  "apiVersion: v1\nmetadata: {name: a}\n",
		"no name":  "apiVersion: v1\nkind: ConfigMap\n",
		"no YAML":  "a: [b\n",
		"a scalar": "hello\n",
	} {
		if _, err := kube.Decode([]byte(text)); err == nil {
			t.Errorf("%s: accepted", rule)
		}
	}
}

func TestAMissingObjectIsNotFoundAndDeletingItIsNoError(t *testing.T) {
	_, client := newAPIServer(t)
	if _, err := client.Get(t.Context(), kube.Namespace, "", "gone"); !kube.IsNotFound(err) {
		t.Errorf("get: %v", err)
	}
	if err := client.Delete(t.Context(), kube.Namespace, "", "gone"); err != nil {
		t.Errorf("delete: %v", err)
	}
}

func TestServiceTransportGoesThroughTheAPIServer(t *testing.T) {
	_, client := newAPIServer(t)
	web := &http.Client{Transport: client.ServiceTransport("ns", "standin", "control")}
	response, err := web.Post("http://ignored:1234/recorded/a%2Fb?request_id=x%26y", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got, _ := io.ReadAll(response.Body)
	if want := "POST /api/v1/namespaces/ns/services/standin:control/proxy/recorded/a%2Fb?request_id=x%26y"; string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestPodLogsAskForWhatIsWanted(t *testing.T) {
	_, client := newAPIServer(t)
	log, err := client.PodLogs(t.Context(), "ns", "p", "c", kube.LogOptions{Previous: true, Timestamps: true})
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{"container": {"c"}, "previous": {"true"}, "timestamps": {"true"}}.Encode()
	if string(log) != podLog+want {
		t.Errorf("log %q, want the query %s", log, want)
	}
}

func TestWaitForSaysWhatWasAwaitedAndSeen(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	looks := 0
	err := kube.WaitFor(ctx, "the moon", func(context.Context) (bool, string, error) {
		if looks++; looks == 3 {
			cancel(nil)
			return false, "", nil
		}
		return false, "clouds", nil
	})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "the moon") {
		t.Errorf("cancelled: %v", err)
	}
	expired, stop := context.WithTimeout(t.Context(), 0)
	defer stop()
	err = kube.WaitFor(expired, "the moon", func(context.Context) (bool, string, error) { return false, "clouds", nil })
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "for the moon; last seen: ") {
		t.Errorf("expired: %v", err)
	}
	broken := errors.New("the telescope is broken")
	err = kube.WaitFor(t.Context(), "the moon", func(context.Context) (bool, string, error) { return false, "", broken })
	if !errors.Is(err, broken) {
		t.Errorf("broken: %v", err)
	}
	if err := kube.WaitFor(t.Context(), "the moon", func(context.Context) (bool, string, error) { return true, "", nil }); err != nil {
		t.Errorf("there: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(configMap("a", "1")))
	f.Add([]byte("---\n---\n{}\n"))
	f.Add([]byte(`{"apiVersion":"v1","kind":"X","metadata":{"name":"n"}}`))
	f.Fuzz(func(t *testing.T, manifests []byte) {
		objects, err := kube.Decode(manifests)
		if err != nil {
			return
		}
		for _, o := range objects {
			if o.GetKind() == "" || o.GetName() == "" {
				t.Errorf("decoded something that is no object: %v", o.Object)
			}
		}
	})
}
