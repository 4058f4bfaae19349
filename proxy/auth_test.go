// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAuthWithoutSession(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.SkipProviderButton = true })
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"} {
		for _, accept := range []string{"", "text/html", "application/json"} {
			resp := f.do(method, "/oauth2/auth", "Accept", accept)
			wantStatus(t, resp, http.StatusUnauthorized)
			wantHeader(t, resp, "Content-Type", "text/plain; charset=utf-8")
			wantHeader(t, resp, "Cache-Control", "no-store")
			for _, absent := range []string{"Location", "Set-Cookie", "Www-Authenticate"} {
				if resp.Header.Get(absent) != "" {
					t.Errorf("%s: unexpected %s", method, absent)
				}
			}
			if method != "HEAD" && resp.body != "Unauthorized\n" {
				t.Errorf("body %q", resp.body)
			}
		}
	}
}

func TestAuthWithSession(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.PassAccessToken = true })
	f.login("/")
	for _, method := range []string{"GET", "HEAD", "POST", "PROPFIND"} {
		resp := f.do(method, "/oauth2/auth")
		wantStatus(t, resp, http.StatusAccepted)
		wantHeader(t, resp, "X-Auth-Request-User", "u-1")
		wantHeader(t, resp, "X-Auth-Request-Email", "ann@example.com")
		wantHeader(t, resp, "X-Auth-Request-Groups", "dev,ops")
		wantHeader(t, resp, "X-Auth-Request-Preferred-Username", "ann")
		wantHeader(t, resp, "Cache-Control", "no-store")
		if !strings.HasPrefix(resp.Header.Get("X-Auth-Request-Access-Token"), "at-") {
			t.Error("no access token")
		}
		if resp.body != "" || resp.Header.Get("Set-Cookie") != "" {
			t.Errorf("body %q, Set-Cookie %q", resp.body, resp.Header.Get("Set-Cookie"))
		}
	}
}

func TestAuthSuccessStatusAndHeadersAreSettings(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.AuthSuccessStatus = 200; c.SetXAuthRequest = false })
	f.login("/")
	resp := f.get("/oauth2/auth", "X-Auth-Request-User", "admin")
	wantStatus(t, resp, http.StatusOK)
	for name := range resp.Header {
		if strings.HasPrefix(name, "X-Auth-Request") {
			t.Errorf("unexpected %s", name)
		}
	}
}

func TestAuthDoesNotBelieveTheClient(t *testing.T) {
	spoofed := []string{
		"X-Auth-Request-User", "admin", "X-Auth-Request-Email", "admin@example.com", "X-Forwarded-User", "admin", "X-Forwarded-Email", "admin@example.com",
		"X-Forwarded-Groups", "admin", "X-Auth-Request-Groups", "admin", "X_Auth_Request_User", "admin", "X-Forwarded-Uri", "/ping", "X-Forwarded-Host", "public.test",
		"X-Original-Uri", "/ping", "X-Original-Url", "https://public.test/ping", "X-Forwarded-Method", "OPTIONS", "X-Original-Method", "OPTIONS", "X-Real-Ip", "127.0.0.1",
	}
	f := newFixture(t, func(c *Config) { c.ReverseProxy = true })
	resp := f.get("/oauth2/auth", spoofed...)
	wantStatus(t, resp, http.StatusUnauthorized)
	for name := range resp.Header {
		if strings.HasPrefix(name, "X-") && name != "X-Content-Type-Options" {
			t.Errorf("401 carries %s", name)
		}
	}
	f.login("/")
	resp = f.get("/oauth2/auth", spoofed...)
	wantStatus(t, resp, http.StatusAccepted)
	wantHeader(t, resp, "X-Auth-Request-User", "u-1")
	wantHeader(t, resp, "X-Auth-Request-Groups", "dev,ops")
	wantStatus(t, f.get("/oauth2/auth?allowed_groups=admin", spoofed...), http.StatusForbidden)
}

