// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"os"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/ingress-auth/conformance/mockidp"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// newDialectIDP is newIDP, of a dialect and where its tenants usually are.
func newDialectIDP(t testing.TB, d mockidp.Dialect, edit func(*mockidp.Config), opts ...mockidp.Option) *idp {
	t.Helper()
	s := newIDP(t, func(c *mockidp.Config) {
		c.Dialect, c.Issuer = d.Name, issuer+d.Path
		if edit != nil {
			edit(c)
		}
	}, opts...)
	s.dialect = d
	return s
}

// dialectMember wants a member of the discovery document that a dialect adds. They describe, and promise no function, but for
// the one host on which the groups are.
func dialectMember(name string, said any) func(*testing.T, any) {
	return func(t *testing.T, got any) {
		if said == "${host}" {
			said = "idp.example"
		}
		if !sameJSON(t, got, said) {
			t.Errorf("%v, want %v", got, said)
		}
	}
}

// Run "go run ./mockidp/cmd/mockidp dialects --markdown > docs/dialects.md" when this fails.
func TestDialectDocs_AreCurrent(t *testing.T) {
	var want strings.Builder
	if err := mockidp.WriteDialectDocs(&want); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile("../docs/dialects.md"); err != nil || string(got) != want.String() {
		t.Errorf("docs/dialects.md is not what dialects.yaml says: write it again (%v)", err)
	}
}

func TestDialect_MistakesAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"dialect: keyclock":                                                  "keycloak",
		"{dialect: auth0, issuer: https://a.example}":                        "write https://a.example/",
		"{dialect: entra, issuer: https://a.example}":                        "write https://a.example/v2.0",
		"tenants: [{path: /v2.0, dialect: entra}]":                           "one segment before /v2.0",
		"tenants: [{path: /x, dialect: nope}]":                               "tenants[0]: dialect",
		"{dialect: google, tenants: [{path: /o/oauth2/v2}]}":                 "hide the endpoint",
		"{dialect: keycloak, tenants: [{path: /authorize}, {path: /token}]}": "",
	} {
		_, err := mockidp.ParseConfig(strings.NewReader(text))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// Tenants of several dialects stand side by side, and each has its own subjects, inherited users or not.
func TestDialect_TenantsSideBySide(t *testing.T) {
	var tenants []mockidp.Tenant
	for _, d := range must(mockidp.Dialects()) {
		if d.Path != "" {
			tenants = append(tenants, mockidp.Tenant{Path: d.Path, Dialect: d.Name})
		}
	}
	s := newIDP(t, func(c *mockidp.Config) { c.Tenants = tenants })
	seen := map[any]string{}
	for _, tenant := range tenants {
		if tenant.Dialect == "github" {
			continue
		}
		made := s.Tenant(tenant.Path)
		if made == nil || made.Issuer() != issuer+tenant.Path {
			t.Fatalf("%s: %v", tenant.Path, made)
		}
		d := must(mockidp.FindDialect(tenant.Dialect))
		if doc := discovery(t, s, strings.TrimSuffix(made.Issuer(), d.IssuerSuffix)+d.Endpoints["discovery"]); doc["issuer"] != made.Issuer() {
			t.Errorf("%s: issuer %v", tenant.Dialect, doc["issuer"])
		}
		sub := payload(t, must(made.MintIDToken("bob", "app")))["sub"]
		if other, taken := seen[sub]; taken && !strings.HasPrefix(other, "okta") {
			t.Errorf("%s has the sub of %s", tenant.Dialect, other)
		}
		seen[sub] = tenant.Dialect
		if fault := discovery(t, s, strings.TrimSuffix(must(made.FaultIssuer("NONE")), d.IssuerSuffix)+d.Endpoints["discovery"]); fault["issuer"] != must(made.FaultIssuer("NONE")) {
			t.Errorf("%s: the issuer of a fault is %v", tenant.Dialect, fault["issuer"])
		}
		s.RemoveTenant(tenant.Path)
		if s.Tenant(tenant.Path) != nil {
			t.Errorf("%s is still there", tenant.Path)
		}
	}
}

// signsFor signs a client in that is configured with an algorithm for one kind of token.
func signsFor(t *testing.T, d mockidp.Dialect, member string, alg jose.SignatureAlgorithm) {
	s := newDialectIDP(t, d, func(c *mockidp.Config) {
		c.AutoLogin, c.SigningAlgs = "alice", []jose.SignatureAlgorithm{alg}
		if member == "id_token_signed_response_alg" {
			c.Clients[0].IDTokenSignedResponseAlg = alg
		} else {
			c.Clients[0].UserinfoSignedResponseAlg = alg
		}
	})
	got := s.tokens(s.token(codeParams(s.code("alice"))))
	signed := got.IDToken
	if member != "id_token_signed_response_alg" {
		signed = s.userinfo(got.AccessToken).body
	}
	if header, _ := s.claims(signed); header.Algorithm != string(alg) {
		t.Errorf("signed with %s", header.Algorithm)
	}
}
