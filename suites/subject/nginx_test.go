// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/platform/local"
	"github.com/ingress-auth/conformance/suites/platform/pki"
	"github.com/ingress-auth/conformance/suites/standin"
)

// bench is plain nginx between the stand-ins, without proxy and identity provider.
type bench struct {
	*Nginx
	recorder *standin.Recorder
	ca       *pki.CA
}

func newBench(t *testing.T, gateways ...GatewayConfig) *bench {
	t.Helper()
	program, err := local.FindNginx(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := pki.New(time.Now, "test")
	if err != nil {
		t.Fatal(err)
	}
	certPEM, keyPEM, err := ca.Issue("*." + Domain)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "nginx-test-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	recorder := standin.NewRecorder(0)
	serve := func(h http.Handler) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s.URL
	}
	refused, err := local.HoldRefused()
	if err != nil {
		t.Fatal(err)
	}
	n, err := NewNginx(context.WithoutCancel(t.Context()), NginxOptions{
		Nginx: program, Dir: dir, CertPEM: certPEM, KeyPEM: keyPEM,
		Gateways: append([]GatewayConfig{{Name: MainGateway, Purpose: "Defaults.", DefaultBackend: "x-code", TLS: true}}, gateways...),
		Placeholders: map[string]string{
			"standin": serve(standin.NewAuth(recorder)),
			"refused": "http://" + refused.Addr(), "unresolvable": "http://unresolvable.invalid",
			"auth": "https://auth." + Domain, "domain": Domain,
		},
		Backends: map[string]string{"": serve(standin.NewBackend(recorder, "backend"))},
		Pages: map[string]string{
			"x-code":     serve(standin.NewErrorPages(recorder, standin.XCode)),
			"always-200": serve(standin.NewErrorPages(recorder, standin.Always200)),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, i := range n.instances {
				t.Logf("%s\n%s", i.process.Config(), i.process.Log())
			}
		}
		if err := errors.Join(n.Close(context.Background()), refused.Close(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	return &bench{Nginx: n, recorder: recorder, ca: ca}
}

func (b *bench) expose(t *testing.T, routes ...Route) {
	t.Helper()
	if err := b.Expose(t.Context(), routes); err != nil {
		t.Fatal(err)
	}
}

// ask is one request; auth and backend script the stand-ins.
type ask struct {
	method, scheme, target string
	auth                   *standin.AuthScript
	backend                *standin.BackendScript
	header                 http.Header
	body                   string
}

type answer struct {
	*http.Response
	body string
	// auth and backend are what these parts received.
	auth, backend []exchange.Exchange
}

func (b *bench) ask(t *testing.T, host string, a ask) answer {
	t.Helper()
	if a.scheme == "" {
		a.scheme = "http"
	}
	addr, ok := b.Addr(b.gatewayOf(host+"."+Domain), a.scheme)
	if !ok {
		t.Fatalf("nothing listens for %s", host)
	}
	req, err := http.NewRequestWithContext(t.Context(), a.method, a.scheme+"://"+addr+"/", strings.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	path, query, _ := strings.Cut(a.target, "?")
	if path != "" {
		req.URL.RawPath, req.URL.RawQuery = path, query
		if req.URL.Path, err = url.PathUnescape(path); err != nil {
			t.Fatal(err)
		}
	}
	req.Host = host + "." + Domain
	if a.header != nil {
		req.Header = a.header
	}
	id := host + "-" + strings.ReplaceAll(t.Name(), "/", "-") + "-" + time.Now().Format(time.RFC3339Nano)
	req.Header.Set(standin.RequestIDHeader, id)
	if a.auth != nil {
		req.AddCookie(a.auth.Cookie())
	}
	if a.backend != nil {
		req.AddCookie(a.backend.Cookie())
	}
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: b.ca.Pool(), ServerName: req.Host}}
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := answer{Response: res, body: string(body)}
	for _, e := range b.recorder.Recorded(id) {
		switch e.To {
		case exchange.AuthService:
			got.auth = append(got.auth, e)
		case exchange.Backend:
			got.backend = append(got.backend, e)
		}
	}
	return got
}

var (
	allowed   = &standin.AuthScript{Status: 202}
	denied    = &standin.AuthScript{Status: 401, Headers: [][2]string{{"WWW-Authenticate", `Bearer realm="auth"`}, {"Set-Cookie", "auth_state=1"}}, Body: "auth body"}
	says401   = &standin.BackendScript{Status: 401, Headers: [][2]string{{"WWW-Authenticate", `Basic realm="app"`}, {"Set-Cookie", "app=1"}, {"Content-Type", "application/json"}}, Body: `{"error":"app"}`}
	says404   = &standin.BackendScript{Status: 404, Body: "app says 404"}
	signInURL = "{auth}/oauth2/sign_in"
)

// TestBackend401 is a first proof of the rendering: rows of the truth table whose outcome depends on where a directive
// stands and what it inherits.
func TestBackend401(t *testing.T) {
	const pass, signin, gateway401, page = "pass", "signin", "denied", "page"
	const fix = "proxy_intercept_errors off;"
	b := newBench(t, GatewayConfig{Name: "errors", CustomHTTPErrors: []int{404, 503}, DefaultBackend: "x-code"})
	for _, row := range []struct {
		name                              string
		route                             Route
		backend401, noSession, backend404 string
	}{
		{"b1", Route{AuthSignIn: signInURL}, pass, signin, pass},
		{"b3", Route{Gateway: "errors", AuthSignIn: signInURL}, signin, signin, pass},
		{"b4", Route{Gateway: "errors"}, pass, gateway401, page},
		{"b9", Route{AuthSignIn: signInURL, CustomHTTPErrors: []int{404}}, signin, signin, page},
		{"b13", Route{AuthSignIn: signInURL, CustomHTTPErrors: []int{404}, DisableInterceptErrors: true}, pass, signin, pass},
		{"b17", Route{Gateway: "errors", AuthSignIn: signInURL, ServerSnippet: fix}, pass, signin, pass},
		{"b19", Route{AuthSignIn: signInURL, CustomHTTPErrors: []int{404}, ServerSnippet: fix}, signin, signin, page},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.route.Name, row.route.AuthURL = row.name, "{standin}/"
			b.expose(t, row.route)
			for _, method := range []string{"GET", "POST"} {
				got := b.ask(t, row.name, ask{method: method, target: "/a?b=c", auth: allowed, backend: says401, body: "x"})
				if outcome := outcomeOf(got); outcome != row.backend401 {
					t.Errorf("%s with a session, backend 401: got %s, want %s", method, outcome, row.backend401)
				}
				if row.backend401 == signin && (got.Header.Get("Set-Cookie") != "" || strings.Contains(got.body, "app")) {
					t.Errorf("%s: the redirect shows something of the backend", method)
				}
			}
			got := b.ask(t, row.name, ask{target: "/a?b=c", auth: denied, backend: says401})
			if outcome := outcomeOf(got); outcome != row.noSession {
				t.Errorf("without a session: got %s, want %s", outcome, row.noSession)
			}
			if len(got.backend) > 0 {
				t.Error("without a session the backend was reached")
			}
			if outcome := outcomeOf(b.ask(t, row.name, ask{target: "/", auth: allowed, backend: says404})); outcome != row.backend404 {
				t.Errorf("backend 404: got %s, want %s", outcome, row.backend404)
			}
		})
	}
}

func outcomeOf(a answer) string {
	location := a.Header.Get("Location")
	switch {
	case a.Header.Get(standin.ErrorPageHeader) != "":
		return "page"
	case a.StatusCode == 302 && strings.HasPrefix(location, "https://auth."+Domain+"/oauth2/sign_in?rd=http://"):
		return "signin"
	case a.StatusCode == 401 && a.body == says401.Body && a.Header.Get("WWW-Authenticate") == `Basic realm="app"` &&
		strings.Contains(strings.Join(a.Header["Set-Cookie"], " "), "app=1"):
		return "pass"
	case a.StatusCode == 404 && a.body == says404.Body:
		return "pass"
	case a.StatusCode == 401 && a.Header.Get("WWW-Authenticate") == `Bearer realm="auth"` && strings.Contains(a.body, "nginx"):
		return "denied"
	}
	return a.Status + " " + location + " " + a.body
}

func TestSignInRedirect(t *testing.T) {
	b := newBench(t)
	for _, tc := range []struct{ name, signIn, target, want string }{
		{"appends", "{auth}/s", "/p?a=b&c=d", "https://auth.ingress-auth.test/s?rd=http://appends.ingress-auth.test%2Fp%3Fa%3Db%26c%3Dd"},
		{"joins", "{auth}/s?x=1", "/", "https://auth.ingress-auth.test/s?x=1&rd=http://joins.ingress-auth.test%2F"},
		{"keeps", "{auth}/s?rd=$scheme://$host$request_uri", "/p?a=b&c=d", "https://auth.ingress-auth.test/s?rd=http://keeps.ingress-auth.test/p?a=b&c=d"},
		{"escaped", "{auth}/s?rd=$escaped_request_uri", "/p?q", "https://auth.ingress-auth.test/s?rd=%2Fp%3Fq"},
		{"utf8", "{auth}/s", "/caf%C3%A9", "https://auth.ingress-auth.test/s?rd=http://utf8.ingress-auth.test%2Fcaf%25C3%25A9"},
		{"slashes", "{auth}/s", "//evil.example/x", "https://auth.ingress-auth.test/s?rd=http://slashes.ingress-auth.test%2F%2Fevil.example%2Fx"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b.expose(t, Route{Name: tc.name, AuthURL: "{standin}/", AuthSignIn: tc.signIn})
			got := b.ask(t, tc.name, ask{target: tc.target, auth: denied})
			if got.StatusCode != 302 || got.Header.Get("Location") != tc.want {
				t.Errorf("got %d %s\nwant 302 %s", got.StatusCode, got.Header.Get("Location"), tc.want)
			}
			if got.Header.Get("Set-Cookie") != "auth_state=1" {
				t.Errorf("the auth service's cookie is not on the redirect: %v", got.Header)
			}
		})
	}
}