func TestAuthConstraints(t *testing.T) {
	f := newFixture(t, nil)
	wantStatus(t, f.get("/oauth2/auth?allowed_groups=dev"), http.StatusUnauthorized)
	f.login("/")
	for _, tc := range []struct {
		query string
		want  int
	}{
		{"allowed_groups=dev", 202}, {"allowed_groups=x,dev", 202}, {"allowed_groups=x&allowed_groups=ops", 202}, {"allowed_groups=%20dev", 202},
		{"allowed_groups=x", 403}, {"allowed_groups=de", 403}, {"allowed_groups=DEV", 403}, {"allowed_groups=dev%2Cx", 202},
		{"allowed_groups=", 403}, {"allowed_groups", 403}, {"allowed_groups=,", 403}, {"allowed_groups=%20", 403}, {"allowed_emails=", 403}, {"allowed_email_domains=", 403},
		{"allowed_emails=ann@example.com", 202}, {"allowed_emails=bob@example.com,ann@example.com", 202}, {"allowed_emails=Ann@example.com", 403}, {"allowed_emails=bob@example.com", 403},
		{"allowed_email_domains=example.com", 202}, {"allowed_email_domains=EXAMPLE.com", 202}, {"allowed_email_domains=.example.com", 202}, {"allowed_email_domains=*.example.com", 202}, {"allowed_email_domains=.com", 202},
		{"allowed_email_domains=com", 403}, {"allowed_email_domains=xample.com", 403}, {"allowed_email_domains=sub.example.com", 403}, {"allowed_email_domains=*", 403},
		{"allowed_groups=dev&allowed_emails=ann@example.com", 202}, {"allowed_groups=dev&allowed_emails=bob@example.com", 403}, {"allowed_groups=x&allowed_emails=ann@example.com", 403},
		{"allowed_group=dev", 403}, {"allowed_roles=dev", 403}, {"allowed_groups=dev;x", 403}, {"x=%zz", 403},
		{"", 202}, {"rd=/x&foo=bar", 202},
	} {
		resp := f.get("/oauth2/auth?" + tc.query)
		if resp.StatusCode != tc.want {
			t.Errorf("%s: got %d, want %d", tc.query, resp.StatusCode, tc.want)
		}
		if tc.want == 403 && (resp.Header.Get("Set-Cookie") != "" || resp.Header.Get("X-Auth-Request-User") != "") {
			t.Errorf("%s: a refusal must leave the session alone and tell nothing", tc.query)
		}
	}
	wantStatus(t, f.get("/oauth2/auth"), http.StatusAccepted)
}

func TestEmailDomains(t *testing.T) {
	for _, tc := range []struct {
		email, domain string
		want          bool
	}{
		{"a@x.test", "x.test", true}, {"A@X.TEST", "x.test", true}, {"a@x.test", "X.test", true}, {"a@s.x.test", "x.test", false},
		{"a@s.x.test", ".x.test", true}, {"a@x.test", ".x.test", true}, {"a@s.x.test", "*.x.test", true}, {"a@ex.test", ".x.test", false},
		{"a@evil.test@x.test", "x.test", false}, {"a@evil.test@s.x.test", ".x.test", false}, {"@x.test", "x.test", false}, {"x.test", "x.test", false}, {"", "x.test", false},
		{"a@", "", false}, {"a@x.test", "", false}, {"a@x.test ", "x.test", false},
	} {
		if got := emailInDomain(tc.email, tc.domain); got != tc.want {
			t.Errorf("%q in %q: got %v", tc.email, tc.domain, got)
		}
	}
}

func TestAWorthlessSessionIs401AndDeleted(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spoil func(f *fixture)
	}{
		{"expired", func(f *fixture) { f.clock.Advance(168 * time.Hour) }},
		{"altered", func(f *fixture) {
			v := []byte(f.cookie("_oauth2_proxy"))
			v[len(v)/2] ^= 1
			f.setCookie("_oauth2_proxy", string(v))
		}},
		{"made up", func(f *fixture) { f.setCookie("_oauth2_proxy", "admin") }},
		{"a state cookie in its place", func(f *fixture) {
			f.begin("/")
			for _, c := range f.cookies() {
				if strings.HasSuffix(c.Name, "_csrf") {
					f.setCookie("_oauth2_proxy", c.Value)
				}
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t, nil)
			f.login("/")
			wantStatus(t, f.get("/oauth2/auth"), http.StatusAccepted)
			tc.spoil(f)
			resp := f.get("/oauth2/auth")
			wantStatus(t, resp, http.StatusUnauthorized)
			if got := resp.Header["Set-Cookie"]; len(got) != 1 || !strings.HasPrefix(got[0], "_oauth2_proxy=;") || !strings.Contains(got[0], "Max-Age=0") {
				t.Errorf("Set-Cookie: %q", got)
			}
			if resp.Header.Get("X-Auth-Request-User") != "" {
				t.Error("a refusal names a user")
			}
		})
	}
}

func TestTheExpiryStandsInTheCookieAndNotInItsMaxAge(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.CookieExpire = time.Hour })
	f.login("/")
	stolen := f.cookie("_oauth2_proxy")
	f.clock.Advance(time.Hour - time.Second)
	thief := f.another()
	thief.setCookie("_oauth2_proxy", stolen)
	wantStatus(t, thief.get("/oauth2/auth"), http.StatusAccepted)
	f.clock.Advance(time.Second)
	wantStatus(t, thief.get("/oauth2/auth"), http.StatusUnauthorized)
}

