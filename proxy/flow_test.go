// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestLoginReturnsToTheWholeRedirect(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.WhitelistDomains = []string{".example.com:*"} })
	for _, rd := range []string{
		"/", "/app/page", "/search?a=1&b=2&b=3", "/p%20q%2Fr?x=%26%3D%2B", "/a+b?c=d+e", "/caf%C3%A9?q=%E6%97%A5%E6%9C%AC", "/app?next=https://other.test/p",
		"/?q=a;b&c", "/p#fragment", "/p?q='(*)!~|`", "https://app.example.com/x?y=1&z=2", "http://example.com:8080/", "https://app.example.com//double",
		"/long?" + strings.Repeat("k=v&", 1500) + "end=1", "/?u=" + strings.Repeat("https%3A%2F%2F", 100),
	} {
		resp := f.login(rd)
		wantStatus(t, resp, http.StatusFound)
		wantHeader(t, resp, "Location", rd)
		wantHeader(t, resp, "Cache-Control", "no-store")
		wantStatus(t, f.get("/oauth2/auth"), http.StatusAccepted)
	}
}

func TestLoginEscapesWhatMayNotStandInAHeader(t *testing.T) {
	f := newFixture(t, nil)
	resp := f.get("/oauth2/start?rd=/caf%C3%A9%20x")
	wantHeader(t, f.finish(resp.Header.Get("Location")), "Location", "/caf%C3%A9%20x")
}

func TestStartSendsStateNonceAndChallenge(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.AllowedGroups = []string{"dev"}; c.Prompt = "login" })
	resp := f.get("/oauth2/start?rd=/x")
	wantStatus(t, resp, http.StatusFound)
	u, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for name, want := range map[string]string{
		"client_id": testClientID, "response_type": "code", "scope": "openid email profile groups", "code_challenge_method": "S256",
		"redirect_uri": f.url + "/oauth2/callback", "prompt": "login",
	} {
		if q.Get(name) != want {
			t.Errorf("%s: got %q, want %q", name, q.Get(name), want)
		}
	}
	for name, length := range map[string]int{"state": 43, "nonce": 43, "code_challenge": 43} {
		if len(q.Get(name)) != length {
			t.Errorf("%s has %d characters, want %d", name, len(q.Get(name)), length)
		}
	}
	cookies := resp.Cookies()
	if len(cookies) != 1 {
		t.Fatalf("got %d cookies, want the state cookie alone", len(cookies))
	}
	c := cookies[0]
	if c.Name != "__Host-_oauth2_proxy_"+q.Get("state")[:8]+"_csrf" || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.MaxAge != 900 || c.Path != "/" {
		t.Errorf("state cookie is %+v", c)
	}
	if strings.Contains(c.Value, q.Get("state")) || strings.Contains(c.Value, q.Get("nonce")) {
		t.Error("the state cookie shows its content")
	}
	again, _ := url.Parse(f.begin("/x"))
	if again.Query().Get("state") == q.Get("state") || again.Query().Get("nonce") == q.Get("nonce") {
		t.Error("state or nonce was used twice")
	}
}

func TestRedirectURI(t *testing.T) {
	for _, tc := range []struct {
		name    string
		change  func(*Config)
		headers []string
		want    string
	}{
		{"configured", func(c *Config) { c.RedirectURL = "https://auth.example.com/oauth2/callback" }, nil, "https://auth.example.com/oauth2/callback"},
		{"forwarded host counts behind a trusted proxy", func(c *Config) { c.ReverseProxy = true },
			[]string{"X-Forwarded-Host", "app.example.com", "X-Forwarded-Proto", "https"}, "https://app.example.com/oauth2/callback"},
		{"odd forwarded host is ignored", func(c *Config) { c.ReverseProxy = true }, []string{"X-Forwarded-Host", "a@b/c"}, "self"},
		{"forwarded host is ignored otherwise", nil, []string{"X-Forwarded-Host", "app.example.com"}, "self"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t, tc.change)
			u, _ := url.Parse(f.get("/oauth2/start", tc.headers...).Header.Get("Location"))
			want := tc.want
			if want == "self" {
				want = f.url + "/oauth2/callback"
			}
			if got := u.Query().Get("redirect_uri"); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestSessionCookieAttributes(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.CookieName = "__Host-auth" })
	resp := f.login("/")
	var session *http.Cookie
	for _, c := range resp.Cookies() {
		if c.Name == "__Host-auth" {
			session = c
		}
	}
	if session == nil || !session.Secure || !session.HttpOnly || session.SameSite != http.SameSiteLaxMode || session.Path != "/" ||
		session.Domain != "" || session.MaxAge != 7*24*3600 {
		t.Fatalf("session cookie is %+v", session)
	}
	if len(session.String()) > 1024 {
		t.Errorf("a plain session takes %d bytes", len(session.String()))
	}
}

