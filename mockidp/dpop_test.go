// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/ingress-auth/conformance/mockidp"
)

var proofNumber atomic.Int64

// proof makes the DPoP proof of a request; edits come as claims, absent removes one.
func (s *idp) proof(key mockidp.SigningKey, method, rawURL, token string, edit map[string]any) string {
	s.t.Helper()
	claims := map[string]any{"htm": method, "htu": rawURL, "iat": s.clock.Now().Unix(), "jti": fmt.Sprint(proofNumber.Add(1))}
	if token != "" {
		hash := sha256.Sum256([]byte(token))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(hash[:])
	}
	maps.Copy(claims, edit)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == absent })
	return signProof(s.t, key, "dpop+jwt", true, claims)
}

func signProof(t testing.TB, key mockidp.SigningKey, typ string, embed bool, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: key.Algorithm, Key: key.Key}, (&jose.SignerOptions{EmbedJWK: embed}).WithType(jose.ContentType(typ)))
	if err != nil {
		t.Fatal(err)
	}
	return must(must(signer.Sign(must(json.Marshal(claims)))).CompactSerialize())
}

func withProof(proofs ...string) func(*http.Request) {
	return func(r *http.Request) {
		for _, p := range proofs {
			r.Header.Add("DPoP", p)
		}
	}
}

func (s *idp) userinfoBy(scheme, token string, edits ...func(*http.Request)) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.at("userinfo"), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", scheme+" "+token)
	for _, edit := range edits {
		edit(r)
	}
	return s.do(s.browser, r)
}

func thumbprint(t testing.TB, key mockidp.SigningKey) string {
	t.Helper()
	jwk := jose.JSONWebKey{Key: key.Key.Public()}
	return base64.RawURLEncoding.EncodeToString(must(jwk.Thumbprint(5))) // crypto.SHA256
}

