// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// grantAuthorization ends the authorization with what the response type asks for, for the user of the session.
func (p *Provider) grantAuthorization(w http.ResponseWriter, r *http.Request, req *authorizationRequest, s *session) {
	answer, e := p.authorizationAnswer(req, s)
	if e != nil {
		p.refuseAuthorization(w, r, req, e)
		return
	}
	p.noteIDToken(r, answer.Get("id_token"))
	p.log.InfoContext(r.Context(), "authorization granted", "client_id", req.client.ClientID, "user", s.username, "scope", req.scopes.String())
	p.respond(w, r, req, answer)
}

// authorizationAnswer makes the code, the access token and the ID token, as far as they are asked for (Core 1.0 sections
// 3.1.2.5, 3.2.2.5 and 3.3.2.5). All are shares in one grant.
func (p *Provider) authorizationAnswer(req *authorizationRequest, s *session) (url.Values, *oauthError) {
	g := &grant{
		session:     s,
		clientID:    req.client.ClientID,
		scopes:      req.scopes,
		claims:      req.claims.orNil(),
		audience:    req.audience,
		flow:        req.flow,
		acrAsked:    req.acr.asked,
		maxAgeAsked: req.maxAge != nil,
	}
	p.store.join(s, req.client.ClientID)
	g.offline = req.offline && p.store.consentOnce(g.clientID, g.username, req.asks(promptConsent), p.now())
	answer, parts := url.Values{}, idTokenParts{nonce: req.nonce, frontChannel: true}
	if req.responseType.code {
		parts.code = p.random.token()
		// Copies: a part of the request would keep all of it in memory.
		p.store.putCode(parts.code, &authorizationCode{
			grant: g, redirectURI: strings.Clone(req.redirectURI), codeChallenge: strings.Clone(req.codeChallenge), nonce: strings.Clone(req.nonce), jkt: strings.Clone(req.jkt),
		}, p.now())
		answer.Set("code", parts.code)
	}
	if req.responseType.token {
		var e *oauthError
		if parts.accessToken, e = p.newAccessToken(req.client, g, g.scopes, g.audience, nil, binding{}); e != nil {
			return nil, e
		}
		answer.Set("access_token", parts.accessToken)
		answer.Set("token_type", tokenTypeBearer)
		answer.Set("expires_in", strconv.FormatInt(p.expiresIn(), 10))
		answer.Set("scope", g.scopes.String())
	}
	if req.responseType.idToken {
		if parts.code != "" {
			parts.state = req.state // s_hash, as hybrid profiles ask for
		}
		token, e := p.newIDToken(req.client, g, g.scopes, parts)
		if e != nil {
			return nil, e
		}
		answer.Set("id_token", token)
	}
	return answer, nil
}

// refuseAuthorization ends the authorization with an error.
func (p *Provider) refuseAuthorization(w http.ResponseWriter, r *http.Request, req *authorizationRequest, e *oauthError) {
	p.noteError(r, e)
	p.log.InfoContext(r.Context(), "authorization refused", "client_id", req.client.ClientID, "error", e.code, "reason", e.description)
	p.respond(w, r, req, url.Values{"error": {e.code}, "error_description": {e.description}})
}

// respond adds state, as it came, and iss (RFC 9207), on success and on error.
func (p *Provider) respond(w http.ResponseWriter, r *http.Request, req *authorizationRequest, answer url.Values) {
	p.complete(req, answer)
	p.send(w, r, req, answer)
}

func (p *Provider) complete(req *authorizationRequest, answer url.Values) {
	if !p.dialect.NoResponseIss {
		answer.Set("iss", p.cfg.Issuer)
	}
	if req.state != "" {
		answer.Set("state", req.state)
	}
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
