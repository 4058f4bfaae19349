// SPDX-License-Identifier: Apache-2.0

package mockidp

const (
	grantTypeCode     = "authorization_code"
	grantTypeRefresh  = "refresh_token"
	grantTypeImplicit = "implicit" // says what the authorization endpoint does; the token endpoint never sees it
)

func supportedGrantTypes() []string {
	return []string{grantTypeCode, grantTypeRefresh, grantTypeImplicit}
}
