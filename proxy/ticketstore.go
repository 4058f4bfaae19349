// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// storeTimeout bounds one question to the session store.
const storeTimeout = 2 * time.Second

const (
	ticketIDLength     = 16
	ticketSecretLength = 32
)

// ticket is what the browser has of a session that is kept elsewhere: under which key it is found, and the key it is
// encrypted with, which nobody else has.
type ticket struct {
	id     [ticketIDLength]byte
	secret [ticketSecretLength]byte
}

func newTicket() ticket {
	var t ticket
	_, _ = rand.Read(t.id[:]) // never fails: crypto/rand aborts the program instead
	_, _ = rand.Read(t.secret[:])
	return t
}

func (t ticket) name() string { return base64.RawURLEncoding.EncodeToString(t.id[:]) }

func (t ticket) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(t.secret[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// ticketStore keeps sessions in a Store. The cookie holds a ticket, encrypted with the cookie secret, so that without that
// secret nobody can make one; the session is encrypted with the ticket's secret and bound to its key, so that it is worth
// nothing in another place.
type ticketStore struct {
	name    string
	sealer  *sealer
	cookies cookieMaker
	now     func() time.Time
	log     *slog.Logger
	store   Store
	index   *sessionIndex // nil without back-channel logout
	// patience is how long a renewed session is offered to a store that fails.
	patience time.Duration

	renewing singleflight.Group
	mu       sync.Mutex
	unstored map[ticket]unstored // see ticketrefresh.go
}

// storeKey is where the session of a ticket is kept.
func storeKey(cookieName, id string) string { return cookieName + "-session-" + id }

func (st *ticketStore) key(id string) string { return storeKey(st.name, id) }

// load implements sessionStore.
func (st *ticketStore) load(r *http.Request) (*session, error) {
	failure := errNoSession
	for _, value := range st.cookies.join(r, st.name) {
		t, err := st.openTicket(value)
		if err == nil {
			var s *session
			if s, err = st.read(r.Context(), t); err == nil {
				return s, nil
			}
		}
		// What is not known outweighs what is known to be worthless: it may be the session.
		if !errors.Is(failure, errStoreAway) {
			failure = err
		}
	}
	return nil, failure
}

func (st *ticketStore) openTicket(value string) (ticket, error) {
	var t ticket
	plaintext, err := st.sealer.open(st.name, value)
	if err != nil {
		return t, err
	}
	if len(plaintext) != ticketIDLength+ticketSecretLength {
		return t, errNotAuthentic
	}
	copy(t.id[:], plaintext)
	copy(t.secret[:], plaintext[ticketIDLength:])
	return t, nil
}

func (st *ticketStore) read(ctx context.Context, t ticket) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	key := st.key(t.name())
	sealed, found, err := st.store.Get(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errStoreAway, err)
	}
	if !found {
		return nil, errSessionGone
	}
	aead, err := t.aead()
	if err != nil {
		return nil, err
	}
	packed, err := aead.Open(nil, nil, sealed, []byte(key))
	if err != nil {
		return nil, errNotAuthentic
	}
	plaintext, err := unpack(packed)
	if err != nil {
		return nil, err
	}
	s, err := openSession(plaintext, st.now())
	if err != nil {
		return nil, err
	}
	s.ticket = t
	return s, nil
}

// create implements sessionStore. The ticket is always a new one: whoever planted one in this browser must not find the
// new session under it.
func (st *ticketStore) create(r *http.Request, s *session) (set, stale []*http.Cookie, err error) {
	s.ticket = newTicket()
	remaining := time.Unix(s.Expires, 0).Sub(st.now())
	id := s.ticket.name()
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	if st.index != nil {
		if err := st.index.add(ctx, s, id, remaining); err != nil {
			return nil, nil, fmt.Errorf("%w: %w", errStoreAway, err)
		}
	}
	sealed, err := st.seal(s)
	if err != nil {
		return nil, nil, err
	}
	// No other session can be there, as the ID is random: what is there is this one, by a request whose answer got lost.
	if _, err := st.store.Create(ctx, st.key(id), sealed, remaining); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errStoreAway, err)
	}
	set, err = st.cookies.split(st.name, st.sealer.seal(st.name, append(s.ticket.id[:], s.ticket.secret[:]...)), remaining)
	if err != nil {
		return nil, nil, err
	}
	if err := st.drop(r); err != nil {
		st.log.Warn("the session before this login was not ended", "error", err.Error(), "requestId", requestID(r))
	}
	return set, st.cookies.deletions(r, st.name, set...), nil
}

// seal encrypts s for its place in the store.
func (st *ticketStore) seal(s *session) ([]byte, error) {
	aead, err := s.ticket.aead()
	if err != nil {
		return nil, fmt.Errorf("make the cipher for the session: %w", err)
	}
	return aead.Seal(nil, nil, st.sealer.pack(s.encode()), []byte(st.key(s.ticket.name()))), nil
}

// drop deletes what r's tickets lead to.
func (st *ticketStore) drop(r *http.Request) error {
	var keys []string
	for _, value := range st.cookies.join(r, st.name) {
		if t, err := st.openTicket(value); err == nil {
			keys = append(keys, st.key(t.name()))
		}
	}
	if len(keys) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	if err := st.store.Delete(ctx, keys...); err != nil {
		return fmt.Errorf("%w: %w", errStoreAway, err)
	}
	return nil
}

// end implements sessionStore.
func (st *ticketStore) end(r *http.Request) ([]*http.Cookie, error) {
	if err := st.drop(r); err != nil {
		return nil, err
	}
	return st.forget(r), nil
}

// forget implements sessionStore.
func (st *ticketStore) forget(r *http.Request) []*http.Cookie {
	return st.cookies.deletions(r, st.name)
}
