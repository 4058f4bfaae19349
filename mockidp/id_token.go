// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"errors"
	"maps"
	"time"
)

// idTokenClaims are the claims every ID token has (Core 1.0 section 2), and those of the user that the scopes release or
// the client asked for by name.
func (p *Provider) idTokenClaims(client *Client, user *User, e dialectEdit, authTime, now time.Time) map[string]any {
	e.part, e.client, e.user = partIDToken, client, user
	claims := p.released(e)
	maps.Copy(claims, map[string]any{
		"iss":       p.issuerFor(user),
		"sub":       p.subjectOf(client, user),
		"aud":       client.ClientID,
		"iat":       now.Unix(),
		"exp":       now.Add(p.cfg.Lifetimes.IDToken).Unix(),
		"auth_time": authTime.Unix(),
	})
	return claims
}

// idTokenParts is what an ID token is bound to; what is empty leaves no claim.
type idTokenParts struct {
	nonce, accessToken, code, state string
	frontChannel                    bool // it passes through the browser
}

// newIDToken signs an ID token for a grant.
func (p *Provider) newIDToken(client *Client, g *grant, granted scopes, parts idTokenParts) (string, *oauthError) {
	user := p.userOf(g)
	if user == nil {
		return "", failure(errInvalidGrant, "the user is no longer there")
	}
	edit := dialectEdit{part: partIDToken, user: user, client: client, grant: g, granted: granted, asked: g.askedClaims(), frontChannel: parts.frontChannel}
	claims := p.idTokenClaims(client, user, edit, g.authTime.time(), p.now())
	alg := client.IDTokenSignedResponseAlg
	for name, value := range map[string]string{"at_hash": parts.accessToken, "c_hash": parts.code, "s_hash": parts.state} {
		if value != "" {
			claims[name] = leftHalf(alg, value)
		}
	}
	if g.sid != "" {
		claims["sid"] = g.sid
	}
	if parts.nonce != "" {
		claims["nonce"] = parts.nonce
	}
	if g.acrAsked {
		claims["acr"], claims["amr"] = g.acr, p.amrOf(g.acr)
	}
	p.applyDialect(edit, claims)
	token, err := p.keys.sign(alg, typJWT, claims)
	if err != nil {
		return "", failure(errServerError, "the ID token could not be signed")
	}
	return token, nil
}

// askedClaims are those of the ID token that the client asked for by name, one way or the other.
func (g *grant) askedClaims() []string {
	names := g.claims.inIDToken()
	if g.maxAgeAsked {
		names = append(names, "auth_time") // Core 1.0 section 2
	}
	return names
}

// userOf is the user of a grant, with the claims of that login; nil for a client that acts for itself, and for a user who is
// no longer there.
func (p *Provider) userOf(g *grant) *User {
	user := p.directory.findUser(g.username)
	if user != nil && g.edited != nil {
		return g.edited
	}
	return user
}

// hint is what an id_token_hint says.
type hint struct {
	sub      string
	sid      string
	audience string
}

// readHint reads an ID token of ours, expired or not.
func (p *Provider) readHint(token string) (hint, error) {
	claims, err := p.keys.verify(token)
	if err != nil {
		return hint{}, err
	}
	if !p.isIssuer(claims["iss"]) {
		return hint{}, errors.New("issued by another issuer")
	}
	var h hint
	h.sub, _ = claims["sub"].(string)
	h.sid, _ = claims["sid"].(string)
	h.audience, _ = claims["aud"].(string)
	return h, nil
}
