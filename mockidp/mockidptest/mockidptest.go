// SPDX-License-Identifier: Apache-2.0

// Package mockidptest starts a mockidp.Provider for the time of a test.
package mockidptest

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ingress-auth/conformance/mockidp"
)

// Server is a provider that listens on loopback.
type Server struct {
	*mockidp.Provider
	// URL is where the server listens.
	URL string
	// Client trusts the server's certificate. It follows redirects and keeps no cookies.
	Client *http.Client
}

// Start serves a provider over http until the test ends. An empty cfg.Issuer becomes the server's URL, with
// the path that is usual in cfg.Dialect.
func Start(t testing.TB, cfg mockidp.Config, opts ...mockidp.Option) *Server {
	t.Helper()
	return start(t, cfg, "http", (*httptest.Server).Start, opts)
}

// StartTLS is Start over https, with httptest's certificate.
func StartTLS(t testing.TB, cfg mockidp.Config, opts ...mockidp.Option) *Server {
	t.Helper()
	return start(t, cfg, "https", (*httptest.Server).StartTLS, opts)
}

func start(t testing.TB, cfg mockidp.Config, scheme string, serve func(*httptest.Server), opts []mockidp.Option) *Server {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	if cfg.Issuer == "" {
		dialect, err := mockidp.FindDialect(cfg.Dialect)
		if err != nil {
			_ = server.Listener.Close()
			t.Fatalf("starting the mock identity provider: %v", err)
		}
		cfg.Issuer = scheme + "://" + server.Listener.Addr().String() + dialect.Path
	}
	provider, err := mockidp.New(cfg, opts...)
	if err != nil {
		_ = server.Listener.Close()
		t.Fatalf("starting the mock identity provider: %v", err)
	}
	server.Config.Handler = provider
	serve(server)
	t.Cleanup(server.Close)
	return &Server{Provider: provider, URL: server.URL, Client: server.Client()}
}
