// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// keySet holds the signing keys. The first of an algorithm signs, all verify and are published.
type keySet struct {
	keys []jose.JSONWebKey // private
}

func newKeySet(given []SigningKey) (*keySet, error) {
	set := &keySet{}
	for i, k := range given {
		if err := k.check(); err != nil {
			return nil, fmt.Errorf("key %d: %w", i, err)
		}
		if err := set.add(k); err != nil {
			return nil, fmt.Errorf("key %d: %w", i, err)
		}
	}
	for alg, generate := range map[jose.SignatureAlgorithm]func() (crypto.Signer, error){jose.RS256: generateRSA, jose.ES256: generateP256} {
		if set.has(alg) {
			continue
		}
		key, err := generate()
		if err != nil {
			return nil, fmt.Errorf("generating a key for %s: %w", alg, err)
		}
		if err := set.add(SigningKey{Algorithm: alg, Key: key}); err != nil {
			return nil, err
		}
	}
	return set, nil
}

func generateRSA() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) }

func generateP256() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// check keeps to RFC 7518 sections 3.3 and 3.4.
func (k SigningKey) check() error {
	switch key := k.Key.(type) {
	case *rsa.PrivateKey:
		if k.Algorithm == jose.RS256 && key.N.BitLen() >= 2048 {
			return nil
		}
	case *ecdsa.PrivateKey:
		if k.Algorithm == jose.ES256 && key.Curve == elliptic.P256() {
			return nil
		}
	}
	return fmt.Errorf("a %T does not serve for %q: give RS256 with an RSA key of 2048 bits or more, or ES256 with a P-256 key", k.Key, k.Algorithm)
}

func (s *keySet) add(k SigningKey) error {
	jwk := jose.JSONWebKey{Key: k.Key, KeyID: k.ID, Algorithm: string(k.Algorithm), Use: "sig"}
	if jwk.KeyID == "" {
		thumbprint, err := jwk.Thumbprint(crypto.SHA256)
		if err != nil {
			return fmt.Errorf("computing the kid: %w", err)
		}
		jwk.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	}
	if s.byID(jwk.KeyID) != nil {
		return fmt.Errorf("kid %q is used twice", jwk.KeyID)
	}
	s.keys = append(s.keys, jwk)
	return nil
}

func (s *keySet) has(alg jose.SignatureAlgorithm) bool {
	return slices.ContainsFunc(s.keys, func(k jose.JSONWebKey) bool { return k.Algorithm == string(alg) })
}

func (s *keySet) byID(kid string) *jose.JSONWebKey {
	for i := range s.keys {
		if s.keys[i].KeyID == kid {
			return &s.keys[i]
		}
	}
	return nil
}

// algorithms lists what can be signed, RS256 first.
func (s *keySet) algorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.RS256, jose.ES256}
}

// public is the JWKS: public members only.
func (s *keySet) public() jose.JSONWebKeySet {
	var set jose.JSONWebKeySet
	for _, k := range s.keys {
		set.Keys = append(set.Keys, k.Public())
	}
	return set
}

// sign makes a compact JWS with kid and typ in its header.
func (s *keySet) sign(alg jose.SignatureAlgorithm, claims map[string]any) (string, error) {
	for _, k := range s.keys {
		if k.Algorithm == string(alg) {
			return signWith(k, alg, claims)
		}
	}
	return "", fmt.Errorf("there is no %s key", alg)
}

func signWith(key jose.JSONWebKey, alg jose.SignatureAlgorithm, claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("writing the claims: %w", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("preparing the %s signature: %w", alg, err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("signing with %s: %w", alg, err)
	}
	return signed.CompactSerialize()
}

// verify returns the claims of a token this provider signed. It does not look at exp: an id_token_hint may be expired.
func (s *keySet) verify(token string) (map[string]any, error) {
	parsed, err := jose.ParseSignedCompact(token, s.algorithms())
	if err != nil {
		return nil, errors.New("not a signed token")
	}
	key := s.byID(parsed.Signatures[0].Header.KeyID)
	if key == nil || key.Algorithm != parsed.Signatures[0].Header.Algorithm {
		return nil, errors.New("not signed by a key of this provider")
	}
	payload, err := parsed.Verify(key.Public())
	if err != nil {
		return nil, errors.New("the signature does not fit")
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		return nil, errors.New("the claims are not a JSON object")
	}
	return claims, nil
}
