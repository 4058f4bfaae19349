// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"strings"
	"testing"
	"time"
)

func set(name string, value any) func(map[string]any) {
	return func(c map[string]any) { c[name] = value }
}

func TestBearerTokens(t *testing.T) {
	f := newFixture(t, func(c *Config) {
		c.SkipJWTBearerTokens = true
		c.ExtraAudiences = []string{"api"}
		c.EmailDomains = []string{"example.com"}
		c.PassAccessToken = true
	})
	good := f.op.sign(nil)
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	forged := signClaims(stranger, f.op.keyID, map[string]any{"iss": f.op.issuer, "aud": testClientID, "sub": "u", "email": "a@example.com", "exp": f.clock.Now().Add(time.Hour).Unix()})
	unsigned := "eyJhbGciOiJub25lIn0." + strings.Split(good, ".")[1] + "."
	for _, tc := range []struct {
		name, authorization string
		want                int
		challenge           string // must be in WWW-Authenticate
	}{
		{"valid", "Bearer " + good, 202, ""},
		{"the scheme in lower case", "bearer " + good, 202, ""},
		{"extra audience in a list", "Bearer " + f.op.sign(set("aud", []string{"x", "api"})), 202, ""},
		{"expired", "Bearer " + f.op.sign(set("exp", f.clock.Now().Add(-time.Second).Unix())), 401, `error="invalid_token", error_description="The token has expired"`},
		{"not yet valid", "Bearer " + f.op.sign(set("nbf", f.clock.Now().Add(time.Hour).Unix())), 401, `error="invalid_token"`},
		{"wrong audience", "Bearer " + f.op.sign(set("aud", "other")), 401, `error="invalid_token"`},
		{"wrong issuer", "Bearer " + f.op.sign(set("iss", "https://evil.test")), 401, `error="invalid_token"`},
		{"forged", "Bearer " + forged, 401, `error="invalid_token"`},
		{"alg none", "Bearer " + unsigned, 401, `error="invalid_token"`},
		{"altered", "Bearer " + good[:len(good)-8] + "AAAAAAAA", 401, `error="invalid_token"`},
		{"not a JWT", "Bearer opaque", 401, `error="invalid_token"`},
		{"empty", "Bearer", 401, `error="invalid_token"`},
		{"another domain", "Bearer " + f.op.sign(set("email", "a@evil.test")), 403, `error="insufficient_scope"`},
		{"unverified email", "Bearer " + f.op.sign(set("email_verified", false)), 403, `error="insufficient_scope"`},
		{"another scheme", "Basic YTpi", 401, `Bearer realm="oauth2-proxy"`},
		{"none", "", 401, `Bearer realm="oauth2-proxy"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var header []string
			if tc.authorization != "" {
				header = []string{"Authorization", tc.authorization}
			}
			resp := f.get("/oauth2/auth", header...)
			wantStatus(t, resp, tc.want)
			if got := resp.Header.Get("Www-Authenticate"); !strings.Contains(got, tc.challenge) || (tc.challenge == "") != (got == "") {
				t.Errorf("WWW-Authenticate: %q", got)
			}
			if tc.want == 202 {
				wantHeader(t, resp, "X-Auth-Request-Email", "ann@example.com")
				if !strings.HasSuffix(tc.authorization, resp.Header.Get("X-Auth-Request-Access-Token")) {
					t.Error("the token is not passed as access token")
				}
			}
			if resp.Header.Get("Set-Cookie") != "" {
				t.Error("a bearer token changes no cookie")
			}
		})
	}
	wantStatus(t, f.get("/oauth2/auth?allowed_groups=admin", "Authorization", "Bearer "+good), http.StatusForbidden)
	f.login("/")
	wantStatus(t, f.get("/oauth2/auth", "Authorization", "Bearer bad"), http.StatusUnauthorized)
	wantStatus(t, f.get("/oauth2/auth", "Authorization", "Basic YTpi"), http.StatusAccepted)
}

func TestBearerTokensCountOnlyWhenTheSettingSaysSo(t *testing.T) {
	f := newFixture(t, nil)
	resp := f.get("/oauth2/auth", "Authorization", "Bearer "+f.op.sign(nil))
	wantStatus(t, resp, http.StatusUnauthorized)
	wantHeader(t, resp, "Www-Authenticate", "")
	f.login("/")
	wantStatus(t, f.get("/oauth2/auth", "Authorization", "Bearer bad"), http.StatusAccepted)
}

func TestBadBearerTokensDoNotBecomeRequestsToTheProvider(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.SkipJWTBearerTokens = true })
	_, before := f.op.hits()
	stranger, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	for range 20 {
		token := signClaims(stranger, rand.Text(), map[string]any{"iss": f.op.issuer, "aud": testClientID, "exp": f.clock.Now().Add(time.Hour).Unix()})
		wantStatus(t, f.get("/oauth2/auth", "Authorization", "Bearer "+token), http.StatusUnauthorized)
	}
	if _, after := f.op.hits(); after != before {
		t.Errorf("keys were fetched %d times", after-before)
	}
	f.op.rotateKey(t)
	token := f.op.sign(nil)
	wantStatus(t, f.get("/oauth2/auth", "Authorization", "Bearer "+token), http.StatusUnauthorized)
	f.clock.Advance(refetchInterval)
	wantStatus(t, f.get("/oauth2/auth", "Authorization", "Bearer "+token), http.StatusAccepted)
}

// Nothing is known of the age of keys that were fetched at a time that is still to come: they are fetched again, once.
func TestAClockThatWasPutBackDoesNotKeepNewKeysOut(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.SkipJWTBearerTokens = true })
	withdrawn := f.op.sign(nil)
	f.clock.Advance(-3 * time.Minute)
	f.op.rotateKey(t)
	_, before := f.op.hits()
	wantStatus(t, f.get("/oauth2/auth", "Authorization", "Bearer "+f.op.sign(nil)), http.StatusAccepted)
	wantStatus(t, f.get("/oauth2/auth", "Authorization", "Bearer "+withdrawn), http.StatusUnauthorized)
	if _, after := f.op.hits(); after != before+1 {
		t.Errorf("keys were fetched %d times", after-before)
	}
}

func FuzzBearerToken(f *testing.F) {
	fx := newFixture(f, func(c *Config) { c.SkipJWTBearerTokens = true })
	good := fx.op.sign(nil)
	f.Add("Bearer " + good)
	f.Add("Bearer ")
	f.Add("Bearer a.b.c")
	f.Add("bearer  " + good[:50])
	f.Fuzz(func(t *testing.T, authorization string) {
		r := requestWith()
		r.Header["Authorization"] = []string{authorization}
		if d := fx.proxy.authenticate(r); d.session != nil && !strings.Contains(authorization, good) {
			t.Errorf("%q is accepted", authorization)
		}
	})
}
