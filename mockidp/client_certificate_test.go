// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ingress-auth/conformance/mockidp"
)

// certifier is an authority at the time of the tests' clock.
type certifier struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newCertifier() certifier {
	template := clientTemplate("authority")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	return certifier{certifyWith(template, template, key, key), key}
}

func clientTemplate(name string) *x509.Certificate {
	now := time.Unix(1_800_000_000, 0)
	return &x509.Certificate{SerialNumber: must(rand.Int(rand.Reader, big.NewInt(1<<60))), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		Subject: pkix.Name{CommonName: name, Organization: []string{"Example, Inc."}, Country: []string{"NL"}}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
}

func certifyWith(template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) *x509.Certificate {
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey))))
}

func (c certifier) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.certificate.Raw}))
}

// certify makes a certificate of a client named app, but for the edit.
func (c certifier) certify(edit func(*x509.Certificate)) *x509.Certificate {
	template := clientTemplate("app")
	if edit != nil {
		edit(template)
	}
	return certifyWith(template, c.certificate, must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), c.key)
}

func selfSigned(key *ecdsa.PrivateKey) *x509.Certificate {
	template := clientTemplate("self")
	return certifyWith(template, template, key, key)
}

func withCertificate(chain ...*x509.Certificate) func(*http.Request) {
	return func(r *http.Request) { r.TLS = &tls.ConnectionState{PeerCertificates: chain} }
}

func certificateKeys(certificate *x509.Certificate) *mockidp.JWKS {
	set := &mockidp.JWKS{}
	set.Keys = []jose.JSONWebKey{{Key: certificate.PublicKey, KeyID: "c", Certificates: []*x509.Certificate{certificate}}}
	return set
}

// withTLSClients are clients of each method: pki has the subject of certify(nil), self the certificate.
func withTLSClients(authority certifier, self *x509.Certificate) func(*mockidp.Config) {
	return func(c *mockidp.Config) {
		c.ClientCertificateAuthorities = authority.pem()
		pki := mockidp.Client{ClientID: "pki", TokenEndpointAuthMethod: "tls_client_auth", TLSClientAuthSubjectDN: `CN=app,O=Example\, Inc.,C=NL`, GrantTypes: []string{"client_credentials"}}
		c.Clients = append(c.Clients, pki,
			mockidp.Client{ClientID: "self", TokenEndpointAuthMethod: "self_signed_tls_client_auth", JWKS: certificateKeys(self), GrantTypes: []string{"client_credentials"}})
		for id, set := range map[string]func(*mockidp.Client){
			"dns":   func(c *mockidp.Client) { c.TLSClientAuthSANDNS = "app.example" },
			"uri":   func(c *mockidp.Client) { c.TLSClientAuthSANURI = "spiffe://example/app" },
			"ip":    func(c *mockidp.Client) { c.TLSClientAuthSANIP = "::ffff:192.0.2.1" },
			"email": func(c *mockidp.Client) { c.TLSClientAuthSANEmail = "app@app.example" },
		} {
			named := pki
			named.ClientID, named.TLSClientAuthSubjectDN = id, ""
			set(&named)
			c.Clients = append(c.Clients, named)
		}
	}
}

