// SPDX-License-Identifier: Apache-2.0

package mockidp

// exchangeRefreshToken refreshes (RFC 6749 section 6, Core 1.0 section 12). Every use gives a new refresh token; using one
// twice ends the family (RFC 9700 section 4.14.2), but for refresh_token_grace_period. A narrower scope holds for the new access and ID token only.
func (p *Provider) exchangeRefreshToken(client *Client, in params, bound binding) (*tokenResponse, *oauthError) {
	if in.get("refresh_token") == "" {
		return nil, failure(errInvalidRequest, "refresh_token is missing")
	}
	asked := parseScopes(in.get("scope"))
	g, err := p.store.redeemRefreshToken(in.get("refresh_token"), client.ClientID, p.now(), func(g *grant) error {
		if e := bound.fits(g.bound); e != nil {
			return e
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
	return p.issue(client, g, asked, "", true, bound)
}
