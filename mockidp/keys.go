// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// typJWT is the typ of ID tokens and signed userinfo.
const typJWT = "JWT"

// keySet holds the signing keys. The first of an algorithm signs, all verify and are published. Keys that nobody gave are
// generated when the first request has been answered, or when they are first needed: an RSA key takes a tenth of a second or
// more, discovery needs none, and many a provider of a test is never asked anything.
type keySet struct {
	generate  func() // returns when the keys are there; safe to call again and again
	preparing atomic.Bool
	mu        sync.RWMutex
	keys      []jose.JSONWebKey // private; the slice is replaced, never changed
	algs      []jose.SignatureAlgorithm
	failed    error // of generating
}

// newKeySet takes the given keys, and has one made for each algorithm that is needed and has none.
func newKeySet(given []SigningKey, needed []jose.SignatureAlgorithm) (*keySet, error) {
	keys, err := publishable(nil, given)
	if err != nil {
		return nil, err
	}
	var missing []jose.SignatureAlgorithm
	for _, alg := range needed {
		if signerOf(keys, alg) == nil && !slices.Contains(missing, alg) {
			missing = append(missing, alg)
		}
	}
	s := &keySet{keys: keys, algs: slices.DeleteFunc(algorithmNames(), func(alg jose.SignatureAlgorithm) bool {
		return signerOf(keys, alg) == nil && !slices.Contains(missing, alg)
	})}
	s.generate = sync.OnceFunc(func() { s.add(missing) })
	return s, nil
}

// afterTheAnswer is enough for an answer under way to leave before a core is busy with primes.
const afterTheAnswer = time.Millisecond

// prepare has the keys generated in the background.
func (s *keySet) prepare() {
	if !s.preparing.Swap(true) {
		time.AfterFunc(afterTheAnswer, s.generate)
	}
}

// add generates a key for each algorithm.
func (s *keySet) add(algs []jose.SignatureAlgorithm) {
	var made []SigningKey
	for _, alg := range algs {
		key, err := generateKey(alg)
		if err != nil {
			s.fail(err)
			return
		}
		made = append(made, key)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	keys, err := publishable(slices.Clone(s.keys), made)
	if err != nil {
		s.failed = err
		return
	}
	s.keys = keys
}

// absent says why there is no key.
func (s *keySet) absent(alg jose.SignatureAlgorithm) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.failed != nil {
		return fmt.Errorf("there is no %s key: %w", alg, s.failed)
	}
	return fmt.Errorf("there is no %s key", alg)
}

func (s *keySet) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = err
}

func generateKey(alg jose.SignatureAlgorithm) (SigningKey, error) {
	known, ok := findAlgorithm(alg)
	if !ok {
		return SigningKey{}, fmt.Errorf("there is no signing algorithm %q", alg)
	}
	key, err := known.generate()
	if err != nil {
		return SigningKey{}, fmt.Errorf("generating a key for %s: %w", alg, err)
	}
	return SigningKey{Algorithm: alg, Key: key}, nil
}

// check keeps to RFC 7518 sections 3.3 to 3.5 and RFC 8037.
func (k SigningKey) check() error {
	if known, ok := findAlgorithm(k.Algorithm); ok && known.fits(k.Key) {
		return nil
	}
	return fmt.Errorf("a %T does not serve for %q: RS and PS take an RSA key of 2048 bits or more, ES256 P-256, ES384 P-384, ES512 P-521, EdDSA Ed25519", k.Key, k.Algorithm)
}

// publishable appends the added keys, each under a kid of its own, to the keys there are.
func publishable(keys []jose.JSONWebKey, added []SigningKey) ([]jose.JSONWebKey, error) {
	for i, k := range added {
		if err := k.check(); err != nil {
			return nil, fmt.Errorf("key %d: %w", i, err)
		}
		jwk := jose.JSONWebKey{Key: k.Key, KeyID: k.ID, Algorithm: string(k.Algorithm), Use: "sig"}
		if jwk.KeyID == "" {
			thumbprint, err := jwk.Thumbprint(crypto.SHA256)
			if err != nil {
				return nil, fmt.Errorf("key %d: computing the kid: %w", i, err)
			}
			jwk.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
		}
		if slices.ContainsFunc(keys, func(other jose.JSONWebKey) bool { return other.KeyID == jwk.KeyID }) {
			return nil, fmt.Errorf("key %d: kid %q is used twice", i, jwk.KeyID)
		}
		keys = append(keys, jwk)
	}
	return keys, nil
}

// signerOf returns the key that signs with an algorithm, or nil.
func signerOf(keys []jose.JSONWebKey, alg jose.SignatureAlgorithm) *jose.JSONWebKey {
	for i := range keys {
		if keys[i].Algorithm == string(alg) {
			return &keys[i]
		}
	}
	return nil
}

// current returns the keys as they are now, as soon as they are all there.
func (s *keySet) current() []jose.JSONWebKey {
	s.generate()
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.keys
}

// algorithms lists what can be signed, RS256 first. It waits for no key.
func (s *keySet) algorithms() []jose.SignatureAlgorithm {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.algs)
}

// public is the JWKS: public members only.
func (s *keySet) public() jose.JSONWebKeySet {
	var set jose.JSONWebKeySet
	for _, k := range s.current() {
		set.Keys = append(set.Keys, k.Public())
	}
	return set
}

// sign makes a compact JWS with kid and typ in its header.
func (s *keySet) sign(alg jose.SignatureAlgorithm, typ string, claims map[string]any) (string, error) {
	key := signerOf(s.current(), alg)
	if key == nil {
		return "", s.absent(alg)
	}
	return signWith(*key, alg, typ, claims)
}

func signWith(key jose.JSONWebKey, alg jose.SignatureAlgorithm, typ string, claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("writing the claims: %w", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		return "", fmt.Errorf("preparing the %s signature: %w", alg, err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("signing with %s: %w", alg, err)
	}
	return signed.CompactSerialize()
}

// verify returns the claims of an ID token this provider signed, and of nothing else it signs (RFC 8725 section 3.11). It does not look at exp: an id_token_hint may be expired.
func (s *keySet) verify(token string) (map[string]any, error) {
	parsed, err := jose.ParseSignedCompact(token, s.algorithms())
	if err != nil {
		return nil, errors.New("not a signed token")
	}
	header := parsed.Signatures[0].Header
	keys := s.current()
	if typ, _ := header.ExtraHeaders[jose.HeaderType].(string); typ != typJWT {
		return nil, errors.New("not an ID token")
	}
	i := slices.IndexFunc(keys, func(k jose.JSONWebKey) bool { return k.KeyID == header.KeyID && k.Algorithm == header.Algorithm })
	if i < 0 {
		return nil, errors.New("not signed by a key of this provider")
	}
	payload, err := parsed.Verify(keys[i].Public())
	if err != nil {
		return nil, errors.New("the signature does not fit")
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		return nil, errors.New("the claims are not a JSON object")
	}
	if claims["typ"] == tokenTypeBearer { // the access token of a dialect whose header says no more than JWT
		return nil, errors.New("not an ID token")
	}
	return claims, nil
}
