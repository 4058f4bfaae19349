// SPDX-License-Identifier: Apache-2.0

package mockidp

// exchangeRefreshToken refreshes (RFC 6749 section 6, Core 1.0 section 12). Every use gives a new refresh token; using one
// twice ends the family (RFC 9700 section 4.14.2). A narrower scope holds for the new access and ID token only.
func (p *Provider) exchangeRefreshToken(client *Client, in params, jkt string) (*tokenResponse, *oauthError) {
	if in.get("refresh_token") == "" {
		return nil, failure(errInvalidRequest, "refresh_token is missing")
	}
	asked := parseScopes(in.get("scope"))
	g, err := p.store.redeemRefreshToken(in.get("refresh_token"), client.ClientID, p.now(), func(g *grant) error {
		if g.jkt != "" && g.jkt != jkt {
			return failure(errInvalidGrant, "the refresh token is bound to another key (RFC 9449 section 5)")
		}
		if !asked.within(g.scopes) {
			return failure(errInvalidScope, "scope asks for more than was granted")
		}
		return nil
	})
	if err != nil {
		return nil, asOAuthError(err)
	}
	if len(asked) == 0 {
		asked = g.scopes
	}
	return p.issue(client, g, asked, "", true, jkt)
}
