// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"net/http"
	"net/url"
	"strings"
)

// redirectCode ends the authorization with a code for the user of the session.
func (p *Provider) redirectCode(w http.ResponseWriter, r *http.Request, req *authorizationRequest, s *session) {
	code := p.random.token()
	p.store.putCode(code, &authorizationCode{
		grant: &grant{
			clientID: req.client.ClientID,
			username: s.username,
			scopes:   req.scopes,
			nonce:    req.nonce,
			authTime: s.authTime,
			sid:      s.id,
			life:     s.life,
		},
		redirectURI:   req.redirectURI,
		codeChallenge: req.codeChallenge,
	}, p.now())
	p.log.InfoContext(r.Context(), "authorization granted", "client_id", req.client.ClientID, "user", s.username, "scope", req.scopes.String())
	p.redirectBack(w, r, req, url.Values{"code": {code}})
}

// redirectError ends the authorization with an error.
func (p *Provider) redirectError(w http.ResponseWriter, r *http.Request, req *authorizationRequest, e *oauthError) {
	p.log.InfoContext(r.Context(), "authorization refused", "client_id", req.client.ClientID, "error", e.code, "reason", e.description)
	p.redirectBack(w, r, req, url.Values{"error": {e.code}, "error_description": {e.description}})
}

// redirectBack adds state, as it came, and iss (RFC 9207), on success and on error.
func (p *Provider) redirectBack(w http.ResponseWriter, r *http.Request, req *authorizationRequest, answer url.Values) {
	answer.Set("iss", p.cfg.Issuer)
	if req.state != "" {
		answer.Set("state", req.state)
	}
	redirect(w, r, addQuery(req.redirectURI, answer))
}

// redirect answers 302, or 303 after a POST, so that no browser repeats the body elsewhere (RFC 9700 section 4.12). The
// target is a registered URI and goes out as it is.
func redirect(w http.ResponseWriter, r *http.Request, target string) {
	status := http.StatusFound
	if r.Method == http.MethodPost {
		status = http.StatusSeeOther
	}
	noStore(w)
	w.Header().Set("Location", target)
	w.WriteHeader(status)
}

// addQuery keeps the query that the URI has, byte by byte (RFC 6749 section 3.1.2).
func addQuery(uri string, values url.Values) string {
	if len(values) == 0 {
		return uri
	}
	separator := "?"
	switch {
	case strings.HasSuffix(uri, "?") || strings.HasSuffix(uri, "&"):
		separator = ""
	case strings.Contains(uri, "?"):
		separator = "&"
	}
	return uri + separator + values.Encode()
}
