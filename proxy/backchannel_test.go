// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	jose "github.com/go-jose/go-jose/v4"
)

// withBackchannel returns a proxy that can be told of logouts.
func withBackchannel(t *testing.T) (*fixture, *miniredis.Miniredis) {
	all, server := replicas(t, 1, func(c *Config) { c.BackchannelLogout = true })
	return all[0], server
}

// logoutTokenOf makes a logout token as the provider would, after change.
func (op *testOP) logoutTokenOf(typ string, change func(map[string]any)) string {
	op.mu.Lock()
	defer op.mu.Unlock()
	claims := map[string]any{
		"iss": op.issuer, "aud": testClientID, "iat": op.clock.Now().Unix(), "exp": op.clock.Now().Add(2 * time.Minute).Unix(),
		"jti": rand.Text(), "sub": "u-1", "sid": "sid-1", "events": map[string]any{logoutEvent: map[string]any{}},
	}
	if change != nil {
		change(claims)
	}
	options := (&jose.SignerOptions{}).WithType(jose.ContentType(typ))
	if typ == "" {
		options = nil
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: op.key, KeyID: op.keyID}}, options)
	if err != nil {
		panic(err)
	}
	payload, _ := json.Marshal(claims)
	jws, err := signer.Sign(payload)
	if err != nil {
		panic(err)
	}
	raw, _ := jws.CompactSerialize()
	return raw
}

// tell posts a logout token, as the identity provider does: without cookies.
func (f *fixture) tell(token string) *response {
	f.t.Helper()
	return f.another().post("/oauth2/backchannel-logout", url.Values{"logout_token": {token}})
}

func (b *browser) post(path string, form url.Values) *response {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodPost, b.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.send(req)
}

func TestTheProviderEndsOneSessionOrAllOfAPerson(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(map[string]any)
		ended  map[string]bool // by sid
	}{
		{"by sid", nil, map[string]bool{"sid-1": true}},
		{"by sid alone", without("sub"), map[string]bool{"sid-1": true}},
		{"by sub", without("sid"), map[string]bool{"sid-1": true, "sid-2": true}},
		{"somebody else", func(c map[string]any) { c["sub"], c["sid"] = "u-2", "sid-9" }, nil},
		{"somebody else, by sub", func(c map[string]any) { c["sub"] = "u-2"; delete(c, "sid") }, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, _ := withBackchannel(t)
			browsers := map[string]*browser{}
			for _, sid := range []string{"sid-1", "sid-2"} {
				f.op.set(func() { f.op.user["sid"] = sid })
				browsers[sid] = f.another()
				browsers[sid].login("/")
			}
			resp := f.tell(f.op.logoutTokenOf("logout+jwt", tc.change))
			wantStatus(t, resp, http.StatusOK)
			wantHeader(t, resp, "Cache-Control", "no-store")
			for sid, b := range browsers {
				want := http.StatusAccepted
				if tc.ended[sid] {
					want = http.StatusUnauthorized
				}
				wantStatus(t, b.get("/oauth2/auth"), want)
			}
		})
	}
}

func without(claim string) func(map[string]any) {
	return func(c map[string]any) { delete(c, claim) }
}

func TestARenewedSessionIsStillFound(t *testing.T) {
	f, _ := withBackchannel(t)
	f.op.set(func() { f.op.user["sid"] = "sid-1" })
	f.login("/")
	f.clock.Advance(time.Minute)
	f.op.set(func() { delete(f.op.user, "sid") })
	wantStatus(t, f.get("/oauth2/auth"), http.StatusAccepted)
	wantStatus(t, f.tell(f.op.logoutTokenOf("logout+jwt", nil)), http.StatusOK)
	wantStatus(t, f.get("/oauth2/auth"), http.StatusUnauthorized)
}

