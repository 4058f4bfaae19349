// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"io"
	"net/http"
)

// retryAfterSeconds is what a client is asked to wait while the identity provider is away.
const retryAfterSeconds = "5"

func (p *Proxy) isHealthCheck(path string) bool {
	switch path {
	case p.cfg.PingPath, p.cfg.ReadyPath, p.cfg.ProxyPrefix + "/ping", p.cfg.ProxyPrefix + "/ready":
		return true
	}
	return false
}

// ping says that the process lives.
func (p *Proxy) ping(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "OK") }

// readiness says whether logins can work: discovery document and signing keys are there.
func (p *Proxy) readiness(w http.ResponseWriter, _ *http.Request) {
	if p.provider.current() != nil {
		plain(w, http.StatusOK, "OK")
		return
	}
	w.Header().Set("Retry-After", retryAfterSeconds)
	plain(w, http.StatusServiceUnavailable, "identity provider not reached yet; the log says why\n")
}

func plain(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}
