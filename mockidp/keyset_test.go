// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"slices"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func TestKeySet_SaysWhatItWillSignWithBeforeThereAreKeys(t *testing.T) {
	s, err := newKeySet(nil, []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256, jose.EdDSA})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.algorithms(); !slices.Equal(got, []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA}) {
		t.Errorf("algorithms %v", got)
	}
	if len(s.keys) != 0 {
		t.Error("keys were made although nobody asked for one")
	}
	if keys := s.current(); len(keys) != 2 {
		t.Errorf("%d keys, want one for each algorithm", len(keys))
	}
}

func TestKeySet_SaysWhyThereIsNoKey(t *testing.T) {
	s, err := newKeySet(nil, []jose.SignatureAlgorithm{"XX999"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.sign("XX999", typJWT, nil); err == nil || s.failed == nil {
		t.Errorf("error %v", err)
	}
}

func TestRotate_WorksBeforeAnyKeyWasNeeded(t *testing.T) {
	s, err := newKeySet(nil, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.rotate(RotateWithOverlap, nil); err != nil {
		t.Fatal(err)
	}
	if len(s.current()) != 2 {
		t.Errorf("%d keys, want the new one and the one it replaces", len(s.current()))
	}
}
