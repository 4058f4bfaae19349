// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"time"
)

// ClaimsEdit changes the claims of a token before it is signed. Numbers of time are seconds since 1970.
type ClaimsEdit func(claims map[string]any)

// ExpiresIn sets exp, counted from iat. With zero or less the token is expired: iat and auth_time move back, so that it
// looks like one that was good once.
func ExpiresIn(d time.Duration) ClaimsEdit {
	return func(claims map[string]any) {
		iat, ok := claims["iat"].(int64)
		if !ok {
			return
		}
		exp := iat + int64(d/time.Second)
		claims["exp"] = exp
		if exp <= iat {
			claims["iat"], claims["auth_time"] = exp-300, exp-300
		}
	}
}

// Audience sets aud: a string for one, an array for several, nothing for none.
func Audience(audience ...string) ClaimsEdit {
	return func(claims map[string]any) {
		switch len(audience) {
		case 0:
			delete(claims, "aud")
		case 1:
			claims["aud"] = audience[0]
		default:
			claims["aud"] = audience
		}
	}
}

// Claim sets one claim; nil removes it.
func Claim(name string, value any) ClaimsEdit {
	return func(claims map[string]any) {
		if value == nil {
			delete(claims, name)
			return
		}
		claims[name] = value
	}
}

// MintIDToken signs an ID token for a user (by username, email or sub) and a client, without any login, with every claim the
// user has. The edits are applied in order and may make it wrong in any way; the signature stays right. It is for tests.
func (p *Provider) MintIDToken(user, clientID string, edits ...ClaimsEdit) (string, error) {
	client, u := p.directory.client(clientID), p.directory.findUser(user)
	if u == nil {
		u = p.userBySubject(client, user)
	}
	if client == nil {
		return "", fmt.Errorf("minting an ID token: there is no client %q", clientID)
	}
	if u == nil {
		return "", fmt.Errorf("minting an ID token: there is no user %q", user)
	}
	now := p.now()
	edit := dialectEdit{part: partIDToken, user: u, client: client, granted: userScopes()}
	claims := p.idTokenClaims(client, u, edit, now, now)
	p.applyDialect(edit, claims)
	for _, edit := range edits {
		edit(claims)
	}
	token, err := p.keys.sign(client.IDTokenSignedResponseAlg, typJWT, claims)
	if err != nil {
		return "", fmt.Errorf("minting an ID token: %w", err)
	}
	return token, nil
}

// mintRequest is the body of POST /test/mint.
type mintRequest struct {
	User      string         `json:"user"`
	ClientID  string         `json:"client_id"`
	ExpiresIn *int64         `json:"expires_in"` // seconds; negative for an expired token
	Audience  audience       `json:"audience"`
	Claims    map[string]any `json:"claims"` // set as they are; null removes one
}

// audience is a string or an array of strings, as aud is in a JWT.
type audience []string

func (a *audience) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}

// maxMintSeconds bounds expires_in: a hundred years, either way.
const maxMintSeconds = 100 * 365 * 24 * 3600

// serveTestMint is a test-only endpoint and no part of any standard: it gives an ID token to anyone who asks. It exists only
// if enable_test_mint is set, and is not in the discovery document.
func (p *Provider) serveTestMint(w http.ResponseWriter, r *http.Request) {
	var in mintRequest
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		writeError(w, failure(errInvalidRequest, "the body must be a JSON object with user, client_id, expires_in, audience, claims: %v", err))
		return
	}
	if _, err := decoder.Token(); err != io.EOF {
		writeError(w, failure(errInvalidRequest, "there is something after the JSON object"))
		return
	}
	edits, e := in.edits()
	if e != nil {
		writeError(w, e)
		return
	}
	token, err := p.MintIDToken(in.User, in.ClientID, edits...)
	if err != nil {
		writeError(w, failure(errInvalidRequest, "%v", err))
		return
	}
	p.log.InfoContext(r.Context(), "ID token minted for a test", "client_id", in.ClientID, "user", in.User)
	writeJSON(w, http.StatusOK, map[string]string{"id_token": token})
}

func (m *mintRequest) edits() ([]ClaimsEdit, *oauthError) {
	var edits []ClaimsEdit
	if m.ExpiresIn != nil {
		if *m.ExpiresIn > maxMintSeconds || *m.ExpiresIn < -maxMintSeconds {
			return nil, failure(errInvalidRequest, "expires_in is out of range, at most %d seconds either way", maxMintSeconds)
		}
		edits = append(edits, ExpiresIn(time.Duration(*m.ExpiresIn)*time.Second))
	}
	if m.Audience != nil {
		edits = append(edits, Audience(m.Audience...))
	}
	edits = append(edits, func(claims map[string]any) {
		maps.Copy(claims, m.Claims)
		maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	})
	return edits, nil
}
