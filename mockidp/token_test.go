// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ingress-auth/conformance/mockidp"
)

func TestToken_RFC6749_5_1_SuccessfulResponse(t *testing.T) {
	s := newIDP(t, nil)
	a := s.token(codeParams(s.code("alice", "scope", "openid email made_up")))
	got := s.tokens(a)
	wantHeader(t, a, "Content-Type", "application/json; charset=UTF-8")
	wantHeader(t, a, "Cache-Control", "no-store")
	wantHeader(t, a, "Pragma", "no-cache")
	if got.TokenType != "Bearer" || got.AccessToken == "" || got.IDToken == "" {
		t.Errorf("response %s", a.body)
	}
	if string(got.ExpiresIn) != "300" {
		t.Errorf("expires_in %s, want a number of seconds", got.ExpiresIn)
	}
	if got.Scope != "openid email" {
		t.Errorf("scope %q, want what was granted", got.Scope)
	}
	if got.RefreshToken != "" {
		t.Error("a refresh token without offline_access")
	}
}

func TestToken_RFC6749_2_3_1_ClientAuthentication(t *testing.T) {
	inBody := func(id, secret string) []string { return []string{"client_id", id, "client_secret", secret} }
	none := func(*http.Request) {}
	raw := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", value) }
	}
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, test := range map[string]struct {
		client string
		params []string
		auth   func(*http.Request)
		status int
		err    string
	}{
		"basic":                              {"app", nil, basicAuth("app", "s3cret"), 200, ""},
		"basic, scheme in lower case":        {"app", nil, raw("basic " + b64("app:s3cret")), 200, ""},
		"basic and the same client_id":       {"app", []string{"client_id", "app"}, basicAuth("app", "s3cret"), 200, ""},
		"post":                               {"app", inBody("app", "s3cret"), none, 200, ""},
		"basic, form-encoded halves":         {"odd:client/é", nil, basicAuth("odd:client/é", "p:+%/ é&="), 200, ""},
		"basic, halves not encoded":          {"odd:client/é", nil, raw("Basic " + b64("odd:client/é:p:+%/ é&=")), 401, "invalid_client"},
		"basic, wrong secret":                {"app", nil, basicAuth("app", "S3cret"), 401, "invalid_client"},
		"basic, empty secret":                {"app", nil, basicAuth("app", ""), 401, "invalid_client"},
		"basic, unknown client":              {"app", nil, basicAuth("nobody", "s3cret"), 401, "invalid_client"},
		"basic, no base64":                   {"app", nil, raw("Basic !!!"), 401, "invalid_client"},
		"basic, no colon":                    {"app", nil, raw("Basic " + b64("app")), 401, "invalid_client"},
		"basic, broken escape":               {"app", nil, raw("Basic " + b64("app:%zz")), 401, "invalid_client"},
		"another scheme":                     {"app", nil, raw("Bearer s3cret"), 401, "invalid_client"},
		"post, wrong secret":                 {"app", inBody("app", "x"), none, 401, "invalid_client"},
		"post, unknown client":               {"app", inBody("nobody", "s3cret"), none, 401, "invalid_client"},
		"no authentication":                  {"app", nil, none, 401, "invalid_client"},
		"client_id alone, of a confidential": {"app", []string{"client_id", "app"}, none, 401, "invalid_client"},
		"two ways at once":                   {"app", inBody("app", "s3cret"), basicAuth("app", "s3cret"), 400, "invalid_request"},
		"two client_ids":                     {"app", []string{"client_id", "other"}, basicAuth("app", "s3cret"), 400, "invalid_request"},
		"basic only, by basic":               {"basic-only", nil, basicAuth("basic-only", "s3cret"), 200, ""},
		"basic only, by post":                {"basic-only", inBody("basic-only", "s3cret"), none, 401, "invalid_client"},
		"post only, by post":                 {"post-only", inBody("post-only", "s3cret"), none, 200, ""},
		"post only, by basic":                {"post-only", nil, basicAuth("post-only", "s3cret"), 401, "invalid_client"},
		"public, client_id alone":            {"spa", []string{"client_id", "spa", "redirect_uri", "https://spa.example/callback"}, none, 200, ""},
		"public, with a secret":              {"spa", inBody("spa", "x"), none, 401, "invalid_client"},
		"public, by basic":                   {"spa", nil, basicAuth("spa", ""), 401, "invalid_client"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newIDP(t, nil)
			to := callback
			if test.client == "spa" {
				to = "https://spa.example/callback"
			}
			code := s.code("alice", "client_id", test.client, "redirect_uri", to)
			a := s.token(codeParams(code, test.params...), test.auth)
			if test.err == "" {
				s.tokens(a)
				return
			}
			s.wantTokenError(a, test.status, test.err)
			if challenged := strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Basic "); challenged != (test.status == 401) {
				t.Errorf("status %d, WWW-Authenticate %q", test.status, a.Header.Get("WWW-Authenticate"))
			}
		})
	}
	t.Run("an unknown client and a wrong secret are told the same", func(t *testing.T) {
		s := newIDP(t, nil)
		unknown, wrong := s.token(codeParams("x"), basicAuth("nobody", "x")), s.token(codeParams("x"), basicAuth("app", "x"))
		if unknown.body != wrong.body || unknown.StatusCode != wrong.StatusCode {
			t.Errorf("%s\n%s", unknown.body, wrong.body)
		}
	})
	t.Run("a failed authentication leaves the code valid", func(t *testing.T) {
		s := newIDP(t, nil)
		code := s.code("alice")
		s.wantTokenError(s.token(codeParams(code), basicAuth("app", "wrong")), 401, "invalid_client")
		s.tokens(s.token(codeParams(code)))
	})
}

