// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingress-auth/conformance/suites/browser"
	"github.com/ingress-auth/conformance/suites/control"
	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/standin"
)

// startLocal assembles the subject with the temporary folder of the test's own, so that what is left behind is seen.
func startLocal(t *testing.T, change ...func(*LocalOptions)) *Subject {
	t.Helper()
	t.Setenv("TMPDIR", openTempDir(t))
	o := LocalOptions{
		Gateways: []GatewayConfig{{Name: MainGateway, Purpose: "Defaults.", TLS: true, DefaultBackend: "x-code"}},
	}
	for _, c := range change {
		c(&o)
	}
	s, err := NewLocal(context.WithoutCancel(t.Context()), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
		left, err := os.ReadDir(os.TempDir())
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %v %v", left, err)
		}
	})
	return s
}

// openTempDir is a folder that nginx's worker may pass through; t.TempDir's parents are so on every system.
func openTempDir(t *testing.T) string {
	dir := t.TempDir()
	for d := dir; strings.HasPrefix(d, os.TempDir()+string(filepath.Separator)); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func newBrowser(s *Subject) *browser.Browser {
	return browser.New(browser.Options{Resolve: s.Resolve, RootCAs: s.Roots, Check: "test"})
}

func appRoute(name string) Route {
	return Route{Name: name, TLS: true, AuthURL: "{proxy}/oauth2/auth", AuthSignIn: "{auth}/oauth2/start", AuthResponseHeaders: []string{"X-Auth-Request-Email"}}
}

// signIn opens an address and signs in as user on the way.
func signIn(t *testing.T, b *browser.Browser, address, user string) *browser.Response {
	t.Helper()
	request := browser.Request{URL: address}
	for range 3 {
		hops, err := b.Follow(t.Context(), request, 20)
		if err != nil {
			t.Fatal(err)
		}
		last := hops[len(hops)-1]
		if u, err := url.Parse(last.URL); err != nil || u.Hostname() != "idp."+Domain {
			return last
		}
		form, err := last.Form()
		if err != nil {
			t.Fatal(err)
		}
		form.Set("user", user)
		request = form.Request()
	}
	t.Fatalf("the identity provider asks again and again: %s", request.URL)
	return nil
}

func TestLocalSubjectSignsIn(t *testing.T) {
	s := startLocal(t)
	if err := s.Gateway.Expose(t.Context(), []Route{appRoute("app")}); err != nil {
		t.Fatal(err)
	}
	const target = "https://app." + Domain + "/deep/link?a=1&b=%2F&c=x+y"
	last := signIn(t, newBrowser(s), target, "alice")
	if last.Status != 200 || last.URL != target {
		t.Fatalf("ended at %s with %d: %s", last.URL, last.Status, last.Body)
	}
	echo, err := standin.ParseEcho(last.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(echo.Values("X-Auth-Request-Email"), " "); got != "alice@allowed.example" {
		t.Errorf("the backend sees %q", got)
	}
	received, err := s.Recorder.Recorded(t.Context(), last.RequestID)
	if err != nil || len(received) != 2 || received[0].To != exchange.AuthService || received[0].Instance != "proxy" || received[1].To != exchange.Backend {
		t.Errorf("recorded: %v, %v", received, err)
	}
}

func TestLocalSubjectKnowsEveryAuthService(t *testing.T) {
	s := startLocal(t)
	for _, service := range AuthServices() {
		response, err := newBrowser(s).Get(t.Context(), "https://"+service.Host+"."+Domain+"/oauth2/auth")
		if err != nil {
			t.Fatal(err)
		}
		if response.Status != http.StatusUnauthorized {
			t.Errorf("%s: got %d, want 401", service.Name, response.Status)
		}
	}
}

func TestLocalSubjectMints(t *testing.T) {
	s := startLocal(t)
	if err := s.Gateway.Expose(t.Context(), []Route{appRoute("api")}); err != nil {
		t.Fatal(err)
	}
	for audience, want := range map[string]int{"": 200, "ingress-auth": 200, "somebody-else": 302} {
		token, err := s.Mint(t.Context(), "alice", time.Minute, audience)
		if err != nil {
			t.Fatal(err)
		}
		response, err := newBrowser(s).Do(t.Context(), browser.Request{URL: "https://api." + Domain + "/", Header: http.Header{"Authorization": {"Bearer " + token}}})
		if err != nil {
			t.Fatal(err)
		}
		if response.Status != want {
			t.Errorf("audience %q: got %d, want %d", audience, response.Status, want)
		}
	}
}

func TestLocalSubjectResolvesItsOwnHostsOnly(t *testing.T) {
	s := startLocal(t)
	for host, want := range map[string]bool{"anything." + Domain: true, Domain: true, "example.com": false, "evil" + Domain: false} {
		if _, ok := s.Resolve("https", host); ok != want {
			t.Errorf("%s: %v", host, ok)
		}
	}
	if addr, ok := s.Resolve("http", "x."+Domain); !ok || !strings.HasPrefix(addr, "127.0.0.1:") {
		t.Errorf("got %s, %v", addr, ok)
	}
}

func TestLocalSubjectTellsItsParts(t *testing.T) {
	s := startLocal(t)
	roles := map[string]bool{}
	for _, p := range s.Parts {
		roles[p.Role] = p.Origin != ""
	}
	for _, role := range []string{RoleGateway, RoleAuthService, RoleIdP, RoleBackend} {
		if !roles[role] {
			t.Errorf("%s is missing or has no origin: %v", role, s.Parts)
		}
	}
	dir := t.TempDir()
	if err := s.Evidence(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "nginx", "main.conf")); err != nil {
		t.Error(err)
	}
}

func TestLocalSubjectWithControls(t *testing.T) {
	set, err := control.Parse([]byte(`
controls:
  - {id: a, sentence: A., part: gateway, when: {path: /a}, then: {status: 418}, turnsRed: []}
  - {id: b, sentence: B., part: backend, when: {path: /b}, then: {status: 419}, turnsRed: []}
  - {id: c, sentence: C., part: auth-service, when: {header: {X-Original-Url: '.*/c'}}, then: {status: 200}, turnsRed: []}
  - {id: d, sentence: D., part: auth-request, when: {header: {X-Original-Url: '.*/d'}}, then: {abort: true}, turnsRed: []}
`))
	if err != nil {
		t.Fatal(err)
	}
	s := startLocal(t, func(o *LocalOptions) {
		o.Wrap = map[string]func(http.Handler) http.Handler{}
		for part, wrap := range control.Middlewares(set.Controls...) {
			o.Wrap[string(part)] = wrap
		}
	})
	if err := s.Gateway.Expose(t.Context(), []Route{{Name: "open", TLS: true}, appRoute("app")}); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]int{"open/a": 418, "open/b": 419, "open/c": 200, "app/c": 200, "app/d": 500, "app/e": 302} {
		host, path, _ := strings.Cut(address, "/")
		response, err := newBrowser(s).Get(t.Context(), "https://"+host+"."+Domain+"/"+path)
		if err != nil {
			t.Fatal(err)
		}
		if response.Status != want {
			t.Errorf("%s: got %d, want %d", address, response.Status, want)
		}
	}
}

