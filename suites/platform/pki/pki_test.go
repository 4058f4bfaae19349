// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"github.com/ingress-auth/conformance/suites/platform/pki"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

func newCA(t *testing.T) *pki.CA {
	t.Helper()
	ca, err := pki.New(at(noon), "test authority")
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func leaf(t *testing.T, certPEM []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(certPEM)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestIssuedCertificatesVerifyAgainstTheirAuthorityOnly(t *testing.T) {
	ca, other := newCA(t), newCA(t)
	certPEM, keyPEM, err := ca.Issue("*.ingress-auth.test", "ingress-auth.test", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tls.X509KeyPair(certPEM, keyPEM); err != nil {
		t.Fatalf("certificate and key do not belong together: %v", err)
	}
	cases := []struct {
		rule string
		pool *x509.CertPool
		name string
		at   time.Time
		ok   bool
	}{
		{"a host below the wildcard", ca.Pool(), "app.ingress-auth.test", noon, true},
		{"the domain itself", ca.Pool(), "ingress-auth.test", noon, true},
		{"an address", ca.Pool(), "127.0.0.1", noon, true},
		{"two labels below the wildcard", ca.Pool(), "a.b.ingress-auth.test", noon, false},
		{"another domain", ca.Pool(), "app.other.test", noon, false},
		{"another authority", other.Pool(), "app.ingress-auth.test", noon, false},
		{"a peer whose clock is half an hour behind", ca.Pool(), "app.ingress-auth.test", noon.Add(-30 * time.Minute), true},
		{"a kept cluster, four weeks later", ca.Pool(), "app.ingress-auth.test", noon.Add(28 * 24 * time.Hour), true},
		{"after its end", ca.Pool(), "app.ingress-auth.test", noon.Add(pki.Lifetime + time.Second), false},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			_, err := leaf(t, certPEM).Verify(x509.VerifyOptions{Roots: c.pool, DNSName: c.name, CurrentTime: c.at})
			if (err == nil) != c.ok {
				t.Fatalf("verified: %v, want %v (%v)", err == nil, c.ok, err)
			}
		})
	}
}

func TestALoadedAuthorityIsTheSameAndIssuesNothingBeyondItsEnd(t *testing.T) {
	ca := newCA(t)
	later := noon.Add(10 * 24 * time.Hour)
	loaded, err := pki.Load(at(later), ca.CertPEM(), ca.KeyPEM())
	if err != nil {
		t.Fatal(err)
	}
	certPEM, _, err := loaded.Issue("app.ingress-auth.test")
	if err != nil {
		t.Fatal(err)
	}
	cert := leaf(t, certPEM)
	if _, err := cert.Verify(x509.VerifyOptions{Roots: ca.Pool(), DNSName: "app.ingress-auth.test", CurrentTime: later}); err != nil {
		t.Fatal(err)
	}
	if !cert.NotAfter.Equal(ca.NotAfter()) {
		t.Fatalf("certificate ends %s, its authority %s", cert.NotAfter, ca.NotAfter())
	}
}

func TestLoadRefusesWhatIsNoAuthority(t *testing.T) {
	ca, other := newCA(t), newCA(t)
	leafCert, leafKey, err := ca.Issue("app.ingress-auth.test")
	if err != nil {
		t.Fatal(err)
	}
	for rule, pair := range map[string][2][]byte{
		"no PEM":              {[]byte("x"), []byte("y")},
		"another's key":       {ca.CertPEM(), other.KeyPEM()},
		"a leaf certificate":  {leafCert, leafKey},
		"certificate for key": {ca.CertPEM(), ca.CertPEM()},
	} {
		t.Run(rule, func(t *testing.T) {
			if _, err := pki.Load(at(noon), pair[0], pair[1]); err == nil {
				t.Fatal("loaded")
			}
		})
	}
}

func TestIssueNeedsAName(t *testing.T) {
	if _, _, err := newCA(t).Issue(); err == nil {
		t.Fatal("issued a certificate for nobody")
	}
}
