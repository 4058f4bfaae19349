// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net/http"
	"net/url"
	"strings"
)

// signOut ends the session, deletes every part of its cookie and goes to rd; with --oidc-end-session by way of the identity
// provider, whose own session ends too (OpenID Connect RP-Initiated Logout §2). While the session store is away it does none
// of this, and says so.
func (p *Proxy) signOut(w http.ResponseWriter, r *http.Request) {
	redirect := p.requestedRedirect(r)
	s, err := p.sessions.load(r)
	set, endErr := p.sessions.end(r)
	if endErr != nil {
		p.fail(w, r, problem{status: http.StatusServiceUnavailable, message: "You are still signed in: your session cannot be ended at the moment. Please try again shortly.", cause: endErr, retry: redirect})
		return
	}
	setCookies(w, set...)
	if err == nil {
		p.log.Info("signed out", "subject", s.Subject, "requestId", requestID(r))
	}
	if p.cfg.EndSession {
		if location := p.endSessionURL(r, s, redirect); location != "" {
			redirectTo(w, location)
			return
		}
	}
	redirectTo(w, redirect)
}

// endSessionURL is "" when the identity provider offers no such endpoint or has not been reached.
func (p *Proxy) endSessionURL(r *http.Request, s *session, redirect string) string {
	idp := p.provider.current()
	if idp == nil || idp.metadata.EndSession == "" {
		return ""
	}
	u, err := url.Parse(idp.metadata.EndSession)
	if err != nil {
		return ""
	}
	if strings.HasPrefix(redirect, "/") {
		redirect = p.origin(r) + redirect
	}
	query := u.Query()
	query.Set("client_id", p.cfg.ClientID)
	query.Set("post_logout_redirect_uri", redirect)
	if s != nil && s.IDToken != "" {
		query.Set("id_token_hint", s.IDToken)
	}
	u.RawQuery = query.Encode()
	return u.String()
}
