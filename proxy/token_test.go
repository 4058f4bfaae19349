// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"
)

func signTyped(t testing.TB, key *ecdsa.PrivateKey, typ string) string {
	t.Helper()
	options := &jose.SignerOptions{}
	if typ != "" {
		options = options.WithType(jose.ContentType(typ))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(`{"sub":"u-1"}`))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestATokenOfAnotherKindIsRefused(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for typ, want := range map[string]struct{ id, bearer bool }{
		"":                   {true, true},
		"JWT":                {true, true},
		"jwt":                {true, true},
		"application/jwt":    {true, true},
		"at+jwt":             {false, true},
		"application/at+jwt": {false, true},
		"logout+jwt":         {false, false},
		"dpop+jwt":           {false, false},
		"secevent+jwt":       {false, false},
	} {
		raw := signTyped(t, key, typ)
		if _, err := parseCompact(raw, idTokenTypes); (err == nil) != want.id {
			t.Errorf("typ %q as ID token: %v", typ, err)
		}
		if _, err := parseCompact(raw, bearerTokenTypes); (err == nil) != want.bearer {
			t.Errorf("typ %q as bearer token: %v", typ, err)
		}
	}
}

func TestATokenIsThreePartsAndNothingElse(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := signTyped(t, key, "JWT")
	if _, err := parseCompact(good, idTokenTypes); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		"", "a", "a.b", good + ".", "." + good, good + ".x", good[:strings.LastIndexByte(good, '.')], " " + good, good + "\n", strings.Replace(good, ".", ". ", 1), good + "=",
		strings.Replace(good, ".", "..", 1), `{"payload":"e30"}`,
	} {
		if _, err := parseCompact(bad, idTokenTypes); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestDatesAreNumbers(t *testing.T) {
	for claims, want := range map[string]bool{
		`{"exp":2000000000,"iat":1}`:              true,
		`{"exp":2e9,"iat":1.5,"nbf":0}`:           true,
		`{"exp":2000000000}`:                      false,
		`{"iat":1}`:                               false,
		`{"exp":"2000000000","iat":1}`:            false,
		`{"exp":2000000000,"iat":"1"}`:            false,
		`{"exp":2000000000,"iat":1,"nbf":"0"}`:    false,
		`{"exp":null,"iat":1}`:                    false,
		`{"exp":2000000000,"iat":true}`:           false,
		`{"exp":2000000000,"iat":1,"nbf":[]}`:     false,
		`{"exp":2000000000,"iat":1,"nbf":"soon"}`: false,
	} {
		var raw map[string]json.RawMessage
		if err := json.Unmarshal([]byte(claims), &raw); err != nil {
			t.Fatal(err)
		}
		err := checkDates(raw, "exp", "iat")
		if (err == nil) != want {
			t.Errorf("%s: %v", claims, err)
		}
	}
}

func TestOnlyBearerAccessTokensAreUsed(t *testing.T) {
	for typ, want := range map[string]bool{"": true, "Bearer": true, "bearer": true, "BEARER": true, "mac": false, "DPoP": false, "N_A": false} {
		if err := checkTokenType(&oauth2.Token{TokenType: typ}); (err == nil) != want {
			t.Errorf("token_type %q: %v", typ, err)
		}
	}
}

func TestWeakRSAKeysAreNotUsed(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	for bits, want := range map[int]bool{1024: false, 2048: true} {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		if got := usable(jose.JSONWebKey{Key: key.Public()}); got != want {
			t.Errorf("%d bits: usable %v, want %v", bits, got, want)
		}
	}
}

func TestAWithdrawnKeyIsForgotten(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.SkipJWTBearerTokens = true })
	old := f.op.sign(set("exp", f.clock.Now().Add(24*time.Hour).Unix()))
	f.op.rotateKey(t)
	wantStatus(t, f.get("/oauth2/auth", "Authorization", "Bearer "+old), http.StatusAccepted)
	f.clock.Advance(maxKeyAge + time.Second)
	f.op.set(func() { f.op.down = true })
	wantStatus(t, f.get("/oauth2/auth", "Authorization", "Bearer "+old), http.StatusAccepted) // an outage withdraws nothing
	f.op.set(func() { f.op.down = false })
	f.clock.Advance(maxKeyAge + time.Second)
	wantStatus(t, f.get("/oauth2/auth", "Authorization", "Bearer "+old), http.StatusUnauthorized)
}

func TestAProviderThatNamesItselfMustAlwaysDo(t *testing.T) {
	for _, tc := range []struct {
		name      string
		announced bool
		iss       string
		want      int
	}{
		{"announced and right", true, "right", http.StatusFound},
		{"announced and wrong", true, "https://evil.test", http.StatusForbidden},
		{"announced and absent", true, "", http.StatusForbidden},
		{"not announced and absent", false, "", http.StatusFound},
		{"not announced and right", false, "right", http.StatusFound},
		{"not announced and wrong", false, "https://evil.test", http.StatusForbidden},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newClock()
			op := newTestOP(t, c)
			op.namesItself = tc.announced
			f := newFixtureWith(t, c, op, nil)
			back := f.atProvider(f.begin("/"))
			if tc.iss == "right" {
				tc.iss = op.issuer
			}
			if tc.iss != "" {
				back += "&iss=" + tc.iss
			}
			wantStatus(t, f.get(back), tc.want)
			if hits, _ := op.hits(); (hits == 1) != (tc.want == http.StatusFound) {
				t.Errorf("the code was sent %d times", hits)
			}
		})
	}
}

func TestARefreshIsRefusedByAnyErrorCodeOfTheTokenEndpoint(t *testing.T) {
	for code, over := range map[string]bool{
		"invalid_grant": true, "invalid_request": true, "invalid_client": true, "unauthorized_client": true, "unsupported_grant_type": true,
		"invalid_scope": true, "temporarily_unavailable": false, "slow_down": false, "": false,
	} {
		err := refreshFailure(&oauth2.RetrieveError{ErrorCode: code, Response: httptest.NewRecorder().Result()})
		if got := errors.Is(err, errRefreshRefused); got != over {
			t.Errorf("%q ends the session: %v, want %v", code, got, over)
		}
	}
}

func TestCompactForm(t *testing.T) {
	for s, want := range map[string]bool{
		"a.b.c": true, "aA0-_.x.y": true, "": false, "a": false, "a.b": false, "a.b.c.d": false, ".b.c": false, "a..c": false, "a.b.": false,
		" a.b.c": false, "a.b.c\n": false, "a.b=.c": false, "a.b+.c": false, "é.b.c": false,
	} {
		if isCompact(s) != want {
			t.Errorf("%q: %t", s, !want)
		}
	}
}
