// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/ingress-auth/conformance/mockidp"
)

func TestLogin_RFC9700_4_16_PagesAreProtected(t *testing.T) {
	s := newIDP(t, nil)
	for name, a := range map[string]answer{
		"login": s.authorize(),
		"error": s.get(issuer + "/authorize"),
		"bye":   s.get(issuer + "/end_session"),
	} {
		t.Run(name, func(t *testing.T) {
			wantHeader(t, a, "X-Frame-Options", "DENY")
			wantHeader(t, a, "Cache-Control", "no-store")
			wantHeader(t, a, "Referrer-Policy", "no-referrer")
			wantHeader(t, a, "X-Content-Type-Options", "nosniff")
			policy := a.Header.Get("Content-Security-Policy")
			if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
				t.Errorf("Content-Security-Policy %q", policy)
			}
		})
	}
}

func TestLogin_AuthorizationInputIsEscaped(t *testing.T) {
	s := newIDP(t, nil)
	a := s.authorize("login_hint", `"><script>alert(1)</script>`)
	if strings.Contains(a.body, "<script") || !strings.Contains(a.body, "The &lt;App&gt;") {
		t.Errorf("page: %s", a.body)
	}
}

// What a screen reader, a keyboard and a zoom need of the page.
func TestLogin_PageIsAccessible(t *testing.T) {
	s := newIDP(t, nil)
	asks := newIDP(t, func(c *mockidp.Config) { c.Clients[0].RequireConsent = true }, mockidp.WithDebugger())
	pages := map[string]answer{"login": s.authorize(), "login with a problem": s.login("mallory"), "message": s.get(issuer + "/authorize"),
		"login with claims that are wrong": s.editedLogin("alice", "{"), "consent": asks.login("alice"), "debugger": asks.get(issuer + "/debugger")}
	s.login("alice")
	pages["sign out"] = s.get(issuer + "/end_session")
	for name, a := range pages {
		t.Run(name, func(t *testing.T) {
			doc, err := html.Parse(strings.NewReader(a.body))
			if err != nil {
				t.Fatal(err)
			}
			count := map[string]int{}
			labelled, ids := map[string]bool{}, map[string]bool{}
			var inputs []map[string]string
			var references []string
			for n := range doc.Descendants() {
				if n.Type != html.ElementNode {
					continue
				}
				attr := map[string]string{}
				for _, a := range n.Attr {
					attr[a.Key] = a.Val
				}
				count[n.Data]++
				if _, ok := attr["autofocus"]; ok {
					count["autofocus"]++
				}
				if id := attr["id"]; id != "" {
					if ids[id] {
						t.Errorf("id %q is used twice", id)
					}
					ids[id] = true
				}
				references = append(references, strings.Fields(attr["aria-labelledby"]+" "+attr["aria-describedby"])...)
				switch n.Data {
				case "html":
					if attr["lang"] != "en" {
						t.Error("html has no lang")
					}
				case "label":
					labelled[attr["for"]] = true
				case "input", "textarea":
					if attr["type"] != "hidden" {
						inputs = append(inputs, attr)
					}
				case "script", "img", "link", "iframe":
					t.Errorf("the page loads or runs something: %s", n.Data)
				}
				if attr["style"] != "" || attr["tabindex"] != "" || attr["onclick"] != "" {
					t.Errorf("%s has an attribute the policy or the keyboard order forbids", n.Data)
				}
			}
			for _, landmark := range []string{"main", "h1", "title", "header"} {
				if count[landmark] != 1 {
					t.Errorf("%d %s, want 1", count[landmark], landmark)
				}
			}
			for _, input := range inputs {
				if !labelled[input["id"]] {
					t.Errorf("input %v has no label", input)
				}
			}
			for _, id := range references {
				if !ids[id] {
					t.Errorf("something is labelled or described by %q, which is not there", id)
				}
			}
			if strings.Contains(a.body, "<form") && count["autofocus"] != 1 {
				t.Errorf("%d elements have autofocus, want 1", count["autofocus"])
			}
		})
	}
	t.Run("a problem is announced", func(t *testing.T) {
		for _, name := range []string{"login with a problem", "login with claims that are wrong"} {
			if body := pages[name].body; strings.Count(body, `role="alert"`) != 1 || strings.Count(body, `aria-invalid="true"`) != 1 {
				t.Errorf("%s: %s", name, body)
			}
		}
	})
}

func TestLogin_UserIsPickedOrTyped(t *testing.T) {
	for _, name := range []string{"alice", "alice@example.com", "sub-alice"} {
		s := newIDP(t, nil)
		if q := s.redirected(s.login(name), callback); q.Get("code") == "" {
			t.Errorf("%s: answer %v", name, q)
		}
	}
}

func TestLogin_UnknownUserMayTryAgain(t *testing.T) {
	s := newIDP(t, nil)
	s.wantPage(s.login(""), http.StatusBadRequest, "Give a user name.")
	a := s.login("mallory")
	s.wantPage(a, http.StatusBadRequest, "There is no user &#34;mallory&#34;.")
	a = s.post(issuer+"/login", url.Values{"transaction": {s.transactionOf(a)}, "user": {"alice"}})
	if q := s.redirected(a, callback); q.Get("code") == "" {
		t.Errorf("answer %v", q)
	}
}

