// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ingress-auth/conformance/mockidp"
)

// RFC 6749 section 4.1.2.1: before client and redirect URI are known to be good, there is no redirect.
func TestAuthorize_RFC6749_4_1_2_1_NeverRedirectsToAnUnverifiedURI(t *testing.T) {
	s := newIDP(t, autoLogin("alice"))
	for name, query := range map[string]string{
		"client_id missing":            authParams("client_id", "").Encode(),
		"client_id unknown":            authParams("client_id", "nobody").Encode(),
		"client_id repeated":           authParams().Encode() + "&client_id=app",
		"redirect_uri missing":         authParams("redirect_uri", "").Encode(),
		"redirect_uri repeated":        authParams().Encode() + "&redirect_uri=" + url.QueryEscape(callback),
		"redirect_uri of other client": authParams("redirect_uri", "https://other.example/callback").Encode(),
		"other host":                   authParams("redirect_uri", "https://evil.example/callback").Encode(),
		"path added":                   authParams("redirect_uri", callback+"/x").Encode(),
		"path traversal":               authParams("redirect_uri", "https://app.example/callback/../evil").Encode(),
		"trailing slash":               authParams("redirect_uri", callback+"/").Encode(),
		"query added":                  authParams("redirect_uri", callback+"?a=b").Encode(),
		"query in another order":       authParams("redirect_uri", "https://app.example/cb?x=a%20b&tenant=1").Encode(),
		"query encoded differently":    authParams("redirect_uri", "https://app.example/cb?tenant=1&x=a+b").Encode(),
		"query missing":                authParams("redirect_uri", "https://app.example/cb").Encode(),
		"fragment added":               authParams("redirect_uri", callback+"#f").Encode(),
		"user information added":       authParams("redirect_uri", "https://app.example@evil.example/callback").Encode(),
		"host in capitals":             authParams("redirect_uri", "https://APP.example/callback").Encode(),
		"default port added":           authParams("redirect_uri", "https://app.example:443/callback").Encode(),
		"http for https":               authParams("redirect_uri", "http://app.example/callback").Encode(),
		"prefix":                       authParams("redirect_uri", "https://app.example.evil/callback").Encode(),
		"port of a web client":         authParams("redirect_uri", "https://app.example:8443/callback").Encode(),
		"loopback port of web client":  authParams("client_id", "local-web", "redirect_uri", "http://127.0.0.1:5/callback").Encode(),
		"malformed query":              "client_id=app&redirect_uri=%zz",
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			a := s.get(issuer + "/authorize?" + query)
			s.wantPage(a, http.StatusBadRequest, "<h1>")
			wantHeader(t, a, "Cache-Control", "no-store")
		})
	}
}

func TestAuthorize_RFC8252_7_3_ANativeClientMayUseAnyLoopbackPort(t *testing.T) {
	s := newIDP(t, autoLogin("alice"))
	for uri, allowed := range map[string]bool{
		"http://127.0.0.1/callback":              true,
		"http://127.0.0.1:51234/callback":        true,
		"http://localhost:51234/callback":        true,
		"http://[::1]:51234/callback":            true,
		"http://127.0.0.2:51234/callback":        false,
		"http://127.0.0.1:51234/other":           false,
		"http://127.0.0.1:51234/callback?x=1":    false,
		"https://127.0.0.1:51234/callback":       false,
		"https://cli.example:51234/callback":     false,
		"http://localhost.evil:51234/callback":   false,
		"http://127.0.0.1:1@evil.example/cb":     false,
		"http://127.0.0.1:51234:1/callback":      false,
		"http://127.0.0.1:51234/callback#f":      false,
		"http://127.0.0.1:51234\\evil/callback":  false,
		"HTTP://127.0.0.1:51234/callback":        false,
		"http://127.0.0.1:51234/callback\r\nX:1": false,
	} {
		a := s.authorize("client_id", "cli", "redirect_uri", uri)
		if got := a.StatusCode == http.StatusFound; got != allowed {
			t.Errorf("%q: redirected is %v, want %v", uri, got, allowed)
		}
		if allowed && !strings.HasPrefix(a.Header.Get("Location"), uri+"?") {
			t.Errorf("%q: redirected to %q", uri, a.Header.Get("Location"))
		}
	}
}