func TestAuthRequest(t *testing.T) {
	b := newBench(t)
	b.expose(t, Route{Name: "app", AuthURL: "{standin}/", AuthResponseHeaders: []string{"X-Auth-Request-User", "X-Auth-Request-Email"}})
	got := b.ask(t, "app", ask{
		method: "POST", target: "/a/../b?c=%2F", body: "secret", auth: &standin.AuthScript{Status: 200, Headers: [][2]string{{"X-Auth-Request-User", "alice"}, {"Set-Cookie", "fresh=1"}}},
		header: http.Header{
			"X-Auth-Request-User": {"mallory"}, "X-Auth-Request-Email": {"mallory@example.com"}, "Authorization": {"Bearer x"},
			"X-Original-Url": {"http://evil/"}, "X-Original-Method": {"OPTIONS"}, "X-Real-Ip": {"10.0.0.1"}, "X-Forwarded-Uri": {"/public"},
		},
	})
	if got.StatusCode != 200 || len(got.auth) != 1 || len(got.backend) != 1 {
		t.Fatalf("status %d, %d auth requests, %d backend requests", got.StatusCode, len(got.auth), len(got.backend))
	}
	auth := got.auth[0]
	if auth.Method != "GET" || auth.RequestBodyBytes != 0 {
		t.Errorf("the auth request is %s with %d bytes", auth.Method, auth.RequestBodyBytes)
	}
	for name, want := range map[string]string{
		"X-Original-URL": "http://app." + Domain + "/a/../b?c=%2F", "X-Original-Method": "POST", "X-Auth-Request-Redirect": "/a/../b?c=%2F",
		"X-Real-IP": "127.0.0.1", "Authorization": "Bearer x", "X-Forwarded-Uri": "", "Content-Length": "", "X-Request-ID": auth.RequestID,
	} {
		if got := auth.RequestHeader.Get(name); got != want {
			t.Errorf("auth request: %s is %q, want %q", name, got, want)
		}
	}
	backend := got.backend[0]
	if user := backend.RequestHeader["X-Auth-Request-User"]; len(user) != 1 || user[0] != "alice" {
		t.Errorf("the backend sees user %q", user)
	}
	if email := backend.RequestHeader.Get("X-Auth-Request-Email"); email != "" {
		t.Errorf("the backend sees an email that the auth service did not give: %q", email)
	}
	if backend.RequestID != auth.RequestID || backend.RequestBodyBytes != int64(len("secret")) {
		t.Errorf("backend request: %+v", backend)
	}
	if got.Header.Get("Set-Cookie") != "fresh=1" {
		t.Errorf("the auth service's cookie does not reach the client: %v", got.Header)
	}
}

