// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ingress-auth/conformance/mockidp"
)

func noUsers(c *mockidp.Config) { c.Users = nil }

func anyUser(allowed bool) func(*mockidp.Config) {
	return func(c *mockidp.Config) { c.AllowAnyUser = &allowed }
}

func TestLogin_AnybodyMaySignInUnlessUsersAreConfigured(t *testing.T) {
	for name, test := range map[string]struct {
		edit func(*mockidp.Config)
		want bool
	}{
		"no users are configured":              {noUsers, true},
		"users are configured":                 {nil, false},
		"users are configured, and it is told": {anyUser(true), true},
		"none are, and it is told not to":      {func(c *mockidp.Config) { noUsers(c); anyUser(false)(c) }, false},
		"a tenant has users": {func(c *mockidp.Config) {
			noUsers(c)
			c.Tenants = []mockidp.Tenant{{Path: "/t", Users: testConfig().Users}}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newIDP(t, test.edit)
			if tenant := s.Tenant("/t"); tenant != nil {
				s.Provider = tenant
				s.browser = s.newBrowser()
			}
			page := s.authorize()
			if shown := strings.Contains(page.body, `name="typed_claims"`); shown != test.want {
				t.Errorf("the page lets people type claims: %v", shown)
			}
			a := s.post(s.at("login"), url.Values{"transaction": {s.transactionOf(page)}, "user": {"zoe"}})
			if !test.want {
				s.wantPage(a, http.StatusBadRequest, "There is no user")
				return
			}
			if q := s.redirected(a, callback); q.Get("code") == "" {
				t.Errorf("answer %v", q)
			}
		})
	}
}

