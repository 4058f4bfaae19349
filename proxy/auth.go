// SPDX-License-Identifier: Apache-2.0

package proxy

import "net/http"

// auth answers an ingress: 202 (or 200) with identity headers, 401 without a session, 403 for a session that the query's
// constraints exclude. It never redirects, whatever the method or the Accept header, because nginx turns any other status
// into 500; and it reads nothing a client could have put into X-Forwarded-* or X-Original-*.
func (p *Proxy) auth(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	d := p.authenticate(r)
	if d.session == nil {
		// nginx passes on one Set-Cookie of an auth answer. Deleting the first part ends a split session.
		setCookies(w, d.set[:min(1, len(d.set))]...)
		p.deny(w, r, d)
		return
	}
	setCookies(w, d.set...)
	if len(d.set) > 1 {
		p.log.Warn("the renewed session needs several cookies; nginx passes on only one of an auth answer", "cookies", len(d.set), "requestId", requestID(r))
	}
	if reason := constrain(d.session, r.URL.RawQuery); reason != "" {
		p.deny(w, r, decision{status: http.StatusForbidden, reason: reason})
		return
	}
	if p.cfg.SetXAuthRequest {
		authRequestHeaders.set(w.Header(), d.session, p.cfg.PassAccessToken)
	}
	w.WriteHeader(p.cfg.AuthSuccessStatus)
}

// deny answers in plain text. The reason goes to the log only: the client may not be who it says.
func (p *Proxy) deny(w http.ResponseWriter, r *http.Request, d decision) {
	p.log.Debug("denied", "status", d.status, "reason", d.reason, "requestId", requestID(r))
	if d.challenge != "" {
		w.Header().Set("WWW-Authenticate", d.challenge)
	}
	if d.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryAfterSeconds)
	}
	http.Error(w, http.StatusText(d.status), d.status)
}
