// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"crypto/sha256"
	"time"
)

// key is half the hash of a secret value. Tables are indexed by it, so that a lookup takes no time that depends on the secret
// and a memory dump holds no live token.
type key [sha256.Size / 2]byte

func keyOf(secret string) key {
	hash := sha256.Sum256([]byte(secret))
	return key(hash[:sha256.Size/2])
}

// table is a map whose entries live equally long. It is not safe for concurrent use.
type table[V any] struct {
	lifetime time.Duration
	limit    int
	entries  map[key]entry[V]
	order    []key // in order of arrival, so of expiry; may name entries that are gone
}

type entry[V any] struct {
	value   V
	expires instant
}

// instant is a time in microseconds since 1970. It takes a third of the room of a time.Time, and there are thousands.
type instant int64

func instantOf(t time.Time) instant { return instant(t.UnixMicro()) }

func (i instant) time() time.Time { return time.UnixMicro(int64(i)) }

func newTable[V any](lifetime time.Duration, limit int) *table[V] {
	return &table[V]{lifetime: lifetime, limit: limit, entries: map[key]entry[V]{}}
}

func (t *table[V]) put(secret string, v V, now time.Time) {
	t.sweep(now)
	k := keyOf(secret)
	t.entries[k] = entry[V]{value: v, expires: instantOf(now.Add(t.lifetime))}
	t.order = append(t.order, k)
}

func (t *table[V]) get(secret string, now time.Time) (V, bool) {
	e, ok := t.entries[keyOf(secret)]
	if !ok || e.expired(now) {
		var none V
		return none, false
	}
	return e.value, true
}

func (e entry[V]) expired(now time.Time) bool { return instantOf(now) >= e.expires }

func (t *table[V]) drop(secret string) { delete(t.entries, keyOf(secret)) }

// sweep forgets what has expired and makes room for one more.
func (t *table[V]) sweep(now time.Time) {
	for len(t.order) > 0 {
		e, ok := t.entries[t.order[0]]
		if ok && len(t.order) < t.limit && !e.expired(now) {
			return
		}
		delete(t.entries, t.order[0])
		t.order = t.order[1:]
	}
}
