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
	Scope        string `json:"scope,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
	// IssuedTokenType is RFC 8693 section 2.2.1.
	IssuedTokenType string `json:"issued_token_type,omitempty"`

	grant *grant // that it is for; nil if there is none
}

// serveToken is the token endpoint (RFC 6749 section 3.2). It reads the body only: nothing secret belongs in a query.
func (p *Provider) serveToken(w http.ResponseWriter, r *http.Request) {
	client, in, e := p.readClientRequest(w, r, "grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope", "device_code",
		"subject_token", "subject_token_type", "actor_token", "actor_token_type", "requested_token_type")
	var response *tokenResponse
	var bound binding
	if e == nil {
		bound, e = p.bindingFor(w, r, client)
	}
	if e == nil {
		response, e = p.exchange(client, in, bound)
	}
	if e != nil {
		p.logRefusal(r, "token request", client, e)
		p.writeTokenError(w, r, in.get("grant_type"), e)
		return
	}
	if response.grant != nil {
		p.noteFlow(r, response.grant.flow)
	}
	p.noteIDToken(r, response.IDToken)
	p.log.InfoContext(r.Context(), "tokens issued", "client_id", client.ClientID, "grant_type", in.get("grant_type"), "scope", response.Scope)
	p.writeTokenResponse(w, r, client, response)
}

func (p *Provider) exchange(client *Client, in params, bound binding) (*tokenResponse, *oauthError) {
	grantType := in.get("grant_type")
	exchange := p.exchanger(grantType)
	switch {
	case grantType == "":
		return nil, failure(errInvalidRequest, "grant_type is missing")
	case exchange == nil:
		return nil, failure(errUnsupportedGrantType, "the token endpoint does not support this grant_type")
	case !client.allowsGrant(grantType):
		return nil, failure(errUnauthorizedClient, "this client has not registered the grant_type %s", grantType)
	}
	return exchange(client, in, bound)
}

// issue makes the tokens for a grant. The access token has the given scopes; nonce goes into the ID token, but not when it
// is refreshed (Core 1.0 section 12.2).
func (p *Provider) issue(client *Client, g *grant, granted scopes, nonce string, withRefresh bool, bound binding) (*tokenResponse, *oauthError) {
	if p.directory.findUser(g.username) == nil {
		return nil, failure(errInvalidGrant, "the user is no longer there")
	}
	access, e := p.newAccessToken(client, g, granted, g.audience, nil, bound)
	if e != nil {
		return nil, e
	}
	response := &tokenResponse{AccessToken: access, TokenType: bound.tokenType(), ExpiresIn: p.expiresIn(), Scope: granted.String(), grant: g}
	if withRefresh {
		if client.public() && bound != (binding{}) {
			p.store.bindGrant(g, bound)
		}
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
