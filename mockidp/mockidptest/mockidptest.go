// SPDX-License-Identifier: Apache-2.0

// Package mockidptest starts a mockidp.Provider for the time of a test.
package mockidptest

import (
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"strings"
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

// NewTenant adds an issuer to the server, for one test, and removes it when the test ends. It shares nothing with the others but
// what the tenant leaves empty of the server's configuration: keys, clock, sessions, tokens, faults, logins to come and records are
// its own, so that tests that have one each run in parallel. An empty Path becomes one that no other tenant has. In the result,
// URL is the issuer's, without a trailing slash.
func (s *Server) NewTenant(t testing.TB, tenant mockidp.Tenant) *Server {
	t.Helper()
	if tenant.Path == "" {
		dialect, err := mockidp.FindDialect(tenant.Dialect)
		if err != nil {
			t.Fatalf("adding a tenant: %v", err)
		}
		tenant.Path = "/t/" + strings.ToLower(rand.Text()) + dialect.IssuerSuffix
	}
	provider, err := s.AddTenant(tenant)
	if err != nil {
		t.Fatalf("adding a tenant: %v", err)
	}
	t.Cleanup(func() { s.RemoveTenant(tenant.Path) })
	return &Server{Provider: provider, URL: strings.TrimSuffix(provider.Issuer(), "/"), Client: s.Client}
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
