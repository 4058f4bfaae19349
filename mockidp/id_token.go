// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"maps"
	"time"
)

// idTokenClaims are the claims every ID token has (Core 1.0 section 2), and those of the user that the scopes release.
func (p *Provider) idTokenClaims(client *Client, user *User, granted scopes, authTime, now time.Time) map[string]any {
	claims := user.claims(granted)
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

// atHash is the left half of the hash of the access token (Core 1.0 section 3.1.3.6). Both algorithms we sign with go with
// SHA-256.
func atHash(accessToken string) string {
	hash := sha256.Sum256([]byte(accessToken))
	return base64.RawURLEncoding.EncodeToString(hash[:sha256.Size/2])
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
