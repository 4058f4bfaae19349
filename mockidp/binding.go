// SPDX-License-Identifier: Apache-2.0

package mockidp

import "net/http"

// binding is what tokens are bound to: a key, a certificate, both, or nothing (RFC 7800).
type binding struct {
	jkt string // thumbprint of the key of DPoP (RFC 9449 section 6.1), or ""
	x5t string // thumbprint of the client's certificate (RFC 8705 section 3.1), or ""
}

// bindingFor is what the tokens for a request will be bound to: the key of its DPoP proof, and the certificate of a client that
// has asked for that. It fails for a client that has to show one and does not.
func (p *Provider) bindingFor(w http.ResponseWriter, r *http.Request, client *Client) (binding, *oauthError) {
	jkt, e := p.proveForToken(w, r, client)
	bound := binding{jkt: jkt}
	if e != nil || !client.TLSClientCertificateBoundAccessTokens {
		return bound, e
	}
	if bound.x5t = certificateThumbprint(clientCertificate(r)); bound.x5t == "" {
		e = failure(errInvalidRequest, "the tokens of this client are bound to its TLS certificate, and the connection has none")
	}
	return bound, e
}

// confirmation is the claim cnf, or nil.
func (b binding) confirmation() map[string]any {
	if b == (binding{}) {
		return nil
	}
	cnf := map[string]any{}
	if b.jkt != "" {
		cnf["jkt"] = b.jkt
	}
	if b.x5t != "" {
		cnf["x5t#S256"] = b.x5t
	}
	return cnf
}

// tokenType is DPoP for a token that needs a proof. One that is bound to a certificate alone is sent as Bearer.
func (b binding) tokenType() string {
	if b.jkt == "" {
		return tokenTypeBearer
	}
	return tokenTypeDPoP
}

// shownBy says whether the connection of a request has the certificate, if there is to be one (RFC 8705 section 3).
func (b binding) shownBy(r *http.Request) bool {
	return b.x5t == "" || b.x5t == certificateThumbprint(clientCertificate(r))
}

// fits says whether a request that shows this may use a refresh token with the given binding, which may be nil.
func (b binding) fits(wanted *binding) *oauthError {
	switch {
	case wanted == nil:
		return nil
	case wanted.jkt != "" && wanted.jkt != b.jkt:
		return failure(errInvalidGrant, "the refresh token is bound to another key (RFC 9449 section 5)")
	case wanted.x5t != "" && wanted.x5t != b.x5t:
		return failure(errInvalidGrant, "the refresh token is bound to another certificate (RFC 8705 section 4)")
	}
	return nil
}
