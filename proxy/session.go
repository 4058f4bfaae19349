// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// session is who signed in. Tokens are kept only when a setting needs them (see callback.go), because the whole of it travels
// in a cookie. sessioncodec.go has to know every field.
type session struct {
	Subject           string
	Email             string
	Groups            []string
	PreferredUsername string
	AccessToken       string
	RefreshToken      string
	IDToken           string
	// Refreshed and Expires are seconds since 1970. Expires never moves.
	Refreshed int64
	Expires   int64
}

var (
	errNoSession      = errors.New("no session cookie")
	errSessionExpired = errors.New("the session has expired")
)

// sessionStore keeps sessions in the browser, encrypted.
type sessionStore struct {
	name    string
	sealer  *sealer
	cookies cookieMaker
	now     func() time.Time
}

// save returns the cookies that carry s, and deletions for what r carries beyond them.
func (st *sessionStore) save(r *http.Request, s *session) (set, stale []*http.Cookie, err error) {
	remaining := time.Unix(s.Expires, 0).Sub(st.now())
	set, err = st.cookies.split(st.name, st.sealer.seal(st.name, s.encode()), remaining)
	if err != nil {
		return nil, nil, fmt.Errorf("store the session (the identity provider sent many or long claims or tokens): %w", err)
	}
	return set, st.cookies.deletions(r, st.name, set...), nil
}

// load returns the session r carries: errNoSession, errNotAuthentic or errSessionExpired when there is none to trust. Of
// several valid ones the one renewed last counts.
func (st *sessionStore) load(r *http.Request) (*session, error) {
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

func (st *sessionStore) decode(value string) (*session, error) {
	plaintext, err := st.sealer.open(st.name, value)
	if err != nil {
		return nil, err
	}
	s, ok := decodeSession(plaintext)
	if !ok {
		return nil, errNotAuthentic
	}
	if !st.now().Before(time.Unix(s.Expires, 0)) {
		return nil, errSessionExpired
	}
	return s, nil
}

// clear returns cookies that delete every session cookie r carries.
func (st *sessionStore) clear(r *http.Request) []*http.Cookie {
	return st.cookies.deletions(r, st.name)
}