func TestAuthServiceStatus(t *testing.T) {
	b := newBench(t, GatewayConfig{Name: "careless", CustomHTTPErrors: []int{401, 403, 404, 500, 502}, DefaultBackend: "always-200"})
	for _, tc := range []struct {
		name, url string
		want      int
	}{
		{"s202", "{standin}/status/202", 200}, {"s401", "{standin}/status/401", 401}, {"s403", "{standin}/status/403", 403},
		{"s302", "{standin}/status/302", 500}, {"s404", "{standin}/status/404", 500}, {"s503", "{standin}/status/503", 500},
		{"refused", "{refused}/", 500}, {"unresolvable", "{unresolvable}/", 500}, {"close", "{standin}/close", 500},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b.expose(t, Route{Name: tc.name, AuthURL: tc.url}, Route{Name: tc.name + "-careless", Gateway: "careless", AuthURL: tc.url})
			got := b.ask(t, tc.name, ask{})
			if got.StatusCode != tc.want || got.Header.Get("Location") != "" {
				t.Errorf("got %d %s, want %d", got.StatusCode, got.Header.Get("Location"), tc.want)
			}
			if reached := len(got.backend) > 0; reached != (tc.want == 200) {
				t.Errorf("backend reached: %v", reached)
			}
			careless := b.ask(t, tc.name+"-careless", ask{})
			for _, e := range careless.backend {
				if e.Instance == "backend" && tc.want != 200 {
					t.Error("a page that answers 200 let the request through")
				}
			}
		})
	}
}