func TestToken_RFC6749_3_2_Request(t *testing.T) {
	s := newIDP(t, nil)
	t.Run("GET is 405", func(t *testing.T) {
		if a := s.get(issuer + "/token?" + codeParams("x").Encode()); a.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("status %d", a.StatusCode)
		}
	})
	t.Run("a repeated parameter is invalid_request", func(t *testing.T) {
		s.t = t
		for name := range codeParams("x", "client_id", "app", "client_secret", "s3cret", "refresh_token", "r", "scope", "s") {
			form := codeParams("x", "client_id", "app", "client_secret", "s3cret", "refresh_token", "r", "scope", "s")
			form.Add(name, "again")
			s.wantTokenError(s.token(form, func(*http.Request) {}), 400, "invalid_request")
		}
	})
	t.Run("the body is a form", func(t *testing.T) {
		s.t = t
		s.wantTokenError(s.token(codeParams("x"), basicAuth("app", "s3cret"), func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }), 400, "invalid_request")
		s.wantTokenError(s.token(codeParams("x"), basicAuth("app", "s3cret"), func(r *http.Request) { r.Header.Del("Content-Type") }), 400, "invalid_request")
	})
	t.Run("the body is bounded", func(t *testing.T) {
		s.t = t
		s.wantTokenError(s.token(codeParams(strings.Repeat("x", 70_000))), 400, "invalid_request")
	})
	t.Run("the query does not count", func(t *testing.T) {
		s.t = t
		code := s.code("alice")
		s.wantTokenError(s.post(issuer+"/token?"+codeParams(code).Encode(), url.Values{}, basicAuth("app", "s3cret")), 400, "invalid_request")
	})
	for name, test := range map[string]struct{ grantType, err string }{
		"no grant_type":                      {"", "invalid_request"},
		"password is not supported":          {"password", "unsupported_grant_type"},
		"implicit is not for this endpoint":  {"implicit", "unsupported_grant_type"},
		"a grant type must be registered":    {"client_credentials", "unauthorized_client"},
		"grant types are case-sensitive":     {"Authorization_Code", "unsupported_grant_type"},
		"code without code is invalid":       {"authorization_code", "invalid_request"},
		"refresh without a token is invalid": {"refresh_token", "invalid_request"},
	} {
		t.Run("5.2: "+name, func(t *testing.T) {
			s.t = t
			s.wantTokenError(s.token(codeParams("", "grant_type", test.grantType)), 400, test.err)
		})
	}
}

