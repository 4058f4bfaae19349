// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Authority is a certificate authority of the provider's own: a root, an intermediate, and a server certificate for
// whatever name a client asks for. It is safe for concurrent use.
type Authority struct {
	root         signer
	intermediate signer

	mu     sync.Mutex
	leaves map[string]*tls.Certificate // by host
}

// signer is a certificate that signs others.
type signer struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// maxLeaves bounds what a client can make the authority remember.
const maxLeaves = 1000

// NewAuthority makes one with fresh keys. Its root is valid for ten years.
func NewAuthority() (*Authority, error) {
	a := &Authority{leaves: map[string]*tls.Certificate{}}
	var err error
	if a.root, err = newSigner("mockidp test root", nil); err != nil {
		return nil, err
	}
	a.intermediate, err = newSigner("mockidp test intermediate", &a.root)
	return a, err
}

// RootPEM is the certificate that relying parties must trust.
func (a *Authority) RootPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.root.certificate.Raw})
}

// newSigner makes a certificate that signs others; one without a parent signs itself.
func newSigner(name string, parent *signer) (signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return signer{}, fmt.Errorf("making a key for the authority: %w", err)
	}
	template := newTemplate(name)
	template.NotAfter = time.Now().AddDate(10, 0, 0)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign
	if parent == nil {
		parent = &signer{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.certificate, key.Public(), parent.key)
	if err != nil {
		return signer{}, fmt.Errorf("signing the authority %q: %w", name, err)
	}
	certificate, err := x509.ParseCertificate(der)
	return signer{certificate, key}, err
}

func newTemplate(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)) // crypto/rand never fails
	now := time.Now()
	return &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(0, 3, 0)}
}

// leaf is a server certificate for the host, a name or an IP address: the same each time.
func (a *Authority) leaf(host string) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known := a.leaves[host]; known != nil {
		return known, nil
	}
	made, err := a.issue(host, "")
	if err != nil {
		return nil, err
	}
	if len(a.leaves) >= maxLeaves {
		clear(a.leaves)
	}
	a.leaves[host] = made
	return made, nil
}

// ClientCertificate makes a certificate that a relying party can authenticate with (RFC 8705 section 2.1): with a subject, and names
// that are URIs, email addresses, IP addresses or else DNS names. It is valid for three months.
func (a *Authority) ClientCertificate(subject pkix.Name, names ...string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making a key for the client %s: %w", subject, err)
	}
	template := newTemplate("")
	template.Subject = subject
	template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for _, name := range names {
		uri, err := url.Parse(name)
		switch ip := net.ParseIP(name); {
		case ip != nil:
			template.IPAddresses = append(template.IPAddresses, ip)
		case strings.Contains(name, "://") && err == nil:
			template.URIs = append(template.URIs, uri)
		case strings.Contains(name, "@"):
			template.EmailAddresses = append(template.EmailAddresses, name)
		default:
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.intermediate.certificate, key.Public(), a.intermediate.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("signing a certificate for the client %s: %w", subject, err)
	}
	return tls.Certificate{Certificate: [][]byte{der, a.intermediate.certificate.Raw}, PrivateKey: key}, nil
}

// issue makes a server certificate that is right, or wrong in the way that one of certificateFaults names.
func (a *Authority) issue(host, fault string) (*tls.Certificate, error) {
	var key crypto.Signer
	var err error
	if fault == connectionWeakKey {
		key, err = rsa.GenerateKey(rand.Reader, 1024)
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		return nil, fmt.Errorf("making a key for %s: %w", host, err)
	}
	template, parent := newTemplate(host), a.intermediate
	template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	chain := [][]byte{a.intermediate.certificate.Raw}
	name := host
	switch fault {
	case connectionExpired:
		template.NotBefore, template.NotAfter = time.Now().AddDate(0, -3, 0), time.Now().Add(-time.Hour)
	case connectionNotYetValid:
		template.NotBefore = time.Now().AddDate(0, 1, 0)
	case connectionWrongHost:
		name = "another-host.invalid"
	case connectionNameless:
		name = "" // the subject still has it
	case connectionForClients:
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	case connectionSHA1:
		template.SignatureAlgorithm = x509.ECDSAWithSHA1
	case connectionNoChain:
		chain = nil
	case connectionSelfSigned:
		parent, chain = signer{template, key}, nil
	case connectionUntrusted:
		stranger, err := newSigner("another authority", nil)
		if err != nil {
			return nil, err
		}
		parent, chain = stranger, [][]byte{stranger.certificate.Raw}
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else if name != "" {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.certificate, key.Public(), parent.key)
	if err != nil {
		return nil, fmt.Errorf("signing a certificate for %s: %w", host, err)
	}
	return &tls.Certificate{Certificate: append([][]byte{der}, chain...), PrivateKey: key}, nil
}
