// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
)

// writeTokenError writes an error of the token endpoint in the dialect's words.
func (p *Provider) writeTokenError(w http.ResponseWriter, r *http.Request, grantType string, e *oauthError) {
	row := p.dialect.errorFor(e.code, grantType)
	if row == nil {
		writeError(w, e)
		return
	}
	trace := uuidOf(p.random.token())
	values := dialectValues{"timestamp": p.timestamp(), "trace": trace}
	body := map[string]any{"error": e.code, "error_description": e.description}
	if row.Error != "" {
		body["error"] = row.Error
	}
	if text, ok := values.expandString(row.Description); ok && row.Description != "" {
		body["error_description"] = text
	}
	if row.URI != "" {
		body["error_uri"] = p.urls.front(row.URI)
	}
	maps.Copy(body, values.expandMap(row.Add))
	status := row.Status
	if status == 0 {
		status = statusOf(e)
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="mockidp"`)
	}
	p.writeTokenBody(w, r, status, body)
}

func (d *Dialect) errorFor(code, grantType string) *DialectError {
	for i, row := range d.Errors {
		if row.When == code && (row.Grant == "" || row.Grant == grantType) {
			return &d.Errors[i]
		}
	}
	return nil
}

// writeTokenResponse writes tokens in the dialect's words.
func (p *Provider) writeTokenResponse(w http.ResponseWriter, r *http.Request, client *Client, response *tokenResponse) {
	how := p.dialect.TokenResponse
	if how.Add == nil && how.Omit == nil && !how.Form && p.dialect.ScopeSeparator == "" {
		writeJSON(w, http.StatusOK, response)
		return
	}
	body := map[string]any{}
	encoded, err := json.Marshal(response)
	if err == nil {
		err = json.Unmarshal(encoded, &body)
	}
	if err != nil {
		writeError(w, failure(errServerError, "the answer could not be written"))
		return
	}
	body["expires_in"] = response.ExpiresIn // not a float
	values := p.dialectValues(dialectEdit{client: client, grant: response.grant})
	maps.Copy(body, values.expandMap(how.Add))
	for _, name := range how.Omit {
		delete(body, name)
	}
	if how.TokenType != "" {
		body["token_type"] = how.TokenType
	}
	if separator := p.dialect.ScopeSeparator; separator != "" {
		body["scope"] = strings.ReplaceAll(response.Scope, " ", separator)
	}
	p.writeTokenBody(w, r, http.StatusOK, body)
}

func (p *Provider) writeTokenBody(w http.ResponseWriter, r *http.Request, status int, body map[string]any) {
	if !p.dialect.TokenResponse.Form || strings.Contains(r.Header.Get("Accept"), "json") {
		writeJSON(w, status, body)
		return
	}
	values := url.Values{}
	for name, value := range body {
		values.Set(name, fmt.Sprint(value))
	}
	noStore(w)
	w.Header().Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(values.Encode()))
}

// scopesOf reads the scope parameter. A dialect may separate scopes otherwise.
func (p *Provider) scopesOf(in params) scopes {
	text := in.get("scope")
	if separator := p.dialect.ScopeSeparator; separator != "" {
		text = strings.ReplaceAll(text, separator, " ")
	}
	return parseScopes(text).among(p.supportedScopes())
}