func TestCallbackForgetsTheState(t *testing.T) {
	f := newFixture(t, nil)
	authorize := f.begin("/x")
	back := f.atProvider(authorize)
	wantStatus(t, f.get(back), http.StatusFound)
	if n := len(f.cookies()); n != 1 {
		t.Errorf("%d cookies left after login, want the session alone", n)
	}
	before, _ := f.op.hits()
	wantStatus(t, f.get(back), http.StatusForbidden)
	if after, _ := f.op.hits(); after != before {
		t.Error("a replayed callback reached the token endpoint")
	}
}

// Each row changes the callback URL or the browser; none may reach the token endpoint or make a session.
func TestCallbackRefusesBeforeTheCodeIsRedeemed(t *testing.T) {
	replace := func(key, value string) func(string) string {
		return func(back string) string {
			u, _ := url.Parse(back)
			q := u.Query()
			q.Set(key, value)
			if value == "" {
				q.Del(key)
			}
			u.RawQuery = q.Encode()
			return u.String()
		}
	}
	same := func(s string) string { return s }
	for _, tc := range []struct {
		name    string
		change  func(back string) string
		browser func(f *fixture) *browser
		after   time.Duration
		want    int
		text    string
	}{
		{"no state", replace("state", ""), nil, 0, 403, "sign in again"},
		{"short state", replace("state", "abc"), nil, 0, 403, "sign in again"},
		{"another state", replace("state", strings.Repeat("a", 43)), nil, 0, 403, "sign in again"},
		{"a state that only begins right", func(back string) string {
			u, _ := url.Parse(back)
			return replace("state", u.Query().Get("state")[:stateIDLength]+strings.Repeat("a", 35))(back)
		}, nil, 0, 403, "sign in again"},
		{"another browser", same, func(f *fixture) *browser { return f.another() }, 0, 403, "sign in again"},
		{"too late", same, nil, 15 * time.Minute, 403, "sign in again"},
		{"no code", replace("code", ""), nil, 0, 400, "no code"},
		{"another issuer", replace("iss", "https://evil.test"), nil, 0, 403, "another identity provider"},
		{"access denied", replace("error", "access_denied"), nil, 0, 403, "access_denied"},
		{"markup in the error", replace("error", "<script>alert(1)</script>%s"), nil, 0, 403, "&lt;script&gt;alert(1)&lt;/script&gt;%s"},
		{"provider error", replace("error", "server_error"), nil, 0, 502, "server_error"},
		{"provider busy", replace("error", "temporarily_unavailable"), nil, 0, 503, "temporarily_unavailable"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t, nil)
			back := tc.change(f.atProvider(f.begin("/x")))
			f.clock.Advance(tc.after)
			b := f.browser
			if tc.browser != nil {
				b = tc.browser(f)
			}
			resp := b.get(back)
			wantStatus(t, resp, tc.want)
			if !strings.Contains(resp.body, tc.text) {
				t.Errorf("page does not say %q:\n%s", tc.text, resp.body)
			}
			if hits, _ := f.op.hits(); hits != 0 {
				t.Errorf("token endpoint was called %d times", hits)
			}
			wantStatus(t, b.get("/oauth2/auth"), http.StatusUnauthorized)
		})
	}
}

func TestAnErrorWithoutOurStateIsNotRepeatedToTheVisitor(t *testing.T) {
	f := newFixture(t, nil)
	resp := f.get("/oauth2/callback?error=call+0900+123")
	wantStatus(t, resp, http.StatusForbidden)
	if strings.Contains(resp.body, "0900") {
		t.Error("text from an unverified callback is shown")
	}
}