func TestAPersonNoLongerAdmittedLosesTheSession(t *testing.T) {
	c := newClock()
	op := newTestOP(t, c)
	for name, change := range map[string]func(*Config){
		"domain": func(c *Config) { c.EmailDomains = []string{"corp.test"} },
		"group":  func(c *Config) { c.AllowedGroups = []string{"admin"} },
	} {
		t.Run(name, func(t *testing.T) {
			before := newFixtureWith(t, c, op, nil)
			before.login("/")
			after := newFixtureWith(t, c, op, change)
			after.setCookie("_oauth2_proxy", before.cookie("_oauth2_proxy"))
			resp := after.get("/oauth2/auth")
			wantStatus(t, resp, http.StatusUnauthorized)
			if len(resp.Header["Set-Cookie"]) != 1 {
				t.Errorf("Set-Cookie: %q", resp.Header["Set-Cookie"])
			}
		})
	}
}

func TestALargeSessionIsSplitAndCleared(t *testing.T) {
	f := newFixture(t, nil)
	f.op.set(func() {
		var groups []string
		for range 300 {
			groups = append(groups, randomToken())
		}
		f.op.user["groups"] = groups
	})
	resp := f.login("/")
	wantStatus(t, resp, http.StatusFound)
	for _, line := range resp.Header["Set-Cookie"] {
		if len(line) > maxCookieBytes {
			t.Errorf("a Set-Cookie of %d bytes", len(line))
		}
	}
	if f.cookie("_oauth2_proxy_0") == "" || f.cookie("_oauth2_proxy_1") == "" || f.cookie("_oauth2_proxy") != "" {
		t.Fatal("the session was not split")
	}
	wantStatus(t, f.get("/oauth2/auth"), http.StatusAccepted)

	// An ingress passes on one Set-Cookie of a 401: it must be enough to end the session.
	f.clock.Advance(168 * time.Hour)
	refusal := f.get("/oauth2/auth")
	wantStatus(t, refusal, http.StatusUnauthorized)
	if got := refusal.Header["Set-Cookie"]; len(got) != 1 || !strings.HasPrefix(got[0], "_oauth2_proxy_0=;") {
		t.Errorf("Set-Cookie: %.80q", got)
	}
	if resp := f.get("/oauth2/auth"); resp.Header.Get("Set-Cookie") != "" {
		t.Error("what is left over still counts as a session")
	}

	// A smaller session replaces it whole, and sign-out removes all.
	f.op.set(func() { f.op.user["groups"] = []string{"dev"} })
	f.login("/")
	if n := len(f.cookies()); n != 1 {
		t.Errorf("%d cookies after a small session replaced a large one", n)
	}
	f.get("/oauth2/sign_out")
	if n := len(f.cookies()); n != 0 {
		t.Errorf("%d cookies after sign-out", n)
	}
}

func TestASessionTooLargeForCookiesIsExplained(t *testing.T) {
	f := newFixture(t, nil)
	f.op.set(func() {
		var groups []string
		for range 3000 {
			groups = append(groups, randomToken())
		}
		f.op.user["groups"] = groups
	})
	resp := f.login("/")
	wantStatus(t, resp, http.StatusInternalServerError)
	if !strings.Contains(resp.body, "too large") {
		t.Error(resp.body)
	}
}

func TestGroupsThatWouldReadAsOthersAreLeftOut(t *testing.T) {
	f := newFixture(t, nil)
	f.op.set(func() {
		f.op.user["groups"] = []any{"dev", "x,admin", "a\r\nX-Admin: 1", 7, map[string]any{"name": "y"}, "/team/ü"}
	})
	f.login("/")
	wantHeader(t, f.get("/oauth2/auth"), "X-Auth-Request-Groups", "dev,/team/ü")
	wantStatus(t, f.get("/oauth2/auth?allowed_groups=admin"), http.StatusForbidden)
}

func TestGroupsMayBeOneString(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.GroupsClaim = "role" })
	f.op.set(func() { f.op.user["role"] = "boss" })
	f.login("/")
	wantHeader(t, f.get("/oauth2/auth"), "X-Auth-Request-Groups", "boss")
}

func TestUserInfo(t *testing.T) {
	f := newFixture(t, nil)
	wantStatus(t, f.get("/oauth2/userinfo"), http.StatusUnauthorized)
	f.login("/")
	resp := f.get("/oauth2/userinfo")
	wantStatus(t, resp, http.StatusOK)
	wantHeader(t, resp, "Content-Type", "application/json")
	wantHeader(t, resp, "Cache-Control", "no-store")
	if want := `{"user":"u-1","email":"ann@example.com","groups":["dev","ops"],"preferredUsername":"ann"}` + "\n"; resp.body != want {
		t.Errorf("got %s, want %s", resp.body, want)
	}
}