func TestToken_RFC6749_4_1_3_CodeIsBound(t *testing.T) {
	for name, test := range map[string]struct {
		params []string
		auth   func(*http.Request)
	}{
		"to the redirect_uri":               {[]string{"redirect_uri", "https://app.example/cb?tenant=1&x=a%20b"}, nil},
		"to a redirect_uri that is sent":    {[]string{"redirect_uri", ""}, nil},
		"to the client":                     {nil, basicAuth("other", "other-secret")},
		"to the verifier (RFC 7636 4.6)":    {[]string{"code_verifier", strings.Repeat("a", 43)}, nil},
		"to a verifier (RFC 9700 4.8.2)":    {[]string{"code_verifier", ""}, nil},
		"verifier too short (RFC 7636 4.1)": {[]string{"code_verifier", "abc"}, nil},
		"verifier is not the challenge":     {[]string{"code_verifier", s256}, nil},
		"unknown code":                      {[]string{"code", "unknown"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newIDP(t, nil)
			code := s.code("alice")
			auth := test.auth
			if auth == nil {
				auth = basicAuth("app", "s3cret")
			}
			s.wantTokenError(s.token(codeParams(code, test.params...), auth), 400, "invalid_grant")
			s.tokens(s.token(codeParams(code))) // the mistake did not use the code up
		})
	}
	t.Run("RFC 9700 4.8.2: a verifier without a challenge is refused", func(t *testing.T) {
		s := newIDP(t, nil)
		code := s.code("alice", "code_challenge", "", "code_challenge_method", "")
		s.wantTokenError(s.token(codeParams(code)), 400, "invalid_grant")
		s.tokens(s.token(codeParams(code, "code_verifier", "")))
	})
	t.Run("4.1.2: it expires after 60 s, not before", func(t *testing.T) {
		s := newIDP(t, nil)
		code, late := s.code("alice"), s.code("alice")
		s.clock.advance(59 * time.Second)
		s.tokens(s.token(codeParams(code)))
		s.clock.advance(time.Second)
		s.wantTokenError(s.token(codeParams(late)), 400, "invalid_grant")
	})
}

func TestToken_RFC6749_4_1_2_CodeReplayRevokesItsTokens(t *testing.T) {
	for name, after := range map[string]time.Duration{"at once": 0, "after 30 s": 30 * time.Second, "after the code's lifetime": 2 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			s := newIDP(t, nil)
			bystander := s.tokens(s.token(codeParams(s.code("alice"))))
			code := s.code("alice", "scope", "openid offline_access")
			first := s.tokens(s.token(codeParams(code)))
			refreshed := s.tokens(s.refresh(first.RefreshToken))
			s.clock.advance(after)
			s.wantTokenError(s.token(codeParams(code)), 400, "invalid_grant")
			for _, token := range []string{first.AccessToken, refreshed.AccessToken} {
				if a := s.userinfo(token); a.StatusCode != http.StatusUnauthorized {
					t.Errorf("userinfo answers %d to a revoked token", a.StatusCode)
				}
			}
			s.wantTokenError(s.refresh(refreshed.RefreshToken), 400, "invalid_grant")
			if a := s.userinfo(bystander.AccessToken); a.StatusCode != http.StatusOK {
				t.Errorf("the tokens of another login are gone too: %d", a.StatusCode)
			}
		})
	}
	t.Run("another client's attempt revokes nothing", func(t *testing.T) {
		s := newIDP(t, nil)
		code := s.code("alice")
		got := s.tokens(s.token(codeParams(code)))
		s.wantTokenError(s.token(codeParams(code), basicAuth("other", "other-secret")), 400, "invalid_grant")
		if a := s.userinfo(got.AccessToken); a.StatusCode != http.StatusOK {
			t.Errorf("status %d", a.StatusCode)
		}
	})
	t.Run("of many at once, one wins", func(t *testing.T) {
		s := newIDP(t, nil)
		code := s.code("alice")
		const n = 16
		statuses := make(chan int, n)
		for range n {
			go func() {
				r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, issuer+"/token", strings.NewReader(codeParams(code).Encode()))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				basicAuth("app", "s3cret")(r)
				response, err := handlerTransport{s.Provider}.RoundTrip(r)
				if err != nil {
					statuses <- 0
					return
				}
				statuses <- response.StatusCode
			}()
		}
		won := 0
		for range n {
			if <-statuses == http.StatusOK {
				won++
			}
		}
		if won != 1 {
			t.Errorf("%d of %d redeemed the code", won, n)
		}
	})
}

