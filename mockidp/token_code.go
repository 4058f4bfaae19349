// SPDX-License-Identifier: Apache-2.0

package mockidp

// exchangeCode redeems an authorization code (RFC 6749 section 4.1.3, Core 1.0 section 3.1.3.2). A request that does not fit
// leaves the code valid for the one that does; a replay revokes what the code gave.
func (p *Provider) exchangeCode(client *Client, in params, bound binding) (*tokenResponse, *oauthError) {
	if in.get("code") == "" {
		return nil, failure(errInvalidRequest, "code is missing")
	}
	redeemed, err := p.store.redeemCode(in.get("code"), client.ClientID, p.now(), func(c *authorizationCode) error {
		if in.get("redirect_uri") != c.redirectURI {
			return failure(errInvalidGrant, "redirect_uri is not the one of the authorization request")
		}
		if c.jkt != "" && c.jkt != bound.jkt {
			return failure(errInvalidGrant, "the code is bound to another key (dpop_jkt)")
		}
		return checkVerifier(c.codeChallenge, in.get("code_verifier"))
	})
	if err != nil {
		return nil, asOAuthError(err)
	}
	g := redeemed.grant
	return p.issue(client, g, g.scopes, redeemed.nonce, client.getsRefreshToken(g), bound)
}

func (c *Client) getsRefreshToken(g *grant) bool {
	switch c.IssueRefreshToken {
	case refreshAlways:
		return true
	case refreshNever:
		return false
	case refreshOnce:
		return g.offline
	default:
		return g.scopes.has(scopeOfflineAccess)
	}
}
