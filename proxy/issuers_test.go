// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net/http"
	"testing"
	"time"
)

func TestBearerTokensOfSeveralIssuers(t *testing.T) {
	c := newClock()
	main, other := newTestOP(t, c), newTestOP(t, c)
	other.keysOnly = true // as an issuer that nobody logs in at, such as a cluster's
	f := newFixtureWith(t, c, main, func(c *Config) {
		c.SkipJWTBearerTokens = true
		c.ExtraAudiences = []string{"extra"}
		c.ExtraJWTIssuers = []string{other.issuer + "=api", other.issuer + "=jobs"}
	})
	awaitIssuer(t, f, other.issuer)
	audience := func(op *testOP, aud string) string { return "Bearer " + op.sign(set("aud", aud)) }
	for _, tc := range []struct {
		name, authorization string
		want                int
	}{
		{"the main issuer", audience(main, testClientID), 202},
		{"the main issuer, extra audience", audience(main, "extra"), 202},
		{"the other issuer", audience(other, "api"), 202},
		{"the other issuer, second audience", audience(other, "jobs"), 202},
		{"the other issuer for the main one's client", audience(other, testClientID), 401},
		{"the other issuer for the main one's extra audience", audience(other, "extra"), 401},
		{"the main issuer for the other one's audience", audience(main, "api"), 401},
		{"the other issuer's key under the main one's name", "Bearer " + other.sign(set("iss", main.issuer)), 401},
		{"the main issuer's key under the other one's name", "Bearer " + main.sign(func(c map[string]any) { c["iss"], c["aud"] = other.issuer, "api" }), 401},
		{"an unknown issuer", "Bearer " + other.sign(set("iss", "https://evil.test")), 401},
	} {
		t.Run(tc.name, func(t *testing.T) {
			wantStatus(t, f.get("/oauth2/auth", "Authorization", tc.authorization), tc.want)
		})
	}
	wantStatus(t, f.login("/"), http.StatusFound)
}

func TestAnIssuerThatIsDownIsTheAffairOfItsClients(t *testing.T) {
	c := newClock()
	main, other := newTestOP(t, c), newTestOP(t, c)
	other.set(func() { other.down = true })
	f := newFixtureWith(t, c, main, func(c *Config) {
		c.SkipJWTBearerTokens, c.ExtraJWTIssuers = true, []string{other.issuer + "=api"}
	})
	token := "Bearer " + other.sign(set("aud", "api"))
	wantStatus(t, f.get("/ready"), http.StatusOK)
	wantStatus(t, f.get("/oauth2/auth", "Authorization", token), http.StatusServiceUnavailable)
	wantStatus(t, f.get("/oauth2/auth", "Authorization", "Bearer "+main.sign(nil)), http.StatusAccepted)
	other.set(func() { other.down = false })
	awaitIssuer(t, f, other.issuer)
	wantStatus(t, f.get("/oauth2/auth", "Authorization", token), http.StatusAccepted)
}

func awaitIssuer(t *testing.T, f *fixture, issuer string) {
	t.Helper()
	select {
	case <-f.proxy.issuers[issuer].provider.ready:
	case <-time.After(30 * time.Second):
		t.Fatalf("%s was not found", issuer)
	}
}
