// SPDX-License-Identifier: Apache-2.0

package mockidp

import "net/http"

// serveRevocation lets a client give a token up (RFC 7009). token_type_hint is not needed and ignored.
func (p *Provider) serveRevocation(w http.ResponseWriter, r *http.Request) {
	client, in, e := p.readClientRequest(w, r, "token", "token_type_hint")
	if e == nil {
		e = p.revoke(client, in.get("token"))
	}
	if e != nil {
		p.refuseClient(w, r, "revocation", client, e)
		return
	}
	noStore(w)
	w.WriteHeader(http.StatusOK)
}

// revoke does nothing about a token that is not known, which is what section 2.2 wants.
func (p *Provider) revoke(client *Client, token string) *oauthError {
	if token == "" {
		return failure(errInvalidRequest, "token is missing")
	}
	if !p.store.revoke(token, client.ClientID, p.now()) {
		return failure(errInvalidGrant, "the token was issued to another client")
	}
	if claims, err := p.keys.verify(token); err == nil && claims["exp"] != nil {
		return failure(errUnsupportedTokenType, "an ID token cannot be revoked")
	}
	return nil
}
