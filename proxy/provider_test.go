// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTheProxyStartsWhileTheProviderIsDown(t *testing.T) {
	c := newClock()
	op := newTestOP(t, c)
	op.set(func() { op.down = true })
	f := newFixtureWith(t, c, op, func(c *Config) { c.SkipJWTBearerTokens = true })
	for path, want := range map[string]int{
		"/ping": 200, "/ready": 503, "/oauth2/ready": 503, "/oauth2/auth": 401, "/oauth2/userinfo": 401, "/oauth2/sign_in": 200,
		"/oauth2/start": 503, "/oauth2/callback?state=x": 403, "/oauth2/sign_out": 302,
	} {
		resp := f.get(path)
		wantStatus(t, resp, want)
		if want == 503 && resp.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", path)
		}
	}
	// A token that cannot be judged yet is not called invalid.
	wantStatus(t, f.get("/oauth2/auth", "Authorization", "Bearer "+op.sign(nil)), http.StatusServiceUnavailable)

	op.set(func() { op.down = false })
	select {
	case <-f.proxy.Ready():
	case <-time.After(30 * time.Second):
		t.Fatal("the proxy did not find the provider that came back")
	}
	wantStatus(t, f.get("/ready"), http.StatusOK)
	wantStatus(t, f.login("/"), http.StatusFound)
}

func TestACallbackWhileTheProviderIsUnknownIs503(t *testing.T) {
	c := newClock()
	op := newTestOP(t, c)
	up := newFixtureWith(t, c, op, nil)
	back := up.atProvider(up.begin("/x"))
	op.set(func() { op.down = true })
	restarted := newFixtureWith(t, c, op, nil)
	for _, cookie := range up.cookies() {
		restarted.setCookie(cookie.Name, cookie.Value)
	}
	wantStatus(t, restarted.get(strings.Replace(back, up.url, restarted.url, 1)), http.StatusServiceUnavailable)
}

func TestCloseEndsTheSearch(t *testing.T) {
	c := newClock()
	op := newTestOP(t, c)
	op.set(func() { op.down = true })
	p, err := New(context.Background(), testConfig(op.issuer), Options{Clock: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestTheIssuerMustBeExactlyTheConfiguredOne(t *testing.T) {
	c := newClock()
	op := newTestOP(t, c)
	for name, issuer := range map[string]string{"trailing slash": op.URL + "/", "another": "https://evil.test"} {
		t.Run(name, func(t *testing.T) {
			f := newFixtureWith(t, c, op, func(c *Config) { c.IssuerURL, c.DiscoveryURL = issuer, op.URL })
			wantStatus(t, f.get("/ready"), http.StatusServiceUnavailable)
			if !strings.Contains(f.log.String(), "must be equal") {
				t.Errorf("the log does not say why:\n%s", f.log)
			}
		})
	}
}

func TestSplitHorizon(t *testing.T) {
	c := newClock()
	op := newTestOP(t, c)
	op.issuer = "https://idp.browser.test/realm" // not reachable from here
	f := newFixtureWith(t, c, op, func(c *Config) { c.DiscoveryURL = op.URL + wellKnownPath })
	wantStatus(t, f.get("/ready"), http.StatusOK)
	wantStatus(t, f.login("/"), http.StatusFound)
}

func TestEndpointsCanBeReplaced(t *testing.T) {
	c := newClock()
	op := newTestOP(t, c)
	f := newFixtureWith(t, c, op, func(c *Config) {
		c.LoginURL, c.RedeemURL, c.JWKSURL, c.ProfileURL = "https://login.test/a?b=c", op.URL+"/token", op.URL+"/jwks", op.URL+"/userinfo"
	})
	if got := f.begin("/"); !strings.HasPrefix(got, "https://login.test/a?b=c&") {
		t.Errorf("got %s", got)
	}
}

func TestProviderDocumentsThatAreNotUsable(t *testing.T) {
	for name, document := range map[string]string{
		"not JSON": "<html>", "no endpoints": `{"issuer":"ISSUER"}`, "relative endpoint": `{"issuer":"ISSUER","authorization_endpoint":"/a","token_endpoint":"/t","jwks_uri":"/j"}`,
		"no keys":  `{"issuer":"ISSUER","authorization_endpoint":"ISSUER/a","token_endpoint":"ISSUER/t","jwks_uri":"ISSUER/keys"}`,
		"too long": `{"issuer":"ISSUER","x":"` + strings.Repeat("x", maxProviderBody) + `"}`,
		"redirect": "REDIRECT",
	} {
		t.Run(name, func(t *testing.T) {
			var server *httptest.Server
			server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/keys":
					_, _ = w.Write([]byte(`{"keys":[{"kty":"oct","k":"AAAA"}]}`))
				case document == "REDIRECT":
					http.Redirect(w, r, "https://evil.test", http.StatusFound)
				default:
					_, _ = w.Write([]byte(strings.ReplaceAll(document, "ISSUER", server.URL)))
				}
			}))
			defer server.Close()
			p, err := New(context.Background(), testConfig(server.URL), Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if p.provider.current() != nil {
				t.Error("accepted")
			}
			t.Log(p.provider.lastError())
		})
	}
}

