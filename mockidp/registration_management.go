// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
)

// serveRegisteredClient is the client configuration endpoint (RFC 7592): a client that registered itself reads, replaces or
// removes what is registered, by its registration_access_token.
func (p *Provider) serveRegisteredClient(w http.ResponseWriter, r *http.Request) {
	token, e := bearerToken(w, r, tokenTypeBearer)
	if e != nil {
		writeBearerError(w, e)
		return
	}
	found := p.directory.registration(r.PathValue("client_id"))
	if token == "" || found == nil || !found.hasToken(token) {
		writeBearerError(w, failure(errInvalidToken, "the registration_access_token does not fit the client"))
		return
	}
	response := found.response
	switch r.Method {
	case http.MethodDelete:
		p.directory.unregister(response.ClientID)
		p.store.revokeClient(response.ClientID)
		p.log.InfoContext(r.Context(), "client removed itself", "client_id", response.ClientID)
		noStore(w)
		w.WriteHeader(http.StatusNoContent)
		return
	case http.MethodPut:
		if response, e = p.replaceRegistration(w, r, found); e != nil {
			writeError(w, e)
			return
		}
		p.log.InfoContext(r.Context(), "client registered again", "client_id", response.ClientID)
	}
	response.RegistrationAccessToken = token
	writeJSON(w, http.StatusOK, response)
}

func (r *registration) hasToken(token string) bool {
	given := keyOf(token)
	return subtle.ConstantTimeCompare(given[:], r.token[:]) == 1
}

// replaceRegistration takes the whole metadata anew: what is left out is gone (RFC 7592 section 2.2).
func (p *Provider) replaceRegistration(w http.ResponseWriter, r *http.Request, found *registration) (registrationResponse, *oauthError) {
	response := found.response
	metadata, body, e := readRegistration(w, r)
	if e != nil {
		return response, e
	}
	var identity struct {
		ClientID              string          `json:"client_id"`
		ClientSecret          string          `json:"client_secret"`
		RegistrationToken     json.RawMessage `json:"registration_access_token"`
		RegistrationClientURI json.RawMessage `json:"registration_client_uri"`
		SecretExpiresAt       json.RawMessage `json:"client_secret_expires_at"`
		IssuedAt              json.RawMessage `json:"client_id_issued_at"`
	}
	_ = json.Unmarshal(body, &identity) // it was read as an object before
	switch {
	case identity.ClientID != response.ClientID:
		return response, failure(errInvalidClientMetadata, "client_id must be there, and be the client's own")
	case identity.ClientSecret != "" && !sameSecret(identity.ClientSecret, response.ClientSecret):
		return response, failure(errInvalidClientMetadata, "client_secret must be the client's own, if it is there")
	case identity.RegistrationToken != nil || identity.RegistrationClientURI != nil || identity.SecretExpiresAt != nil || identity.IssuedAt != nil:
		return response, failure(errInvalidClientMetadata, "registration_access_token, registration_client_uri, client_secret_expires_at and client_id_issued_at must not be sent")
	}
	if metadata.TokenEndpointAuthMethod == "" {
		metadata.TokenEndpointAuthMethod = authMethodBasic
	}
	client := metadata.client()
	client.ClientID = response.ClientID
	client.ClientSecret = p.secretFor(metadata, response.ClientSecret)
	client, e = p.registrable(r, client, metadata, &response)
	if e != nil {
		return response, e
	}
	p.directory.replace(&client, &registration{token: found.token, response: response})
	return response, nil
}