func TestDPoP_RFC9449(t *testing.T) {
	const tokenURL, userinfoURL = issuer + "/token", issuer + "/userinfo"
	mine, other := testKeys()[1], testKeys()[0]
	s := newIDP(t, func(c *mockidp.Config) {
		c.AutoLogin = "alice"
		c.Clients = append(c.Clients, mockidp.Client{ClientID: "bound", ClientSecret: "s", DPoPBoundAccessTokens: true, AccessTokenFormat: "jwt", RedirectURIs: []string{callback}})
	})
	basic := basicAuth("app", "s3cret")
	bound := func() tokens {
		t.Helper()
		return s.tokens(s.token(codeParams(s.code("alice")), basic, withProof(s.proof(mine, "POST", tokenURL, "", nil))))
	}
	t.Run("5 and 7.1: a token is bound to the key of the proof, and userinfo wants a proof by it", func(t *testing.T) {
		got := bound()
		if got.TokenType != "DPoP" {
			t.Errorf("token_type %q", got.TokenType)
		}
		if a := s.userinfoBy("DPoP", got.AccessToken, withProof(s.proof(mine, "GET", userinfoURL, got.AccessToken, nil))); a.StatusCode != http.StatusOK {
			t.Errorf("status %d: %s", a.StatusCode, a.body)
		}
		for name, a := range map[string]answer{
			"as Bearer":        s.userinfoBy("Bearer", got.AccessToken),
			"no proof":         s.userinfoBy("DPoP", got.AccessToken),
			"another key":      s.userinfoBy("DPoP", got.AccessToken, withProof(s.proof(other, "GET", userinfoURL, got.AccessToken, nil))),
			"no ath":           s.userinfoBy("DPoP", got.AccessToken, withProof(s.proof(mine, "GET", userinfoURL, "", nil))),
			"another ath":      s.userinfoBy("DPoP", got.AccessToken, withProof(s.proof(mine, "GET", userinfoURL, "x", nil))),
			"of another URL":   s.userinfoBy("DPoP", got.AccessToken, withProof(s.proof(mine, "GET", tokenURL, got.AccessToken, nil))),
			"a Bearer as DPoP": s.userinfoBy("DPoP", s.signIn().tokens.AccessToken, withProof(s.proof(mine, "GET", userinfoURL, got.AccessToken, nil))),
		} {
			if a.StatusCode != http.StatusUnauthorized || a.Header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: status %d: %s", name, a.StatusCode, a.body)
			}
		}
	})
	t.Run("6: introspection and a JWT say which key", func(t *testing.T) {
		got := bound()
		cnf := map[string]any{"jkt": thumbprint(t, mine)}
		wantClaims(t, object(t, s.post(issuer+"/introspect", url.Values{"token": {got.AccessToken}}, basic).body), map[string]any{"cnf": cnf, "token_type": "DPoP", "active": true})
		code := s.code("alice", "client_id", "bound")
		signed := s.tokens(s.token(codeParams(code), basicAuth("bound", "s"), withProof(s.proof(mine, "POST", tokenURL, "", nil))))
		wantClaims(t, payload(t, signed.AccessToken), map[string]any{"cnf": cnf})
	})
	t.Run("5.2: a client that must prove and does not", func(t *testing.T) {
		s.wantTokenError(s.token(codeParams("x"), basicAuth("bound", "s")), 400, "invalid_dpop_proof")
	})
	now := s.clock.Now().Unix()
	used := s.proof(mine, "POST", tokenURL, "", nil)
	s.token(codeParams("x"), basic, withProof(used))
	good := map[string]any{"htm": "POST", "htu": tokenURL, "iat": now, "jti": "n"}
	for name, proofs := range map[string][]string{
		"4.3: two headers":             {s.proof(mine, "POST", tokenURL, "", nil), s.proof(mine, "POST", tokenURL, "", nil)},
		"4.3: no JWT":                  {"x"},
		"4.3: another typ":             {signProof(t, mine, "JWT", true, good)},
		"4.3: no jwk":                  {signProof(t, mine, "dpop+jwt", false, good)},
		"4.3: a signature that is off": {strings.Join(append(strings.Split(s.proof(mine, "POST", tokenURL, "", nil), ".")[:2], strings.Split(used, ".")[2]), ".")},
		"4.3: another method":          {s.proof(mine, "GET", tokenURL, "", nil)},
		"4.3: another URL":             {s.proof(mine, "POST", userinfoURL, "", nil)},
		"4.3: too old":                 {s.proof(mine, "POST", tokenURL, "", map[string]any{"iat": now - 61})},
		"4.3: of the future":           {s.proof(mine, "POST", tokenURL, "", map[string]any{"iat": now + 61})},
		"4.3: no iat":                  {s.proof(mine, "POST", tokenURL, "", map[string]any{"iat": absent})},
		"4.3: no jti":                  {s.proof(mine, "POST", tokenURL, "", map[string]any{"jti": absent})},
		"11.1: used before":            {used},
		"4.3: a claim of a wrong type": {s.proof(mine, "POST", tokenURL, "", map[string]any{"htm": 1})},
	} {
		t.Run(name, func(t *testing.T) {
			s := *s
			s.t = t
			s.wantTokenError(s.token(codeParams("x"), basic, withProof(proofs...)), 400, "invalid_dpop_proof")
		})
	}
	t.Run("4.3: query and fragment of htu do not count", func(t *testing.T) {
		s.wantTokenError(s.token(codeParams("x"), basic, withProof(s.proof(mine, "POST", tokenURL+"?a=1#b", "", nil))), 400, "invalid_grant")
	})
	t.Run("10: a code may be bound to a key, by dpop_jkt or by a pushed request", func(t *testing.T) {
		code := s.code("alice", "dpop_jkt", thumbprint(t, mine))
		s.wantTokenError(s.token(codeParams(code), basic), 400, "invalid_grant")
		s.wantTokenError(s.token(codeParams(code), basic, withProof(s.proof(other, "POST", tokenURL, "", nil))), 400, "invalid_grant")
		s.tokens(s.token(codeParams(code), basic, withProof(s.proof(mine, "POST", tokenURL, "", nil))))

		push := authParams()
		push.Del("client_id")
		uri := object1(t, s.post(issuer+"/par", push, basic, withProof(s.proof(mine, "POST", issuer+"/par", "", nil))).body, "request_uri")
		pushed := s.redirected(s.get(issuer+"/authorize?"+url.Values{"client_id": {"app"}, "request_uri": {uri}}.Encode()), callback).Get("code")
		s.wantTokenError(s.token(codeParams(pushed), basic), 400, "invalid_grant")
		s.tokens(s.token(codeParams(pushed), basic, withProof(s.proof(mine, "POST", tokenURL, "", nil))))
		push.Set("dpop_jkt", "another")
		s.wantTokenError(s.post(issuer+"/par", push, basic, withProof(s.proof(mine, "POST", issuer+"/par", "", nil))), 400, "invalid_request")
	})
	t.Run("5: refresh tokens of a public client are bound, those of a confidential one are not", func(t *testing.T) {
		anyone := func(*http.Request) {}
		spa := codeParams(s.code("alice", "client_id", "spa", "redirect_uri", "https://spa.example/callback", "scope", "openid offline_access"), "client_id", "spa", "redirect_uri", "https://spa.example/callback")
		got := s.tokens(s.token(spa, anyone, withProof(s.proof(mine, "POST", tokenURL, "", nil))))
		again := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.RefreshToken}, "client_id": {"spa"}}
		s.wantTokenError(s.token(again, anyone), 400, "invalid_grant")
		s.wantTokenError(s.token(again, anyone, withProof(s.proof(other, "POST", tokenURL, "", nil))), 400, "invalid_grant")
		if next := s.tokens(s.token(again, anyone, withProof(s.proof(mine, "POST", tokenURL, "", nil)))); next.TokenType != "DPoP" {
			t.Errorf("token_type %q", next.TokenType)
		}
		confidential := s.tokens(s.token(codeParams(s.code("alice", "scope", "openid offline_access")), basic, withProof(s.proof(mine, "POST", tokenURL, "", nil))))
		s.tokens(s.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {confidential.RefreshToken}}, basic, withProof(s.proof(other, "POST", tokenURL, "", nil))))
	})
	t.Run("8 and 9: a nonce, if the configuration asks for one", func(t *testing.T) {
		s := newIDP(t, func(c *mockidp.Config) { c.AutoLogin, c.RequireDPoPNonce = "alice", true })
		code := s.code("alice")
		a := s.token(codeParams(code), basic, withProof(s.proof(mine, "POST", tokenURL, "", nil)))
		s.wantTokenError(a, 400, "use_dpop_nonce")
		nonce := map[string]any{"nonce": a.Header.Get("DPoP-Nonce")}
		s.wantTokenError(s.token(codeParams(code), basic, withProof(s.proof(mine, "POST", tokenURL, "", map[string]any{"nonce": "made-up"}))), 400, "use_dpop_nonce")
		got := s.tokens(s.token(codeParams(code), basic, withProof(s.proof(mine, "POST", tokenURL, "", nonce))))
		refused := s.userinfoBy("DPoP", got.AccessToken, withProof(s.proof(mine, "GET", userinfoURL, got.AccessToken, nil)))
		if refused.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(refused.Header.Get("WWW-Authenticate"), `DPoP algs="`) || !strings.Contains(refused.Header.Get("WWW-Authenticate"), "use_dpop_nonce") || refused.Header.Get("DPoP-Nonce") == "" {
			t.Errorf("status %d, %v", refused.StatusCode, refused.Header)
		}
		if a := s.userinfoBy("DPoP", got.AccessToken, withProof(s.proof(mine, "GET", userinfoURL, got.AccessToken, nonce))); a.StatusCode != http.StatusOK {
			t.Errorf("status %d: %s", a.StatusCode, a.body)
		}
	})
}

// provesKey gets a token with a proof of one algorithm.
func provesKey(t *testing.T, d mockidp.Dialect, alg jose.SignatureAlgorithm) {
	s := newDialectIDP(t, d, autoLogin("alice"))
	keys := keysFor(t, alg)
	got := s.token(codeParams(s.code("alice")), basicAuth("app", "s3cret"), withProof(s.proof(keys[len(keys)-1], "POST", s.at("token"), "", nil)))
	if token := s.tokens(got); token.TokenType != "DPoP" {
		t.Errorf("token_type %q", token.TokenType)
	}
}

func FuzzDPoP(f *testing.F) {
	s := newIDP(f, nil, quiet())
	f.Add(s.proof(testKeys()[1], "POST", issuer+"/token", "", nil))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, proof string) {
		if strings.ContainsAny(proof, "\r\n\x00") {
			return
		}
		s := *s
		s.t = t
		if a := s.token(codeParams("x"), basicAuth("app", "s3cret"), withProof(proof)); a.StatusCode != http.StatusBadRequest {
			t.Errorf("status %d: %s", a.StatusCode, a.body)
		}
	})
}
