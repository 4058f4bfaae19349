// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"errors"
	"net/http"
	"time"
)

// decision is what authenticate found: a session, or a status with its reason. The cookies belong on the response in
// either case.
type decision struct {
	session *session

	status    int    // 401, 403 or 503 when session is nil
	reason    string // for the log and the page
	challenge string // WWW-Authenticate, if any

	set   []*http.Cookie // a renewed session, or the deletion of one that is dead
	stale []*http.Cookie // deletions that tidy up and may be lost
}

// authenticate says who sent r: by bearer token if the setting allows and one is there, else by session cookie. It does
// not look at the path or at what r asks for.
func (p *Proxy) authenticate(r *http.Request) decision {
	if p.cfg.SkipJWTBearerTokens {
		if token, ok := bearerToken(r); ok {
			return p.authenticateBearer(r, token)
		}
	}
	d := p.authenticateCookie(r)
	if d.session == nil && d.status == http.StatusUnauthorized && p.cfg.SkipJWTBearerTokens {
		d.challenge = bearerChallenge("", "") // RFC 6750 §3.1: no error code where no credentials were sent
	}
	return d
}

func (p *Proxy) authenticateCookie(r *http.Request) decision {
	s, err := p.sessions.load(r)
	if err != nil {
		return p.noSession(r, err)
	}
	d := decision{session: s}
	if p.refreshDue(s) {
		d = p.renew(r, s)
	}
	if d.session == nil {
		return d
	}
	// Who may enter can have changed since login. As with oauth2-proxy that is 401, and the session ends: the person can
	// come back as someone else, and the callback explains the refusal.
	if reason := p.admits(d.session, nil); reason != "" {
		return p.reject(r, reason)
	}
	return d
}

// noSession answers for an error of sessionStore.load.
func (p *Proxy) noSession(r *http.Request, err error) decision {
	switch {
	case errors.Is(err, errNoSession):
		return decision{status: http.StatusUnauthorized, reason: err.Error()}
	case errors.Is(err, errStoreAway):
		// Nothing is known about the session. 401 would end it for a browser that is signed in.
		p.log.Warn("session not checked", "error", err.Error(), "requestId", requestID(r))
		return decision{status: http.StatusServiceUnavailable, reason: err.Error()}
	}
	return decision{status: http.StatusUnauthorized, reason: err.Error(), set: p.sessions.forget(r)}
}

// reject ends the session that r carries.
func (p *Proxy) reject(r *http.Request, reason string) decision {
	set, err := p.sessions.end(r)
	if err != nil {
		return p.noSession(r, err)
	}
	return decision{status: http.StatusUnauthorized, reason: reason, set: set}
}

func (p *Proxy) refreshDue(s *session) bool {
	return p.cfg.CookieRefresh > 0 && !p.now().Before(time.Unix(s.Refreshed, 0).Add(p.cfg.CookieRefresh))
}

// renew replaces a session that is past --cookie-refresh.
func (p *Proxy) renew(r *http.Request, s *session) decision {
	if s.RefreshToken == "" {
		return p.reject(r, "the session is past --cookie-refresh and has no refresh token")
	}
	renewed, err := p.sessions.renew(r, s, p.refresher.refresh)
	switch {
	case err == nil:
		return decision{session: renewed.session, set: renewed.set, stale: renewed.stale}
	case errors.Is(err, errRefreshRefused):
		return p.reject(r, err.Error())
	case errors.Is(err, errStoreAway), errors.Is(err, errSessionGone), errors.Is(err, errSessionExpired):
		return p.noSession(r, err)
	case errors.Is(err, errNotKept):
		p.log.Warn("renewed session not stored", "error", err.Error(), "requestId", requestID(r))
		return decision{session: renewed.session} // the next request renews again
	}
	return p.notRenewed(r, s, err)
}

// notRenewed is for an outage of the identity provider. It must not end sessions at once, nor leave them unchecked for ever.
func (p *Proxy) notRenewed(r *http.Request, s *session, err error) decision {
	p.log.Warn("session not renewed", "error", err.Error(), "requestId", requestID(r))
	if p.now().Before(time.Unix(s.Refreshed, 0).Add(2 * p.cfg.CookieRefresh)) {
		return decision{session: s}
	}
	return decision{status: http.StatusUnauthorized, reason: "the session could not be renewed in time"}
}
