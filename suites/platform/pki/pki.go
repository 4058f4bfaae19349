// SPDX-License-Identifier: Apache-2.0

// Package pki is the certificate authority of one run: it makes the certificates of the gateway, of the admission
// webhook and of anything else that speaks TLS, so that Secure cookies and https redirects are real.
//
// Its keys live as long as the cluster or the processes of the run and protect nothing else.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

const (
	// Lifetime is how long certificates are valid from now on: long enough for a cluster that is kept between runs.
	Lifetime = 30 * 24 * time.Hour
	// backdate makes certificates valid for peers whose clock is a little behind.
	backdate = time.Hour
)

// CA signs certificates. It is safe for concurrent use.
type CA struct {
	now     func() time.Time
	cert    *x509.Certificate
	key     *ecdsa.PrivateKey
	certPEM []byte
	keyPEM  []byte
}

// New makes a self-signed authority with an ECDSA P-256 key (RFC 5280, section 4.2 for its extensions).
func New(now func() time.Time, commonName string) (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the key of certificate authority %q: %w", commonName, err)
	}
	template, err := newTemplate(now(), commonName)
	if err != nil {
		return nil, err
	}
	template.IsCA = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature
	template.MaxPathLenZero = true
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate authority %q: %w", commonName, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read back certificate authority %q: %w", commonName, err)
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	return &CA{now: now, cert: cert, key: key, certPEM: encodeCert(der), keyPEM: keyPEM}, nil
}

// Load takes up an authority that New made earlier, as CertPEM and KeyPEM gave it.
func Load(now func() time.Time, certPEM, keyPEM []byte) (*CA, error) {
	certBlock, _ := pem.Decode(certPEM)
	keyBlock, _ := pem.Decode(keyPEM)
	if certBlock == nil || keyBlock == nil {
		return nil, errors.New("load the certificate authority: certificate or key is not PEM")
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("load the certificate authority: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("load the key of the certificate authority: %w", err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !cert.IsCA || !key.PublicKey.Equal(cert.PublicKey) {
		return nil, errors.New("load the certificate authority: the certificate is not an authority's or the key is not its own")
	}
	return &CA{now: now, cert: cert, key: key, certPEM: certPEM, keyPEM: keyPEM}, nil
}

// CertPEM is the authority's own certificate.
func (c *CA) CertPEM() []byte { return c.certPEM }

// KeyPEM is the authority's private key (PKCS #8), for Load.
func (c *CA) KeyPEM() []byte { return c.keyPEM }

// NotAfter is when the authority ends; what it issues ends no later.
func (c *CA) NotAfter() time.Time { return c.cert.NotAfter }

// Pool holds just this authority, for tls.Config.RootCAs.
func (c *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.cert)
	return pool
}

// Issue makes a server certificate for the names, which may be wildcards or IP addresses; the first is also the common
// name. The certificate is followed by the authority's, the key is PKCS #8.
func (c *CA) Issue(names ...string) (certPEM, keyPEM []byte, err error) {
	if len(names) == 0 {
		return nil, nil, errors.New("issue a certificate: no name given")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key for %s: %w", names[0], err)
	}
	template, err := newTemplate(c.now(), names[0])
	if err != nil {
		return nil, nil, err
	}
	if template.NotAfter.After(c.cert.NotAfter) {
		template.NotAfter = c.cert.NotAfter
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, c.cert, key.Public(), c.key)
	if err != nil {
		return nil, nil, fmt.Errorf("sign the certificate of %s: %w", names[0], err)
	}
	keyPEM, err = encodeKey(key)
	if err != nil {
		return nil, nil, err
	}
	return append(encodeCert(der), c.certPEM...), keyPEM, nil
}

func newTemplate(now time.Time, commonName string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("draw a serial number for %s: %w", commonName, err)
	}
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: commonName, Organization: []string{"ingress-auth-conformance"}},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(Lifetime),
		BasicConstraintsValid: true,
	}, nil
}

func encodeCert(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
