// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestSignInPageCarriesTheRedirect(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.ProviderName = "Acme <ID>" })
	resp := f.get("/oauth2/sign_in?rd=" + url.QueryEscape(`/x?a=1&b="c"`))
	wantStatus(t, resp, http.StatusOK)
	for _, want := range []string{`<form method="get" action="/oauth2/start">`, `name="rd" value="/x?a=1&amp;b=&#34;c&#34;"`, "Sign in with Acme &lt;ID&gt;", `<html lang="en">`} {
		if !strings.Contains(resp.body, want) {
			t.Errorf("page lacks %s:\n%s", want, resp.body)
		}
	}
	if strings.Contains(f.get("/oauth2/sign_in?rd=https://evil.test/").body, "evil.test") {
		t.Error("a refused rd is carried on")
	}
}

func TestSignInPageEndsNoSession(t *testing.T) {
	f := newFixture(t, nil)
	f.login("/")
	resp := f.get("/oauth2/sign_in?rd=/x")
	wantStatus(t, resp, http.StatusOK)
	if !strings.Contains(resp.body, `signed in as <strong>ann@example.com</strong>. <a href="/x">Continue</a>`) {
		t.Errorf("page does not say who is signed in:\n%s", resp.body)
	}
	wantStatus(t, f.get("/oauth2/auth"), http.StatusAccepted)

	f.clock.Advance(168 * time.Hour)
	if got := f.get("/oauth2/sign_in").Header.Get("Set-Cookie"); !strings.Contains(got, "Max-Age=0") {
		t.Errorf("a dead session is kept: %q", got)
	}
}

func TestSkipProviderButtonGoesStraightToTheProvider(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.SkipProviderButton = true })
	resp := f.get("/oauth2/sign_in?rd=/x")
	wantStatus(t, resp, http.StatusFound)
	wantHeader(t, f.finish(resp.Header.Get("Location")), "Location", "/x")
}

func TestPagesLoadNothingAndAllowOnlyTheirStyle(t *testing.T) {
	f := newFixture(t, nil)
	for _, path := range []string{"/oauth2/sign_in", "/oauth2/callback", "/oauth2/nothing", "/app"} {
		resp := f.get(path)
		_, rest, _ := strings.Cut(resp.body, "<style>")
		style, _, ok := strings.Cut(rest, "</style>")
		sum := sha256.Sum256([]byte(style))
		policy := resp.Header.Get("Content-Security-Policy")
		if !ok || !strings.Contains(policy, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") || !strings.HasPrefix(policy, "default-src 'none'") {
			t.Errorf("%s: policy %q does not fit the style", path, policy)
		}
		for _, external := range []string{"<script", "src=", "http://", "https://", "<link", "@import"} {
			if strings.Contains(resp.body, external) {
				t.Errorf("%s: page has %s", path, external)
			}
		}
		wantHeader(t, resp, "Cache-Control", "no-store")
		wantHeader(t, resp, "X-Content-Type-Options", "nosniff")
		wantHeader(t, resp, "Referrer-Policy", "no-referrer")
	}
}

func TestErrorsNameTheRequestAndComeAsJSONOnRequest(t *testing.T) {
	f := newFixture(t, nil)
	resp := f.get("/oauth2/callback?state=x", "X-Request-Id", "abc-123")
	if !strings.Contains(resp.body, "Request ID: abc-123") || !strings.Contains(f.log.String(), "abc-123") {
		t.Errorf("the request ID is not shown and logged:\n%s", resp.body)
	}
	if resp := f.get("/oauth2/callback?state=x", "X-Request-Id", "<b>"); strings.Contains(resp.body, "<b>") || strings.Contains(resp.body, "&lt;b&gt;") {
		t.Error("an odd request ID is taken over")
	}
	for accept, wantJSON := range map[string]bool{
		"application/json": true, "application/json;charset=utf-8": true, "text/plain, application/json": true,
		"text/html,application/json": false, "*/*": false, "": false, "application/json;q=0": false, "application/jsonx": false,
	} {
		resp := f.get("/oauth2/callback?state=x", "Accept", accept)
		wantStatus(t, resp, http.StatusForbidden)
		var body struct{ Status int }
		if got := json.Unmarshal([]byte(resp.body), &body) == nil && body.Status == 403; got != wantJSON {
			t.Errorf("Accept %q: JSON %v, want %v", accept, got, wantJSON)
		}
	}
}

func TestMethodsAndUnknownAddresses(t *testing.T) {
	f := newFixture(t, nil)
	for _, tc := range []struct {
		method, path string
		want         int
	}{
		{"POST", "/oauth2/callback", 405}, {"DELETE", "/oauth2/sign_out", 405}, {"POST", "/oauth2/sign_in", 405}, {"POST", "/oauth2/start", 302}, {"POST", "/oauth2/sign_out", 302},
		{"GET", "/oauth2/nothing", 404}, {"GET", "/oauth2/auth/", 404}, {"GET", "/oauth2/", 404}, {"GET", "/app", 404}, {"GET", "/oauth2", 404}, {"GET", "//oauth2/auth", 404},
		{"GET", "/ping", 200}, {"GET", "/oauth2/ping", 200}, {"GET", "/ready", 200}, {"GET", "/oauth2/ready", 200}, {"HEAD", "/oauth2/start", 302},
	} {
		if resp := f.do(tc.method, tc.path); resp.StatusCode != tc.want {
			t.Errorf("%s %s: got %d, want %d", tc.method, tc.path, resp.StatusCode, tc.want)
		}
	}
}

func TestSignOut(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.WhitelistDomains = []string{"bye.test"} })
	for rd, want := range map[string]string{"/bye": "/bye", "https://bye.test/x": "https://bye.test/x", "https://evil.test/": "/", "": "/", "/oauth2/sign_out": "/"} {
		f.login("/")
		resp := f.get("/oauth2/sign_out?rd=" + url.QueryEscape(rd))
		wantStatus(t, resp, http.StatusFound)
		wantHeader(t, resp, "Location", want)
		if len(f.cookies()) != 0 {
			t.Errorf("cookies left: %v", f.cookies())
		}
		wantStatus(t, f.get("/oauth2/auth"), http.StatusUnauthorized)
	}
}

func TestSignOutEndsTheProvidersSessionToo(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.EndSession = true })
	f.login("/")
	u, err := url.Parse(f.get("/oauth2/sign_out?rd=/bye").Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if !strings.HasPrefix(u.String(), f.op.URL+"/logout?") || q.Get("x") != "1" || q.Get("client_id") != testClientID ||
		q.Get("post_logout_redirect_uri") != f.url+"/bye" || strings.Count(q.Get("id_token_hint"), ".") != 2 {
		t.Errorf("got %s", u)
	}
}
