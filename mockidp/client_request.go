// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"net/http"
	"slices"
)

// readClientRequest reads a form that an authenticated client sends to an endpoint of the back channel. names are the
// parameters that may be there once only (RFC 6749 section 3.2), besides those of client authentication.
func (p *Provider) readClientRequest(w http.ResponseWriter, r *http.Request, names ...string) (*Client, params, *oauthError) {
	in, err := readForm(w, r)
	if err != nil {
		return nil, nil, failure(errInvalidRequest, "%v", err)
	}
	once := slices.Concat(names, []string{"client_id", "client_secret", "client_assertion", "client_assertion_type"})
	if name := in.repeated(once...); name != "" {
		return nil, in, failure(errInvalidRequest, "%s is there more than once", name)
	}
	client, e := p.authenticateClient(r, in)
	return client, in, e
}

// refuseClient answers with an error of the back channel and logs it.
func (p *Provider) refuseClient(w http.ResponseWriter, r *http.Request, what string, client *Client, e *oauthError) {
	p.logRefusal(r, what, client, e)
	writeError(w, e)
}

func (p *Provider) logRefusal(r *http.Request, what string, client *Client, e *oauthError) {
	p.noteError(r, e)
	id := ""
	if client != nil {
		id = client.ClientID
	}
	p.log.InfoContext(r.Context(), what+" refused", "client_id", id, "error", e.code, "reason", e.description)
}
