// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// maxClockStep is how far the clocks of replicas may differ, and one clock may step back, without a session being lost.
const maxClockStep = 5 * time.Minute

// session is who signed in. Tokens are kept only when a setting needs them (see callback.go), because the whole of it may
// travel in a cookie. sessioncodec.go has to know every field but the ticket.
type session struct {
	Subject           string
	Email             string
	Groups            []string
	PreferredUsername string
	AccessToken       string
	RefreshToken      string
	IDToken           string
	// ProviderSession is the identity provider's name for its own session (sid), for back-channel logout.
	ProviderSession string
	// Refreshed and Expires are seconds since 1970. Expires never moves.
	Refreshed int64
	Expires   int64

	ticket ticket // where a ticketStore keeps it
}

var (
	errNoSession      = errors.New("no session cookie")
	errSessionExpired = errors.New("the session has expired")
	errSessionAhead   = errors.New("the session was made at a time that is still to come: the clock was put back")
	errSessionGone    = errors.New("the session store no longer has the session: it was ended elsewhere, or the store lost it")
	// errNotKept comes with a renewed session that is good for this request, but does not fit its cookies.
	errNotKept = errors.New("it does not fit its cookies")
	// errStoreAway is all that is known when the session store does not answer. The session may well be good.
	errStoreAway = errors.New("the session store cannot be reached")
)

// sessionStore keeps sessions between requests: cookieStore in the browser, ticketStore in a Store.
type sessionStore interface {
	// load returns the session r carries. errNoSession and errStoreAway say that there is no cookie, or that nothing is known
	// about it; any other error that the cookie is worth nothing.
	load(r *http.Request) (*session, error)
	// create keeps the session of a new login, in place of what r carries. The cookies in stale tidy up and may be lost.
	create(r *http.Request, s *session) (set, stale []*http.Cookie, err error)
	// renew keeps what refresh makes of s, once for all requests that ask at the same time. Errors are those of refresh and load,
	// or errNotKept.
	renew(r *http.Request, s *session, refresh refreshFunc) (renewal, error)
	// end ends the session r carries wherever it is kept. The error is errStoreAway: then it goes on.
	end(r *http.Request) ([]*http.Cookie, error)
	// forget returns cookies that delete every session cookie r carries.
	forget(r *http.Request) []*http.Cookie
}

// renewal is a renewed session and its cookies; those in stale tidy up and may be lost.
type renewal struct {
	session    *session
	set, stale []*http.Cookie
}

type refreshFunc func(ctx context.Context, old *session) (*session, error)

// openSession returns a session that may be used at the time now.
func openSession(plaintext []byte, now time.Time) (*session, error) {
	s, ok := decodeSession(plaintext)
	if !ok {
		return nil, errNotAuthentic
	}
	if !now.Before(time.Unix(s.Expires, 0)) {
		return nil, errSessionExpired
	}
	// A clock that was ahead when the session was made would give it more than its time.
	if time.Unix(s.Refreshed, 0).Sub(now) > maxClockStep {
		return nil, errSessionAhead
	}
	return s, nil
}
