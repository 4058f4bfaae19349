// SPDX-License-Identifier: Apache-2.0

package mockidp

// exchangeDeviceCode answers a device that polls (RFC 8628 sections 3.4 and 3.5).
func (p *Provider) exchangeDeviceCode(client *Client, in params, bound binding) (*tokenResponse, *oauthError) {
	if in.get("device_code") == "" {
		return nil, failure(errInvalidRequest, "device_code is missing")
	}
	g, e := p.store.redeemDeviceCode(in.get("device_code"), client.ClientID, p.now())
	if e != nil {
		return nil, e
	}
	return p.issue(client, g, g.scopes, "", client.getsRefreshToken(g), bound)
}