func TestTLSHostRedirectsPlainHTTP(t *testing.T) {
	b := newBench(t)
	b.expose(t, Route{Name: "secure", TLS: true}, Route{Name: "plain"})
	got := b.ask(t, "secure", ask{target: "/a?b"})
	if got.StatusCode != 308 || got.Header.Get("Location") != "https://secure."+Domain+"/a?b" {
		t.Errorf("http: %d %s", got.StatusCode, got.Header.Get("Location"))
	}
	if got := b.ask(t, "secure", ask{scheme: "https"}); got.StatusCode != 200 || len(got.backend) != 1 {
		t.Errorf("https: %d", got.StatusCode)
	}
	if got := b.ask(t, "plain", ask{}); got.StatusCode != 200 {
		t.Errorf("a host without TLS: %d", got.StatusCode)
	}
	if got := b.ask(t, "unknown", ask{}); got.StatusCode != 404 || len(got.backend) != 0 {
		t.Errorf("an unknown host: %d", got.StatusCode)
	}
}

func TestSeveralRoutesOnOneHost(t *testing.T) {
	b := newBench(t)
	b.expose(t,
		Route{Name: "paths-exact", Host: "paths", Path: "/exact", PathType: "Exact", AuthURL: "{standin}/status/403"},
		Route{Name: "paths-open", Host: "paths", Path: "/open"},
	)
	for target, want := range map[string]int{"/exact": 403, "/exact/more": 404, "/open": 200, "/open/more": 200, "/opened": 404, "/": 404} {
		if got := b.ask(t, "paths", ask{target: target}); got.StatusCode != want {
			t.Errorf("%s: got %d, want %d", target, got.StatusCode, want)
		}
	}
}

