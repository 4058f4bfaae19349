// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/go-jose/go-jose/v4"
)

// Methods of RFC 8705 section 2.
const (
	authMethodTLS        = "tls_client_auth"
	authMethodSelfSigned = "self_signed_tls_client_auth"
)

// mutualTLS is what an issuer and its tenants know of the TLS server they are behind.
type mutualTLS struct {
	requested atomic.Bool               // it requests certificates of clients
	authority atomic.Pointer[Authority] // that ServeTLS serves with, or nil
}

// offersMutualTLS says whether a client that comes by the host can show a certificate at the token endpoint it is told.
func (p *Provider) offersMutualTLS(requestHost string) bool {
	return p.mutualTLS.requested.Load() && strings.HasPrefix(p.urls.back(requestHost, pathToken), "https://")
}

// authMethods are the methods of clients that work for those who come by the host.
func (p *Provider) authMethods(requestHost string) []string {
	methods := supportedAuthMethods()
	if !p.offersMutualTLS(requestHost) {
		return slices.DeleteFunc(methods, byCertificate)
	}
	if p.clientRoots() == nil {
		return slices.DeleteFunc(methods, func(method string) bool { return method == authMethodTLS })
	}
	return methods
}

func byCertificate(method string) bool {
	return method == authMethodTLS || method == authMethodSelfSigned
}

// clientRoots are the authorities whose client certificates are believed, nil for none.
func (p *Provider) clientRoots() *x509.CertPool {
	roots, _ := parseAuthorities(p.cfg.ClientCertificateAuthorities) // Validate has seen it
	if own := p.mutualTLS.authority.Load(); own != nil {
		if roots == nil {
			roots = x509.NewCertPool()
		}
		roots.AddCert(own.root.certificate)
	}
	return roots
}

