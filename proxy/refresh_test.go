// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

func refreshing(c *Config) {
	c.CookieRefresh, c.CookieExpire, c.PassAccessToken = time.Minute, time.Hour, true
}

func TestASessionIsRenewedOnceItIsDue(t *testing.T) {
	f := newFixture(t, refreshing)
	f.login("/")
	hits, _ := f.op.hits()
	f.clock.Advance(time.Minute - time.Second)
	first := f.get("/oauth2/auth")
	wantStatus(t, first, http.StatusAccepted)
	if first.Header.Get("Set-Cookie") != "" {
		t.Error("renewed before it was due")
	}
	f.op.set(func() { f.op.user["groups"] = []string{"new"}; f.op.user["email"] = "ann@new.test" })
	f.clock.Advance(time.Second)
	resp := f.get("/oauth2/auth")
	wantStatus(t, resp, http.StatusAccepted)
	if got := resp.Header["Set-Cookie"]; len(got) != 1 || !strings.Contains(got[0], "Max-Age=3540;") {
		t.Errorf("want one cookie that lives as long as the session has left, got %q", got)
	}
	wantHeader(t, resp, "X-Auth-Request-Groups", "new")
	wantHeader(t, resp, "X-Auth-Request-Email", "ann@new.test")
	if resp.Header.Get("X-Auth-Request-Access-Token") == first.Header.Get("X-Auth-Request-Access-Token") {
		t.Error("the access token is the old one")
	}
	if after, _ := f.op.hits(); after != hits+1 {
		t.Errorf("%d requests to the token endpoint, want one", after-hits)
	}
	wantHeader(t, f.get("/oauth2/auth"), "Set-Cookie", "")
	f.clock.Advance(time.Minute)
	wantStatus(t, f.get("/oauth2/auth"), http.StatusAccepted) // with the rotated token
}

func TestRenewalDoesNotExtendTheSession(t *testing.T) {
	f := newFixture(t, refreshing)
	f.login("/")
	for range 59 {
		f.clock.Advance(time.Minute)
		wantStatus(t, f.get("/oauth2/auth"), http.StatusAccepted)
	}
	f.clock.Advance(time.Minute)
	wantStatus(t, f.get("/oauth2/auth"), http.StatusUnauthorized)
}

func TestParallelRequestsRenewOnce(t *testing.T) {
	f := newFixture(t, refreshing)
	f.login("/")
	f.clock.Advance(time.Minute)
	old := f.cookie("_oauth2_proxy")
	before, _ := f.op.hits()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			r := requestWith(&http.Cookie{Name: "_oauth2_proxy", Value: old})
			if d := f.proxy.authenticate(r); d.session == nil {
				t.Errorf("refused: %s", d.reason)
			}
		})
	}
	all.Wait()
	late := f.another()
	late.setCookie("_oauth2_proxy", old)
	wantStatus(t, late.get("/oauth2/auth"), http.StatusAccepted)
	if after, _ := f.op.hits(); after != before+1 {
		t.Errorf("the refresh token was used %d times", after-before)
	}
}

func TestRenewalThatFails(t *testing.T) {
	answer := func(status int, code string) func(*testOP) {
		return func(op *testOP) { op.tokenFail = func(url.Values) (int, string) { return status, code } }
	}
	for _, tc := range []struct {
		name    string
		knob    func(*testOP)
		change  func(*Config)
		after   time.Duration
		want    int
		deleted bool
	}{
		{"refused", answer(400, "invalid_grant"), nil, time.Minute, 401, true},
		{"provider fails for a while", answer(500, "boom"), nil, time.Minute, 202, false},
		{"provider fails for long", answer(500, "boom"), nil, 2 * time.Minute, 401, false},
		{"provider is down", func(op *testOP) { op.down = true }, nil, time.Minute, 202, false},
		{"another subject", func(op *testOP) { op.user["sub"] = "u-2" }, nil, time.Minute, 401, true},
		{"bad id token", func(op *testOP) { op.tamper = set("iss", "https://evil.test") }, nil, time.Minute, 401, true},
		{"email no longer verified", func(op *testOP) { op.user["email_verified"] = false }, nil, time.Minute, 401, true},
		{"no longer in the group", func(op *testOP) { op.user["groups"] = []string{"x"} }, func(c *Config) { c.AllowedGroups = []string{"dev"} }, time.Minute, 401, true},
		{"no id token", func(op *testOP) { op.noIDToken = true }, nil, time.Minute, 202, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t, func(c *Config) {
				refreshing(c)
				if tc.change != nil {
					tc.change(c)
				}
			})
			f.login("/")
			f.op.set(func() { tc.knob(f.op) })
			f.clock.Advance(tc.after)
			resp := f.get("/oauth2/auth")
			wantStatus(t, resp, tc.want)
			if got := strings.Contains(resp.Header.Get("Set-Cookie"), "Max-Age=0"); got != tc.deleted {
				t.Errorf("cookie deleted: %v, want %v", got, tc.deleted)
			}
		})
	}
}

func TestAnOutageIsNotAskedAboutAtEveryRequest(t *testing.T) {
	f := newFixture(t, refreshing)
	f.login("/")
	f.op.set(func() { f.op.tokenFail = func(url.Values) (int, string) { return 503, "" } })
	f.clock.Advance(time.Minute)
	before, _ := f.op.hits()
	for range 10 {
		wantStatus(t, f.get("/oauth2/auth"), http.StatusAccepted)
	}
	if after, _ := f.op.hits(); after != before+1 {
		t.Errorf("%d requests to the token endpoint", after-before)
	}
	f.op.set(func() { f.op.tokenFail = nil })
	f.clock.Advance(refreshMemory)
	if resp := f.get("/oauth2/auth"); resp.Header.Get("Set-Cookie") == "" {
		t.Error("not renewed after the outage")
	}
}

func TestWithoutRefreshTokenTheSessionEndsWhenItIsDue(t *testing.T) {
	f := newFixture(t, refreshing)
	f.op.set(func() { f.op.noRefresh = true })
	f.login("/")
	wantStatus(t, f.get("/oauth2/auth"), http.StatusAccepted)
	f.clock.Advance(time.Minute)
	wantStatus(t, f.get("/oauth2/auth"), http.StatusUnauthorized)
}
