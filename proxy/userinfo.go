// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"encoding/json"
	"net/http"
)

type userInfo struct {
	User              string   `json:"user"`
	Email             string   `json:"email"`
	Groups            []string `json:"groups,omitempty"`
	PreferredUsername string   `json:"preferredUsername,omitempty"`
}

// userInfo answers who is signed in, as JSON, or 401.
func (p *Proxy) userInfo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	d := p.authenticate(r)
	setCookies(w, d.set...)
	setCookies(w, d.stale...)
	if d.session == nil {
		p.deny(w, r, d)
		return
	}
	writeJSON(w, http.StatusOK, userInfo{
		User: d.session.Subject, Email: d.session.Email, Groups: d.session.Groups, PreferredUsername: d.session.PreferredUsername,
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The client has gone if this fails; there is no one to tell.
	_ = json.NewEncoder(w).Encode(v)
}