// Errors that the client learns of.
func TestAuthorize_ErrorsGoBackToTheClient(t *testing.T) {
	s := newIDP(t, nil)
	for name, test := range map[string]struct {
		params []string
		code   string
	}{
		"RFC 6749 3.1.1: response_type is required":                  {[]string{"response_type", ""}, "invalid_request"},
		"RFC 6749 4.1.2.1: response_type token is not supported":     {[]string{"response_type", "token"}, "unsupported_response_type"},
		"RFC 6749 4.1.2.1: response_type none is not supported":      {[]string{"response_type", "none"}, "unsupported_response_type"},
		"RFC 6749 4.1.2.1: a response_type that says code twice":     {[]string{"response_type", "code code"}, "unsupported_response_type"},
		"Multiple Response Types 2.1: an unknown response_mode":      {[]string{"response_mode", "web_message"}, "invalid_request"},
		"RFC 6749 3.3: scope is needed":                              {[]string{"scope", ""}, "invalid_scope"},
		"RFC 6749 3.3: no supported scope":                           {[]string{"scope", "made_up"}, "invalid_scope"},
		"RFC 9101 6.2: an unsigned or broken request object":         {[]string{"request", "x.y.z"}, "invalid_request_object"},
		"RFC 9101 10.4.1: a request_uri that is not registered":      {[]string{"request_uri", "https://a.example"}, "invalid_request_uri"},
		"Core 7.2.1: registration is refused with its own code":      {[]string{"registration", "{}"}, "registration_not_supported"},
		"Core 3.1.2.1: prompt none goes alone":                       {[]string{"prompt", "none login"}, "invalid_request"},
		"Core 3.1.2.1: an unknown prompt":                            {[]string{"prompt", "create"}, "invalid_request"},
		"Core 3.1.2.6: prompt none without a session":                {[]string{"prompt", "none"}, "login_required"},
		"Core 3.1.2.1: max_age is a number":                          {[]string{"max_age", "soon"}, "invalid_request"},
		"Core 3.1.2.1: max_age is not negative":                      {[]string{"max_age", "-1"}, "invalid_request"},
		"Core 3.1.2.1: id_token_hint must be one of ours":            {[]string{"id_token_hint", "eyJhbGciOiJub25lIn0.e30."}, "invalid_request"},
		"RFC 7636 4.4.1: plain is refused":                           {[]string{"code_challenge_method", "plain"}, "invalid_request"},
		"RFC 7636 4.3: no method means plain, refused":               {[]string{"code_challenge_method", ""}, "invalid_request"},
		"RFC 7636 4.4.1: an unknown method":                          {[]string{"code_challenge_method", "S512"}, "invalid_request"},
		"RFC 7636 4.2: a challenge that is no hash":                  {[]string{"code_challenge", "abc"}, "invalid_request"},
		"RFC 7636 4.2: a padded challenge":                           {[]string{"code_challenge", s256 + "="}, "invalid_request"},
		"RFC 7636 4.3: a method without a challenge":                 {[]string{"code_challenge", ""}, "invalid_request"},
		"RFC 7636 4.4.1: a client that must use PKCE and does not":   {[]string{"client_id", "strict", "code_challenge", "", "code_challenge_method", ""}, "invalid_request"},
		"RFC 6749 3.1: an empty parameter counts as omitted (scope)": {[]string{"scope", " "}, "invalid_scope"},
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			a := s.authorize(test.params...)
			s.wantError(a, test.code)
			if got := s.redirected(a, callback).Get("state"); got != "st&a te=%+é" {
				t.Errorf("state %q", got)
			}
		})
	}
	t.Run("RFC 6749 3.1: a repeated parameter is invalid_request", func(t *testing.T) {
		s.t = t
		for _, name := range []string{"scope", "nonce", "response_type", "prompt", "code_challenge", "state", "max_age"} {
			s.wantError(s.get(issuer+"/authorize?"+authParams().Encode()+"&"+name+"=1&"+name+"=2"), "invalid_request")
		}
	})
	t.Run("RFC 9700 2.1.1: a public client must use PKCE", func(t *testing.T) {
		s.t = t
		a := s.authorize("client_id", "spa", "redirect_uri", "https://spa.example/callback", "code_challenge", "", "code_challenge_method", "")
		if q := s.redirected(a, "https://spa.example/callback"); q.Get("error") != "invalid_request" {
			t.Errorf("answer %v", q)
		}
	})
	t.Run("RFC 6749 4.1.2.1: error_description keeps to its characters", func(t *testing.T) {
		s.t = t
		auto := newIDP(t, autoLogin("alice"))
		d := auto.redirected(auto.authorize("login_hint", "<é\"\\\r\n>"), callback).Get("error_description")
		for _, r := range d {
			if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
				t.Errorf("error_description %q holds %q", d, r)
			}
		}
	})
}