func TestGlobalAuth(t *testing.T) {
	b := newBench(t, GatewayConfig{Name: "global", GlobalAuthURL: "{standin}/status/401", GlobalAuthSignIn: signInURL})
	b.expose(t,
		Route{Name: "g-all", Gateway: "global"},
		Route{Name: "g-own", Gateway: "global", AuthURL: "{standin}/status/403", AuthSignIn: signInURL},
		Route{Name: "g-signin", Gateway: "global", AuthSignIn: "https://elsewhere.example/"},
		Route{Name: "g-off", Gateway: "global", Annotations: map[string]string{"enable-global-auth": "false"}},
	)
	for host, want := range map[string]int{"g-all": 302, "g-own": 403, "g-signin": 302, "g-off": 200} {
		got := b.ask(t, host, ask{})
		if got.StatusCode != want || strings.Contains(got.Header.Get("Location"), "elsewhere") {
			t.Errorf("%s: got %d %s, want %d", host, got.StatusCode, got.Header.Get("Location"), want)
		}
	}
}

func TestRoutesComeAndGo(t *testing.T) {
	b := newBench(t, GatewayConfig{Name: "scratch", NoAdmission: true})
	duplicate := Route{Name: "bad", ConfigurationSnippet: "proxy_intercept_errors off;\nproxy_intercept_errors off;"}
	open := func(name, gateway string) Route { return Route{Name: name, Gateway: gateway} }
	awaitStatus := func(t *testing.T, host string, want int) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		got := 0
		for got != want {
			if ctx.Err() != nil {
				t.Fatalf("%s never answered %d, last %d", host, want, got)
			}
			got = b.ask(t, host, ask{}).StatusCode
		}
	}
	t.Run("a refused route changes nothing", func(t *testing.T) {
		b.expose(t, open("first", ""))
		err := b.Apply(t.Context(), duplicate)
		var refusal *AdmissionError
		if !errors.As(err, &refusal) || !strings.Contains(refusal.Message, "duplicate") {
			t.Fatalf("got %v, want an admission error", err)
		}
		if err := b.Expose(t.Context(), []Route{duplicate}); err == nil || !strings.Contains(err.Error(), `route "bad"`) {
			t.Errorf("Expose does not name the route: %v", err)
		}
		b.expose(t, open("second", ""))
		awaitStatus(t, "first", 200)
		awaitStatus(t, "second", 200)
	})
	t.Run("applied and withdrawn", func(t *testing.T) {
		if err := b.Apply(t.Context(), open("third", "")); err != nil {
			t.Fatal(err)
		}
		awaitStatus(t, "third", 200)
		for range 2 {
			if err := b.Withdraw(t.Context(), open("third", "")); err != nil {
				t.Fatal(err)
			}
		}
		awaitStatus(t, "third", 404)
	})
	t.Run("past admission a bad route freezes its gateway until it is withdrawn", func(t *testing.T) {
		b.expose(t, open("before", "scratch"))
		bad := duplicate
		bad.Gateway = "scratch"
		for _, r := range []Route{bad, open("later", "scratch")} {
			if err := b.Apply(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Expose(t.Context(), []Route{open("frozen", "scratch")}); err == nil {
			t.Error("a frozen gateway took a route")
		}
		awaitStatus(t, "before", 200)
		awaitStatus(t, "later", 404)
		if err := b.Withdraw(t.Context(), bad); err != nil {
			t.Fatal(err)
		}
		awaitStatus(t, "later", 200)
	})
}

func TestSettingsAreChangedAndPutBack(t *testing.T) {
	scratch := GatewayConfig{Name: "scratch", NoAdmission: true}
	b := newBench(t, scratch)
	b.expose(t, Route{Name: "app", Gateway: "scratch"})
	broken := scratch
	broken.CustomHTTPErrors, broken.HTTPSnippet = []int{404}, "proxy_intercept_errors off;"
	restore, err := b.Reconfigure(t.Context(), broken)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.AwaitReloadFailure(t.Context(), "scratch"); err != nil {
		t.Fatal(err)
	}
	if got := b.ask(t, "app", ask{}); got.StatusCode != 200 {
		t.Errorf("the configuration before is not served: %d", got.StatusCode)
	}
	if err := restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.expose(t, Route{Name: "later", Gateway: "scratch"})
}

func TestTakenPortIsGivenUp(t *testing.T) {
	b := newBench(t)
	taken := b.instances[MainGateway].site.httpAddr
	l, err := net.Listen("tcp", taken)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b.expose(t, Route{Name: "app"})
	if got := b.ask(t, "app", ask{}); got.StatusCode != 200 {
		t.Errorf("got %d", got.StatusCode)
	}
	if addr, _ := b.Addr(MainGateway, "http"); addr == taken {
		t.Errorf("still on %s", addr)
	}
}

func TestForbiddenSnippetsAreLeftOut(t *testing.T) {
	b := newBench(t, GatewayConfig{Name: "strict", ForbidSnippets: true})
	b.expose(t, Route{Name: "snip", Gateway: "strict", ServerSnippet: "return 418;", ConfigurationSnippet: "return 418;"})
	if got := b.ask(t, "snip", ask{}); got.StatusCode != 200 {
		t.Errorf("got %d: the snippet is there", got.StatusCode)
	}
}

func TestUnknownAnnotationIsNotIgnored(t *testing.T) {
	b := newBench(t)
	r := Route{Name: "x", Annotations: map[string]string{"canary": "true"}}
	if err := b.Expose(t.Context(), []Route{r}); err == nil || !strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v", err)
	}
	r.Annotations = map[string]string{"cert-manager.io/issuer": "x", "proxy-buffer-size": "512k"}
	b.expose(t, r)
}