func TestLogin_RFC6749_4_1_2_1_RefusalIsAccessDenied(t *testing.T) {
	s := newIDP(t, nil)
	a := s.post(issuer+"/login", url.Values{"transaction": {s.transactionOf(s.authorize())}, "decision": {"deny"}})
	s.wantError(a, "access_denied")
}

func TestLogin_RFC6749_10_12_FormIsBoundToTheBrowser(t *testing.T) {
	s := newIDP(t, nil)
	good := url.Values{"transaction": {s.transactionOf(s.authorize())}, "user": {"alice"}}
	mine := s.browser
	t.Run("another browser", func(t *testing.T) {
		s.t, s.browser = t, s.newBrowser()
		s.wantPage(s.post(issuer+"/login", good), http.StatusForbidden, "no longer valid")
	})
	t.Run("another browser with a login page of its own", func(t *testing.T) {
		s.t, s.browser = t, s.newBrowser()
		s.authorize()
		s.wantPage(s.post(issuer+"/login", good), http.StatusForbidden, "no longer valid")
	})
	t.Run("an invented transaction", func(t *testing.T) {
		s.t, s.browser = t, mine
		s.wantPage(s.post(issuer+"/login", url.Values{"transaction": {"x"}, "user": {"alice"}}), http.StatusForbidden, "no longer valid")
	})
	t.Run("a GET", func(t *testing.T) {
		s.t, s.browser = t, mine
		if a := s.get(issuer + "/login?" + good.Encode()); a.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("status %d", a.StatusCode)
		}
	})
	t.Run("the right browser, once", func(t *testing.T) {
		s.t, s.browser = t, mine
		s.redirected(s.post(issuer+"/login", good), callback)
		s.wantPage(s.post(issuer+"/login", good), http.StatusForbidden, "no longer valid")
	})
	t.Run("two tabs of one browser", func(t *testing.T) {
		s.t, s.browser = t, s.newBrowser()
		first, second := s.transactionOf(s.authorize()), s.transactionOf(s.authorize("state", "two"))
		s.redirected(s.post(issuer+"/login", url.Values{"transaction": {first}, "user": {"alice"}}), callback)
		s.redirected(s.post(issuer+"/login", url.Values{"transaction": {second}, "user": {"alice"}}), callback)
	})
	t.Run("too late", func(t *testing.T) {
		s.t, s.browser = t, s.newBrowser()
		late := s.transactionOf(s.authorize())
		s.clock.advance(10 * time.Minute)
		s.wantPage(s.post(issuer+"/login", url.Values{"transaction": {late}, "user": {"alice"}}), http.StatusForbidden, "no longer valid")
	})
}

func TestLogin_CookiesAreConfined(t *testing.T) {
	for iss, secure := range map[string]bool{issuer: true, "http://idp.example/realms/x": false} {
		s := newIDP(t, func(c *mockidp.Config) { c.Issuer = iss; c.AutoLogin = "alice" })
		a := s.get(iss + "/authorize?" + authParams().Encode())
		cookies := a.Cookies()
		if len(cookies) != 1 {
			t.Fatalf("%s: cookies %v", iss, cookies)
		}
		c := cookies[0]
		wantPath := "/"
		if !secure {
			wantPath = "/realms/x"
		}
		if c.Name != "mockidp_session" || c.Secure != secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != wantPath || c.Domain != "" {
			t.Errorf("%s: cookie %v", iss, c)
		}
	}
}

func TestLogin_SessionCookieChangesAtEachLogin(t *testing.T) {
	s := newIDP(t, nil)
	value := func(a answer) string {
		for _, c := range a.Cookies() {
			if c.Name == "mockidp_session" {
				return c.Value
			}
		}
		t.Fatalf("no session cookie in status %d", a.StatusCode)
		return ""
	}
	first, old := value(s.login("alice")), s.browser.Jar.Cookies(mustParse(t, issuer))
	second := value(s.login("alice", "prompt", "login"))
	if first == second {
		t.Error("the session cookie stayed the same")
	}
	s.browser = s.newBrowser()
	s.browser.Jar.SetCookies(mustParse(t, issuer), old)
	s.wantError(s.authorize("prompt", "none"), "login_required")
}

func mustParse(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestLog_HoldsNoSecret(t *testing.T) {
	s := newIDP(t, nil)
	page := s.authorize("scope", "openid offline_access", "state", "st4te-value", "nonce", "n0nce-value")
	a := s.post(issuer+"/login", url.Values{"transaction": {s.transactionOf(page)}, "user": {"alice"}})
	code := s.redirected(a, callback).Get("code")
	got := s.tokens(s.token(codeParams(code)))
	s.token(codeParams(code))
	s.userinfo(got.AccessToken)
	secrets := []string{code, got.AccessToken, got.RefreshToken, got.IDToken, "st4te-value", "n0nce-value", "s3cret", verifier, s.transactionOf(page)}
	for _, c := range s.browser.Jar.Cookies(mustParse(t, issuer)) {
		secrets = append(secrets, c.Value)
	}
	log := s.log.String()
	if !strings.Contains(log, "signed in") {
		t.Fatalf("log: %s", log)
	}
	for _, secret := range secrets {
		if secret == "" || strings.Contains(log, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}
