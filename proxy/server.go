// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net/http"
	"time"
)

// NewServer returns an HTTP server for handler with every limit set. Where requests are forwarded, bodies may take as long
// as they need in either direction: uploads, streams and WebSockets are the upstream's business.
func NewServer(cfg Config, handler http.Handler) *http.Server {
	server := &http.Server{
		Addr: cfg.HTTPAddress, Handler: handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       120 * time.Second,
		// Room for a session of maxChunks cookies and what applications set besides.
		MaxHeaderBytes: 64 << 10,
	}
	if !cfg.forwards() {
		server.ReadTimeout = 20 * time.Second
		server.WriteTimeout = 40 * time.Second // longer than two requests to the identity provider may take
	}
	return server
}
