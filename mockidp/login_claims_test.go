// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ingress-auth/conformance/mockidp"
)

// editedLogin picks a user on the login page, with other claims.
func (s *idp) editedLogin(user, claims string, overrides ...string) answer {
	s.t.Helper()
	page := s.authorize(overrides...)
	return s.post(s.at("login"), url.Values{"transaction": {s.transactionOf(page)}, "edited": {user}, "claims": {claims}})
}

func TestLogin_ClaimsAreEditedForOneLogin(t *testing.T) {
	s := newIDP(t, nil)
	if page := s.authorize().body; !strings.Contains(page, "&#34;department&#34;: &#34;R\\u0026amp;D&#34;") && !strings.Contains(page, "department") {
		t.Error("the page does not show the claims")
	}
	code := s.redirected(s.editedLogin("alice", `{"email": "x@y.example", "groups": ["one"], "level": 3, "nothing": null}`, "scope", "openid email groups profile"), callback).Get("code")
	got := s.tokens(s.token(codeParams(code)))
	want := map[string]any{"sub": "sub-alice", "email": "x@y.example", "groups": []string{"one"}, "level": 3, "email_verified": absent, "name": absent,
		"department": absent, "preferred_username": absent, "nothing": absent}
	wantClaims(t, payload(t, got.IDToken), want)
	wantClaims(t, object(t, s.userinfo(got.AccessToken).body), want)

	t.Run("the session keeps them, and another browser has the user's own", func(t *testing.T) {
		again := s.tokens(s.token(codeParams(s.code("alice", "scope", "openid email"))))
		wantClaims(t, payload(t, again.IDToken), map[string]any{"email": "x@y.example"})
		s.browser = s.newBrowser()
		other := s.tokens(s.token(codeParams(s.code("alice", "scope", "openid email"))))
		wantClaims(t, payload(t, other.IDToken), map[string]any{"email": "alice@example.com", "department": "R&D"})
	})
	t.Run("a login without a change of claims has the user's own again", func(t *testing.T) {
		s.editedLogin("alice", `{"email": "x@y.example"}`, "prompt", "login")
		fresh := s.tokens(s.token(codeParams(s.redirected(s.login("alice", "prompt", "login", "scope", "openid email"), callback).Get("code"))))
		wantClaims(t, payload(t, fresh.IDToken), map[string]any{"email": "alice@example.com"})
	})
	t.Run("a device has them too", func(t *testing.T) {
		body := object(t, s.post(issuer+"/device_authorization", url.Values{"client_id": {"tv"}, "scope": {"openid"}}).body)
		page := s.post(issuer+"/device", url.Values{"user_code": {body["user_code"].(string)}})
		s.post(issuer+"/device/decide", url.Values{"transaction": {s.transactionOf(page)}, "edited": {"bob"}, "claims": {`{"level": 4}`}})
		a := s.token(url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {body["device_code"].(string)}, "client_id": {"tv"}}, func(*http.Request) {})
		wantClaims(t, payload(t, s.tokens(a).IDToken), map[string]any{"sub": "bob", "level": 4})
	})
}

func TestLogin_MistakesInClaimsAreShownInPlace(t *testing.T) {
	s := newIDP(t, nil)
	for claims, want := range map[string]string{
		"":                           "it is empty",
		"{":                          "its end is missing",
		"{\n \"a\": 1,\n}":           "in line 3",
		"[1]":                        "it is a array",
		"null":                       "it is null",
		"{} {}":                      "something after",
		`{"aud": "x"}`:               "The claim aud is set by the protocol",
		`{"sub": "someone"}`:         "The claim sub is set by the protocol",
		`{"a": "</textarea><script"`: "&lt;/textarea&gt;",
	} {
		a := s.editedLogin("alice", claims)
		s.wantPage(a, http.StatusBadRequest, want)
		if strings.Contains(a.body, "<script") {
			t.Errorf("%s is not escaped", claims)
		}
		// The same page goes on.
		if q := s.redirected(s.post(issuer+"/login", url.Values{"transaction": {s.transactionOf(a)}, "user": {"alice"}}), callback); q.Get("code") == "" {
			t.Errorf("%s: answer %v", claims, q)
		}
		s.browser = s.newBrowser()
	}
	s.wantPage(s.editedLogin("nobody", "{}"), http.StatusBadRequest, "There is no user")
}