// parseAuthorities reads certificates in PEM. The pool is nil if there are none.
func parseAuthorities(text string) (*x509.CertPool, error) {
	var pool *x509.CertPool
	for rest := []byte(strings.TrimSpace(text)); len(rest) > 0; {
		block, after := pem.Decode(rest)
		if block == nil || block.Type != "CERTIFICATE" {
			return nil, errors.New("it must hold certificates in PEM and nothing else")
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		switch {
		case err != nil:
			return nil, fmt.Errorf("a certificate cannot be read: %w", err)
		case !certificate.IsCA:
			return nil, fmt.Errorf("the certificate of %q is not one of an authority", certificate.Subject)
		case pool == nil:
			pool = x509.NewCertPool()
		}
		pool.AddCert(certificate)
		rest = []byte(strings.TrimSpace(string(after)))
	}
	return pool, nil
}

// clientCertificate is the one that the TLS client has shown, or nil. TLS has proved that the client has its key, and nothing else.
func clientCertificate(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	return r.TLS.PeerCertificates[0]
}

// checkCertificate authenticates a client by the certificate of its connection (RFC 8705 section 2).
func (p *Provider) checkCertificate(r *http.Request, client *Client) error {
	shown := clientCertificate(r)
	if shown == nil {
		return errors.New("the connection has no certificate of the client")
	}
	if client.TokenEndpointAuthMethod == authMethodSelfSigned {
		return p.checkRegisteredCertificate(r.Context(), client, shown)
	}
	intermediates := x509.NewCertPool()
	for _, certificate := range r.TLS.PeerCertificates[1:] {
		intermediates.AddCert(certificate)
	}
	roots := p.clientRoots()
	if roots == nil {
		return errors.New("no authority is configured whose certificates are believed (client_certificate_authorities)")
	}
	if _, err := shown.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: p.now(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		return fmt.Errorf("the certificate is not valid: %w", err)
	}
	if !client.isSubject(shown) {
		return errors.New("the certificate is another subject's than the one that the client has registered")
	}
	return nil
}

// checkRegisteredCertificate wants the very certificate that is in the client's keys as x5c (RFC 8705 section 2.2.2). Who signed it
// and when it expires does not matter: the client takes it out to end it.
func (p *Provider) checkRegisteredCertificate(ctx context.Context, client *Client, shown *x509.Certificate) error {
	for _, again := range []bool{false, true} {
		keys, fresh, err := p.clientKeys(ctx, client, again)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(keys, func(key jose.JSONWebKey) bool {
			return len(key.Certificates) > 0 && key.Certificates[0].Equal(shown)
		}) {
			return nil
		}
		if fresh {
			break
		}
	}
	return errors.New("the certificate is none of those (x5c) in the client's keys")
}

// isSubject compares with the one member that the client has registered (RFC 8705 section 2.1.2).
func (c *Client) isSubject(certificate *x509.Certificate) bool {
	switch {
	case c.TLSClientAuthSubjectDN != "":
		wanted, err := parseDistinguishedName(c.TLSClientAuthSubjectDN)
		return err == nil && wanted.isSubjectOf(certificate)
	case c.TLSClientAuthSANDNS != "":
		return slices.ContainsFunc(certificate.DNSNames, func(name string) bool { return strings.EqualFold(name, c.TLSClientAuthSANDNS) })
	case c.TLSClientAuthSANURI != "":
		for _, uri := range certificate.URIs {
			if uri.String() == c.TLSClientAuthSANURI {
				return true
			}
		}
		return false
	case c.TLSClientAuthSANIP != "":
		wanted := net.ParseIP(c.TLSClientAuthSANIP)
		return slices.ContainsFunc(certificate.IPAddresses, wanted.Equal)
	default:
		return c.TLSClientAuthSANEmail != "" && slices.Contains(certificate.EmailAddresses, c.TLSClientAuthSANEmail)
	}
}

// checkTLSMetadata finds what is wrong with a client's members of RFC 8705.
func (c *Client) checkTLSMetadata() error {
	subjects := 0
	for _, value := range []string{c.TLSClientAuthSubjectDN, c.TLSClientAuthSANDNS, c.TLSClientAuthSANURI, c.TLSClientAuthSANIP, c.TLSClientAuthSANEmail} {
		if value != "" {
			subjects++
		}
	}
	_, badName := parseDistinguishedName(c.TLSClientAuthSubjectDN)
	switch {
	case subjects > 0 && c.TokenEndpointAuthMethod != authMethodTLS:
		return errors.New("tls_client_auth_subject_dn and tls_client_auth_san_* go with the token_endpoint_auth_method tls_client_auth")
	case subjects != 1 && c.TokenEndpointAuthMethod == authMethodTLS:
		return errors.New("tls_client_auth needs exactly one of tls_client_auth_subject_dn, tls_client_auth_san_dns, tls_client_auth_san_uri, tls_client_auth_san_ip and tls_client_auth_san_email (RFC 8705 section 2.1.2)")
	case c.TLSClientAuthSubjectDN != "" && badName != nil:
		return fmt.Errorf("tls_client_auth_subject_dn: %w", badName)
	case c.TLSClientAuthSANIP != "" && net.ParseIP(c.TLSClientAuthSANIP) == nil:
		return fmt.Errorf("tls_client_auth_san_ip: %q is not an IP address", c.TLSClientAuthSANIP)
	case c.TokenEndpointAuthMethod != authMethodSelfSigned || c.JWKSURI != "":
		return nil
	case c.JWKS == nil || !slices.ContainsFunc(c.JWKS.Keys, func(key jose.JSONWebKey) bool { return len(key.Certificates) > 0 }):
		return errors.New("self_signed_tls_client_auth needs jwks_uri, or jwks with a certificate as x5c (RFC 8705 section 2.2.2)")
	}
	return nil
}

// certificateThumbprint is x5t#S256 of RFC 8705 section 3.1, "" without a certificate.
func certificateThumbprint(certificate *x509.Certificate) string {
	if certificate == nil {
		return ""
	}
	hash := sha256.Sum256(certificate.Raw)
	return base64.RawURLEncoding.EncodeToString(hash[:])
}