func TestAuthorize_AcceptsWhatItShould(t *testing.T) {
	for name, params := range map[string][]string{
		"Core 3.1.2.1: no nonce in the code flow":            {"nonce", ""},
		"RFC 7636 4.4.1: no PKCE for a confidential client":  {"code_challenge", "", "code_challenge_method", ""},
		"RFC 6749 4.1.1: no state":                           {"state", ""},
		"RFC 6749 3.1: an unknown parameter":                 {"extra", "1"},
		"Core 3.1.2.1: display":                              {"display", "popup"},
		"Core 3.1.2.1: ui_locales":                           {"ui_locales", "se nl"},
		"Core 5.2: claims_locales":                           {"claims_locales", "se"},
		"Core 3.1.2.1: acr_values":                           {"acr_values", "1 2"},
		"Core 5.5: claims, which is not supported":           {"claims", `{"id_token":{}}`},
		"Core 3.1.2.1: login_hint":                           {"login_hint", "alice"},
		"Core 3.1.2.1: a scope that is not known is ignored": {"scope", "openid made_up"},
		"response_mode query":                                {"response_mode", "query"},
		"max_age":                                            {"max_age", "10000"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newIDP(t, autoLogin("alice"))
			if q := s.redirected(s.authorize(params...), callback); q.Get("code") == "" {
				t.Errorf("answer %v", q)
			}
		})
	}
	t.Run("Core 3.1.2.1: POST serves as GET does", func(t *testing.T) {
		s := newIDP(t, autoLogin("alice"))
		a := s.post(issuer+"/authorize", authParams())
		if q := s.redirected(a, callback); q.Get("code") == "" || a.StatusCode != http.StatusSeeOther {
			t.Errorf("status %d, answer %v", a.StatusCode, q)
		}
	})
	t.Run("Core 3.1.2.1: of a POST only the body counts", func(t *testing.T) {
		s := newIDP(t, autoLogin("alice"))
		s.wantPage(s.post(issuer+"/authorize?"+authParams().Encode(), url.Values{}), http.StatusBadRequest, "client_id is missing")
	})
}

