// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// ask sends a request through the middlewares of a gateway and an auth service, and returns the answer's head.
func ask(wraps map[Part]Middleware, path string) *httptest.ResponseRecorder {
	service := http.Handler(http.HandlerFunc(part))
	for _, p := range []Part{AuthService, AuthRequest, Gateway} {
		if wrap := wraps[p]; wrap != nil {
			service = wrap(service)
		}
	}
	r := httptest.NewRequest("GET", "http://app.example"+path, nil)
	r.Header.Set("X-Auth-Request-User", "mallory")
	r.Header.Set(RequestIDHeader, "1")
	rec := httptest.NewRecorder()
	service.ServeHTTP(rec, r)
	return rec
}

// A control is noticed exactly where it would make a difference, and makes none.
func TestWatchTellsWhatAControlWouldChange(t *testing.T) {
	for name, tc := range map[string]struct {
		when, then string
		want       bool
	}{
		"another status":                {"{}", "{status: 200}", true},
		"the same status":               {"{}", "{status: 401}", false},
		"another path":                  {"{path: /302}", "{status: 200}", false},
		"another answer":                {"{status: [302]}", "{status: 200}", false},
		"a redirect":                    {"{}", `{redirect: "https://x/"}`, true},
		"a body":                        {"{}", "{responseBody: x}", true},
		"a header that is there":        {"{}", "{dropResponseHeader: set-cookie}", true},
		"a header that is not there":    {"{}", "{dropResponseHeader: X}", false},
		"one more header":               {"{}", "{addResponseHeader: {name: X, value: y}}", true},
		"an edit that matches":          {"{}", "{editResponseHeader: {name: Set-Cookie, match: secure, replacement: ''}}", true},
		"an edit that does not":         {"{}", "{editResponseHeader: {name: Set-Cookie, match: nothing, replacement: ''}}", false},
		"an answer in its place":        {"{}", "{instead: {status: 401}}", true},
		"no answer":                     {"{}", "{abort: true}", true},
		"another method":                {"{}", "{method: PUT}", true},
		"the same method":               {"{}", "{method: GET}", false},
		"another body":                  {"{}", "{requestBody: x}", true},
		"a field that is there":         {"{}", "{dropRequestHeader: X-Auth-Request-User}", true},
		"a field that is not there":     {"{}", "{dropRequestHeader: X}", false},
		"the same value":                {"{}", "{setRequestHeader: {name: X-Auth-Request-User, value: mallory}}", false},
		"an edit of a field":            {"{}", "{editRequestHeader: {name: X-Auth-Request-User, match: m, replacement: n}}", true},
		"a leak of what is there":       {"{}", "{leakRequestHeader: X-Auth-Request-User}", false},
		"a leak of what was not sent":   {"{}", "{leakRequestHeader: X}", false},
		"a leak of what the gate hides": {"{}", "{leakRequestHeader: X-Hidden}", true},
	} {
		t.Run(name, func(t *testing.T) {
			c := only(t, "id: x\nsentence: X.\npart: auth-service\nturnsRed: []\nwhen: "+tc.when+"\nthen: "+tc.then)
			touched := 0
			wraps := Watch([]Control{c}, func(got Control, _ *http.Request) {
				if got.ID != "x" {
					t.Errorf("told of %q", got.ID)
				}
				touched++
			})
			hide := func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					r.Header.Del("X-Hidden")
					next.ServeHTTP(w, r)
				})
			}
			hidden := func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					r.Header.Set("X-Hidden", "value")
					next.ServeHTTP(w, r)
				})
			}
			outer := wraps[Gateway]
			wraps[Gateway] = func(next http.Handler) http.Handler {
				next = hide(next)
				if outer != nil {
					next = outer(next)
				}
				return hidden(next)
			}
			got, want := ask(wraps, "/401"), ask(nil, "/401")
			if (touched > 0) != tc.want {
				t.Errorf("touched: %d times, want %v", touched, tc.want)
			}
			if got.Code != want.Code || got.Body.String() != want.Body.String() || !slices.Equal(got.Header()["Set-Cookie"], want.Header()["Set-Cookie"]) ||
				!strings.HasPrefix(got.Header().Get("Seen"), "GET") {
				t.Errorf("watching changed the answer: %d %v %q", got.Code, got.Header(), got.Body)
			}
		})
	}
}

func TestABypassTouchesWhatItIsFor(t *testing.T) {
	c := only(t, "id: x\nsentence: X.\npart: gateway\nwhen: {path: /401}\nturnsRed: []\nthen: {bypass: true}")
	for path, want := range map[string]bool{"/401": true, "/302": false} {
		touched := false
		ask(Watch([]Control{c}, func(Control, *http.Request) { touched = true }), path)
		if touched != want {
			t.Errorf("%s: touched %v, want %v", path, touched, want)
		}
	}
}

func TestACauseIsObservedInRequestsAndAnswers(t *testing.T) {
	set, err := Parse([]byte(`
causes:
  - {id: any, sentence: Any., part: auth-service, when: {path: /401}}
  - {id: refused, sentence: Refused., part: auth-service, when: {status: [401]}}
`))
	if err != nil {
		t.Fatal(err)
	}
	observed := map[string]int{}
	wraps := Observe(set.Causes, func(c Cause, _ *http.Request) { observed[c.ID]++ })
	ask(wraps, "/401")
	ask(wraps, "/302")
	if observed["any"] != 1 || observed["refused"] != 1 {
		t.Errorf("observed: %v", observed)
	}
	// What is never answered was asked all the same.
	wrap := wraps[AuthService](http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	func() {
		defer func() { _ = recover() }()
		wrap.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/401", nil))
	}()
	if observed["any"] != 2 || observed["refused"] != 1 {
		t.Errorf("observed: %v", observed)
	}
}

func TestKilledByNamesControlsAndBrokenGateways(t *testing.T) {
	set := Set{
		Controls: []Control{{ID: "a", Part: Backend, TurnsRed: []string{"A-B"}}, {ID: "b", TurnsRed: []string{"A-B", "C-D"}}},
		Gateways: []BrokenGateway{{ID: "g", TurnsRed: []string{"E-F"}}},
	}
	for id, want := range map[string]string{"A-B": "a b", "C-D": "b", "E-F": "g", "G-H": ""} {
		var ids []string
		for _, k := range set.KilledBy(id) {
			ids = append(ids, k.ID)
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s is killed by %q, want %q", id, got, want)
		}
	}
}