// What the provider answers wrongly must not make a session.
func TestCallbackRefusesBadAnswersOfTheProvider(t *testing.T) {
	claim := func(name string, value any) func(*testOP) {
		return func(op *testOP) {
			op.tamper = func(c map[string]any) {
				c[name] = value
				if value == nil {
					delete(c, name)
				}
			}
		}
	}
	for _, tc := range []struct {
		name string
		knob func(*testOP)
		cfg  func(*Config)
		want int
	}{
		{"wrong nonce", claim("nonce", "other"), nil, 403},
		{"no nonce", claim("nonce", nil), nil, 403},
		{"wrong issuer", claim("iss", "https://evil.test"), nil, 502},
		{"wrong audience", claim("aud", "other"), nil, 502},
		{"wrong authorized party", claim("azp", "other"), nil, 502},
		{"wrong access token hash", claim("at_hash", "AAAA"), nil, 502},
		{"no subject", claim("sub", nil), nil, 502},
		{"expired", claim("exp", 1), nil, 502},
		{"no id token", func(op *testOP) { op.noIDToken = true }, nil, 502},
		{"code refused", func(op *testOP) {
			op.tokenFail = func(url.Values) (int, string) { return 400, "invalid_grant" }
		}, nil, 403},
		{"client refused", func(op *testOP) {
			op.tokenFail = func(url.Values) (int, string) { return 401, "invalid_client" }
		}, nil, 502},
		{"token endpoint fails", func(op *testOP) {
			op.tokenFail = func(url.Values) (int, string) { return 500, "boom" }
		}, nil, 502},
		{"email not verified", claim("email_verified", false), nil, 403},
		{"email not verified, as text", claim("email_verified", "false"), nil, 403},
		{"email in another domain", nil, func(c *Config) { c.EmailDomains = []string{"corp.test"} }, 403},
		{"email with two @", claim("email", "ann@evil.test@corp.test"), func(c *Config) { c.EmailDomains = []string{"corp.test", ".corp.test"} }, 403},
		{"not in the group", nil, func(c *Config) { c.AllowedGroups = []string{"admin"} }, 403},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t, tc.cfg)
			if tc.knob != nil {
				f.op.set(func() { tc.knob(f.op) })
			}
			resp := f.login("/x")
			wantStatus(t, resp, tc.want)
			if hits, _ := f.op.hits(); hits != 1 {
				t.Errorf("token endpoint was called %d times, want once", hits)
			}
			if len(f.cookies()) != 0 {
				t.Errorf("cookies left: %v", f.cookies())
			}
			if !strings.Contains(resp.body, "/oauth2/start?rd=%2Fx") {
				t.Error("the page offers no new login for the same address")
			}
		})
	}
}

func TestAKeyTheProviderDoesNotPublishMakesNoSession(t *testing.T) {
	f := newFixture(t, nil)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f.op.set(func() { f.op.signWith = key })
	wantStatus(t, f.login("/"), http.StatusBadGateway)
}

func TestARotatedKeyIsFetched(t *testing.T) {
	f := newFixture(t, nil)
	f.op.rotateKey(t)
	wantStatus(t, f.login("/"), http.StatusFound)
}

func TestClientSecretInTheBodyWhereTheProviderWantsIt(t *testing.T) {
	c := newClock()
	op := newTestOP(t, c)
	op.authStyle = []string{"client_secret_post"}
	f := newFixtureWith(t, c, op, nil)
	wantStatus(t, f.login("/"), http.StatusFound)
	if hits, _ := op.hits(); hits != 1 {
		t.Errorf("token endpoint was called %d times, want once", hits)
	}
}

func TestEmailComesFromUserInfoWhenTheIDTokenHasNone(t *testing.T) {
	for _, tc := range []struct {
		name    string
		subject string
		want    int
	}{{"same subject", "u-1", 302}, {"another subject", "u-2", 502}} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t, func(c *Config) { c.EmailDomains = []string{"corp.test"} })
			f.op.set(func() {
				delete(f.op.user, "email")
				f.op.userInfo = map[string]any{"sub": tc.subject, "email": "ann@corp.test"}
			})
			wantStatus(t, f.login("/"), tc.want)
		})
	}
}

func TestLoginsInTwoTabsDoNotDisturbEachOther(t *testing.T) {
	f := newFixture(t, nil)
	first, second := f.begin("/one"), f.begin("/two")
	wantHeader(t, f.finish(first), "Location", "/one")
	wantHeader(t, f.finish(second), "Location", "/two")
}

func TestUnfinishedLoginsDoNotPileUp(t *testing.T) {
	f := newFixture(t, nil)
	for range 20 {
		f.begin("/x?" + strings.Repeat("y", 100))
		f.clock.Advance(time.Second)
	}
	if n := len(f.cookies()); n > maxPendingLogins {
		t.Errorf("%d state cookies, want at most %d", n, maxPendingLogins)
	}
	wantStatus(t, f.login("/last"), http.StatusFound)
}