func TestOnlyALogoutTokenEndsSessions(t *testing.T) {
	f, _ := withBackchannel(t)
	f.op.set(func() { f.op.user["sid"] = "sid-1" })
	f.login("/")
	at := func(d time.Duration) int64 { return f.clock.Now().Add(d).Unix() }
	for _, tc := range []struct {
		name   string
		typ    string
		change func(map[string]any)
	}{
		{"another issuer", "logout+jwt", set("iss", "https://evil.test")},
		{"another audience", "logout+jwt", set("aud", "other")},
		{"expired", "logout+jwt", set("exp", at(-time.Hour))},
		{"no exp", "logout+jwt", without("exp")},
		{"no iat", "logout+jwt", without("iat")},
		{"issued later", "logout+jwt", set("iat", at(time.Hour))},
		{"no jti", "logout+jwt", without("jti")},
		{"neither sub nor sid", "logout+jwt", func(c map[string]any) { delete(c, "sub"); delete(c, "sid") }},
		{"a nonce", "logout+jwt", set("nonce", "n")},
		{"a nonce that is null", "logout+jwt", set("nonce", nil)},
		{"no events", "logout+jwt", without("events")},
		{"another event", "logout+jwt", set("events", map[string]any{"http://schemas.openid.net/event/other": map[string]any{}})},
		{"an event that is no object", "logout+jwt", set("events", map[string]any{logoutEvent: "yes"})},
		{"an event that is null", "logout+jwt", set("events", map[string]any{logoutEvent: nil})},
		{"an access token", "at+jwt", nil},
	} {
		resp := f.tell(f.op.logoutTokenOf(tc.typ, tc.change))
		if resp.StatusCode != http.StatusBadRequest || !strings.Contains(resp.body, `"invalid_request"`) || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got %d %s", tc.name, resp.StatusCode, resp.body)
		}
	}
	for _, raw := range map[string]string{
		"nothing": "", "no token": "x", "an ID token": f.op.sign(nil), "too long": strings.Repeat("x", 2*maxLogoutBody),
		"another key": func() string {
			token := f.op.logoutTokenOf("logout+jwt", nil)
			return token[:len(token)-8] + "AAAAAAAA"
		}(),
	} {
		wantStatus(t, f.tell(raw), http.StatusBadRequest)
	}
	wantStatus(t, f.get("/oauth2/backchannel-logout"), http.StatusMethodNotAllowed)
	wantStatus(t, f.get("/oauth2/auth"), http.StatusAccepted)
	for _, typ := range []string{"", "JWT", "logout+jwt", "application/logout+jwt"} {
		wantStatus(t, f.tell(f.op.logoutTokenOf(typ, nil)), http.StatusOK)
	}
	wantStatus(t, f.get("/oauth2/auth"), http.StatusUnauthorized)
}

func TestALogoutTokenIsNotUsedTwice(t *testing.T) {
	f, _ := withBackchannel(t)
	f.login("/")
	token := f.op.logoutTokenOf("logout+jwt", without("sid"))
	wantStatus(t, f.tell(token), http.StatusOK)
	f.login("/")
	wantStatus(t, f.tell(token), http.StatusBadRequest)
	wantStatus(t, f.get("/oauth2/auth"), http.StatusAccepted)
}

func TestALogoutThatFailedCanBeTriedAgain(t *testing.T) {
	f, server := withBackchannel(t)
	f.login("/")
	token := f.op.logoutTokenOf("logout+jwt", without("sid"))
	server.SetError("ERR away")
	resp := f.tell(token)
	wantStatus(t, resp, http.StatusBadRequest)
	if !strings.Contains(resp.body, "logout_failed") {
		t.Errorf("body %s", resp.body)
	}
	server.SetError("")
	wantStatus(t, f.tell(token), http.StatusOK)
	wantStatus(t, f.get("/oauth2/auth"), http.StatusUnauthorized)
}

func TestWithoutTheSettingThereIsNoBackchannel(t *testing.T) {
	all, _ := replicas(t, 1, nil)
	wantStatus(t, all[0].tell(all[0].op.logoutTokenOf("logout+jwt", nil)), http.StatusNotFound)
}

// Sessions of before the cookie secret was changed are found too.
func TestALogoutFindsSessionsOfAnEarlierCookieSecret(t *testing.T) {
	server := miniredis.RunT(t)
	c := newClock()
	op := newTestOP(t, c)
	with := func(secret string, previous ...string) *fixture {
		return newFixtureWith(t, c, op, func(cfg *Config) {
			storedAt(server.Addr())(cfg)
			cfg.BackchannelLogout, cfg.CookieSecret, cfg.PreviousCookieSecretFiles = true, secret, previous
		})
	}
	before := with("!" + testSecret[1:])
	before.login("/")
	after := with("ZYXWVUTSRQPONMLKJIHGFEDCBA987654", writeFile(t, "!"+testSecret[1:]))
	wantStatus(t, after.tell(op.logoutTokenOf("logout+jwt", without("sid"))), http.StatusOK)
	wantStatus(t, before.get("/oauth2/auth"), http.StatusUnauthorized)
}

// Whatever is posted, no session ends without a genuine token.
func FuzzLogoutToken(f *testing.F) {
	server := miniredis.NewMiniRedis()
	if err := server.Start(); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(server.Close)
	c := newClock()
	op := newTestOP(f, c)
	x := newFixtureWith(f, c, op, func(cfg *Config) { storedAt(server.Addr())(cfg); cfg.BackchannelLogout = true })
	f.Add("")
	f.Add("a.b.c")
	f.Add(op.logoutTokenOf("logout+jwt", set("aud", "other")))
	f.Add(op.sign(nil))
	f.Fuzz(func(t *testing.T, raw string) {
		if _, err := x.proxy.verifyLogoutToken(t.Context(), raw); err == nil {
			t.Errorf("%q is accepted", raw)
		}
	})
}