func TestToken_PlainOAuthHasNoIDToken(t *testing.T) {
	s := newIDP(t, nil)
	if got := s.tokens(s.token(codeParams(s.code("alice", "scope", "email")))); got.IDToken != "" {
		t.Error("an ID token without the scope openid")
	}
}

func TestIDToken_Core_2_And_3_1_3_6(t *testing.T) {
	s := newIDP(t, nil)
	loginTime := s.clock.Now().Unix()
	code := s.code("alice", "scope", "openid profile email groups")
	s.clock.advance(10 * time.Second)
	got := s.tokens(s.token(codeParams(code)))
	header, claims := s.claims(got.IDToken)
	now := s.clock.Now().Unix()
	hash := sha256.Sum256([]byte(got.AccessToken))
	want := map[string]any{
		"iss": issuer, "sub": "sub-alice", "aud": "app", "iat": float64(now), "exp": float64(now + 300),
		"auth_time": float64(loginTime), "nonce": "n-1", "sid": claims["sid"],
		"at_hash": base64.RawURLEncoding.EncodeToString(hash[:16]),
		"name":    "Alice", "preferred_username": "alice", "email": "alice@example.com", "email_verified": true,
		"groups": []any{"admins", "a,b"}, "department": "R&D",
	}
	if !sameJSON(t, claims, want) {
		t.Errorf("claims\n%v, want\n%v", claims, want)
	}
	if header.Algorithm != "RS256" || header.KeyID == "" || header.ExtraHeaders["typ"] != "JWT" {
		t.Errorf("header %+v", header)
	}
	t.Run("no nonce in, no nonce out", func(t *testing.T) {
		_, claims := s.claims(s.tokens(s.token(codeParams(s.code("alice", "nonce", "", "prompt", "login")))).IDToken)
		if _, ok := claims["nonce"]; ok {
			t.Errorf("claims %v", claims)
		}
	})
	t.Run("Registration 2: a client may have ES256", func(t *testing.T) {
		code := s.code("alice", "client_id", "elliptic", "prompt", "login")
		header, claims := s.claims(s.tokens(s.token(codeParams(code), basicAuth("elliptic", "s3cret"))).IDToken)
		if header.Algorithm != "ES256" || claims["aud"] != "elliptic" {
			t.Errorf("header %+v, claims %v", header, claims)
		}
	})
}

func sameJSON(t testing.TB, a, b any) bool {
	t.Helper()
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	if errX != nil || errY != nil {
		t.Fatal(errX, errY)
	}
	return string(x) == string(y)
}

