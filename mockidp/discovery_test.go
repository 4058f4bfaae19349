// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/ingress-auth/conformance/mockidp"
)

func discovery(t *testing.T, s *idp, url string) map[string]any {
	t.Helper()
	a := s.get(url)
	if a.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d", url, a.StatusCode)
	}
	wantHeader(t, a, "Content-Type", "application/json")
	var doc map[string]any
	if err := json.Unmarshal([]byte(a.body), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestDiscovery(t *testing.T) {
	s := newIDP(t, nil)
	doc := discovery(t, s, issuer+"/.well-known/openid-configuration")

	t.Run("Discovery 1.0 3: the required members are there", func(t *testing.T) {
		for name, want := range map[string]string{
			"issuer":                                issuer,
			"authorization_endpoint":                issuer + "/authorize",
			"token_endpoint":                        issuer + "/token",
			"jwks_uri":                              issuer + "/jwks",
			"userinfo_endpoint":                     issuer + "/userinfo",
			"end_session_endpoint":                  issuer + "/end_session",
			"response_types_supported":              `["code","id_token","id_token token","code id_token","code token","code id_token token"]`,
			"subject_types_supported":               `["public","pairwise"]`,
			"id_token_signing_alg_values_supported": `["RS256","ES256"]`,
			"code_challenge_methods_supported":      `["S256"]`,
			"grant_types_supported":                 `["authorization_code","refresh_token","implicit","client_credentials","urn:ietf:params:oauth:grant-type:device_code","urn:ietf:params:oauth:grant-type:token-exchange"]`,
			"response_modes_supported":              `["query","fragment","form_post"]`,
		} {
			got, ok := doc[name].(string)
			if !ok {
				encoded, _ := json.Marshal(doc[name])
				got = string(encoded)
			}
			if got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
	})
	t.Run("Discovery 1.0 3: what defaults to true is said", func(t *testing.T) {
		for name, want := range map[string]bool{
			"request_parameter_supported": true, "request_uri_parameter_supported": true, "claims_parameter_supported": true,
			"authorization_response_iss_parameter_supported": true,
		} {
			if doc[name] != want {
				t.Errorf("%s: %v, want %v", name, doc[name], want)
			}
		}
	})
	t.Run("RFC 8414 3: the same document is at the other well-known URL", func(t *testing.T) {
		other := discovery(t, s, issuer+"/.well-known/oauth-authorization-server")
		if other["token_endpoint"] != doc["token_endpoint"] {
			t.Error("the two documents differ")
		}
	})
	t.Run("nothing that is not served is advertised", func(t *testing.T) {
		for name, value := range doc {
			url, ok := value.(string)
			if !ok || name == "issuer" {
				continue
			}
			if a := s.get(url); a.StatusCode == http.StatusNotFound {
				t.Errorf("%s: %s answers 404", name, url)
			}
		}
		for _, absent := range []string{"registration_endpoint", "mint"} {
			if _, ok := doc[absent]; ok {
				t.Errorf("%s is advertised", absent)
			}
		}
	})
}

func TestDiscovery_4_1_AnIssuerWithAPathIsServedUnderIt(t *testing.T) {
	for _, iss := range []string{"https://idp.example/realms/x", "https://idp.example/realms/x/"} {
		s := newIDP(t, func(c *mockidp.Config) { c.Issuer = iss; c.BackchannelURLs = []string{"http://idp.ns.svc:8080/"} })
		base := strings.TrimSuffix(iss, "/")
		for url, wantToken := range map[string]string{
			base + "/.well-known/openid-configuration":                               base + "/token",
			"https://idp.example/.well-known/oauth-authorization-server/realms/x":    base + "/token",
			"http://idp.ns.svc:8080/realms/x/.well-known/openid-configuration":       "http://idp.ns.svc:8080/realms/x/token",
			"http://idp.ns.svc:8080/.well-known/oauth-authorization-server/realms/x": "http://idp.ns.svc:8080/realms/x/token",
		} {
			doc := discovery(t, s, url)
			if doc["issuer"] != iss || doc["token_endpoint"] != wantToken {
				t.Errorf("%s: issuer %v, token_endpoint %v", url, doc["issuer"], doc["token_endpoint"])
			}
		}
	}
}

func TestDiscovery_SplitHorizon(t *testing.T) {
	s := newIDP(t, func(c *mockidp.Config) {
		c.BackchannelURLs = []string{"http://mockidp.ns.svc:8080", "http://plain.ns.svc", "https://secure.ns.svc:443"}
	})
	for name, test := range map[string]struct{ host, back string }{
		"the issuer's host":                     {"idp.example", issuer},
		"a configured host":                     {"mockidp.ns.svc:8080", "http://mockidp.ns.svc:8080"},
		"a configured host in capitals":         {"MOCKIDP.ns.SVC:8080", "http://mockidp.ns.svc:8080"},
		"a configured host, http's port":        {"plain.ns.svc:80", "http://plain.ns.svc"},
		"a configured host, https without port": {"secure.ns.svc", "https://secure.ns.svc:443"},
		"a configured host, other port":         {"mockidp.ns.svc:9090", issuer},
		"an unknown host":                       {"evil.example", issuer},
	} {
		t.Run(name, func(t *testing.T) {
			doc := discovery(t, s, "http://"+test.host+"/.well-known/openid-configuration")
			for member, want := range map[string]string{
				"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "end_session_endpoint": issuer + "/end_session",
				"token_endpoint": test.back + "/token", "userinfo_endpoint": test.back + "/userinfo", "jwks_uri": test.back + "/jwks",
			} {
				if doc[member] != want {
					t.Errorf("%s: %v, want %s", member, doc[member], want)
				}
			}
		})
	}
	t.Run("a token fetched by the back channel has the one issuer", func(t *testing.T) {
		code := s.code("alice")
		got := s.tokens(s.post("http://mockidp.ns.svc:8080/token", codeParams(code), basicAuth("app", "s3cret")))
		if _, claims := s.claims(got.IDToken); claims["iss"] != issuer {
			t.Errorf("iss %v", claims["iss"])
		}
	})
}

func TestJWKS(t *testing.T) {
	s := newIDP(t, nil)
	a := s.get(issuer + "/jwks")
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal([]byte(a.body), &set); err != nil {
		t.Fatal(err)
	}
	t.Run("RFC 7517 4: each key has kid, use and alg, and kids differ", func(t *testing.T) {
		seen := map[any]bool{}
		for _, key := range set.Keys {
			if key["kid"] == "" || key["use"] != "sig" || key["alg"] == nil || seen[key["kid"]] {
				t.Errorf("key %v", key)
			}
			seen[key["kid"]] = true
		}
		if len(seen) != 2 {
			t.Errorf("%d keys, want one RSA and one elliptic curve key", len(seen))
		}
	})
	t.Run("RFC 7518 6: no private member is published", func(t *testing.T) {
		for _, key := range set.Keys {
			for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
				if _, ok := key[private]; ok {
					t.Errorf("key %v publishes %s", key["kid"], private)
				}
			}
		}
	})
	t.Run("Core 1.0 10.1.1: the keys may be cached for a while", func(t *testing.T) {
		if !strings.Contains(a.Header.Get("Cache-Control"), "max-age=") {
			t.Errorf("Cache-Control %q", a.Header.Get("Cache-Control"))
		}
	})
}

func TestHealth(t *testing.T) {
	s := newIDP(t, func(c *mockidp.Config) { c.Issuer = "https://idp.example/realms/x" })
	if a := s.get("https://anything.example/healthz"); a.StatusCode != http.StatusOK {
		t.Errorf("status %d", a.StatusCode)
	}
}

func TestEveryAnswerSaysItIsAMock(t *testing.T) {
	s := newIDP(t, nil)
	for _, path := range []string{"/healthz", "/jwks", "/authorize", "/nowhere"} {
		wantHeader(t, s.get(issuer+path), "X-Mock-Idp", "testing-only")
	}
}
