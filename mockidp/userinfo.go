// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// serveUserinfo is the UserInfo endpoint (Core 1.0 section 5.3).
func (p *Provider) serveUserinfo(w http.ResponseWriter, r *http.Request) {
	token, e := bearerToken(w, r, tokenTypeBearer, tokenTypeDPoP)
	if e != nil {
		writeBearerError(w, e)
		return
	}
	if token == "" {
		writeChallenge(w, http.StatusUnauthorized, nil)
		return
	}
	access := p.store.accessToken(token, p.now())
	if access == nil {
		writeBearerError(w, failure(errInvalidToken, "the access token is unknown, expired or revoked"))
		return
	}
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if e := p.checkBinding(w, r, scheme, token, access); e != nil {
		writeBearerError(w, e)
		return
	}
	if !access.scopes.has(scopeOpenID) {
		writeBearerError(w, failure(errInsufficientScope, "the access token was issued without the scope openid"))
		return
	}
	p.noteFlow(r, access.grant.flow)
	user := p.userOf(access.grant)
	if user == nil {
		writeBearerError(w, failure(errInvalidToken, "the user is no longer there"))
		return
	}
	client := p.directory.client(access.grant.clientID)
	edit := dialectEdit{part: partUserinfo, user: user, client: client, grant: access.grant, granted: access.scopes, asked: access.grant.claims.inUserinfo()}
	claims := p.released(edit)
	claims["sub"] = p.subjectOf(client, user)
	p.applyDialect(edit, claims)
	p.writeUserinfo(w, client, claims)
}

// writeUserinfo answers with JSON, or with a signed JWT to a client that registered for it (Core 1.0 section 5.3.2).
func (p *Provider) writeUserinfo(w http.ResponseWriter, client *Client, claims map[string]any) {
	if client == nil || client.UserinfoSignedResponseAlg == "" {
		writeJSON(w, http.StatusOK, claims)
		return
	}
	claims["iss"], claims["aud"] = p.cfg.Issuer, client.ClientID
	token, err := p.keys.sign(client.UserinfoSignedResponseAlg, typJWT, claims)
	if err != nil {
		writeError(w, failure(errServerError, "the claims could not be signed"))
		return
	}
	noStore(w)
	w.Header().Set("Content-Type", "application/jwt")
	_, _ = w.Write([]byte(token))
}

// bearerToken finds the token in the header (RFC 6750 section 2.1) or in the form body of a POST (section 2.2), never in the
// query. Without any it returns "".
func bearerToken(w http.ResponseWriter, r *http.Request, schemes ...string) (string, *oauthError) {
	var found []string
	for _, header := range r.Header.Values("Authorization") {
		scheme, token, _ := strings.Cut(header, " ")
		if !slices.ContainsFunc(schemes, func(known string) bool { return strings.EqualFold(scheme, known) }) {
			continue
		}
		token = strings.TrimSpace(token)
		if token == "" {
			return "", failure(errInvalidRequest, "the Authorization header holds no token")
		}
		found = append(found, token)
	}
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Method == http.MethodPost && mediaType == "application/x-www-form-urlencoded" {
		in, err := readForm(w, r)
		if err != nil {
			return "", failure(errInvalidRequest, "%v", err)
		}
		found = append(found, in["access_token"]...)
	}
	switch len(found) {
	case 0:
		return "", nil
	case 1:
		return found[0], nil
	default:
		return "", failure(errInvalidRequest, "the access token is sent more than once")
	}
}

func writeBearerError(w http.ResponseWriter, e *oauthError) {
	status := map[string]int{errInvalidToken: http.StatusUnauthorized, errInsufficientScope: http.StatusForbidden,
		errInvalidDPoPProof: http.StatusUnauthorized, errUseDPoPNonce: http.StatusUnauthorized}[e.code]
	if status == 0 {
		status = http.StatusBadRequest
	}
	writeChallenge(w, status, e)
}

// writeChallenge keeps to RFC 6750 section 3: no error code for a request that has no token.
func writeChallenge(w http.ResponseWriter, status int, e *oauthError) {
	challenge := `Bearer realm="mockidp"`
	body := map[string]string{}
	if e != nil {
		challenge += fmt.Sprintf(`, error="%s", error_description="%s"`, e.code, e.description)
		body = map[string]string{"error": e.code, "error_description": e.description}
	}
	if status == http.StatusForbidden {
		challenge += `, scope="openid"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	if e != nil && (e.code == errInvalidDPoPProof || e.code == errUseDPoPNonce) {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`DPoP algs="%s", error="%s", error_description="%s"`, strings.ReplaceAll(joined(algorithmNames()), ",", ""), e.code, e.description))
	}
	writeJSON(w, status, body)
}
