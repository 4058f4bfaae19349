// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// Rotation says what becomes of the old keys when keys are rotated.
type Rotation int

const (
	// RotateWithOverlap publishes the keys that signed until now beside the new ones until the next rotation, so that
	// tokens signed with them still verify (Core 1.0 section 10.1.1). Keys that are older still go.
	RotateWithOverlap Rotation = iota
	// RotateWithoutOverlap forgets the old keys at once: a token signed with one no longer verifies.
	RotateWithoutOverlap
)

// RotateKeys makes new keys sign from now on. The given keys are used first; for each algorithm in use for which none is given, one is
// generated. It fails, and changes nothing, if a given key does not fit its algorithm or a kid is used already.
func (p *Provider) RotateKeys(how Rotation, given ...SigningKey) error {
	if err := p.keys.rotate(how, given); err != nil {
		return fmt.Errorf("rotating the signing keys: %w", err)
	}
	return nil
}

func (s *keySet) rotate(how Rotation, given []SigningKey) error {
	made := slices.Clone(given)
	for _, alg := range s.algorithms() {
		if slices.ContainsFunc(given, func(k SigningKey) bool { return k.Algorithm == alg }) {
			continue
		}
		key, err := generateKey(alg)
		if err != nil {
			return err
		}
		made = append(made, key)
	}
	s.generate() // what it is about to replace
	s.mu.Lock()
	defer s.mu.Unlock()
	keys, err := publishable(nil, made)
	if err != nil {
		return err
	}
	for _, old := range s.signers() {
		if how != RotateWithOverlap {
			break
		}
		if slices.ContainsFunc(keys, func(k jose.JSONWebKey) bool { return k.KeyID == old.KeyID }) {
			return fmt.Errorf("kid %q is used already", old.KeyID)
		}
		keys = append(keys, old)
	}
	s.keys = keys
	s.algs = slices.DeleteFunc(algorithmNames(), func(alg jose.SignatureAlgorithm) bool { return signerOf(keys, alg) == nil })
	return nil
}

// signers is called with the lock held.
func (s *keySet) signers() []jose.JSONWebKey {
	var list []jose.JSONWebKey
	for _, alg := range algorithmNames() {
		if key := signerOf(s.keys, alg); key != nil {
			list = append(list, *key)
		}
	}
	return list
}
