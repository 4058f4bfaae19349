// SPDX-License-Identifier: Apache-2.0

package mockidp

import "context"

// logoutTokens is what goes to a client: the logout token, with the selected fault if there is one, as often as that says.
func (p *Provider) logoutTokens(ctx context.Context, client *Client, ended *endedSession) ([]string, error) {
	token, err := p.logoutToken(client, ended)
	if err != nil {
		return nil, err
	}
	rule, d := p.faults.choose(asked{endpoint: EndpointLogoutToken, client: client.ClientID})
	if rule == nil {
		return []string{token}, nil
	}
	s := &stage{provider: p, issuer: p.cfg.Issuer, other: p.otherIssuer(), clientID: client.ClientID, now: p.now()}
	if token, err = d.editToken(s, token); err != nil {
		return nil, err
	}
	p.log.InfoContext(ctx, "fault staged", "fault", rule.Fault, "endpoint", EndpointLogoutToken, "client_id", client.ClientID)
	tokens := make([]string, max(d.Repeat, 1))
	for i := range tokens {
		tokens[i] = token
	}
	return tokens, nil
}
