// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"errors"
	"net/http"
)

// tokenResponse is RFC 6749 section 5.1 and Core 1.0 section 3.1.3.3.
type tokenResponse struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"` // seconds
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope"`
	IDToken      string `json:"id_token,omitempty"`
}

// serveToken is the token endpoint (RFC 6749 section 3.2). It reads the body only: nothing secret belongs in a query.
func (p *Provider) serveToken(w http.ResponseWriter, r *http.Request) {
	in, err := readForm(w, r)
	if err != nil {
		writeError(w, failure(errInvalidRequest, "%v", err))
		return
	}
	client, response, e := p.exchange(r, in)
	if e != nil {
		id := ""
		if client != nil {
			id = client.ClientID
		}
		p.log.InfoContext(r.Context(), "token request refused", "client_id", id, "error", e.code, "reason", e.description)
		writeError(w, e)
		return
	}
	p.log.InfoContext(r.Context(), "tokens issued", "client_id", client.ClientID, "grant_type", in.get("grant_type"), "scope", response.Scope)
	writeJSON(w, http.StatusOK, response)
}

func (p *Provider) exchange(r *http.Request, in params) (*Client, *tokenResponse, *oauthError) {
	if name := in.repeated("grant_type", "code", "redirect_uri", "client_id", "client_secret", "code_verifier", "refresh_token", "scope"); name != "" {
		return nil, nil, failure(errInvalidRequest, "%s is there more than once", name)
	}
	client, e := p.authenticateClient(r, in)
	if e != nil {
		return nil, nil, e
	}
	var response *tokenResponse
	switch in.get("grant_type") {
	case grantTypeCode:
		response, e = p.exchangeCode(client, in)
	case grantTypeRefresh:
		response, e = p.exchangeRefreshToken(client, in)
	case "":
		e = failure(errInvalidRequest, "grant_type is missing")
	default:
		e = failure(errUnsupportedGrantType, "grant_type must be %s or %s", grantTypeCode, grantTypeRefresh)
	}
	return client, response, e
}

// issue makes the tokens for a grant. The access token has the given scopes; nonce goes into the ID token, but not when it
// is refreshed (Core 1.0 section 12.2).
func (p *Provider) issue(client *Client, g *grant, granted scopes, nonce string, withRefresh bool) (*tokenResponse, *oauthError) {
	if p.directory.findUser(g.username) == nil {
		return nil, failure(errInvalidGrant, "the user is no longer there")
	}
	access, e := p.newAccessToken(client, g, granted, nil, nil)
	if e != nil {
		return nil, e
	}
	response := &tokenResponse{AccessToken: access, TokenType: tokenTypeBearer, ExpiresIn: p.expiresIn(), Scope: granted.String()}
	if withRefresh {
		response.RefreshToken = p.random.token()
		p.store.putRefreshToken(response.RefreshToken, g, p.now())
	}
	if granted.has(scopeOpenID) {
		response.IDToken, e = p.newIDToken(client, g, granted, idTokenParts{nonce: nonce, accessToken: access})
	}
	return response, e
}

// asOAuthError turns an error of the store into the one the protocol has for it.
func asOAuthError(err error) *oauthError {
	var e *oauthError
	if errors.As(err, &e) {
		return e
	}
	return failure(errInvalidGrant, "%v", err)
}