// TestFrontChangesNothing compares what the backend sees with and without a front.
func TestFrontChangesNothing(t *testing.T) {
	const target = "//double/a%2Fb/../c;d?x=1;y=2&z=%zz"
	see := func(change ...func(*LocalOptions)) string {
		var seen string
		t.Run("", func(t *testing.T) {
			s := startLocal(t, change...)
			if err := s.Gateway.Expose(t.Context(), []Route{{Name: "open", TLS: true}}); err != nil {
				t.Fatal(err)
			}
			response, err := newBrowser(s).Do(t.Context(), browser.Request{
				Method: "PUT", URL: "https://open." + Domain + target, Body: []byte("body"),
				Header: http.Header{"X-Forwarded-For": {"10.0.0.1"}, "X-Custom": {"a", "b"}, "X-Request-Id": {"fixed"}},
			})
			if err != nil {
				t.Fatal(err)
			}
			seen = string(response.Body)
		})
		return seen
	}
	plain := see()
	fronted := see(func(o *LocalOptions) {
		o.Wrap = map[string]func(http.Handler) http.Handler{partGateway: func(h http.Handler) http.Handler { return h }}
	})
	if plain != fronted || !strings.Contains(plain, `a%2Fb/../c;d?x=1;y=2\u0026z=%zz`) {
		t.Errorf("without a front\n%s\nwith one\n%s", plain, fronted)
	}
}

func TestLocalSubjectFailsWhole(t *testing.T) {
	for name, change := range map[string]func(*LocalOptions){
		"without a main gateway":         func(o *LocalOptions) { o.Gateways = []GatewayConfig{{Name: "other"}} },
		"with an unknown error page":     func(o *LocalOptions) { o.Gateways[0].DefaultBackend = "nowhere" },
		"with a broken snippet":          func(o *LocalOptions) { o.Gateways[0].HTTPSnippet = "no such directive;" },
		"with a broken identity service": func(o *LocalOptions) { o.Wrap = brokenIdP() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TMPDIR", openTempDir(t))
			o := LocalOptions{Gateways: []GatewayConfig{{Name: MainGateway, TLS: true}}}
			change(&o)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if o.Wrap != nil {
				cancel() // nothing will ever be ready
			}
			s, err := NewLocal(ctx, o)
			if err == nil {
				t.Fatal(errors.Join(errors.New("it starts"), s.Close(t.Context())))
			}
			if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func brokenIdP() map[string]func(http.Handler) http.Handler {
	return map[string]func(http.Handler) http.Handler{partIdP: func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	}}
}