func TestAuthorize_Response(t *testing.T) {
	t.Run("RFC 6749 4.1.2 and RFC 9207 2: code, state as it came, iss, and nothing else", func(t *testing.T) {
		s := newIDP(t, autoLogin("alice"))
		a := s.authorize()
		q := s.redirected(a, callback)
		if q.Get("code") == "" || q.Get("state") != "st&a te=%+é" || q.Get("iss") != issuer || len(q) != 3 {
			t.Errorf("answer %v", q)
		}
		if a.StatusCode != http.StatusFound {
			t.Errorf("status %d", a.StatusCode)
		}
		wantHeader(t, a, "Cache-Control", "no-store")
		wantHeader(t, a, "Referrer-Policy", "no-referrer")
	})
	t.Run("RFC 6749 4.1.2: no state in, no state out", func(t *testing.T) {
		s := newIDP(t, autoLogin("alice"))
		if q := s.redirected(s.authorize("state", ""), callback); q.Has("state") {
			t.Errorf("answer %v", q)
		}
	})
	t.Run("RFC 6749 3.1.2: the query of the redirect URI is kept, byte by byte", func(t *testing.T) {
		s := newIDP(t, autoLogin("alice"))
		uri := "https://app.example/cb?tenant=1&x=a%20b"
		if q := s.redirected(s.authorize("redirect_uri", uri), uri); q.Get("code") == "" {
			t.Errorf("answer %v", q)
		}
	})
	t.Run("RFC 9700 4.12: after the login form it is 303", func(t *testing.T) {
		s := newIDP(t, nil)
		if a := s.login("alice"); a.StatusCode != http.StatusSeeOther {
			t.Errorf("status %d", a.StatusCode)
		}
	})
}

func TestAuthorize_Core_3_1_2_1_PromptAndMaxAge(t *testing.T) {
	authTime := func(s *idp, a answer) float64 {
		s.t.Helper()
		code := s.redirected(a, callback).Get("code")
		_, claims := s.claims(s.tokens(s.token(codeParams(code))).IDToken)
		return claims["auth_time"].(float64)
	}
	t.Run("a session answers without a page", func(t *testing.T) {
		s := newIDP(t, nil)
		first := authTime(s, s.login("alice"))
		s.clock.advance(time.Minute)
		if second := authTime(s, s.authorize()); second != first {
			t.Errorf("auth_time %v, then %v", first, second)
		}
	})
	t.Run("prompt=none is answered from a session", func(t *testing.T) {
		s := newIDP(t, nil)
		s.login("alice")
		if q := s.redirected(s.authorize("prompt", "none"), callback); q.Get("code") == "" {
			t.Errorf("answer %v", q)
		}
	})
	t.Run("prompt=none never signs in, automatic login or not", func(t *testing.T) {
		s := newIDP(t, autoLogin("alice"))
		s.wantError(s.authorize("prompt", "none"), "login_required")
	})
	for _, prompt := range []string{"login", "consent", "select_account", "login consent"} {
		t.Run("prompt="+prompt+" asks again, and auth_time is new", func(t *testing.T) {
			s := newIDP(t, nil)
			first := authTime(s, s.login("alice"))
			s.clock.advance(time.Minute)
			if second := authTime(s, s.login("alice", "prompt", prompt)); second != first+60 {
				t.Errorf("auth_time %v, then %v", first, second)
			}
		})
	}
	t.Run("prompt=login signs in again where login is automatic", func(t *testing.T) {
		s := newIDP(t, autoLogin("alice"))
		first := authTime(s, s.authorize())
		s.clock.advance(time.Minute)
		if second := authTime(s, s.authorize("prompt", "login")); second != first+60 {
			t.Errorf("auth_time %v, then %v", first, second)
		}
	})
	t.Run("max_age asks again when the login is older, not before", func(t *testing.T) {
		s := newIDP(t, nil)
		s.login("alice")
		s.clock.advance(10 * time.Second)
		s.redirected(s.authorize("max_age", "10"), callback)
		s.clock.advance(time.Second)
		s.wantPage(s.authorize("max_age", "10"), http.StatusOK, "Pick a user")
		s.wantError(s.authorize("max_age", "10", "prompt", "none"), "login_required")
	})
	t.Run("max_age=0 asks even in the second of the login", func(t *testing.T) {
		s := newIDP(t, nil)
		s.login("alice")
		s.wantPage(s.authorize("max_age", "0"), http.StatusOK, "Pick a user")
	})
	t.Run("the session ends with its lifetime", func(t *testing.T) {
		s := newIDP(t, nil)
		s.login("alice")
		s.clock.advance(8 * time.Hour)
		s.wantError(s.authorize("prompt", "none"), "login_required")
	})
}