func TestEvidenceIsRedacted(t *testing.T) {
	b := newBench(t)
	b.expose(t, Route{Name: "e", AuthURL: "{refused}/"})
	b.ask(t, "e", ask{target: "/oauth2/callback?code=very-secret-code&state=x"})
	awaitLog(t, b.instances[MainGateway].process.Log(), "callback")
	dir := t.TempDir()
	if err := b.Evidence(dir, exchange.NewRedactor()); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(filepath.Join(dir, "logs", "nginx-main.log"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "callback") || strings.Contains(string(log), "very-secret-code") {
		t.Errorf("the log is %s", log)
	}
	if _, err := os.Stat(filepath.Join(dir, "nginx", "main.conf")); err != nil {
		t.Error(err)
	}
}

// awaitLog waits until the log, which comes through a pipe, holds text.
func awaitLog(t *testing.T, log *local.Log, text string) {
	t.Helper()
	for {
		_, _, changed := log.Since(0)
		if strings.Contains(log.String(), text) {
			return
		}
		select {
		case <-changed:
		case <-t.Context().Done():
			t.Fatalf("%q never came to the log", text)
		}
	}
}

func TestHundredsOfRoutesAreOneReload(t *testing.T) {
	b := newBench(t)
	var routes []Route
	for i := range 400 {
		routes = append(routes, Route{Name: "r" + strings.Repeat("x", i%40) + time.Duration(i).String(), AuthURL: "{standin}/status/200", AuthSignIn: signInURL})
	}
	for i := range routes {
		routes[i].Name = strings.ReplaceAll(strings.ReplaceAll(routes[i].Name, ".", "-"), "µ", "u")
	}
	b.expose(t, routes...)
	for _, i := range []int{0, 200, 399} {
		if got := b.ask(t, routes[i].Name, ask{}); got.StatusCode != 200 {
			t.Errorf("%s: %d", routes[i].Name, got.StatusCode)
		}
	}
}
