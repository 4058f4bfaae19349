// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"fmt"
	"net/http"
	"time"
)

// cookieStore keeps sessions in the browser, encrypted. It cannot end one that was copied, and replicas do not know of each
// other's refreshes; ticketStore can and does.
type cookieStore struct {
	name    string
	sealer  *sealer
	cookies cookieMaker
	now     func() time.Time
}

// create implements sessionStore.
func (st *cookieStore) create(r *http.Request, s *session) (set, stale []*http.Cookie, err error) {
	remaining := time.Unix(s.Expires, 0).Sub(st.now())
	set, err = st.cookies.split(st.name, st.sealer.seal(st.name, s.encode()), remaining)
	if err != nil {
		return nil, nil, fmt.Errorf("store the session (the identity provider sent many or long claims or tokens): %w", err)
	}
	return set, st.cookies.deletions(r, st.name, set...), nil
}

// load implements sessionStore. Of several valid sessions the one renewed last counts.
func (st *cookieStore) load(r *http.Request) (*session, error) {
	var newest *session
	failure := errNoSession
	for _, value := range st.cookies.join(r, st.name) {
		s, err := st.decode(value)
		switch {
		case err != nil:
			failure = err
		case newest == nil || s.Refreshed > newest.Refreshed:
			newest = s
		}
	}
	if newest == nil {
		return nil, failure
	}
	return newest, nil
}

func (st *cookieStore) decode(value string) (*session, error) {
	plaintext, err := st.sealer.open(st.name, value)
	if err != nil {
		return nil, err
	}
	return openSession(plaintext, st.now())
}

// renew implements sessionStore. The refresher sees to it that a refresh token is used once.
func (st *cookieStore) renew(r *http.Request, s *session, refresh refreshFunc) (renewal, error) {
	renewed, err := refresh(onBehalfOf(r), s)
	if err != nil {
		return renewal{}, err
	}
	set, stale, err := st.create(r, renewed)
	if err != nil {
		return renewal{session: renewed}, fmt.Errorf("%w: %w", errNotKept, err)
	}
	return renewal{renewed, set, stale}, nil
}

// end implements sessionStore.
func (st *cookieStore) end(r *http.Request) ([]*http.Cookie, error) { return st.forget(r), nil }

// forget implements sessionStore.
func (st *cookieStore) forget(r *http.Request) []*http.Cookie {
	return st.cookies.deletions(r, st.name)
}
