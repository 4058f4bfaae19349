// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"crypto"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// serveJWKS publishes the public keys (RFC 7517 section 5).
func (p *Provider) serveJWKS(w http.ResponseWriter, _ *http.Request) {
	if p.dialect.JWKS == (DialectJWKS{}) {
		writeCacheable(w, p.keys.public())
		return
	}
	keys := []map[string]any{}
	for _, private := range p.keys.current() {
		key, err := p.dialectKey(private)
		if err != nil {
			writeError(w, failure(errServerError, "the keys could not be published: %v", err))
			return
		}
		keys = append(keys, key)
	}
	writeCacheable(w, map[string]any{"keys": keys})
}

// dialectKey is the public half as the dialect publishes it.
func (p *Provider) dialectKey(private jose.JSONWebKey) (map[string]any, error) {
	public := private.Public()
	if p.dialect.JWKS.NoAlg {
		public.Algorithm = ""
	}
	if p.dialect.JWKS.Certificates {
		certificate, err := p.certificateOf(private)
		if err != nil {
			return nil, err
		}
		thumbprint := sha1.Sum(certificate.Raw) // x5t is SHA-1 by RFC 7517 section 4.8
		public.Certificates, public.CertificateThumbprintSHA1 = []*x509.Certificate{certificate}, thumbprint[:]
	}
	encoded, err := json.Marshal(public)
	if err != nil {
		return nil, err
	}
	var key map[string]any
	if err := json.Unmarshal(encoded, &key); err != nil {
		return nil, err
	}
	if p.dialect.JWKS.Issuer {
		key["issuer"] = p.publishedIssuer()
	}
	return key, nil
}

// certificateOf makes a certificate for a key, once, signed by the key itself.
func (p *Provider) certificateOf(private jose.JSONWebKey) (*x509.Certificate, error) {
	if known, ok := p.certificates.Load(private.KeyID); ok {
		return known.(*x509.Certificate), nil
	}
	signer, ok := private.Key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a %T cannot sign a certificate", private.Key)
	}
	now := p.now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mockidp"}, NotBefore: now, NotAfter: now.Add(5 * 365 * 24 * time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, err
	}
	known, _ := p.certificates.LoadOrStore(private.KeyID, certificate)
	return known.(*x509.Certificate), nil
}
