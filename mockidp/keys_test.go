// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"hash"
	"net/http"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/ingress-auth/conformance/mockidp"
)

// keysFor makes keys without generating more RSA keys than the one there is.
func keysFor(t testing.TB, algs ...jose.SignatureAlgorithm) []mockidp.SigningKey {
	t.Helper()
	keys := testKeys()
	ec := func(curve elliptic.Curve) *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	for _, alg := range algs {
		k := mockidp.SigningKey{ID: "key-" + string(alg), Algorithm: alg, Key: keys[0].Key}
		switch alg {
		case jose.ES256:
			k.Key = ec(elliptic.P256())
		case jose.ES384:
			k.Key = ec(elliptic.P384())
		case jose.ES512:
			k.Key = ec(elliptic.P521())
		case jose.EdDSA:
			_, key, err := ed25519.GenerateKey(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			k.Key = key
		}
		keys = append(keys, k)
	}
	return keys
}

// tokenSet verifies with go-oidc, which nobody here wrote.
func (s *idp) verifyIndependently(token string, alg string) error {
	ctx := oidc.ClientContext(context.Background(), &http.Client{Transport: handlerTransport{s.Provider}})
	keys := oidc.NewRemoteKeySet(ctx, issuer+"/jwks")
	_, err := oidc.NewVerifier(issuer, keys, &oidc.Config{ClientID: "app", SupportedSigningAlgs: []string{alg}, Now: s.clock.Now}).Verify(ctx, token)
	return err
}

func TestIDToken_Core_3_1_3_6_EveryAlgorithmSignsAndHashes(t *testing.T) {
	for alg, newHash := range map[jose.SignatureAlgorithm]func() hash.Hash{
		jose.RS256: sha256.New, jose.RS384: sha512.New384, jose.RS512: sha512.New,
		jose.PS256: sha256.New, jose.PS384: sha512.New384, jose.PS512: sha512.New,
		jose.ES256: sha256.New, jose.ES384: sha512.New384, jose.ES512: sha512.New,
		jose.EdDSA: sha512.New,
	} {
		t.Run(string(alg), func(t *testing.T) {
			var given []mockidp.SigningKey
			if alg == jose.RS256 || alg == jose.ES256 {
				given = testKeys()
			} else {
				given = keysFor(t, alg)
			}
			s := newIDP(t, func(c *mockidp.Config) { c.Clients[0].IDTokenSignedResponseAlg = alg }, mockidp.WithSigningKeys(given[min(2, len(given)):]...))
			got := s.tokens(s.token(codeParams(s.code("alice"))))
			header, claims := s.claims(got.IDToken)
			h := newHash()
			h.Write([]byte(got.AccessToken))
			if want := base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:h.Size()/2]); header.Algorithm != string(alg) || claims["at_hash"] != want {
				t.Errorf("header %v, at_hash %v, want %s", header, claims["at_hash"], want)
			}
			if err := s.verifyIndependently(got.IDToken, string(alg)); err != nil {
				t.Error(err)
			}
			doc := discovery(t, s, issuer+"/.well-known/openid-configuration")
			found := false
			for _, name := range doc["id_token_signing_alg_values_supported"].([]any) {
				found = found || name == string(alg)
			}
			if !found {
				t.Errorf("advertised: %v", doc["id_token_signing_alg_values_supported"])
			}
		})
	}
}

func TestNew_GeneratesKeysForTheAlgorithmsInUse(t *testing.T) {
	s := newIDP(t, func(c *mockidp.Config) { c.SigningAlgs = []jose.SignatureAlgorithm{jose.EdDSA, jose.ES384} })
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(s.get(issuer+"/jwks").body), &set); err != nil {
		t.Fatal(err)
	}
	algs := map[string]bool{}
	for _, key := range set.Keys {
		algs[key.Algorithm] = true
	}
	if len(set.Keys) != 4 || !algs["EdDSA"] || !algs["ES384"] {
		t.Errorf("keys for %v", algs)
	}
}

func TestRotateKeys_Core_10_1_1(t *testing.T) {
	renewed := func(t *testing.T, suffix string) []mockidp.SigningKey {
		rsa := testKeys()[0]
		rsa.ID = "rsa-" + suffix
		return []mockidp.SigningKey{rsa}
	}
	kid := func(s *idp, token string) string {
		header, _ := s.claims(token)
		return header.KeyID
	}
	published := func(s *idp, id string) bool {
		var set jose.JSONWebKeySet
		if err := json.Unmarshal([]byte(s.get(issuer+"/jwks").body), &set); err != nil {
			s.t.Fatal(err)
		}
		return len(set.Key(id)) == 1
	}
	t.Run("with overlap: new tokens have the new key, old ones still verify, until the next rotation", func(t *testing.T) {
		s := newIDP(t, nil)
		old := s.mint("alice", "app")
		oldKid := kid(s, old)
		if err := s.RotateKeys(mockidp.RotateWithOverlap, renewed(t, "2")...); err != nil {
			t.Fatal(err)
		}
		if got := kid(s, s.mint("alice", "app")); got != "rsa-2" {
			t.Errorf("signed with %s", got)
		}
		if !published(s, oldKid) || s.verifyIndependently(old, "RS256") != nil {
			t.Error("the old token no longer verifies")
		}
		if _, err := s.MintIDToken("alice", "elliptic"); err != nil {
			t.Error(err)
		}
		if err := s.RotateKeys(mockidp.RotateWithOverlap, renewed(t, "3")...); err != nil {
			t.Fatal(err)
		}
		if published(s, oldKid) || !published(s, "rsa-2") || !published(s, "rsa-3") {
			t.Error("want the last two generations, no more")
		}
	})
	t.Run("without overlap: the old key is gone at once, for hints too", func(t *testing.T) {
		s := newIDP(t, nil)
		old := s.mint("alice", "app")
		oldKid := kid(s, old)
		if err := s.RotateKeys(mockidp.RotateWithoutOverlap, renewed(t, "2")...); err != nil {
			t.Fatal(err)
		}
		if published(s, oldKid) || s.verifyIndependently(old, "RS256") == nil {
			t.Error("the old token still verifies")
		}
		s.wantError(s.authorize("id_token_hint", old), "invalid_request")
		if err := s.verifyIndependently(s.mint("alice", "app"), "RS256"); err != nil {
			t.Error(err)
		}
	})
	t.Run("a mistake changes nothing", func(t *testing.T) {
		s := newIDP(t, nil)
		before := s.get(issuer + "/jwks").body
		unfit := testKeys()[0]
		unfit.Algorithm = jose.ES256
		again := testKeys()[0]
		for _, given := range [][]mockidp.SigningKey{{unfit}, {again}} {
			if err := s.RotateKeys(mockidp.RotateWithOverlap, given...); err == nil {
				t.Error("accepted")
			}
		}
		if s.get(issuer+"/jwks").body != before {
			t.Error("the keys changed")
		}
	})
}
