// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
	"go.yaml.in/yaml/v3"
)

// JWKS is the set of a client's public keys (RFC 7517 section 5).
type JWKS struct{ jose.JSONWebKeySet }

// UnmarshalYAML reads the set as it stands in a configuration file, with the members of RFC 7517.
func (k *JWKS) UnmarshalYAML(node *yaml.Node) error {
	var tree any
	if err := node.Decode(&tree); err != nil {
		return err
	}
	encoded, err := json.Marshal(tree)
	if err != nil {
		return fmt.Errorf("line %d: jwks cannot be written as JSON: %w", node.Line, err)
	}
	if err := json.Unmarshal(encoded, &k.JSONWebKeySet); err != nil {
		return fmt.Errorf("line %d: jwks: %w", node.Line, err)
	}
	return nil
}

// MarshalYAML writes the set with the members of RFC 7517.
func (k JWKS) MarshalYAML() (any, error) {
	encoded, err := json.Marshal(k.JSONWebKeySet)
	if err != nil {
		return nil, fmt.Errorf("writing jwks: %w", err)
	}
	var tree any
	err = json.Unmarshal(encoded, &tree)
	return tree, err
}

// check wants public keys only: what verifies a client must not be able to impersonate it.
func (k *JWKS) check() error {
	if k == nil || len(k.Keys) == 0 {
		return errors.New("jwks must hold at least one key")
	}
	for i, key := range k.Keys {
		if !key.Valid() || !key.IsPublic() {
			return fmt.Errorf("jwks.keys[%d] must be a valid public key", i)
		}
	}
	return nil
}
