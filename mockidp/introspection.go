// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"net/http"
	"slices"
)

// confidentialAuthMethods are those of endpoints where a client_id alone will not do.
func confidentialAuthMethods(methods []string) []string {
	return slices.DeleteFunc(methods, func(method string) bool { return method == authMethodNone })
}

// serveIntrospection tells any client with credentials what a token is worth (RFC 7662). A token that is no good is not
// explained: unknown, expired and revoked look the same (section 2.2).
func (p *Provider) serveIntrospection(w http.ResponseWriter, r *http.Request) {
	client, in, e := p.readClientRequest(w, r, "token", "token_type_hint")
	switch {
	case e != nil:
	case client.public():
		e = failure(errInvalidClient, "introspection needs a client with credentials")
	case in.get("token") == "":
		e = failure(errInvalidRequest, "token is missing")
	}
	if e != nil {
		p.refuseClient(w, r, "introspection", client, e)
		return
	}
	writeJSON(w, http.StatusOK, p.introspect(in.get("token")))
}

func (p *Provider) introspect(token string) map[string]any {
	now := p.now()
	if access := p.store.accessToken(token, now); access != nil {
		claims := p.describeAccessToken(access)
		claims["active"], claims["token_type"] = true, access.bound().tokenType()
		if access.grant.username != "" {
			claims["username"] = access.grant.username
		}
		return claims
	}
	refresh := p.store.refreshToken(token, now)
	if refresh == nil {
		return map[string]any{"active": false}
	}
	claims := map[string]any{
		"active": true, "iss": p.cfg.Issuer, "client_id": refresh.grant.clientID, "username": refresh.grant.username,
		"scope": refresh.grant.scopes.String(), "iat": refresh.issued.time().Unix(), "exp": refresh.issued.time().Add(p.cfg.Lifetimes.RefreshToken).Unix(),
	}
	if user := p.userOf(refresh.grant); user != nil {
		claims["sub"] = p.subjectOf(p.directory.client(refresh.grant.clientID), user)
	}
	return claims
}