func TestAuthorize_Core_3_1_2_1_Hints(t *testing.T) {
	user := func(s *idp, a answer) any {
		s.t.Helper()
		_, claims := s.claims(s.tokens(s.token(codeParams(s.redirected(a, callback).Get("code")))).IDToken)
		return claims["sub"]
	}
	t.Run("login_hint picks the user where login is automatic", func(t *testing.T) {
		for hint, want := range map[string]string{"": "sub-alice", "bob": "bob", "bob@example.com": "bob", "sub-alice": "sub-alice"} {
			s := newIDP(t, autoLogin("alice"))
			if got := user(s, s.authorize("login_hint", hint)); got != want {
				t.Errorf("login_hint %q: %v, want %s", hint, got, want)
			}
		}
	})
	t.Run("login_hint of another user replaces the session where login is automatic", func(t *testing.T) {
		s := newIDP(t, autoLogin("alice"))
		s.authorize()
		if got := user(s, s.authorize("login_hint", "bob")); got != "bob" {
			t.Errorf("signed in as %v", got)
		}
		if got := user(s, s.authorize()); got != "bob" {
			t.Errorf("the session is %v's", got)
		}
	})
	t.Run("login_hint of nobody is an error where login is automatic", func(t *testing.T) {
		s := newIDP(t, autoLogin("alice"))
		s.wantError(s.authorize("login_hint", "mallory"), "access_denied")
	})
	t.Run("a client may have its own automatic user", func(t *testing.T) {
		s := newIDP(t, func(c *mockidp.Config) { c.Clients[0].AutoLogin = "bob" })
		if got := user(s, s.authorize()); got != "bob" {
			t.Errorf("signed in as %v", got)
		}
		s.browser = s.newBrowser()
		s.wantPage(s.authorize("client_id", "other"), http.StatusOK, "Pick a user")
	})
	t.Run("login_hint prefills the page, and asks when the session is another's", func(t *testing.T) {
		s := newIDP(t, nil)
		s.login("alice")
		s.wantPage(s.authorize("login_hint", "bob"), http.StatusOK, `value="bob" autocomplete`)
		s.wantError(s.authorize("login_hint", "bob", "prompt", "none"), "login_required")
	})
	t.Run("id_token_hint, expired or not, of the session's user is answered; of another it is not", func(t *testing.T) {
		s := newIDP(t, nil)
		s.login("alice")
		alice, err := s.MintIDToken("alice", "app", mockidp.ExpiresIn(-time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		bob, err := s.MintIDToken("bob", "app")
		if err != nil {
			t.Fatal(err)
		}
		s.redirected(s.authorize("id_token_hint", alice, "prompt", "none"), callback)
		s.wantError(s.authorize("id_token_hint", bob, "prompt", "none"), "login_required")
		s.wantError(s.login("alice", "id_token_hint", bob), "login_required")
	})
	t.Run("id_token_hint picks the user where login is automatic", func(t *testing.T) {
		s := newIDP(t, autoLogin("alice"))
		bob, err := s.MintIDToken("bob", "app")
		if err != nil {
			t.Fatal(err)
		}
		if got := user(s, s.authorize("id_token_hint", bob)); got != "bob" {
			t.Errorf("signed in as %v", got)
		}
		s.wantError(s.authorize("id_token_hint", bob, "login_hint", "alice"), "login_required")
	})
	t.Run("id_token_hint of another issuer is refused", func(t *testing.T) {
		s := newIDP(t, nil)
		foreign, err := s.MintIDToken("bob", "app", mockidp.Claim("iss", "https://evil.example"))
		if err != nil {
			t.Fatal(err)
		}
		s.wantError(s.authorize("id_token_hint", foreign), "invalid_request")
	})
}
