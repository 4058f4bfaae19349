// SPDX-License-Identifier: Apache-2.0

// Package mockidptest starts a mockidp.Provider for the time of a test.
package mockidptest

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ingress-auth/conformance/mockidp"
)

// Server is a provider that listens on loopback.
type Server struct {
	*mockidp.Provider
	// URL is where the server listens.
	URL string
	// Client trusts the server's certificate. It follows redirects and keeps no cookies.
	Client *http.Client
	// CA is the authority to trust, in PEM; nil over http.
	CA []byte
	// Authority certifies clients for mutual TLS; nil over http.
	Authority *mockidp.Authority
}

// ClientWith is a client like Server.Client that shows a certificate where the server requests one (mutual TLS, RFC 8705).
func (s *Server) ClientWith(t testing.TB, certificate tls.Certificate) *http.Client {
	t.Helper()
	plain, ok := s.Client.Transport.(*http.Transport)
	if !ok || s.Authority == nil {
		t.Fatal("a client can show a certificate over https alone: use StartTLS")
	}
	with := plain.Clone()
	with.TLSClientConfig.Certificates = []tls.Certificate{certificate}
	t.Cleanup(with.CloseIdleConnections)
	return &http.Client{Transport: with}
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
	return &Server{Provider: provider, URL: strings.TrimSuffix(provider.Issuer(), "/"), Client: s.Client, CA: s.CA, Authority: s.Authority}
}

// Start serves a provider over http until the test ends. An empty cfg.Issuer becomes the server's URL, with
// the path that is usual in cfg.Dialect.
func Start(t testing.TB, cfg mockidp.Config, opts ...mockidp.Option) *Server {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	provider := newProvider(t, cfg, "http", server.Listener, opts)
	server.Config.Handler = provider
	server.Start()
	t.Cleanup(server.Close)
	return &Server{Provider: provider, URL: server.URL, Client: server.Client()}
}

// StartTLS is Start over https, with an authority of its own; faults of connections happen (mockidp.Provider.ServeTLS). Where
// the issuer has a name, Client finds the server under it, and under the names below it that select such a fault.
func StartTLS(t testing.TB, cfg mockidp.Config, opts ...mockidp.Option) *Server {
	t.Helper()
	authority, err := mockidp.NewAuthority()
	if err != nil {
		t.Fatalf("starting the mock identity provider: %v", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("starting the mock identity provider: %v", err)
	}
	provider := newProvider(t, cfg, "https", listener, opts)
	server := &http.Server{Handler: provider, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = provider.ServeTLS(server, listener, authority) }() // ends with Close
	t.Cleanup(func() { _ = server.Close() })
	client := &http.Client{Transport: transport(authority, provider.Issuer(), listener.Addr().String())}
	t.Cleanup(client.CloseIdleConnections)
	url := "https://" + listener.Addr().String()
	response, err := client.Get(url + "/healthz") // it serves by the time it answers
	if err != nil {
		t.Fatalf("starting the mock identity provider: %v", err)
	}
	response.Body.Close()
	return &Server{Provider: provider, URL: url, Client: client, CA: authority.RootPEM(), Authority: authority}
}

func transport(authority *mockidp.Authority, issuer, address string) *http.Transport {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.RootPEM())
	return &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, wanted string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(wanted)
			u, parseErr := url.Parse(issuer)
			if err == nil && parseErr == nil && (host == u.Hostname() || strings.HasSuffix(host, "."+u.Hostname())) {
				wanted = address
			}
			return (&net.Dialer{}).DialContext(ctx, network, wanted)
		},
	}
}

func newProvider(t testing.TB, cfg mockidp.Config, scheme string, listener net.Listener, opts []mockidp.Option) *mockidp.Provider {
	t.Helper()
	if cfg.Issuer == "" {
		dialect, err := mockidp.FindDialect(cfg.Dialect)
		if err != nil {
			_ = listener.Close()
			t.Fatalf("starting the mock identity provider: %v", err)
		}
		cfg.Issuer = scheme + "://" + listener.Addr().String() + dialect.Path
	}
	provider, err := mockidp.New(cfg, opts...)
	if err != nil {
		_ = listener.Close()
		t.Fatalf("starting the mock identity provider: %v", err)
	}
	return provider
}