func TestLogin_WhoIsTyped(t *testing.T) {
	const scope = "openid profile email offline_access"
	t.Run("has what relying parties need, and stays who they are", func(t *testing.T) {
		s := newIDP(t, noUsers)
		got := s.tokens(s.token(codeParams(s.code(" zoe ", "scope", scope))))
		_, claims := s.claims(got.IDToken)
		want := map[string]any{"sub": "zoe", "name": "zoe", "email": "zoe@example.com", "email_verified": true, "preferred_username": "zoe"}
		wantClaims(t, claims, want)
		wantClaims(t, object(t, s.userinfo(got.AccessToken).body), want)
		wantClaims(t, payload(t, s.tokens(s.refresh(got.RefreshToken)).IDToken), map[string]any{"sub": "zoe"})
		if q := s.redirected(s.authorize("prompt", "none", "id_token_hint", got.IDToken), callback); q.Get("code") == "" {
			t.Errorf("the session is not known again: %v", q)
		}
		if list := s.authorize("prompt", "login").body; strings.Contains(list, `value="zoe"`) {
			t.Error("a name that was typed is offered to others")
		}
	})
	t.Run("an email address is theirs", func(t *testing.T) {
		s := newIDP(t, noUsers)
		_, claims := s.claims(s.tokens(s.token(codeParams(s.code("zoe@corp.example", "scope", scope)))).IDToken)
		wantClaims(t, claims, map[string]any{"sub": "zoe@corp.example", "email": "zoe@corp.example"})
	})
	t.Run("a configured user is nobody else", func(t *testing.T) {
		s := newIDP(t, anyUser(true))
		for _, name := range []string{"alice", " alice", "alice@example.com", "sub-alice"} {
			_, claims := s.claims(s.tokens(s.token(codeParams(s.code(name, "prompt", "login")))).IDToken)
			wantClaims(t, claims, map[string]any{"sub": "sub-alice"})
		}
	})
	t.Run("a pairwise sub is known again, by another client too", func(t *testing.T) {
		s := newIDP(t, func(c *mockidp.Config) {
			noUsers(c)
			c.Clients[0].SubjectType, c.Clients[0].RedirectURIs = "pairwise", []string{callback}
		})
		got := s.tokens(s.token(codeParams(s.code("zoe"))))
		if _, claims := s.claims(got.IDToken); claims["sub"] == "zoe" {
			t.Errorf("%v", claims)
		}
		if q := s.redirected(s.authorize("prompt", "none", "client_id", "other", "id_token_hint", got.IDToken), callback); q.Get("code") == "" {
			t.Errorf("%v", q)
		}
	})
	t.Run("has the claims that are typed", func(t *testing.T) {
		s := newIDP(t, anyUser(true))
		for user, sub := range map[string]string{"zoe": "zoe", "alice": "sub-alice"} {
			login := func(page answer, claims string) answer {
				return s.post(s.at("login"), url.Values{"transaction": {s.transactionOf(page)}, "user": {user}, "typed_claims": {claims}})
			}
			page := s.authorize("scope", scope, "prompt", "login")
			for claims, problem := range map[string]string{"{": "its end is missing", `{"sub":"x"}`: "sub is set by the protocol", `{"a":"</textarea><script>`: "&lt;/textarea&gt;"} {
				page = login(page, claims)
				s.wantPage(page, http.StatusBadRequest, problem)
				if strings.Contains(page.body, "<script") || !strings.Contains(page.body, `value="`+user+`" autocomplete`) {
					t.Errorf("after %s the page is %s", claims, page.body)
				}
			}
			code := s.redirected(login(page, "\r\n"+`{"email":"z@z.example","level":3}`), callback).Get("code")
			_, claims := s.claims(s.tokens(s.token(codeParams(code))).IDToken)
			wantClaims(t, claims, map[string]any{"sub": sub, "email": "z@z.example", "level": 3.0})
			if claims["name"] != nil {
				t.Errorf("%v", claims)
			}
		}
	})
	t.Run("has a name that can be a sub", func(t *testing.T) {
		s := newIDP(t, noUsers)
		for name, want := range map[string]string{"": "Give a user name", "  ": "Give a user name", "Zoë": "ASCII characters", "a\nb": "ASCII characters", strings.Repeat("z", 201): "200 ASCII"} {
			s.wantPage(s.login(name), http.StatusBadRequest, want)
		}
	})
	t.Run("may let a device in", func(t *testing.T) {
		s := newIDP(t, noUsers)
		device := object(t, s.post(issuer+"/device_authorization", url.Values{"client_id": {"tv"}, "scope": {"openid"}}).body)
		page := s.post(issuer+"/device", url.Values{"user_code": {device["user_code"].(string)}})
		s.wantPage(s.post(issuer+"/device/decide", url.Values{"transaction": {s.transactionOf(page)}, "user": {"zoe"}}), http.StatusOK, "signed in")
		got := s.tokens(s.post(issuer+"/token", url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {"tv"}, "device_code": {device["device_code"].(string)}}))
		if _, claims := s.claims(got.IDToken); claims["sub"] != "zoe" {
			t.Errorf("%v", claims)
		}
	})
	t.Run("is forgotten when there are too many", func(t *testing.T) {
		s := newIDP(t, func(c *mockidp.Config) { noUsers(c); c.MaxEntries = 3 })
		first := s.tokens(s.token(codeParams(s.code("zoe-0"))))
		for i := range 3 {
			if a := s.userinfo(first.AccessToken); a.StatusCode != http.StatusOK {
				t.Errorf("after %d: status %d", i, a.StatusCode)
			}
			s.browser = s.newBrowser() // another login in this one would end the session
			s.code(fmt.Sprintf("zoe-%d", i+1))
		}
		if a := s.userinfo(first.AccessToken); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("status %d", a.StatusCode)
		}
	})
}

// FuzzTypedUser: whoever and whatever is typed, it is a login or a page that says what is wrong.
func FuzzTypedUser(f *testing.F) {
	f.Add("zoe", "")
	f.Add("zoe@corp.example", `{"email":null,"groups":["a",1]}`)
	f.Add("<é\x00", "{")
	s := newIDP(f, noUsers, quiet())
	f.Fuzz(func(t *testing.T, user, claims string) {
		s := *s
		s.t = t
		s.browser = s.newBrowser()
		page := s.authorize()
		a := s.post(s.at("login"), url.Values{"transaction": {s.transactionOf(page)}, "user": {user}, "typed_claims": {claims}})
		switch a.StatusCode {
		case http.StatusSeeOther:
			got := s.tokens(s.token(codeParams(s.redirected(a, callback).Get("code"))))
			if _, found := s.claims(got.IDToken); found["sub"] == "" || len(found["sub"].(string)) > 255 {
				t.Fatalf("%v", found)
			}
		case http.StatusBadRequest:
			s.wantPage(a, http.StatusBadRequest, `id="problem"`)
		default:
			t.Fatalf("status %d", a.StatusCode)
		}
	})
}
