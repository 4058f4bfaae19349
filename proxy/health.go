// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
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

// readiness says whether logins can work: discovery document and signing keys are there, and the session store was reached.
func (p *Proxy) readiness(w http.ResponseWriter, r *http.Request) {
	missing := ""
	switch {
	case p.provider.current() == nil:
		missing = "identity provider"
	case !p.storeReached(r.Context()):
		missing = "session store"
	default:
		plain(w, http.StatusOK, "OK")
		return
	}
	w.Header().Set("Retry-After", retryAfterSeconds)
	plain(w, http.StatusServiceUnavailable, missing+" not reached yet; the log says why\n")
}

// storeReached says whether the session store answered once. It is not asked again: where it goes away later, replicas that
// say why are better than none.
func (p *Proxy) storeReached(ctx context.Context) bool {
	if p.store == nil || p.reached.Load() {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if _, _, err := p.store.Get(ctx, p.cfg.CookieName+"-reached"); err != nil {
		p.log.Warn("session store not reached yet", "error", err.Error())
		return false
	}
	p.reached.Store(true)
	return true
}

func plain(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}
