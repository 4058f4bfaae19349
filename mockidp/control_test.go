// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// The description and the handler list the same paths and methods.
func TestControl_DescriptionIsComplete(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]any `yaml:"paths"`
	}
	if err := yaml.Unmarshal(controlOpenAPI, &doc); err != nil {
		t.Fatal(err)
	}
	var described []string
	for path, methods := range doc.Paths {
		for method := range methods {
			if method == "parameters" {
				continue
			}
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	source, err := os.ReadFile("control.go")
	if err != nil {
		t.Fatal(err)
	}
	var served []string
	for _, m := range regexp.MustCompile(`"((?:GET|POST|DELETE) /v1/[^"]*)"`).FindAllStringSubmatch(string(source), -1) {
		served = append(served, strings.ReplaceAll(m[1], "...", ""))
	}
	slices.Sort(described)
	slices.Sort(served)
	if !slices.Equal(described, served) {
		t.Errorf("described:\n%s\nserved:\n%s", strings.Join(described, "\n"), strings.Join(served, "\n"))
	}
}

// What is about one issuer may be about any tenant; what is not, says so by having no such parameter.
func TestControl_EveryOperationOfAnIssuerTakesATenant(t *testing.T) {
	var doc struct {
		Paths map[string]struct {
			Parameters []map[string]string `yaml:"parameters"`
		} `yaml:"paths"`
	}
	if err := yaml.Unmarshal(controlOpenAPI, &doc); err != nil {
		t.Fatal(err)
	}
	ofIssuer := map[string]bool{}
	for pattern := range controlRoutes() {
		_, path, _ := strings.Cut(pattern, " ")
		ofIssuer[strings.ReplaceAll(path, "...", "")] = true
	}
	for path, item := range doc.Paths {
		takes := len(item.Parameters) == 1 && item.Parameters[0]["$ref"] == "#/components/parameters/tenant"
		if takes != ofIssuer[path] {
			t.Errorf("%s: described with a tenant %v, served with one %v", path, takes, ofIssuer[path])
		}
	}
}

// The schemas of the description have the members of the types that are read and written, and no others.
func TestControl_SchemasAreThoseOfTheTypes(t *testing.T) {
	type schema struct {
		Properties map[string]any `yaml:"properties"`
		AllOf      []schema       `yaml:"allOf"`
	}
	var doc struct {
		Components struct {
			Schemas map[string]schema `yaml:"schemas"`
		} `yaml:"components"`
	}
	if err := yaml.Unmarshal(controlOpenAPI, &doc); err != nil {
		t.Fatal(err)
	}
	types := map[string]reflect.Type{"Fault": reflect.TypeFor[Fault](), "FaultRule": reflect.TypeFor[FaultRule](), "ActiveFault": reflect.TypeFor[ActiveFault](),
		"ReceivedRequest": reflect.TypeFor[ReceivedRequest](), "NextLogin": reflect.TypeFor[NextLogin](), "QueuedLogin": reflect.TypeFor[QueuedLogin](),
		"HeadlessAuthorization": reflect.TypeFor[HeadlessAuthorization](), "HeadlessAnswer": reflect.TypeFor[HeadlessAnswer](), "TenantInfo": reflect.TypeFor[TenantInfo]()}
	for name, described := range doc.Components.Schemas {
		if name == "Deviation" {
			continue // the mechanisms of faults.yaml, described there
		}
		of := types[name]
		if of == nil {
			t.Errorf("%s is described, and nothing here says what it is", name)
			continue
		}
		delete(types, name)
		var want, got []string
		for i := range of.NumField() {
			if field := of.Field(i); !field.Anonymous { // what is embedded is a schema of its own, by allOf
				member, _, _ := strings.Cut(field.Tag.Get("json"), ",")
				want = append(want, member)
			}
		}
		got = slices.AppendSeq(got, maps.Keys(described.Properties))
		for _, part := range described.AllOf {
			got = slices.AppendSeq(got, maps.Keys(part.Properties))
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(want, got) {
			t.Errorf("%s is described with %v, and has %v", name, got, want)
		}
	}
	for name := range types {
		t.Errorf("%s is not described", name)
	}
}

func FuzzControl_NeverPanics(f *testing.F) {
	for _, path := range []string{"/v1/faults", "/v1/clock", "/v1/tokens/id_token", "/v1/requests/take?wait_seconds=0", "/v1/logins", "/v1/authorize", "/v1/tenants"} {
		for _, body := range []string{"", "{}", `{"fault":"C-AUD","times":-1}`, `{"offset_seconds":1e308}`, `{"user":"alice","client_id":"mockidp-client","expires_in":-1}`,
			`{"endpoint":"token","do":{"claims":{"set":{"a":"${text:99}"},"lists":{"g":3}},"also":[{"endpoint":"jwks","keys":{"publish":"spare"}}]}}`, `{"do":null}`, `[]`, `{"user":"alice","claims":{"groups":[1]},"times":2}`, `{"error":"a"}`, `{"user":"alice","params":{"client_id":"mockidp-client"}}`,
			`{"path":"/x","dialect":"entra"}`, "path: /y\nclients: [{client_id: a, jwks: {keys: []}}]"} {
			f.Add(path, body)
		}
	}
	p, err := New(Config{})
	if err != nil {
		f.Fatal(err)
	}
	handler := p.ControlHandler("")
	f.Fuzz(func(t *testing.T, path, body string) {
		if !strings.HasPrefix(path, "/v1/") || strings.ContainsAny(path, " \r\n\x00#%") || strings.Contains(path, "wait_seconds=") && path != "/v1/requests/take?wait_seconds=0" {
			return
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1"+path, strings.NewReader(body))
		if err != nil {
			return
		}
		r.Host = "127.0.0.1"
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
		p.Reset()
	})
}

// Whatever deviation a rule brings, the endpoint answers, or ends the connection as net/http allows.
func FuzzFault_AnyDeviationIsServed(f *testing.F) {
	faults, err := Faults()
	if err != nil {
		f.Fatal(err)
	}
	for i, fault := range faults {
		if fault.Staged() && i%9 == 0 {
			f.Add(`{"fault":"` + fault.ID + `"}`)
		}
	}
	f.Add(`{"endpoint":"logout_token","do":{"claims":{"set":{"sid":"x"}},"jose":{"sign":"keep","form":"jwe","header":{"raw":{"alg":"1"}}}}}`)
	f.Add(`{"endpoint":"authorization","do":{"drop":["client_id"],"method":"GET","path":"e","redirect":{"set":{"code":"${code_of_another_user}"}}}}`)
	f.Add(`{"endpoint":"discovery","do":{"json":{"append":{"scopes_supported":"x"},"raw":{"issuer":"]"}}}}`)
	p, err := New(Config{}, WithFaultWait(func(context.Context, time.Duration) error { return nil }))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var rule FaultRule
		if decodeStrict([]byte(text), &rule) != nil || strings.Contains(text, "space_bytes") || strings.Contains(text, "gzip-bomb") {
			return
		}
		if rule.Fault != "" && (strings.Contains(rule.Fault, "HUGE") || strings.Contains(rule.Fault, "BOMB")) {
			return
		}
		rule.Times = FaultForever
		if _, err := p.AddFault(rule); err != nil {
			return
		}
		defer p.ClearFaults()
		defer func() {
			if got := recover(); got != nil && got != http.ErrAbortHandler {
				panic(got)
			}
		}()
		for _, path := range []string{pathDiscovery, pathJWKS, pathUserinfo, pathEndSession, pathAuthorize + "?client_id=" + DefaultClientID} {
			p.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
		}
		if rule.Endpoint == EndpointLogoutToken && (rule.Deviation == nil || rule.Deviation.Repeat < 10) {
			_, _ = p.logoutTokens(t.Context(), &p.directory.clients[0], &endedSession{sid: "s", username: DefaultUsername}) // may not be possible
		}
	})
}
