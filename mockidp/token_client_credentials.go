// SPDX-License-Identifier: Apache-2.0

package mockidp

// exchangeClientCredentials gives a client a token of its own (RFC 6749 section 4.4). There is no user in it, so no scope
// that is about one, no ID token and no refresh token (section 4.4.3).
func (p *Provider) exchangeClientCredentials(client *Client, in params, bound binding) (*tokenResponse, *oauthError) {
	if client.public() {
		return nil, failure(errUnauthorizedClient, "a client without credentials has none to use")
	}
	asked := parseScopes(in.get("scope"))
	if !asked.within(p.cfg.Scopes) {
		return nil, failure(errInvalidScope, "scope may only hold those that the configuration lists under scopes")
	}
	g := &grant{session: &session{life: &lifeline{}}, clientID: client.ClientID, scopes: asked}
	access, e := p.newAccessToken(client, g, asked, nil, nil, bound)
	if e != nil {
		return nil, e
	}
	return &tokenResponse{AccessToken: access, TokenType: bound.tokenType(), ExpiresIn: p.expiresIn(), Scope: asked.String()}, nil
}
