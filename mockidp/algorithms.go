// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"slices"

	_ "crypto/sha256" // the hashes named below
	_ "crypto/sha512"

	"github.com/go-jose/go-jose/v4"
)

// signingAlgorithm is what the provider needs to know of a JWS algorithm.
type signingAlgorithm struct {
	name     jose.SignatureAlgorithm
	hash     crypto.Hash // for at_hash, c_hash and s_hash (Core 1.0 section 3.1.3.6)
	generate func() (crypto.Signer, error)
	fits     func(crypto.Signer) bool
}

// signingAlgorithms are those of RFC 7518 section 3.1 with a key pair, and EdDSA on Ed25519 (RFC 8037), in the order in
// which they are advertised: RS256, which every relying party knows, first.
func signingAlgorithms() []signingAlgorithm {
	return []signingAlgorithm{
		{jose.RS256, crypto.SHA256, generateRSA, fitsRSA},
		{jose.ES256, crypto.SHA256, generateEC(elliptic.P256()), fitsEC(elliptic.P256())},
		{jose.PS256, crypto.SHA256, generateRSA, fitsRSA},
		{jose.EdDSA, crypto.SHA512, generateEd25519, fitsEd25519},
		{jose.ES384, crypto.SHA384, generateEC(elliptic.P384()), fitsEC(elliptic.P384())},
		{jose.ES512, crypto.SHA512, generateEC(elliptic.P521()), fitsEC(elliptic.P521())},
		{jose.RS384, crypto.SHA384, generateRSA, fitsRSA},
		{jose.RS512, crypto.SHA512, generateRSA, fitsRSA},
		{jose.PS384, crypto.SHA384, generateRSA, fitsRSA},
		{jose.PS512, crypto.SHA512, generateRSA, fitsRSA},
	}
}

// findAlgorithm returns false for one that is not in the table.
func findAlgorithm(name jose.SignatureAlgorithm) (signingAlgorithm, bool) {
	all := signingAlgorithms()
	i := slices.IndexFunc(all, func(a signingAlgorithm) bool { return a.name == name })
	if i < 0 {
		return signingAlgorithm{}, false
	}
	return all[i], true
}

// algorithmNames lists the whole table.
func algorithmNames() []jose.SignatureAlgorithm {
	var names []jose.SignatureAlgorithm
	for _, a := range signingAlgorithms() {
		names = append(names, a.name)
	}
	return names
}

func generateRSA() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) }

// fitsRSA keeps to RFC 7518 sections 3.3 and 3.5: 2048 bits or more.
func fitsRSA(key crypto.Signer) bool {
	k, ok := key.(*rsa.PrivateKey)
	return ok && k.N.BitLen() >= 2048
}

func generateEC(curve elliptic.Curve) func() (crypto.Signer, error) {
	return func() (crypto.Signer, error) { return ecdsa.GenerateKey(curve, rand.Reader) }
}

// fitsEC keeps to RFC 7518 section 3.4: one curve for each algorithm.
func fitsEC(curve elliptic.Curve) func(crypto.Signer) bool {
	return func(key crypto.Signer) bool {
		k, ok := key.(*ecdsa.PrivateKey)
		return ok && k.Curve == curve
	}
}

func generateEd25519() (crypto.Signer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return key, err
}

func fitsEd25519(key crypto.Signer) bool {
	_, ok := key.(ed25519.PrivateKey)
	return ok
}

// leftHalf is the value of at_hash, c_hash and s_hash: the left half of the hash that goes with the ID token's algorithm
// (Core 1.0 sections 3.1.3.6 and 3.3.2.11).
func leftHalf(alg jose.SignatureAlgorithm, value string) string {
	a, _ := findAlgorithm(alg)
	hash := a.hash.New()
	hash.Write([]byte(value))
	sum := hash.Sum(nil)
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}
