// SPDX-License-Identifier: Apache-2.0

package mockidp

import "slices"

const (
	grantTypeCode              = "authorization_code"
	grantTypeRefresh           = "refresh_token"
	grantTypeImplicit          = "implicit" // says what the authorization endpoint does; the token endpoint never sees it
	grantTypeClientCredentials = "client_credentials"
	grantTypeDevice            = "urn:ietf:params:oauth:grant-type:device_code"
	grantTypeExchange          = "urn:ietf:params:oauth:grant-type:token-exchange"
)

func supportedGrantTypes() []string {
	return []string{grantTypeCode, grantTypeRefresh, grantTypeImplicit, grantTypeClientCredentials, grantTypeDevice, grantTypeExchange}
}

// exchanger answers a token request of one grant type. bound is what the tokens are to be bound to.
type exchanger func(client *Client, in params, bound binding) (*tokenResponse, *oauthError)

// exchanger returns nil for a grant type that the token endpoint does not know.
func (p *Provider) exchanger(grantType string) exchanger {
	return map[string]exchanger{
		grantTypeCode:              p.exchangeCode,
		grantTypeRefresh:           p.exchangeRefreshToken,
		grantTypeClientCredentials: p.exchangeClientCredentials,
		grantTypeDevice:            p.exchangeDeviceCode,
		grantTypeExchange:          p.exchangeToken,
	}[grantType]
}

func (c *Client) allowsGrant(grantType string) bool { return slices.Contains(c.GrantTypes, grantType) }