func TestDeadAndBulkyLoginsAreForgotten(t *testing.T) {
	f := newFixture(t, nil)
	f.setCookie("__Host-_oauth2_proxy_deadbeef_csrf", "worthless")
	f.begin("/first")
	if f.cookie("__Host-_oauth2_proxy_deadbeef_csrf") != "" {
		t.Error("a worthless state cookie is kept")
	}
	for range maxPendingLogins {
		f.clock.Advance(time.Second)
		var long strings.Builder
		for range 40 {
			long.WriteString("/" + randomToken())
		}
		f.begin(long.String())
	}
	size := 0
	for _, c := range f.cookies() {
		size += len(c.Name) + len(c.Value)
	}
	if size > maxPendingBytes+maxCookieBytes {
		t.Errorf("%d bytes of state cookies", size)
	}
}

func TestAStrictSessionContinuesByPage(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.CookieSameSite = "strict" })
	authorize := f.get("/oauth2/start?rd=/x%3Fa=1%26b='")
	if got := authorize.Cookies(); len(got) != 1 || got[0].SameSite != http.SameSiteLaxMode {
		t.Errorf("the state cookie would not come back from the provider: %v", got)
	}
	resp := f.finish(authorize.Header.Get("Location"))
	wantStatus(t, resp, http.StatusOK)
	if !strings.Contains(resp.body, `http-equiv="refresh" content="0;url=/x?a=1&amp;b=`) {
		t.Errorf("page does not go on:\n%s", resp.body)
	}
}

func TestNothingSecretIsLogged(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.PassAccessToken = true; c.CookieRefresh = time.Minute; c.EndSession = true })
	authorize := f.begin("/x")
	back := f.atProvider(authorize)
	f.get(back)
	f.get(back)
	f.get("/oauth2/auth")
	u, _ := url.Parse(back)
	secrets := []string{u.Query().Get("code"), u.Query().Get("state"), f.cookie("_oauth2_proxy"), testClientSecret, testSecret, "at-", "rt-", "eyJ"}
	for _, s := range secrets {
		if s == "" || strings.Contains(f.log.String(), s) {
			t.Errorf("the log shows a secret (or the test lost it): %q", s)
		}
	}
	if !strings.Contains(f.log.String(), "signed in") {
		t.Error("nothing was logged at all: the test proves nothing")
	}
}

// A userinfo endpoint that fails or answers what cannot be trusted makes no session.
func TestUserInfoThatCannotBeTrustedMakesNoSession(t *testing.T) {
	const good = `{"sub":"u-1","email":"ann@example.com"}`
	for _, tc := range []struct {
		name, contentType, body string
		status, want            int
	}{
		{"right", "application/json", good, 200, 302},
		{"right, with a charset", "application/json; charset=utf-8", good, 200, 302},
		{"no subject", "application/json", `{"email":"ann@example.com"}`, 200, 502},
		{"another subject", "application/json", `{"sub":"u-2","email":"ann@example.com"}`, 200, 502},
		{"the subject as a list", "application/json", `{"sub":["u-1"],"email":"ann@example.com"}`, 200, 502},
		{"an unsigned token", "application/jwt", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1LTEiLCJlbWFpbCI6ImFubkBleGFtcGxlLmNvbSJ9.", 200, 502},
		{"a page", "text/html", "<html>", 200, 502},
		{"a list", "application/json", "[]", 200, 502},
		{"nothing", "application/json", "", 200, 502},
		{"no content", "", "", 204, 502},
		{"refused", "application/json", good, 401, 502},
		{"forbidden", "application/json", good, 403, 502},
		{"failing", "application/json", good, 503, 502},
		{"endless", "application/json", `{"sub":"u-1","email":"` + strings.Repeat("a", maxProviderBody) + `"}`, 200, 502},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t, nil)
			f.op.set(func() {
				delete(f.op.user, "email")
				f.op.answerUserInfo = func(w http.ResponseWriter) {
					w.Header().Set("Content-Type", tc.contentType)
					w.WriteHeader(tc.status)
					_, _ = io.WriteString(w, tc.body)
				}
			})
			wantStatus(t, f.login("/"), tc.want)
			if tc.want != 302 && f.cookie("_oauth2_proxy") != "" {
				t.Error("there is a session")
			}
		})
	}
}