func TestRefresh(t *testing.T) {
	offline := []string{"scope", "openid offline_access email profile"}
	start := func(t *testing.T) (*idp, tokens) {
		s := newIDP(t, nil)
		return s, s.tokens(s.token(codeParams(s.code("alice", offline...))))
	}
	t.Run("Core 12.2: same iss, sub, aud, auth_time; new iat; no nonce", func(t *testing.T) {
		s, first := start(t)
		_, before := s.claims(first.IDToken)
		s.clock.advance(time.Hour)
		second := s.tokens(s.refresh(first.RefreshToken))
		_, after := s.claims(second.IDToken)
		for _, name := range []string{"iss", "sub", "aud", "auth_time", "sid", "email"} {
			if before[name] != after[name] {
				t.Errorf("%s: %v, then %v", name, before[name], after[name])
			}
		}
		if after["iat"] != float64(s.clock.Now().Unix()) || after["nonce"] != nil {
			t.Errorf("claims %v", after)
		}
		if second.AccessToken == first.AccessToken || after["at_hash"] == before["at_hash"] {
			t.Error("the access token is not new")
		}
	})
	t.Run("RFC 9700 4.14.2: rotation, and reuse ends the family", func(t *testing.T) {
		s, first := start(t)
		second := s.tokens(s.refresh(first.RefreshToken))
		if second.RefreshToken == "" || second.RefreshToken == first.RefreshToken {
			t.Fatal("the refresh token is not new")
		}
		third := s.tokens(s.refresh(second.RefreshToken))
		s.wantTokenError(s.refresh(first.RefreshToken), 400, "invalid_grant")
		s.wantTokenError(s.refresh(third.RefreshToken), 400, "invalid_grant")
		if a := s.userinfo(third.AccessToken); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("an access token of the family still works: %d", a.StatusCode)
		}
	})
	t.Run("RFC 9700 4.14.2: a grace period forgives reuse, and no longer", func(t *testing.T) {
		s := newIDP(t, func(c *mockidp.Config) { c.RefreshTokenGracePeriod = 10 * time.Second })
		first := s.tokens(s.token(codeParams(s.code("alice", offline...))))
		active := func() bool {
			return object(t, s.post(issuer+"/introspect", url.Values{"token": {first.RefreshToken}}, basicAuth("app", "s3cret")).body)["active"] == true
		}
		second := s.tokens(s.refresh(first.RefreshToken))
		s.clock.advance(9 * time.Second)
		again := s.tokens(s.refresh(first.RefreshToken))
		if again.RefreshToken == second.RefreshToken || again.RefreshToken == first.RefreshToken || !active() {
			t.Errorf("the token is not forgiven: active %v", active())
		}
		s.clock.advance(time.Second) // ten after the first use, not the last
		if active() {
			t.Error("the grace period does not end")
		}
		s.tokens(s.refresh(second.RefreshToken))
		s.wantTokenError(s.refresh(first.RefreshToken), 400, "invalid_grant")
		s.wantTokenError(s.refresh(again.RefreshToken), 400, "invalid_grant")
		if a := s.userinfo(again.AccessToken); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("an access token of the family still works: %d", a.StatusCode)
		}
	})
	t.Run("RFC 9700 4.14.2: the grace period forgives nobody else", func(t *testing.T) {
		s := newIDP(t, func(c *mockidp.Config) { c.RefreshTokenGracePeriod = time.Minute })
		first := s.tokens(s.token(codeParams(s.code("alice", offline...))))
		second := s.tokens(s.refresh(first.RefreshToken))
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.RefreshToken}}
		s.wantTokenError(s.token(form, basicAuth("other", "other-secret")), 400, "invalid_grant")
		if a := s.post(issuer+"/revoke", url.Values{"token": {second.RefreshToken}}, basicAuth("app", "s3cret")); a.StatusCode != http.StatusOK {
			t.Fatalf("status %d", a.StatusCode)
		}
		s.wantTokenError(s.refresh(first.RefreshToken), 400, "invalid_grant")
	})
	t.Run("Core 11: offline_access needs prompt=consent, if the configuration says so", func(t *testing.T) {
		s := newIDP(t, func(c *mockidp.Config) { c.OfflineAccessNeedsConsent = true })
		for prompt, want := range map[string]bool{"": false, "login": false, "consent": true, "login consent": true} {
			code := s.code("alice", append([]string{"prompt", prompt}, offline...)...)
			got := s.tokens(s.token(codeParams(code)))
			if (got.RefreshToken != "") != want || strings.Contains(got.Scope, "offline_access") != want {
				t.Errorf("prompt %q: scope %q, refresh token: %v", prompt, got.Scope, got.RefreshToken != "")
			}
		}
	})
	t.Run("RFC 6749 6: scope may be narrower, and the next refresh has all again", func(t *testing.T) {
		s, first := start(t)
		second := s.tokens(s.refresh(first.RefreshToken, "scope", "openid"))
		_, claims := s.claims(second.IDToken)
		if second.Scope != "openid" || claims["email"] != nil {
			t.Errorf("scope %q, claims %v", second.Scope, claims)
		}
		if third := s.tokens(s.refresh(second.RefreshToken)); third.Scope != first.Scope {
			t.Errorf("scope %q", third.Scope)
		}
	})
	t.Run("RFC 6749 6: scope may not be wider, and the mistake costs nothing", func(t *testing.T) {
		s, first := start(t)
		s.wantTokenError(s.refresh(first.RefreshToken, "scope", "openid groups"), 400, "invalid_scope")
		s.tokens(s.refresh(first.RefreshToken))
	})
	t.Run("RFC 6749 6: bound to the client; another's attempt costs nothing", func(t *testing.T) {
		s, first := start(t)
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.RefreshToken}}
		s.wantTokenError(s.token(form, basicAuth("other", "other-secret")), 400, "invalid_grant")
		s.tokens(s.refresh(first.RefreshToken))
	})
	t.Run("RFC 6749 5.2: unknown and expired", func(t *testing.T) {
		s, first := start(t)
		s.wantTokenError(s.refresh("unknown"), 400, "invalid_grant")
		s.wantTokenError(s.refresh(first.AccessToken), 400, "invalid_grant")
		s.clock.advance(24 * time.Hour)
		s.wantTokenError(s.refresh(first.RefreshToken), 400, "invalid_grant")
	})
	t.Run("Core 11: who gets one", func(t *testing.T) {
		for _, test := range []struct {
			client, scope string
			want          bool
		}{{"app", "openid", false}, {"app", "openid offline_access", true}, {"always", "openid", true}, {"never", "openid offline_access", false}} {
			s := newIDP(t, nil)
			code := s.code("alice", "client_id", test.client, "scope", test.scope)
			got := s.tokens(s.token(codeParams(code), basicAuth(test.client, "s3cret"))).RefreshToken != ""
			if got != test.want {
				t.Errorf("%+v: %v", test, got)
			}
		}
	})
	t.Run("a public client refreshes without a secret", func(t *testing.T) {
		s := newIDP(t, nil)
		spa, none := "https://spa.example/callback", func(*http.Request) {}
		code := s.code("alice", "client_id", "spa", "redirect_uri", spa, "scope", "openid offline_access")
		first := s.tokens(s.token(codeParams(code, "client_id", "spa", "redirect_uri", spa), none))
		s.tokens(s.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.RefreshToken}, "client_id": {"spa"}}, none))
	})
}

