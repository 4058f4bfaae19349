// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/ingress-auth/conformance/mockidp"
)

// quiet keeps a long run from filling memory with its log.
func quiet() mockidp.Option { return mockidp.WithLogger(slog.New(slog.DiscardHandler)) }

// FuzzParseConfig: what is accepted can be served.
func FuzzParseConfig(f *testing.F) {
	example, err := os.ReadFile("example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	f.Add([]byte("users: [{username: a, claims: {x: &a [*a]}}]"))
	f.Add([]byte("issuer: http://[::1]:8080/a/"))
	f.Add([]byte("tenants: [{path: /realms/x, users: [{username: a}]}, {path: /device}, {path: /a/, auto_login: bob}]"))
	f.Add([]byte("clients: [{client_id: a, jwks: {keys: [{kty: OKP, crv: Ed25519, x: AAAA}]}, backchannel_logout_uri: 'http://a;b/'}]"))
	f.Add([]byte("refresh_token_grace_period: 1s\nclients: [{client_id: a, token_endpoint_auth_method: tls_client_auth, tls_client_auth_subject_dn: 'CN=a+O=\\,b'}]"))
	f.Add([]byte("clients: [{client_id: a, subject_type: pairwise, sector_identifier_uri: 'https://a.example/s', redirect_uris: ['a:/']}]"))
	f.Add([]byte("clients: [{client_id: a, redirect_uris: ['http://127.0.0.1/x']}]\n---\n"))
	keys := testKeys()
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := mockidp.ParseConfig(bytes.NewReader(data))
		if err != nil {
			return
		}
		p, err := mockidp.New(cfg, mockidp.WithSigningKeys(keys...))
		if err != nil {
			t.Fatalf("ParseConfig accepts what New refuses: %v", err)
		}
		u, err := url.Parse(strings.TrimSuffix(p.Issuer(), "/") + "/.well-known/openid-configuration")
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		p.ServeHTTP(w, &http.Request{Method: http.MethodGet, URL: u, Host: u.Host})
		if w.Code != http.StatusOK {
			t.Fatalf("issuer %q: discovery answers %d", p.Issuer(), w.Code)
		}
		user, client := mockidp.DefaultUsername, mockidp.DefaultClientID
		if len(cfg.Users) > 0 {
			user = cfg.Users[0].Username
		}
		if len(cfg.Clients) > 0 {
			client = cfg.Clients[0].ClientID
		}
		if _, err := p.MintIDToken(user, client); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzAuthorize: whatever the query, a redirect goes to a registered URI and says who sends it; all else is a page.
func FuzzAuthorize(f *testing.F) {
	f.Add(authParams().Encode())
	f.Add(authParams("redirect_uri", "https://evil.example").Encode())
	f.Add(authParams("client_id", "cli", "redirect_uri", "http://127.0.0.1:5/callback").Encode())
	f.Add(authParams("prompt", "none login", "max_age", "-1", "id_token_hint", "a.b.c").Encode())
	f.Add(authParams("client_id", "hybrid", "response_type", "code id_token token").Encode())
	f.Add(authParams("response_mode", "form_post", "acr_values", "2 x").Encode())
	f.Add(authParams("claims", `{"userinfo":{"email":null},"id_token":{"acr":{"essential":true,"values":["2",3]},"sub":{"value":"x"}}}`).Encode())
	f.Add("client_id=app&client_id=app&%zz;")
	s := newIDP(f, autoLogin("alice"), quiet())
	f.Fuzz(func(t *testing.T, query string) {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/authorize", RawQuery: query}, Host: "idp.example", Header: http.Header{}})
		location := w.Header().Get("Location")
		switch w.Code {
		case http.StatusBadRequest, http.StatusOK:
			if location != "" {
				t.Fatalf("status %d with Location %q", w.Code, location)
			}
		case http.StatusFound:
			u, err := url.Parse(location)
			if err != nil {
				t.Fatal(err)
			}
			loopback := u.Scheme == "http" && (u.Hostname() == "127.0.0.1" || u.Hostname() == "::1" || u.Hostname() == "localhost")
			if u.User != nil || (!loopback && u.Host != "app.example" && u.Host != "other.example" && u.Host != "spa.example" && u.Host != "cli.example") {
				t.Fatalf("redirected to %q", location)
			}
			answer := u.Query()
			if u.Fragment != "" {
				if answer, err = url.ParseQuery(u.EscapedFragment()); err != nil {
					t.Fatal(err)
				}
			}
			tokens := answer.Has("code") || answer.Has("id_token")
			if answer.Get("iss") != issuer || tokens == answer.Has("error") {
				t.Fatalf("answer %q", location)
			}
		default:
			t.Fatalf("status %d", w.Code)
		}
	})
}

// FuzzToken: whatever the body and the header, the answer is an RFC 6749 error that must not be kept.
func FuzzToken(f *testing.F) {
	f.Add(codeParams("x").Encode(), "Basic YXBwOnMzY3JldA==")
	f.Add("grant_type=refresh_token&refresh_token=x&client_id=app&client_secret=s3cret", "")
	f.Add("client_id=spa&grant_type=authorization_code&code=x", "Bearer x")
	f.Add("%zz&;", "Basic Og==")
	s := newIDP(f, nil, quiet())
	f.Fuzz(func(t *testing.T, body, authorization string) {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		s.ServeHTTP(w, r)
		var e struct{ Error string }
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || e.Error == "" {
			t.Fatalf("status %d, body %s", w.Code, w.Body)
		}
		if w.Code != http.StatusBadRequest && w.Code != http.StatusUnauthorized {
			t.Fatalf("status %d", w.Code)
		}
		if w.Header().Get("Cache-Control") != "no-store" {
			t.Fatal("the answer may be kept")
		}
	})
}

// FuzzMint: never a panic, always JSON.
func FuzzMint(f *testing.F) {
	f.Add(`{"user":"alice","client_id":"app","expires_in":-1,"audience":["a"],"claims":{"x":null}}`)
	f.Add(`{"user":"alice","client_id":"app","claims":{"iat":"x","exp":1e300}}`)
	s := newIDP(f, func(c *mockidp.Config) { c.EnableTestMint = true }, quiet())
	f.Fuzz(func(t *testing.T, body string) {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/test/mint", strings.NewReader(body)))
		if !json.Valid(w.Body.Bytes()) || (w.Code != http.StatusOK && w.Code != http.StatusBadRequest) {
			t.Fatalf("status %d, body %s", w.Code, w.Body)
		}
	})
}

// FuzzUserinfo: no header opens it.
func FuzzUserinfo(f *testing.F) {
	f.Add("Bearer x")
	f.Add("Bearer ")
	f.Add("bearer  \t")
	s := newIDP(f, nil, quiet())
	f.Fuzz(func(t *testing.T, authorization string) {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/userinfo", nil)
		r.Header["Authorization"] = []string{authorization}
		s.ServeHTTP(w, r)
		if (w.Code != http.StatusUnauthorized && w.Code != http.StatusBadRequest) || w.Header().Get("WWW-Authenticate") == "" {
			t.Fatalf("status %d", w.Code)
		}
	})
}
