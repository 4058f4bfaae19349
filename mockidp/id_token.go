// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"errors"
	"maps"
	"time"
)

// idTokenClaims are the claims every ID token has (Core 1.0 section 2), and those of the user that the scopes release or
// the client asked for by name.
func (p *Provider) idTokenClaims(client *Client, user *User, granted scopes, asked []string, authTime, now time.Time) map[string]any {
	claims := user.claims(granted, asked...)
	maps.Copy(claims, map[string]any{
		"iss":       p.cfg.Issuer,
		"sub":       user.Sub,
		"aud":       client.ClientID,
		"iat":       now.Unix(),
		"exp":       now.Add(p.cfg.Lifetimes.IDToken).Unix(),
		"auth_time": authTime.Unix(),
	})
	return claims
}

// idTokenParts is what an ID token is bound to; what is empty leaves no claim.
type idTokenParts struct{ nonce, accessToken, code, state string }

// newIDToken signs an ID token for a grant.
func (p *Provider) newIDToken(client *Client, g *grant, granted scopes, parts idTokenParts) (string, *oauthError) {
	user := p.directory.findUser(g.username)
	if user == nil {
		return "", failure(errInvalidGrant, "the user is no longer there")
	}
	claims := p.idTokenClaims(client, user, granted, namesIn(g.claims.idToken), g.authTime, p.now())
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
	token, err := p.keys.sign(alg, typJWT, claims)
	if err != nil {
		return "", failure(errServerError, "the ID token could not be signed")
	}
	return token, nil
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
	if claims["iss"] != p.cfg.Issuer {
		return hint{}, errors.New("issued by another issuer")
	}
	var h hint
	h.sub, _ = claims["sub"].(string)
	h.sid, _ = claims["sid"].(string)
	h.audience, _ = claims["aud"].(string)
	return h, nil
}