func TestToken_RFC8705_2_MutualTLS(t *testing.T) {
	authority, stranger := newCertifier(), newCertifier()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	self := selfSigned(key)
	good := authority.certify(nil)
	named := authority.certify(func(c *x509.Certificate) {
		c.DNSNames, c.IPAddresses, c.EmailAddresses = []string{"other.example", "app.example"}, []net.IP{net.IPv4(192, 0, 2, 1)}, []string{"app@app.example"}
		c.URIs = []*url.URL{must(url.Parse("spiffe://example/app"))}
	})
	another := func(c *x509.Certificate) { c.Subject.CommonName = "another" }
	middle := authority.intermediate()
	for name, test := range map[string]struct {
		client string
		chain  []*x509.Certificate
		ok     bool
	}{
		"2.1: the subject":                          {"pki", []*x509.Certificate{good}, true},
		"2.1: with an intermediate authority":       {"pki", []*x509.Certificate{middle.certify(nil), middle.certificate}, true},
		"2.1: the intermediate is missing":          {"pki", []*x509.Certificate{middle.certify(nil)}, false},
		"2.1: another subject":                      {"pki", []*x509.Certificate{authority.certify(another)}, false},
		"2.1: one part more in the subject":         {"pki", []*x509.Certificate{authority.certify(func(c *x509.Certificate) { c.Subject.OrganizationalUnit = []string{"x"} })}, false},
		"2.1: of an authority nobody believes":      {"pki", []*x509.Certificate{stranger.certify(nil)}, false},
		"2.1: expired":                              {"pki", []*x509.Certificate{authority.certify(func(c *x509.Certificate) { c.NotAfter = c.NotBefore.Add(time.Minute) })}, false},
		"2.1: not yet valid":                        {"pki", []*x509.Certificate{authority.certify(func(c *x509.Certificate) { c.NotBefore = c.NotAfter })}, false},
		"2.1: for servers":                          {"pki", []*x509.Certificate{authority.certify(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })}, false},
		"2.1: self-signed, with the right subject":  {"pki", []*x509.Certificate{certifyWith(clientTemplate("app"), clientTemplate("app"), key, key)}, false},
		"2.1: none":                                 {"pki", nil, false},
		"2.1.2: a DNS name":                         {"dns", []*x509.Certificate{named}, true},
		"2.1.2: a DNS name, in the subject alone":   {"dns", []*x509.Certificate{authority.certify(func(c *x509.Certificate) { c.Subject.CommonName = "app.example" })}, false},
		"2.1.2: a URI":                              {"uri", []*x509.Certificate{named}, true},
		"2.1.2: no URI":                             {"uri", []*x509.Certificate{good}, false},
		"2.1.2: an IP address":                      {"ip", []*x509.Certificate{named}, true},
		"2.1.2: no IP address":                      {"ip", []*x509.Certificate{good}, false},
		"2.1.2: an email address":                   {"email", []*x509.Certificate{named}, true},
		"2.1.2: no email address":                   {"email", []*x509.Certificate{good}, false},
		"2.2: the registered certificate":           {"self", []*x509.Certificate{self}, true},
		"2.2: another certificate for the same key": {"self", []*x509.Certificate{selfSigned(key)}, false},
		"2.2: an authority's":                       {"self", []*x509.Certificate{good}, false},
		"2.2: none":                                 {"self", nil, false},
		"a certificate in place of a secret":        {"machine", []*x509.Certificate{good}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newIDP(t, withTLSClients(authority, self))
			a := s.token(url.Values{"grant_type": {"client_credentials"}, "client_id": {test.client}}, withCertificate(test.chain...))
			if !test.ok {
				s.wantTokenError(a, 401, "invalid_client")
				return
			}
			if got := s.tokens(a); got.TokenType != "Bearer" {
				t.Errorf("token_type %q", got.TokenType)
			}
		})
	}
	s := newIDP(t, withTLSClients(authority, self))
	t.Run("2: client_id says who", func(t *testing.T) {
		s.wantTokenError(s.token(url.Values{"grant_type": {"client_credentials"}}, withCertificate(good)), 401, "invalid_client")
	})
	t.Run("2: a secret in place of a certificate", func(t *testing.T) {
		s.wantTokenError(s.token(url.Values{"grant_type": {"client_credentials"}}, basicAuth("pki", "x"), withCertificate(good)), 401, "invalid_client")
	})
	t.Run("2: plain http has no certificate", func(t *testing.T) {
		s.wantTokenError(s.token(url.Values{"grant_type": {"client_credentials"}, "client_id": {"pki"}}, func(*http.Request) {}), 401, "invalid_client")
	})
	t.Run("2.2.2: a certificate at jwks_uri may change", func(t *testing.T) {
		const uri = "https://far.example/jwks"
		published := &documents{}
		published.put(uri, string(must(json.Marshal(certificateKeys(self)))))
		s := newIDP(t, func(c *mockidp.Config) {
			c.Clients = append(c.Clients, mockidp.Client{ClientID: "far", TokenEndpointAuthMethod: "self_signed_tls_client_auth", JWKSURI: uri, GrantTypes: []string{"client_credentials"}})
		}, mockidp.WithHTTPClient(&http.Client{Transport: published}))
		by := func(certificate *x509.Certificate) answer {
			return s.token(url.Values{"grant_type": {"client_credentials"}, "client_id": {"far"}}, withCertificate(certificate))
		}
		next := selfSigned(key)
		s.tokens(by(self))
		s.wantTokenError(by(next), 401, "invalid_client")
		published.put(uri, string(must(json.Marshal(certificateKeys(next)))))
		s.tokens(by(next))
		s.wantTokenError(by(self), 401, "invalid_client")
	})
}

