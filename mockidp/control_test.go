// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
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

func FuzzControl_NeverPanics(f *testing.F) {
	for _, path := range []string{"/v1/faults", "/v1/clock", "/v1/tokens/id_token", "/v1/requests/take?wait_seconds=0"} {
		for _, body := range []string{"", "{}", `{"fault":"C-AUD","times":-1}`, `{"offset_seconds":1e308}`, `{"user":"alice","client_id":"mockidp-client","expires_in":-1}`,
			`{"endpoint":"token","do":{"claims":{"set":{"a":"${text:99}"},"lists":{"g":3}},"also":[{"endpoint":"jwks","keys":{"publish":"spare"}}]}}`, `{"do":null}`, `[]`} {
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
		for _, path := range []string{pathDiscovery, pathJWKS, pathUserinfo} {
			p.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
		}
	})
}
