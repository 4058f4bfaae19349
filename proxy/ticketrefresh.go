// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"time"
)

const (
	// lockLife is how long a replica that died while it renewed a session keeps the others waiting. It is longer than a renewal
	// may take, so that a slow identity provider is never sent the same refresh token by two.
	lockLife = providerTimeout + 3*storeTimeout
	// renewTimeout lets a replica wait for a lock to run out and then renew the session itself.
	renewTimeout = lockLife + providerTimeout + 3*storeTimeout
	// Replicas that wait for another's renewal look for it at intervals that grow between these.
	minRenewPoll = 20 * time.Millisecond
	maxRenewPoll = 250 * time.Millisecond
	// maxUnstored bounds the renewed sessions kept in memory while the store is away.
	maxUnstored = 4096
)

// unstored is a renewed session that the store did not take. Its refresh token is the only one that is still good.
type unstored struct {
	session  *session
	replaces string // the refresh token it was renewed with
}

// renew implements sessionStore. One request of one replica renews; those of this replica share its result, other replicas
// wait for it. It is stored before the lock is released.
func (st *ticketStore) renew(r *http.Request, s *session, refresh refreshFunc) (renewal, error) {
	result, err, _ := st.renewing.Do(string(s.ticket.id[:]), func() (any, error) {
		// Others wait for this too: one client that goes away must not spoil it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(onBehalfOf(r)), renewTimeout)
		defer cancel()
		return st.renewOnce(ctx, s, refresh)
	})
	if err != nil {
		return renewal{}, err
	}
	return renewal{session: result.(*session)}, nil // the ticket stays, and so does the cookie
}

func (st *ticketStore) renewOnce(ctx context.Context, s *session, refresh refreshFunc) (*session, error) {
	lock, holder := st.name+"-lock-"+s.ticket.name(), []byte(rand.Text())
	for poll := minRenewPoll; ; poll = min(2*poll, maxRenewPoll) {
		locked, err := st.lock(ctx, lock, holder)
		if err != nil {
			return nil, err
		}
		current, err := st.read(ctx, s.ticket)
		renewedElsewhere := err == nil && (current.Refreshed != s.Refreshed || current.RefreshToken != s.RefreshToken)
		if locked && err == nil && !renewedElsewhere {
			current, err = st.renewLocked(ctx, current, refresh)
		}
		if locked {
			st.unlock(ctx, lock, holder)
		}
		if locked || renewedElsewhere || err != nil {
			return current, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("another replica is renewing the session and did not finish within %s", renewTimeout)
		case <-time.After(poll):
		}
	}
}

func (st *ticketStore) lock(ctx context.Context, key string, holder []byte) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	locked, err := st.store.Create(ctx, key, holder, lockLife)
	if err == nil && !locked {
		// It may be ours all the same: a connection that broke lost the answer, and the client asked again.
		var owner []byte
		owner, _, err = st.store.Get(ctx, key)
		locked = bytes.Equal(owner, holder)
	}
	if err != nil {
		return false, fmt.Errorf("%w: %w", errStoreAway, err)
	}
	return locked, nil
}

// unlock frees the lock if it is still ours. If that fails it runs out by itself.
func (st *ticketStore) unlock(ctx context.Context, key string, holder []byte) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	if err := st.store.DeleteIf(ctx, key, holder); err != nil {
		st.log.Warn("the lock of a renewed session was not released and runs out by itself", "within", lockLife, "error", err.Error())
	}
}

func (st *ticketStore) renewLocked(ctx context.Context, current *session, refresh refreshFunc) (*session, error) {
	renewed := st.takeUnstored(current)
	if renewed == nil {
		var err error
		if renewed, err = refresh(ctx, current); err != nil {
			return nil, err
		}
	}
	sealed, err := st.seal(renewed)
	if err != nil {
		return nil, err
	}
	replaced, err := st.replace(ctx, renewed, sealed)
	if err != nil {
		st.keepUnstored(current, renewed)
		return nil, fmt.Errorf("%w: %w", errStoreAway, err)
	}
	if !replaced {
		return nil, errSessionGone
	}
	return renewed, nil
}

// replace stores a renewed session, only in place of what is there: one that was ended in the meantime stays ended. A store
// that is just being restarted is asked again for a while.
func (st *ticketStore) replace(ctx context.Context, s *session, sealed []byte) (bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), st.patience)
	defer cancel()
	for {
		replaced, err := st.store.Replace(ctx, st.key(s.ticket.name()), sealed, time.Unix(s.Expires, 0).Sub(st.now()))
		if err == nil {
			return replaced, nil
		}
		select {
		case <-ctx.Done():
			return false, err
		case <-time.After(maxRenewPoll):
		}
	}
}

// keepUnstored remembers a renewed session until the store is back: the identity provider takes the old refresh token no more.
func (st *ticketStore) keepUnstored(old, renewed *session) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for t, u := range st.unstored {
		if !st.now().Before(time.Unix(u.session.Expires, 0)) || len(st.unstored) >= maxUnstored {
			delete(st.unstored, t)
		}
	}
	st.unstored[old.ticket] = unstored{session: renewed, replaces: old.RefreshToken}
}

// takeUnstored returns what was remembered in place of current, or nil.
func (st *ticketStore) takeUnstored(current *session) *session {
	st.mu.Lock()
	defer st.mu.Unlock()
	u, ok := st.unstored[current.ticket]
	delete(st.unstored, current.ticket)
	if !ok || u.replaces != current.RefreshToken {
		return nil
	}
	return u.session
}