func (c certifier) intermediate() certifier {
	template := clientTemplate("intermediate")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	return certifier{certifyWith(template, c.certificate, key, c.key), key}
}

func TestAccessToken_RFC8705_3_BoundToACertificate(t *testing.T) {
	mine, other := newCertifier().certify(nil), newCertifier().certify(nil)
	hash := sha256.Sum256(mine.Raw)
	cnf := map[string]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(hash[:])}
	s := newIDP(t, func(c *mockidp.Config) {
		c.AutoLogin = "alice"
		c.Clients = append(c.Clients,
			mockidp.Client{ClientID: "bound", ClientSecret: "s", TLSClientCertificateBoundAccessTokens: true, AccessTokenFormat: "jwt", RedirectURIs: []string{callback}},
			mockidp.Client{ClientID: "bound-spa", TLSClientCertificateBoundAccessTokens: true, IssueRefreshToken: "always", RedirectURIs: []string{callback}})
	})
	basic := basicAuth("bound", "s")
	issued := func() tokens {
		return s.tokens(s.token(codeParams(s.code("alice", "client_id", "bound")), basic, withCertificate(mine)))
	}
	t.Run("3: userinfo wants the certificate", func(t *testing.T) {
		got := issued()
		if got.TokenType != "Bearer" {
			t.Errorf("token_type %q", got.TokenType)
		}
		if a := s.userinfoBy("Bearer", got.AccessToken, withCertificate(mine)); a.StatusCode != http.StatusOK {
			t.Errorf("status %d: %s", a.StatusCode, a.body)
		}
		for name, a := range map[string]answer{"another": s.userinfoBy("Bearer", got.AccessToken, withCertificate(other)), "none": s.userinfo(got.AccessToken)} {
			if a.StatusCode != http.StatusUnauthorized || !strings.Contains(a.Header.Get("WWW-Authenticate"), `error="invalid_token"`) {
				t.Errorf("%s: status %d, %s", name, a.StatusCode, a.Header.Get("WWW-Authenticate"))
			}
		}
	})
	t.Run("3.1 and 3.2: a JWT and introspection say which", func(t *testing.T) {
		got := issued()
		wantClaims(t, payload(t, got.AccessToken), map[string]any{"cnf": cnf})
		wantClaims(t, object(t, s.post(issuer+"/introspect", url.Values{"token": {got.AccessToken}}, basic).body), map[string]any{"cnf": cnf, "token_type": "Bearer", "active": true})
	})
	t.Run("3: a client that must show one and does not; the code is not used up", func(t *testing.T) {
		code := s.code("alice", "client_id", "bound")
		s.wantTokenError(s.token(codeParams(code), basic), 400, "invalid_request")
		s.tokens(s.token(codeParams(code), basic, withCertificate(mine)))
	})
	t.Run("3: a client that has not asked for it", func(t *testing.T) {
		got := s.tokens(s.token(codeParams(s.code("alice")), basicAuth("app", "s3cret"), withCertificate(mine)))
		if a := s.userinfo(got.AccessToken); a.StatusCode != http.StatusOK {
			t.Errorf("status %d", a.StatusCode)
		}
	})
	t.Run("4: refresh tokens of a public client are bound too", func(t *testing.T) {
		got := s.tokens(s.token(codeParams(s.code("alice", "client_id", "bound-spa"), "client_id", "bound-spa"), withCertificate(mine)))
		again := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.RefreshToken}, "client_id": {"bound-spa"}}
		s.wantTokenError(s.token(again, withCertificate(other)), 400, "invalid_grant")
		s.tokens(s.token(again, withCertificate(mine)))
	})
	t.Run("both a key and a certificate", func(t *testing.T) {
		key := testKeys()[1]
		code := s.code("alice", "client_id", "bound")
		got := s.tokens(s.token(codeParams(code), basic, withCertificate(mine), withProof(s.proof(key, "POST", issuer+"/token", "", nil))))
		both := map[string]any{"x5t#S256": cnf["x5t#S256"], "jkt": thumbprint(t, key)}
		wantClaims(t, payload(t, got.AccessToken), map[string]any{"cnf": both})
		proof := func() func(*http.Request) {
			return withProof(s.proof(key, "GET", issuer+"/userinfo", got.AccessToken, nil))
		}
		if a := s.userinfoBy("DPoP", got.AccessToken, proof(), withCertificate(mine)); a.StatusCode != http.StatusOK {
			t.Errorf("status %d: %s", a.StatusCode, a.body)
		}
		if a := s.userinfoBy("DPoP", got.AccessToken, proof()); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("without the certificate: status %d", a.StatusCode)
		}
	})
}