func TestTheProviderClientIsBoundedAndFollowsNoRedirect(t *testing.T) {
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/short", http.StatusFound)
		case "/short":
			_, _ = w.Write([]byte(`{}`))
		case "/long":
			_, _ = w.Write([]byte(`{"x":"` + strings.Repeat("x", maxProviderBody) + `"}`))
		}
	}))
	defer server.Close()
	client, err := newProviderClient(&http.Client{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if client.Timeout != providerTimeout {
		t.Errorf("timeout %s", client.Timeout)
	}
	for path, ok := range map[string]bool{"/short": true, "/redirect": false, "/long": false} {
		var into map[string]any
		if err := getJSON(t.Context(), client, server.URL+path, &into); (err == nil) != ok {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestProviderCAFile(t *testing.T) {
	var server *httptest.Server
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{}`))
	}))
	defer server.Close()
	dir := t.TempDir()
	ca, empty := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "empty.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for file, content := range map[string][]byte{ca: certificate, empty: nil} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	trusting, err := newProviderClient(nil, []string{ca})
	if err != nil {
		t.Fatal(err)
	}
	var into map[string]any
	if err := getJSON(t.Context(), trusting, server.URL, &into); err != nil {
		t.Error(err)
	}
	plain, err := newProviderClient(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := getJSON(t.Context(), plain, server.URL, &into); err == nil {
		t.Error("an unknown authority is trusted")
	}
	for _, bad := range []string{empty, filepath.Join(dir, "missing.pem")} {
		if _, err := newProviderClient(nil, []string{bad}); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

// transportFunc is an http.RoundTripper.
type transportFunc func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A provider that takes a code and never answers costs the one login, and nobody else anything.
func TestASlowProviderIs504AndHoldsNobodyElse(t *testing.T) {
	c := newClock()
	op := newTestOP(t, c)
	slow := make(chan struct{})
	client := &http.Client{Timeout: 100 * time.Millisecond, Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
		select {
		case <-slow:
			if r.URL.Path == "/token" {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
		default:
		}
		return http.DefaultTransport.RoundTrip(r)
	})}
	p, err := New(t.Context(), testConfig(op.issuer), Options{Clock: c.Now, HTTPClient: client, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	server := httptest.NewTLSServer(p)
	t.Cleanup(server.Close)
	f := &fixture{t: t, op: op, clock: c, proxy: p, url: server.URL}
	f.browser = f.newBrowser(server.Client().Transport)
	wantStatus(t, f.login("/"), http.StatusFound)
	close(slow)
	wantStatus(t, f.another().login("/"), http.StatusGatewayTimeout)
	wantStatus(t, f.get("/oauth2/auth"), http.StatusAccepted)
	wantStatus(t, f.get("/ready"), http.StatusOK)
}

// Readiness is about this replica: a provider that goes away later takes no replica out of service, where those who are
// signed in would be shut out with the others.
func TestAProviderThatGoesAwayLaterEndsNoSessionAndNoReadiness(t *testing.T) {
	f := newFixture(t, nil)
	f.login("/")
	f.op.set(func() { f.op.down = true })
	wantStatus(t, f.get("/oauth2/auth"), http.StatusAccepted)
	wantStatus(t, f.get("/ready"), http.StatusOK)
	wantStatus(t, f.get("/oauth2/sign_in"), http.StatusOK)
}