func TestUserinfo_Core_5_3(t *testing.T) {
	s := newIDP(t, nil)
	get := func(scope string) map[string]any {
		t.Helper()
		got := s.tokens(s.token(codeParams(s.code("alice", "scope", scope, "prompt", "login"))))
		a := s.userinfo(got.AccessToken)
		if a.StatusCode != http.StatusOK {
			t.Fatalf("status %d", a.StatusCode)
		}
		wantHeader(t, a, "Content-Type", "application/json; charset=UTF-8")
		wantHeader(t, a, "Cache-Control", "no-store")
		var claims map[string]any
		if err := json.Unmarshal([]byte(a.body), &claims); err != nil {
			t.Fatal(err)
		}
		return claims
	}
	t.Run("5.4: each scope releases its claims and no other's", func(t *testing.T) {
		for scope, want := range map[string]map[string]any{
			"openid":         {},
			"openid profile": {"name": "Alice", "preferred_username": "alice"},
			"openid email":   {"email": "alice@example.com", "email_verified": true},
			"openid phone":   {"phone_number": "+1 555"},
			"openid address": {"address": map[string]any{"country": "NL"}},
			"openid groups":  {"groups": []any{"admins", "a,b"}},
		} {
			want["sub"], want["department"] = "sub-alice", "R&D"
			if got := get(scope); !sameJSON(t, got, want) {
				t.Errorf("%s: %v, want %v", scope, got, want)
			}
		}
	})
	t.Run("a user's claims override, and null removes", func(t *testing.T) {
		for user, want := range map[string]map[string]any{
			"bob":    {"sub": "bob", "preferred_username": "bob", "email": "bob@example.com", "email_verified": "true"},
			"nomail": {"sub": "nomail"},
		} {
			got := s.tokens(s.token(codeParams(s.code(user, "scope", "openid profile email", "prompt", "login"))))
			var claims map[string]any
			if err := json.Unmarshal([]byte(s.userinfo(got.AccessToken).body), &claims); err != nil {
				t.Fatal(err)
			}
			if !sameJSON(t, claims, want) {
				t.Errorf("%s: %v, want %v", user, claims, want)
			}
		}
	})
	good := s.tokens(s.token(codeParams(s.code("alice", "prompt", "login")))).AccessToken
	oauth := s.tokens(s.token(codeParams(s.code("alice", "prompt", "login", "scope", "email")))).AccessToken
	bearer := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Add("Authorization", "Bearer "+token) }
	}
	for name, test := range map[string]struct {
		method    string
		form      url.Values
		edit      func(*http.Request)
		status    int
		challenge string
	}{
		"RFC 6750 2.1: POST, token in the header": {"POST", nil, bearer(good), 200, ""},
		"RFC 6750 2.2: POST, token in the body":   {"POST", url.Values{"access_token": {good}}, nil, 200, ""},
		"RFC 9110 11.1: scheme in lower case":     {"GET", nil, func(r *http.Request) { r.Header.Set("Authorization", "bearer "+good) }, 200, ""},
		"RFC 6750 3.1: no token, no error code":   {"GET", nil, nil, 401, `Bearer realm="mockidp"`},
		"RFC 6750 3.1: an unknown token":          {"GET", nil, bearer("x"), 401, `error="invalid_token"`},
		"RFC 6750 3.1: no openid scope":           {"GET", nil, bearer(oauth), 403, `error="insufficient_scope"`},
		"RFC 6750 2: two ways at once":            {"POST", url.Values{"access_token": {good}}, bearer(good), 400, `error="invalid_request"`},
		"RFC 6750 3.1: an empty token":            {"GET", nil, func(r *http.Request) { r.Header.Set("Authorization", "Bearer ") }, 400, `error="invalid_request"`},
		"RFC 9700 4.3.2: not in the query":        {"GET", nil, func(r *http.Request) { r.URL.RawQuery = "access_token=" + good }, 401, `Bearer realm="mockidp"`},
		"Basic is no token":                       {"GET", nil, basicAuth("app", "s3cret"), 401, `Bearer realm="mockidp"`},
		"a form that is not well formed":          {"POST", url.Values{"access_token": {strings.Repeat("x", 70_000)}}, nil, 400, `error="invalid_request"`},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), test.method, issuer+"/userinfo", strings.NewReader(test.form.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			if test.form != nil {
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			if test.edit != nil {
				test.edit(r)
			}
			a := s.do(s.browser, r)
			if a.StatusCode != test.status || !strings.Contains(a.Header.Get("WWW-Authenticate"), test.challenge) {
				t.Errorf("status %d, WWW-Authenticate %q; want %d, %q", a.StatusCode, a.Header.Get("WWW-Authenticate"), test.status, test.challenge)
			}
			if strings.HasSuffix(test.challenge, `"mockidp"`) && a.Header.Get("WWW-Authenticate") != test.challenge {
				t.Errorf("WWW-Authenticate %q, want no error in it", a.Header.Get("WWW-Authenticate"))
			}
			wantHeader(t, a, "Cache-Control", "no-store")
		})
	}
	t.Run("an access token expires", func(t *testing.T) {
		s.clock.advance(5 * time.Minute)
		if a := s.userinfo(good); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("status %d", a.StatusCode)
		}
	})
}