// What RFC 8705 adds is in the document where it works, and only there; TestDiscovery_AdvertisesNothingThatDoesNotWork tries it.
func TestDiscovery_RFC8705_5_OnlyOverTLS(t *testing.T) {
	authority := newCertifier()
	for name, test := range map[string]struct {
		edit    func(*mockidp.Config)
		options []mockidp.Option
		want    []string
		bound   bool
	}{
		"no certificates are requested":  {edit: func(c *mockidp.Config) { c.ClientCertificateAuthorities = authority.pem() }},
		"the issuer is not https":        {edit: func(c *mockidp.Config) { c.Issuer = "http://idp.example" }, options: []mockidp.Option{mockidp.WithClientCertificates()}},
		"nobody certifies clients":       {options: []mockidp.Option{mockidp.WithClientCertificates()}, want: []string{"self_signed_tls_client_auth"}, bound: true},
		"somebody certifies clients":     {edit: func(c *mockidp.Config) { c.ClientCertificateAuthorities = authority.pem() }, options: []mockidp.Option{mockidp.WithClientCertificates()}, want: []string{"tls_client_auth", "self_signed_tls_client_auth"}, bound: true},
		"the back channel is plain http": {edit: func(c *mockidp.Config) { c.BackchannelURLs = []string{"http://idp.example:1"} }, options: []mockidp.Option{mockidp.WithClientCertificates()}, want: []string{"self_signed_tls_client_auth"}, bound: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newIDP(t, test.edit, test.options...)
			doc := discovery(t, s, s.Issuer()+"/.well-known/openid-configuration")
			for _, member := range []string{"token_endpoint_auth_methods_supported", "introspection_endpoint_auth_methods_supported", "revocation_endpoint_auth_methods_supported"} {
				var got []string
				for _, method := range doc[member].([]any) {
					if strings.Contains(method.(string), "tls") {
						got = append(got, method.(string))
					}
				}
				if !slices.Equal(got, test.want) {
					t.Errorf("%s has %v, want %v", member, got, test.want)
				}
			}
			if bound, _ := doc["tls_client_certificate_bound_access_tokens"].(bool); bound != test.bound {
				t.Errorf("certificate-bound tokens: %v", bound)
			}
		})
	}
	t.Run("who asks by a back channel without TLS is promised nothing", func(t *testing.T) {
		s := newIDP(t, func(c *mockidp.Config) { c.BackchannelURLs = []string{"http://mockidp.svc"} }, mockidp.WithClientCertificates())
		if doc := discovery(t, s, "http://mockidp.svc/.well-known/openid-configuration"); doc["tls_client_certificate_bound_access_tokens"] != nil {
			t.Errorf("%v", doc)
		}
	})
}