func TestConsent_IsAskedForOnceAndMayBeLess(t *testing.T) {
	s := newIDP(t, func(c *mockidp.Config) { c.Clients[0].RequireConsent = true })
	consent := func(a answer, values url.Values) answer {
		t.Helper()
		s.wantPage(a, http.StatusOK, "asks to use")
		values.Set("transaction", s.transactionOf(a))
		return s.post(issuer+"/consent", values)
	}
	scope := []string{"scope", "openid email profile"}
	t.Run("RFC 6749 4.1.2.1: a refusal is access_denied", func(t *testing.T) {
		s.wantError(consent(s.login("alice", scope...), url.Values{"decision": {"deny"}, "scope": {"openid"}}), "access_denied")
	})
	t.Run("Core 3.1.2.6: prompt=none without consent is consent_required", func(t *testing.T) {
		s.wantError(s.authorize("prompt", "none"), "consent_required")
	})
	t.Run("RFC 6749 3.3: what is not ticked is not granted, and the client is told", func(t *testing.T) {
		a := consent(s.authorize(scope...), url.Values{"decision": {"allow"}, "scope": {"openid", "email", "api:write"}})
		got := s.tokens(s.token(codeParams(s.redirected(a, callback).Get("code"))))
		if got.Scope != "openid email" {
			t.Errorf("scope %q", got.Scope)
		}
	})
	t.Run("the same and less is not asked for again, more is", func(t *testing.T) {
		if q := s.redirected(s.authorize("scope", "openid email", "prompt", "none"), callback); q.Get("code") == "" {
			t.Errorf("answer %v", q)
		}
		page := s.authorize(scope...)
		s.wantPage(page, http.StatusOK, "asks to use")
		a := s.post(issuer+"/consent", url.Values{"transaction": {s.transactionOf(page)}, "decision": {"allow"}})
		s.wantPage(a, http.StatusBadRequest, "Tick at least one")
	})
	t.Run("RFC 6749 10.12: the form is bound to the browser, and serves once", func(t *testing.T) {
		page := s.authorize(scope...)
		form := url.Values{"transaction": {s.transactionOf(page)}, "decision": {"allow"}, "scope": {"openid"}}
		mine := s.browser
		s.browser = s.newBrowser()
		s.wantPage(s.post(issuer+"/consent", form), http.StatusForbidden, "no longer valid")
		s.browser = mine
		s.wantPage(s.post(issuer+"/login", url.Values{"transaction": form["transaction"], "user": {"bob"}}), http.StatusForbidden, "no longer valid")
		s.redirected(s.post(issuer+"/consent", form), callback)
		s.wantPage(s.post(issuer+"/consent", form), http.StatusForbidden, "no longer valid")
	})
	t.Run("auto_login agrees", func(t *testing.T) {
		s := newIDP(t, func(c *mockidp.Config) { c.AutoLogin, c.Clients[0].RequireConsent = "alice", true })
		if q := s.redirected(s.authorize(), callback); q.Get("code") == "" {
			t.Errorf("answer %v", q)
		}
	})
}

func FuzzLogin_EditedClaims(f *testing.F) {
	for _, claims := range []string{"", "{}", `{"a":{"b":[1,null]}}`, "[", `{"groups":["x",1]}`, `{"email":3,"groups":"x"}`, `{"aud":1}`} {
		f.Add(claims)
	}
	s := newIDP(f, nil, quiet())
	f.Fuzz(func(t *testing.T, claims string) {
		s := *s
		s.t = t
		s.browser = s.newBrowser()
		a := s.editedLogin("alice", claims)
		if a.StatusCode == http.StatusBadRequest {
			return
		}
		if got := s.token(codeParams(s.redirected(a, callback).Get("code"))); got.StatusCode != http.StatusOK {
			t.Errorf("status %d: %s", got.StatusCode, got.body)
		}
	})
}
