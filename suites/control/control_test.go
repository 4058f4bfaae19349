// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ingress-auth/conformance/fixtures"
	"github.com/ingress-auth/conformance/suites/contract"
)

// part answers like a part that is in order, and tells what it received.
func part(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h := w.Header()
	h.Set("Seen", fmt.Sprintf("%s %q %q %q", r.Method, body, r.Header.Get("X-Original-Url"), r.Header.Get("X-Auth-Request-User")))
	h.Set("Location", "https://auth.example/s?rd=https://app.example%2Fp%3Fa%3D1%26b%3D2")
	h.Add("Set-Cookie", "a=1; Secure; HttpOnly")
	h.Add("Set-Cookie", "b=2; secure")
	h.Set("WWW-Authenticate", "Bearer")
	w.WriteHeader(map[string]int{"/302": 302, "/401": 401, "/500": 500}[r.URL.Path])
	io.WriteString(w, "the part's own body")
}

func only(t *testing.T, text string) Control {
	t.Helper()
	set, err := Parse([]byte("controls:\n  - " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")))
	if err != nil {
		t.Fatal(err)
	}
	return set.Controls[0]
}

func TestDeviations(t *testing.T) {
	for name, tc := range map[string]struct {
		then string
		// check sees the answer with the control and says what is wrong with it.
		check func(status int, h http.Header, body string) bool
	}{
		"status":         {"{status: 200}", func(s int, _ http.Header, b string) bool { return s == 200 && b == "the part's own body" }},
		"status no body": {"{status: 204}", func(s int, _ http.Header, b string) bool { return s == 204 && b == "" }},
		"redirect": {`{redirect: "https://x/"}`, func(s int, h http.Header, b string) bool {
			return s == 302 && h.Get("Location") == "https://x/" && b == "" && h.Get("Set-Cookie") == ""
		}},
		"body": {`{responseBody: short}`, func(s int, h http.Header, b string) bool { return s == 401 && b == "short" }},
		"drop": {`{dropResponseHeader: set-cookie}`, func(_ int, h http.Header, _ string) bool { return len(h.Values("Set-Cookie")) == 0 }},
		"add":  {`{addResponseHeader: {name: Set-Cookie, value: c=3}}`, func(_ int, h http.Header, _ string) bool { return len(h.Values("Set-Cookie")) == 3 }},
		"edit every field": {`{editResponseHeader: {name: Set-Cookie, match: '(?i); *secure', replacement: ""}}`, func(_ int, h http.Header, _ string) bool {
			return strings.Join(h.Values("Set-Cookie"), "|") == "a=1; HttpOnly|b=2"
		}},
		"edit with groups": {`{editResponseHeader: {name: Location, match: '(rd=[^&]*?)%3F[^&]*', replacement: "$1"}}`, func(_ int, h http.Header, _ string) bool {
			return h.Get("Location") == "https://auth.example/s?rd=https://app.example%2Fp"
		}},
		"instead": {`{instead: {status: 202, header: [{name: X, value: why}], body: other}}`, func(s int, h http.Header, b string) bool {
			return s == 202 && h.Get("X") == "why" && b == "other" && h.Get("Seen") == ""
		}},
		"method":       {`{method: PUT}`, seen(`PUT "" "http://app/" "mallory"`)},
		"request body": {`{requestBody: xyz}`, seen(`GET "xyz" "http://app/" "mallory"`)},
		"drop request": {`{dropRequestHeader: X-Original-URL}`, seen(`GET "" "" "mallory"`)},
		"set request":  {`{setRequestHeader: {name: X-Original-URL, value: other}}`, seen(`GET "" "other" "mallory"`)},
		"edit request": {`{editRequestHeader: {name: x-original-url, match: app, replacement: other}}`, seen(`GET "" "http://other/" "mallory"`)},
	} {
		t.Run(name, func(t *testing.T) {
			c := only(t, "id: x\nsentence: X.\npart: auth-service\nwhen: {}\nturnsRed: []\nthen: "+tc.then)
			server := httptest.NewServer(c.Middleware()(http.HandlerFunc(part)))
			defer server.Close()
			req, _ := http.NewRequest("GET", server.URL+"/401", nil)
			req.Header.Set("X-Original-URL", "http://app/")
			req.Header.Set("X-Auth-Request-User", "mallory")
			res, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			if !tc.check(res.StatusCode, res.Header, string(body)) {
				t.Errorf("got %d %v %q", res.StatusCode, res.Header, body)
			}
		})
	}
}

func seen(want string) func(int, http.Header, string) bool {
	return func(_ int, h http.Header, _ string) bool { return h.Get("Seen") == want }
}

func TestWhen(t *testing.T) {
	for name, tc := range map[string]struct {
		when string
		want bool
	}{
		"nothing":               {"{}", true},
		"host":                  {`{host: 'app\.example'}`, true},
		"host, in part":         {`{host: app}`, false},
		"path":                  {`{path: /401}`, true},
		"another path":          {`{path: /40}`, false},
		"alternatives":          {`{path: '/x|/401'}`, true},
		"query":                 {`{query: 'a=.*'}`, true},
		"another query":         {`{query: ""}`, false},
		"method":                {`{method: GET}`, true},
		"another method":        {`{method: POST}`, false},
		"header":                {`{header: {x-test: 'v.*'}}`, true},
		"header absent":         {`{header: {X-Other: ""}}`, true},
		"header not there":      {`{header: {X-Other: .+}}`, false},
		"status":                {`{status: [401, 403]}`, true},
		"another status":        {`{status: [403]}`, false},
		"answer header":         {`{answer: {WWW-Authenticate: Bearer}}`, true},
		"any of several fields": {`{answer: {Set-Cookie: 'b=.*'}}`, true},
		"another answer":        {`{answer: {Www-Authenticate: Basic}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := only(t, "id: x\nsentence: X.\npart: auth-service\nturnsRed: []\nthen: {addResponseHeader: {name: Changed, value: 'yes'}}\nwhen: "+tc.when)
			rec := httptest.NewRecorder()
			r := httptest.NewRequest("GET", "http://APP.example:8443/401?a=b", nil)
			r.Header.Set("X-Test", "value")
			c.Middleware()(http.HandlerFunc(part)).ServeHTTP(rec, r)
			if got := rec.Header().Get("Changed") == "yes"; got != tc.want {
				t.Errorf("deviated: %v, want %v", got, tc.want)
			}
		})
	}
}

func TestAbortClosesTheConnection(t *testing.T) {
	c := only(t, "id: x\nsentence: X.\npart: auth-request\nwhen: {}\nturnsRed: []\nthen: {abort: true}")
	server := httptest.NewServer(c.Middleware()(http.HandlerFunc(part)))
	defer server.Close()
	if res, err := http.Get(server.URL); err == nil {
		res.Body.Close()
		t.Errorf("got %s", res.Status)
	}
}

func TestLeakBringsBackWhatTheBrowserSent(t *testing.T) {
	c := only(t, "id: x\nsentence: X.\npart: backend\nwhen: {}\nturnsRed: []\nthen: {leakRequestHeader: X-Auth-Request-User}")
	wraps := Middlewares(c)
	backend := wraps[Backend](http.HandlerFunc(part))
	// A gateway that does what it should: the client's field is replaced.
	gateway := wraps[Gateway](http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("X-Auth-Request-User", "alice")
		backend.ServeHTTP(w, r)
	}))
	for id, want := range map[string]string{"1": `"mallory"`, "": `"alice"`} {
		r := httptest.NewRequest("GET", "/401", nil)
		r.Header.Set("X-Auth-Request-User", "mallory")
		r.Header.Set(RequestIDHeader, id)
		rec := httptest.NewRecorder()
		gateway.ServeHTTP(rec, r)
		if !strings.HasSuffix(rec.Header().Get("Seen"), want) {
			t.Errorf("request ID %q: the backend saw %s, want %s", id, rec.Header().Get("Seen"), want)
		}
	}
}

func TestBypassLeadsStraightToTheBackend(t *testing.T) {
	c := only(t, "id: x\nsentence: X.\npart: gateway\nwhen: {path: /401}\nturnsRed: []\nthen: {bypass: true}")
	wraps := Middlewares(c)
	wraps[Backend](http.HandlerFunc(part))
	gateway := wraps[Gateway](http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	for path, want := range map[string]int{"/401": 401, "/302": 418} {
		rec := httptest.NewRecorder()
		gateway.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
		if rec.Code != want {
			t.Errorf("%s: got %d, want %d", path, rec.Code, want)
		}
	}
}

func TestSeveralControlsStandTogether(t *testing.T) {
	first := only(t, "id: a\nsentence: A.\npart: backend\nwhen: {}\nturnsRed: []\nthen: {addResponseHeader: {name: Order, value: outer}}")
	second := only(t, "id: b\nsentence: B.\npart: backend\nwhen: {}\nturnsRed: []\nthen: {addResponseHeader: {name: Order, value: inner}}")
	wraps := Middlewares(first, second)
	rec := httptest.NewRecorder()
	wraps[Backend](http.HandlerFunc(part)).ServeHTTP(rec, httptest.NewRequest("GET", "/401", nil))
	if got := strings.Join(rec.Header()["Order"], " "); got != "inner outer" {
		t.Errorf("got %q", got)
	}
	if len(wraps) != 1 {
		t.Errorf("parts without a control are wrapped: %v", wraps)
	}
}

func TestSwitchedProtocolsAreLeftAlone(t *testing.T) {
	c := only(t, "id: x\nsentence: X.\npart: backend\nwhen: {}\nturnsRed: []\nthen: {status: 500}")
	server := httptest.NewServer(c.Middleware()(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhello\n")
		conn.Close()
	})))
	defer server.Close()
	res, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if line, err := bufio.NewReader(res.Body).ReadString('\n'); res.StatusCode != 101 || line != "hello\n" {
		t.Errorf("got %d %q %v", res.StatusCode, line, err)
	}
}

func TestParseRefuses(t *testing.T) {
	const good = "{id: x, sentence: X., part: gateway, when: {}, then: {status: 200}, turnsRed: []}"
	if _, err := Parse([]byte("controls: [" + good + "]")); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ old, new, want string }{
		"an unknown key":               {"when: {}", "wen: {}", "wen"},
		"an unknown deviation":         {"{status: 200}", "{statis: 200}", "statis"},
		"an ID with spaces":            {"id: x", "id: X y", "ID"},
		"no sentence":                  {"X.", `""`, "sentence"},
		"an unknown part":              {"gateway", "router", "router"},
		"no deviation":                 {"{status: 200}", "{}", "one deviation"},
		"two deviations":               {"{status: 200}", "{status: 200, abort: true}", "one deviation, not 2"},
		"a status that is none":        {"{status: 200}", "{status: 99}", "99"},
		"an interim status":            {"{status: 200}", "{status: 101}", "101"},
		"a bad pattern":                {"when: {}", "when: {host: '('}", "missing closing"},
		"a pattern that needs its end": {"when: {}", "when: {path: 'a)(b'}", "unexpected"},
		"a header name with a space":   {"{status: 200}", "{dropResponseHeader: 'a b'}", "header name"},
		"a header value with a break":  {"{status: 200}", `{redirect: "a\r\nb"}`, "header value"},
		"a request after its answer":   {"when: {}, then: {status: 200}", "when: {status: [401]}, then: {method: PUT}", "over by that time"},
		"a bypass behind the gateway":  {"part: gateway, when: {}, then: {status: 200}", "part: idp, when: {}, then: {bypass: true}", "for the gateway"},
		"a leak into the gateway":      {"{status: 200}", "{leakRequestHeader: X}", "behind the gateway"},
		"an edit of nothing":           {"{status: 200}", "{editResponseHeader: {name: X, match: '', replacement: z}}", "nothing to match"},
		"a requirement in lower case":  {"turnsRed: []", "turnsRed: [status-x]", "requirement ID"},
		"an explanation of nothing":    {"turnsRed: []", "turnsRed: [], alsoRed: [{because: x}]", "explanation"},
		"a cause with a reason":        {"turnsRed: []", "turnsRed: [], alsoRed: [{cause: x, because: y, requirements: [A-B]}]", "speaks for itself"},
		"an explanation in lower case": {"turnsRed: []", "turnsRed: [], alsoRed: [{because: x, requirements: [a]}]", "requirement ID"},
		"a cause without a sentence":   {"controls: [" + good + "]", "causes: [{id: x, part: gateway, when: {}}]", "sentence"},
		"a cause at no part":           {"controls: [" + good + "]", "causes: [{id: x, sentence: X., part: router, when: {}}]", "router"},
		"a gateway that kills nothing": {"controls: [" + good + "]", "gateways: [{id: x, sentence: X.}]", "turns red"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace("controls: ["+good+"]", tc.old, tc.new, 1)
			_, err := Parse([]byte(text))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: got %v, want %q", text, err, tc.want)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	file := &fstest.MapFile{Data: []byte("controls: [{id: x, sentence: X., part: gateway, when: {}, then: {status: 200}, turnsRed: []}]")}
	with := func(more string) fstest.MapFS {
		return fstest.MapFS{"controls/a.yaml": file, "controls/b.yaml": {Data: []byte(more)}}
	}
	for name, fsys := range map[string]fstest.MapFS{
		"the same deviation twice":   with("controls: [{id: y, sentence: Y., part: gateway, when: {}, then: {status: 200}, turnsRed: []}]"),
		"a cause that is not there":  with("controls: [{id: y, sentence: Y., part: gateway, when: {}, then: {status: 201}, alsoRed: [{cause: z}]}]"),
		"the same cause twice":       with("causes: [{id: z, sentence: Z., part: gateway, when: {}}, {id: z, sentence: Z., part: gateway, when: {}}]"),
		"a gateway like a control":   with("gateways: [{id: x, sentence: X., turnsRed: [A-B]}]"),
		"an empty folder":            {"controls/readme.md": file},
		"the same ID in two files":   {"controls/a.yaml": file, "controls/b.yaml": file},
		"a file that cannot be read": {"controls/a.yaml": {Data: []byte("controls: 1")}},
	} {
		if _, err := Load(fsys, "controls"); err == nil {
			t.Errorf("%s is loaded", name)
		}
	}
}

func TestShippedControlsLoad(t *testing.T) {
	set, err := Load(fixtures.FS(), "controls")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range set.Controls {
		if len(c.TurnsRed) == 0 {
			t.Errorf("%s turns nothing red", c.ID)
		}
	}
}

func FuzzParse(f *testing.F) {
	files, err := fixtures.FS().Open("controls/redirects.yaml")
	if err != nil {
		f.Fatal(err)
	}
	seed, err := io.ReadAll(files)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte("controls: [{id: x, sentence: X., part: gateway, when: {host: '.*', status: [200]}, then: {status: 204}}]"))
	f.Add([]byte("controls: [{id: y, sentence: Y., part: backend, when: {}, then: {editResponseHeader: {name: Seen, match: '.', replacement: '${0}${0}'}}}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := Parse(text)
		if err != nil {
			return
		}
		for part, wrap := range Middlewares(set.Controls...) {
			answerOf(t, part, wrap)
		}
		for part, wrap := range Watch(set.Controls, func(Control, *http.Request) {}) {
			answerOf(t, part, wrap)
		}
	})
}

// answerOf makes sure that what was accepted can be served.
func answerOf(t *testing.T, _ Part, wrap Middleware) {
	defer func() {
		if r := recover(); r != nil && r != http.ErrAbortHandler {
			t.Errorf("panic: %v", r)
		}
	}()
	wrap(http.HandlerFunc(part)).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/401", nil))
}

func TestShippedControlsNameRequirementsOfTheContract(t *testing.T) {
	set, err := Load(fixtures.FS(), "controls")
	if err != nil {
		t.Fatal(err)
	}
	c, err := contract.Load(fixtures.FS(), "contract")
	if err != nil {
		t.Fatal(err)
	}
	named := func(by string, ids []string) {
		for _, id := range ids {
			if r, err := c.Lookup(id); err != nil || r.Excluded != "" {
				t.Errorf("%s names %s, which is no requirement that is judged", by, id)
			}
		}
	}
	for _, control := range set.Controls {
		named(control.ID, control.TurnsRed)
		for _, e := range control.AlsoRed {
			named(control.ID, e.Requirements)
		}
	}
	for _, g := range set.Gateways {
		named(g.ID, g.TurnsRed)
	}
}
