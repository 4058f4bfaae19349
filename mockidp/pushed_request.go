// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"net/http"
	"strings"
	"time"
)

// pushedPrefix is how every request_uri of ours begins (RFC 9126 section 2.2).
const pushedPrefix = "urn:ietf:params:oauth:request_uri:"

// servePushedRequest takes the parameters of an authorization request from the client itself (RFC 9126). They are checked
// here as /authorize checks them; errors are told to the client at once.
func (p *Provider) servePushedRequest(w http.ResponseWriter, r *http.Request) {
	client, in, e := p.readClientRequest(w, r)
	var req *authorizationRequest
	jkt := ""
	if e == nil {
		jkt, e = p.proveKey(w, r, "")
	}
	if e == nil {
		req, e = p.readPushedRequest(r, client, in, jkt)
	}
	if e != nil {
		p.refuseClient(w, r, "pushed authorization request", client, e)
		return
	}
	p.noteFlow(r, req.flow)
	uri := pushedPrefix + p.random.token()
	p.store.putPushed(uri, req, p.now())
	writeJSON(w, http.StatusCreated, map[string]any{"request_uri": uri, "expires_in": int64(p.cfg.Lifetimes.PushedRequest / time.Second)})
}

func (p *Provider) readPushedRequest(r *http.Request, client *Client, in params, jkt string) (*authorizationRequest, *oauthError) {
	if in.get("request_uri") != "" {
		return nil, failure(errInvalidRequest, "request_uri cannot be pushed")
	}
	in["client_id"] = []string{client.ClientID}
	in, e := p.withRequestObject(r.Context(), in)
	if e != nil {
		return nil, e
	}
	if jkt != "" {
		if asked := in.get("dpop_jkt"); asked != "" && asked != jkt {
			return nil, failure(errInvalidRequest, "dpop_jkt is not the key of the DPoP proof")
		}
		in["dpop_jkt"] = []string{jkt} // RFC 9449 section 10.1
	}
	req, problem := p.identifyRequest(in)
	if problem != "" {
		return nil, failure(errInvalidRequest, "%s", problem)
	}
	req.pushed = true
	return req, p.readRequest(req, in)
}

// pushedRequest returns the request that the parameters refer to, once; ok says whether they refer to one at all.
func (p *Provider) pushedRequest(in params) (req *authorizationRequest, ok bool) {
	uri := in.get("request_uri")
	if !strings.HasPrefix(uri, pushedPrefix) {
		return nil, false
	}
	return p.store.takePushed(uri, in.get("client_id"), p.now()), true
}
