// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"
)

// refetchInterval is how often at most an unknown key makes the proxy fetch the keys again, in tokens that anyone can send:
// each must not become a request to the identity provider.
const refetchInterval = 10 * time.Second

// maxKeyAge is how long a key is trusted before the provider is asked whether it still publishes it: one that was withdrawn
// after a theft must not verify tokens for ever.
const maxKeyAge = time.Hour

// minRSABits is the least that RFC 7518 §3.3 and §3.5 allow.
const minRSABits = 2048

// keySet holds the identity provider's signing keys. It differs from go-oidc's in being fetched ahead, which /ready needs,
// and in the throttle.
type keySet struct {
	url    string
	client *http.Client
	now    func() time.Time

	fetching singleflight.Group
	mu       sync.RWMutex
	keys     []jose.JSONWebKey
	fetched  time.Time
}

// fetch replaces the keys with what the provider publishes now. Keys of kinds that cannot be used are left out (RFC 7517 §5).
func (k *keySet) fetch(ctx context.Context) error {
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	err := getJSON(ctx, k.client, k.url, &document)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fetched = k.now()
	if err != nil {
		return fmt.Errorf("fetch the signing keys: %w", err)
	}
	var keys []jose.JSONWebKey
	for _, raw := range document.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(raw, &key) == nil && usable(key) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return fmt.Errorf("fetch the signing keys: %s lists none that can be used", k.url)
	}
	k.keys = keys
	return nil
}

func usable(key jose.JSONWebKey) bool {
	if rsaKey, ok := key.Key.(*rsa.PublicKey); ok && rsaKey.N.BitLen() < minRSABits {
		return false
	}
	return key.Valid() && key.Use != "enc"
}

// tokenKeys verifies tokens of one kind.
type tokenKeys struct {
	*keySet
	types []string // the typ values of the kind
	// throttle is for tokens that anyone can send. The provider itself sent an ID token: a key that is not known is looked for at once.
	throttle bool
}

// VerifySignature implements oidc.KeySet.
func (k tokenKeys) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	signed, err := parseCompact(jwt, k.types)
	if err != nil {
		return nil, err
	}
	if !k.fetchedWithin(maxKeyAge) {
		_ = k.refetch(ctx) // an outage leaves the keys that are known
	}
	payload, ok := k.tryKeys(signed)
	if ok {
		return payload, nil
	}
	if k.throttle && k.fetchedWithin(refetchInterval) {
		return nil, errors.New("no known key verifies the signature")
	}
	if err := k.refetch(ctx); err != nil {
		return nil, err
	}
	if payload, ok = k.tryKeys(signed); !ok {
		return nil, errors.New("no key of the identity provider verifies the signature")
	}
	return payload, nil
}

// refetch is fetch for many at once. Others wait for its outcome too: one client that goes away must not spoil it.
func (k *keySet) refetch(ctx context.Context) error {
	_, err, _ := k.fetching.Do("", func() (any, error) { return nil, k.fetch(context.WithoutCancel(ctx)) })
	return err
}

// fetchedWithin is false too when the clock was put back since: then nothing is known of the keys' age.
func (k *keySet) fetchedWithin(d time.Duration) bool {
	k.mu.RLock()
	fetched := k.fetched
	k.mu.RUnlock()
	age := k.now().Sub(fetched)
	return age >= 0 && age < d
}

func (k *keySet) tryKeys(signed *jose.JSONWebSignature) (payload []byte, ok bool) {
	k.mu.RLock()
	keys := k.keys
	k.mu.RUnlock()
	id := signed.Signatures[0].Header.KeyID
	for i := range keys {
		if id != "" && keys[i].KeyID != id {
			continue
		}
		if payload, err := signed.Verify(&keys[i]); err == nil {
			return payload, true
		}
	}
	return nil, false
}