func TestMint(t *testing.T) {
	s := newIDP(t, func(c *mockidp.Config) { c.EnableTestMint = true })
	now := float64(s.clock.Now().Unix())
	mint := func(body string) (int, map[string]any) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, issuer+"/test/mint", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		a := s.do(s.browser, r)
		var out struct {
			IDToken string `json:"id_token"`
		}
		if err := json.Unmarshal([]byte(a.body), &out); err != nil {
			t.Fatal(err)
		}
		if a.StatusCode != http.StatusOK {
			return a.StatusCode, nil
		}
		_, claims := s.claims(out.IDToken)
		return a.StatusCode, claims
	}
	t.Run("a good token has every claim of the user", func(t *testing.T) {
		_, claims := mint(`{"user":"alice","client_id":"app"}`)
		if claims["sub"] != "sub-alice" || claims["aud"] != "app" || claims["exp"] != now+300 || claims["groups"] == nil || claims["email"] == nil {
			t.Errorf("claims %v", claims)
		}
	})
	t.Run("expires_in, forward and back", func(t *testing.T) {
		if _, claims := mint(`{"user":"alice","client_id":"app","expires_in":3600}`); claims["exp"] != now+3600 {
			t.Errorf("claims %v", claims)
		}
		_, claims := mint(`{"user":"alice","client_id":"app","expires_in":-60}`)
		if claims["exp"] != now-60 || claims["iat"].(float64) >= now-60 {
			t.Errorf("claims %v", claims)
		}
	})
	t.Run("audience, one or several", func(t *testing.T) {
		if _, claims := mint(`{"user":"alice","client_id":"app","audience":"x"}`); claims["aud"] != "x" {
			t.Errorf("claims %v", claims)
		}
		if _, claims := mint(`{"user":"alice","client_id":"app","audience":["x","y"]}`); !sameJSON(t, claims["aud"], []string{"x", "y"}) {
			t.Errorf("claims %v", claims)
		}
	})
	t.Run("claims, null removes", func(t *testing.T) {
		_, claims := mint(`{"user":"alice","client_id":"app","claims":{"iss":"https://evil.example","email":null,"groups":[]}}`)
		if _, ok := claims["email"]; ok || claims["iss"] != "https://evil.example" || !sameJSON(t, claims["groups"], []string{}) {
			t.Errorf("claims %v", claims)
		}
	})
	for name, body := range map[string]string{
		"unknown user": `{"user":"mallory","client_id":"app"}`, "unknown client": `{"user":"alice","client_id":"x"}`, "empty": ``, "unknown field": `{"user":"alice","client_id":"app","usr":1}`,
		"trailing": `{"user":"alice","client_id":"app"} {}`, "out of range": `{"user":"alice","client_id":"app","expires_in":9000000000}`, "wrong type": `{"user":"alice","client_id":"app","audience":1}`,
	} {
		t.Run("refused: "+name, func(t *testing.T) {
			if status, _ := mint(body); status != http.StatusBadRequest {
				t.Errorf("status %d", status)
			}
		})
	}
	t.Run("it is off unless it is switched on", func(t *testing.T) {
		off := newIDP(t, nil)
		if a := off.post(issuer+"/test/mint", url.Values{}); a.StatusCode != http.StatusNotFound {
			t.Errorf("status %d", a.StatusCode)
		}
	})
	t.Run("in Go: unknown names are errors, edits apply", func(t *testing.T) {
		if _, err := s.MintIDToken("mallory", "app"); err == nil {
			t.Error("minted for nobody")
		}
		if _, err := s.MintIDToken("alice", "nobody"); err == nil {
			t.Error("minted for no client")
		}
		token, err := s.MintIDToken("alice", "app", mockidp.Audience(), mockidp.Claim("exp", nil), mockidp.Claim("x", 1))
		if err != nil {
			t.Fatal(err)
		}
		_, claims := s.claims(token)
		if claims["aud"] != nil || claims["exp"] != nil || claims["x"] != float64(1) {
			t.Errorf("claims %v", claims)
		}
	})
}
