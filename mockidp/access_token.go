// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"maps"
	"time"
)

const (
	tokenTypeBearer = "Bearer"
	typAccessToken  = "at+jwt" // RFC 9068 section 2.1

	accessTokenOpaque = "opaque"
	accessTokenJWT    = "jwt"
	// accessTokenForAudience is a JWT for a request with an audience.
	accessTokenForAudience = "jwt_for_audience"
)

// newAccessToken makes an access token for a grant and remembers it. audience is empty unless the client asked for one.
func (p *Provider) newAccessToken(client *Client, g *grant, granted scopes, audience []string, actor map[string]any, bound binding) (string, *oauthError) {
	now := p.now()
	made := &accessToken{grant: g, scopes: granted, issued: instantOf(now)}
	if len(audience) > 0 || actor != nil || bound != (binding{}) {
		made.delegation = &delegation{audience: audience, actor: actor, bound: bound}
	}
	token := p.dialect.TokenPrefix + p.random.token()
	if client.AccessTokenFormat == accessTokenJWT || client.AccessTokenFormat == accessTokenForAudience && len(audience) > 0 {
		claims := p.describeAccessToken(made)
		if claims["jti"] == nil {
			claims["jti"] = token
		}
		typ := p.dialect.AccessTokenType
		if typ == "" {
			typ = typAccessToken
		}
		signed, err := p.keys.sign(client.IDTokenSignedResponseAlg, typ, claims)
		if err != nil {
			return "", failure(errServerError, "the access token could not be signed")
		}
		token = signed
	}
	p.store.putAccessToken(token, made, now)
	return token, nil
}

// describeAccessToken is what an access token means, in the claims of RFC 9068 section 2.2, which RFC 7662 shares.
func (p *Provider) describeAccessToken(a *accessToken) map[string]any {
	claims := map[string]any{
		"iss":       p.cfg.Issuer,
		"aud":       audienceClaim(a.audience(), p.cfg.Issuer),
		"sub":       a.grant.clientID, // of a client that acts for itself
		"client_id": a.grant.clientID,
		"iat":       a.issued.time().Unix(),
		"exp":       a.issued.time().Add(p.cfg.Lifetimes.AccessToken).Unix(),
	}
	if len(a.scopes) > 0 {
		claims["scope"] = a.scopes.String()
	}
	user := p.userOf(a.grant)
	if user != nil {
		maps.Copy(claims, map[string]any{
			"sub":       p.subjectOf(p.directory.client(a.grant.clientID), user),
			"auth_time": a.grant.authTime.time().Unix(),
			"acr":       a.grant.acr,
			"amr":       p.amrOf(a.grant.acr),
		})
	}
	if actor := a.actor(); actor != nil {
		claims["act"] = actor
	}
	if cnf := a.bound().confirmation(); cnf != nil {
		claims["cnf"] = cnf // RFC 9449 section 6, RFC 8705 section 3.1
	}
	p.applyDialect(dialectEdit{part: partAccessToken, user: user, client: p.directory.client(a.grant.clientID), grant: a.grant, granted: a.scopes, audience: a.audience()}, claims)
	return claims
}

// audienceClaim is a string for one, an array for several, and otherwise for none.
func audienceClaim(audience []string, otherwise string) any {
	switch len(audience) {
	case 0:
		return otherwise
	case 1:
		return audience[0]
	default:
		return audience
	}
}

// expiresIn is the lifetime of an access token in seconds.
func (p *Provider) expiresIn() int64 { return int64(p.cfg.Lifetimes.AccessToken / time.Second) }
