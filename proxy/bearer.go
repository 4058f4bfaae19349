// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"errors"
	"net/http"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
)

// bearerToken returns the token of an Authorization: Bearer header (RFC 6750 §2.1). The scheme is case-insensitive
// (RFC 9110 §11.1).
func bearerToken(r *http.Request) (string, bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return strings.TrimLeft(token, " "), true
}

// bearerChallenge is the WWW-Authenticate value of RFC 6750 §3.
func bearerChallenge(code, description string) string {
	challenge := `Bearer realm="oauth2-proxy"`
	if code != "" {
		challenge += `, error="` + code + `", error_description="` + description + `"`
	}
	return challenge
}

// authenticateBearer judges a token by itself: a cookie beside it does not help, because a client that sends a token means
// to be judged by it.
func (p *Proxy) authenticateBearer(r *http.Request, raw string) decision {
	issuer := p.issuers.of(raw, p.cfg.IssuerURL)
	idp := issuer.provider.current()
	if idp == nil {
		// The token may well be good. 401 would tell its owner to throw it away.
		return decision{status: http.StatusServiceUnavailable, reason: providerAway}
	}
	invalid := func(description, reason string) decision {
		return decision{status: http.StatusUnauthorized, reason: reason, challenge: bearerChallenge("invalid_token", description)}
	}
	token, err := idp.bearerTokens.Verify(idp.context(onBehalfOf(r)), raw)
	var expired *oidc.TokenExpiredError
	switch {
	case errors.As(err, &expired):
		return invalid("The token has expired", "bearer token expired")
	case err != nil:
		return invalid("The token is not valid", "bearer token not valid")
	case !intersect(token.Audience, issuer.audiences):
		return invalid("The token is meant for another audience", "bearer token for another audience")
	}
	c, err := idp.readClaims(token, "exp")
	if err != nil {
		return invalid("The token is not valid", "bearer token claims not readable")
	}
	s := &session{Subject: c.Subject, Email: c.Email, Groups: c.Groups, PreferredUsername: c.PreferredUsername, AccessToken: raw}
	if reason := p.admits(s, c); reason != "" {
		return decision{status: http.StatusForbidden, reason: reason, challenge: bearerChallenge("insufficient_scope", "This identity may not enter")}
	}
	return decision{session: s}
}
