// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
)

// flowNote is what an endpoint tells the recorder about its request beyond what can be seen from outside. A flow is one
// authorization request and all that comes of it: the login, the tokens, userinfo, refreshes.
type flowNote struct {
	flow    string
	err     string
	idToken map[string]any
}

type flowNoteKey struct{}

// withNote gives the request a note to write on.
func withNote(r *http.Request, note *flowNote) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), flowNoteKey{}, note))
}

// noteOf returns nil where nothing is recorded.
func noteOf(r *http.Request) *flowNote {
	note, _ := r.Context().Value(flowNoteKey{}).(*flowNote)
	return note
}

// newFlow names a flow; "" where nothing is recorded.
func (p *Provider) newFlow() string {
	if p.recorder == nil {
		return ""
	}
	return p.random.token()[:12]
}

func (p *Provider) noteFlow(r *http.Request, flow string) {
	if note := noteOf(r); note != nil {
		note.flow = flow
	}
}

func (p *Provider) noteError(r *http.Request, e *oauthError) {
	if note := noteOf(r); note != nil {
		note.err = e.Error()
	}
}

// noteIDToken notes the claims and not the token. The nonce is hashed as in the request, so that the two can be compared.
func (p *Provider) noteIDToken(r *http.Request, token string) {
	note := noteOf(r)
	parts := strings.Split(token, ".")
	if note == nil || len(parts) != 3 {
		return
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &note.idToken) != nil {
		return
	}
	if nonce, ok := note.idToken["nonce"].(string); ok {
		note.idToken["nonce"] = p.recorder.hash(nonce)
	}
}
