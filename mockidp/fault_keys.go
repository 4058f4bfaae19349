// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/go-jose/go-jose/v4"
)

// KeysEdit changes the keys array of a JWKS.
type KeysEdit struct {
	// Each edits every key.
	Each *JSONEdit `json:"each,omitempty"`
	// Before and After are put around the keys as they are; their "kid" may be ${kid}, that of the first RSA key.
	Before []map[string]any `json:"before,omitempty"`
	After  []map[string]any `json:"after,omitempty"`
	// Drop leaves none of the provider's keys; Only leaves those of one kty.
	Drop bool   `json:"drop,omitempty"`
	Only string `json:"only,omitempty"`
	// Private publishes the private parts.
	Private bool `json:"private,omitempty"`
	// Publish adds one of the keys that JOSEEdit.Sign can sign with: spare, weak.
	Publish string `json:"publish,omitempty"`
	// Impostor gives the published key the kid of the provider's first RSA key, in its place.
	Impostor bool `json:"impostor,omitempty"`
}

func (e *KeysEdit) validate() error {
	switch {
	case e == nil:
		return nil
	case e.Publish != "" && e.Publish != signSpare && e.Publish != signWeak:
		return fmt.Errorf("keys.publish: %q must be %s or %s", e.Publish, signSpare, signWeak)
	case e.Impostor && e.Publish == "":
		return fmt.Errorf("keys.impostor needs keys.publish")
	}
	return e.Each.validate()
}

func (e *KeysEdit) apply(s *stage, data []byte) ([]byte, error) {
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, err
	}
	kid := ""
	var kept []map[string]any
	for _, key := range set.Keys {
		if key["kty"] == "RSA" && kid == "" {
			kid, _ = key["kid"].(string)
		}
		if e.Drop || (e.Only != "" && key["kty"] != e.Only) || (e.Impostor && key["kid"] == kid) {
			continue
		}
		if e.Private {
			key = s.provider.privateJWK(key)
		}
		if e.Each != nil {
			e.Each.applyTo(s, key)
		}
		kept = append(kept, key)
	}
	keys := append(withKID(e.Before, kid), kept...)
	if e.Publish != "" {
		published, err := s.provider.faults.spares.jwk(e.Publish)
		if err != nil {
			return nil, err
		}
		if e.Impostor {
			published["kid"] = kid
		}
		keys = append(keys, published)
	}
	keys = append(keys, withKID(e.After, kid)...)
	if keys == nil {
		keys = []map[string]any{}
	}
	return json.Marshal(map[string]any{"keys": keys})
}

func withKID(keys []map[string]any, kid string) []map[string]any {
	var out []map[string]any
	for _, key := range keys {
		copied := map[string]any{}
		for name, value := range key {
			if value == "${kid}" {
				value = kid
			}
			copied[name] = value
		}
		out = append(out, copied)
	}
	return out
}

// privateJWK adds the private members of one of the provider's keys.
func (p *Provider) privateJWK(public map[string]any) map[string]any {
	kid, _ := public["kid"].(string)
	key := p.privateKey(kid)
	if key == nil {
		return public
	}
	text, err := json.Marshal(key)
	if err != nil {
		return public
	}
	private, err := decodeObject(text)
	if err != nil {
		return public
	}
	return private
}

// spareKeys are keys the provider does not publish. They are made when first needed.
type spareKeys struct {
	rsa2048 func() (*rsa.PrivateKey, error)
	rsa1024 func() (*rsa.PrivateKey, error)
}

func newSpareKeys() *spareKeys {
	return &spareKeys{
		rsa2048: sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) }),
		rsa1024: sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 1024) }),
	}
}

func (k *spareKeys) private(name string) (*rsa.PrivateKey, error) {
	if name == signWeak {
		return k.rsa1024()
	}
	return k.rsa2048()
}

// jwk is the public key as the JWKS has it; its kid is its name.
func (k *spareKeys) jwk(name string) (map[string]any, error) {
	key, err := k.private(name)
	if err != nil {
		return nil, fmt.Errorf("making the %s key: %w", name, err)
	}
	text, err := json.Marshal(jose.JSONWebKey{Key: crypto.PublicKey(&key.PublicKey), KeyID: name, Algorithm: "RS256", Use: "sig"})
	if err != nil {
		return nil, fmt.Errorf("writing the %s key: %w", name, err)
	}
	return decodeObject(text)
}
