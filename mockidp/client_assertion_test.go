// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/ingress-auth/conformance/mockidp"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

func signAssertion(t testing.TB, alg jose.SignatureAlgorithm, key any, kid string, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

func TestToken_RFC7523_3_ClientAssertions(t *testing.T) {
	none := func(*http.Request) {}
	for name, test := range map[string]struct {
		client string
		edit   map[string]any // of the claims; nil removes
		form   []string
		auth   func(*http.Request)
		allow  bool
		alg    jose.SignatureAlgorithm
		kid    string
		status int
		err    string
	}{
		"private_key_jwt":                         {client: "signs", status: 200},
		"private_key_jwt without kid":             {client: "signs", kid: "-", status: 200},
		"private_key_jwt by ES256":                {client: "signs", alg: jose.ES256, kid: "b", status: 200},
		"client_secret_jwt":                       {client: "hmac", status: 200},
		"with the same client_id":                 {client: "signs", form: []string{"client_id", "signs"}, status: 200},
		"aud as an array of one":                  {client: "signs", edit: map[string]any{"aud": []string{issuer}}, status: 200},
		"the kid of another key":                  {client: "signs", kid: "b", status: 401, err: "invalid_client"},
		"an algorithm that is not the key's":      {client: "signs", alg: jose.PS256, status: 401, err: "invalid_client"},
		"iss is another":                          {client: "signs", edit: map[string]any{"iss": "app"}, status: 401, err: "invalid_client"},
		"sub is another client":                   {client: "signs", edit: map[string]any{"sub": "hmac"}, status: 401, err: "invalid_client"},
		"aud is another":                          {client: "signs", edit: map[string]any{"aud": "https://evil.example"}, status: 401, err: "invalid_client"},
		"aud is the issuer and another":           {client: "signs", edit: map[string]any{"aud": []string{issuer, "https://evil.example"}}, status: 401, err: "invalid_client"},
		"aud is missing":                          {client: "signs", edit: map[string]any{"aud": nil}, status: 401, err: "invalid_client"},
		"aud is the endpoint":                     {client: "signs", edit: map[string]any{"aud": issuer + "/token"}, status: 401, err: "invalid_client"},
		"aud is the endpoint, by flag":            {client: "signs", allow: true, edit: map[string]any{"aud": issuer + "/token"}, status: 200},
		"aud is another endpoint, by flag":        {client: "signs", allow: true, edit: map[string]any{"aud": issuer + "/userinfo"}, status: 401, err: "invalid_client"},
		"exp is missing":                          {client: "signs", edit: map[string]any{"exp": nil}, status: 401, err: "invalid_client"},
		"exp is now":                              {client: "signs", edit: map[string]any{"exp": 1_800_000_000}, status: 401, err: "invalid_client"},
		"exp is far ahead":                        {client: "signs", edit: map[string]any{"exp": 1e300}, status: 401, err: "invalid_client"},
		"nbf is in the future":                    {client: "signs", edit: map[string]any{"nbf": 1_800_000_100}, status: 401, err: "invalid_client"},
		"iat is in the future":                    {client: "signs", edit: map[string]any{"iat": 1_800_000_100}, status: 401, err: "invalid_client"},
		"jti is missing":                          {client: "signs", edit: map[string]any{"jti": nil}, status: 401, err: "invalid_client"},
		"a claim of a wrong type":                 {client: "signs", edit: map[string]any{"exp": "soon"}, status: 401, err: "invalid_client"},
		"client_id is another":                    {client: "signs", form: []string{"client_id", "app"}, status: 400, err: "invalid_request"},
		"another type of assertion":               {client: "signs", form: []string{"client_assertion_type", "x"}, status: 401, err: "invalid_client"},
		"no type":                                 {client: "signs", form: []string{"client_assertion_type", ""}, status: 401, err: "invalid_client"},
		"no assertion":                            {client: "signs", form: []string{"client_assertion", ""}, status: 401, err: "invalid_client"},
		"not a JWT":                               {client: "signs", form: []string{"client_assertion", "a.b.c"}, status: 401, err: "invalid_client"},
		"and a secret (RFC 6749 2.3)":             {client: "signs", form: []string{"client_secret", "x"}, status: 400, err: "invalid_request"},
		"and basic (RFC 6749 2.3)":                {client: "signs", auth: basicAuth("signs", "x"), status: 400, err: "invalid_request"},
		"a client that registered another method": {client: "app", status: 401, err: "invalid_client"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newIDP(t, func(c *mockidp.Config) { c.AllowEndpointAudience = test.allow })
			code := s.code("alice", "client_id", test.client)
			claims := map[string]any{"iss": test.client, "sub": test.client, "aud": issuer, "jti": "1", "exp": s.clock.Now().Unix() + 60}
			maps.Copy(claims, test.edit)
			maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
			alg, key, kid := jose.RS256, any(testKeys()[0].Key), "a"
			switch {
			case test.client == "hmac":
				alg, key, kid = jose.HS256, []byte(hmacSecret), ""
			case test.alg == jose.ES256:
				alg, key = jose.ES256, testKeys()[1].Key
			case test.alg != "":
				alg = test.alg
			}
			switch test.kid {
			case "-":
				kid = ""
			case "":
			default:
				kid = test.kid
			}
			form := codeParams(code, "client_assertion_type", assertionType, "client_assertion", signAssertion(t, alg, key, kid, claims))
			auth := test.auth
			if auth == nil {
				auth = none
			}
			a := s.token(override(form, test.form), auth)
			if test.status == 200 {
				s.tokens(a)
				return
			}
			s.wantTokenError(a, test.status, test.err)
		})
	}
	t.Run("a jti serves once", func(t *testing.T) {
		s := newIDP(t, nil)
		claims := map[string]any{"iss": "signs", "sub": "signs", "aud": issuer, "jti": "1", "exp": s.clock.Now().Unix() + 60}
		form := codeParams("x", "client_assertion_type", assertionType, "client_assertion", signAssertion(t, jose.RS256, testKeys()[0].Key, "a", claims))
		s.wantTokenError(s.token(form, none), 400, "invalid_grant")
		s.wantTokenError(s.token(form, none), 401, "invalid_client")
	})
	t.Run("RFC 8725 3.1: the public key is no HMAC secret, and the secret no private key", func(t *testing.T) {
		s := newIDP(t, nil)
		claims := map[string]any{"iss": "signs", "sub": "signs", "aud": issuer, "jti": "1", "exp": s.clock.Now().Unix() + 60}
		public, err := json.Marshal(clientKeys())
		if err != nil {
			t.Fatal(err)
		}
		form := codeParams("x", "client_assertion_type", assertionType, "client_assertion", signAssertion(t, jose.HS256, public, "a", claims))
		s.wantTokenError(s.token(form, none), 401, "invalid_client")
	})
	t.Run("a secret does not stand in for the assertion", func(t *testing.T) {
		s := newIDP(t, nil)
		s.wantTokenError(s.token(codeParams("x"), basicAuth("hmac", hmacSecret)), 401, "invalid_client")
		s.wantTokenError(s.token(codeParams("x"), basicAuth("signs", "")), 401, "invalid_client")
		s.wantTokenError(s.token(codeParams("x", "client_id", "signs"), none), 401, "invalid_client")
	})
}

// FuzzClientAssertion: nothing but a right signature opens the token endpoint.
func FuzzClientAssertion(f *testing.F) {
	claims := map[string]any{"iss": "signs", "sub": "signs", "aud": issuer, "jti": "1", "exp": 1_800_000_060}
	good := signAssertion(f, jose.RS256, testKeys()[0].Key, "a", claims)
	f.Add(good[:len(good)-6] + "AAAAAA")
	f.Add("eyJhbGciOiJub25lIn0.eyJzdWIiOiJzaWducyJ9.")
	f.Add(strings.Repeat(".", 100))
	s := newIDP(f, nil, quiet())
	f.Fuzz(func(t *testing.T, assertion string) {
		if assertion == good {
			return
		}
		form := url.Values{"grant_type": {"authorization_code"}, "code": {"x"}, "client_assertion_type": {assertionType}, "client_assertion": {assertion}}
		r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != http.StatusUnauthorized && (w.Code != http.StatusBadRequest || strings.Contains(w.Body.String(), "invalid_grant")) {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
	})
}
