// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/ingress-auth/conformance/mockidp"
)

// TestDiscovery_AdvertisesNothingThatDoesNotWork walks the document: every member has a check here that uses what it
// promises, value by value, and a member without one fails.
func TestDiscovery_AdvertisesNothingThatDoesNotWork(t *testing.T) {
	for _, d := range must(mockidp.Dialects()) {
		if d.OAuthOnly {
			continue // it has no discovery: TestDialect says so
		}
		t.Run(d.Name, func(t *testing.T) { walkDiscovery(t, d) })
	}
}

func walkDiscovery(t *testing.T, dialect mockidp.Dialect) {
	authority := newCertifier()
	ofClient, self := authority.certify(nil), selfSigned(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)))
	s := newDialectIDP(t, dialect, func(c *mockidp.Config) {
		withTLSClients(authority, self)(c)
		c.Clients = append(c.Clients, mockidp.Client{ClientID: "bound", ClientSecret: "s3cret", TLSClientCertificateBoundAccessTokens: true, RedirectURIs: []string{callback}})
		c.AutoLogin = "alice"
		c.EnableRegistration = true
		c.SigningAlgs = []jose.SignatureAlgorithm{jose.EdDSA, jose.ES384}
		withLogoutURIs(c)
		c.Clients[0].FrontchannelLogoutURI, c.Clients[0].FrontchannelLogoutSessionRequired = "https://app.example/front", true
	}, mockidp.WithHTTPClient(&http.Client{Transport: &relyingParties{}}), mockidp.WithClientCertificates())
	doc := discovery(t, s, s.at("discovery"))
	is := func(want any) func(*testing.T, any) {
		return func(t *testing.T, got any) {
			if got != want {
				t.Errorf("%v, want %v", got, want)
			}
		}
	}
	served := func(method string) func(*testing.T, any) {
		return func(t *testing.T, got any) {
			r, err := http.NewRequestWithContext(t.Context(), method, got.(string), nil)
			if err != nil {
				t.Fatal(err)
			}
			if a := s.do(s.browser, r); a.StatusCode == http.StatusNotFound || a.StatusCode == http.StatusMethodNotAllowed || a.StatusCode >= 500 {
				t.Errorf("%s %s answers %d", method, got, a.StatusCode)
			}
		}
	}
	each := func(check func(t *testing.T, value string)) func(*testing.T, any) {
		return func(t *testing.T, got any) {
			for _, value := range got.([]any) {
				t.Run(value.(string), func(t *testing.T) { check(t, value.(string)) })
			}
		}
	}
	answerOf := func(t *testing.T, overrides ...string) url.Values {
		s := *s
		s.t = t
		a := s.authorize(overrides...)
		switch location := a.Header.Get("Location"); {
		case a.StatusCode == http.StatusOK:
			return s.formPost(a)
		case strings.Contains(location, "#"):
			return s.fragment(a)
		default:
			return s.redirected(a, callback)
		}
	}
	authenticates := func(endpoint string, form url.Values) func(*testing.T, any) {
		return each(func(t *testing.T, method string) {
			s := *s
			s.t = t
			edit, with := func(*http.Request) {}, url.Values{}
			for name, values := range form {
				with[name] = values
			}
			assertion := func(client string, alg jose.SignatureAlgorithm, key any) string {
				return signAssertion(t, alg, key, "", map[string]any{"iss": client, "sub": client, "aud": s.Issuer(), "jti": endpoint + method, "exp": s.clock.Now().Unix() + 60})
			}
			switch method {
			case "client_secret_basic":
				edit = basicAuth("app", "s3cret")
			case "client_secret_post":
				with.Set("client_id", "app")
				with.Set("client_secret", "s3cret")
			case "none":
				with.Set("client_id", "spa")
			case "client_secret_jwt":
				with.Set("client_assertion_type", assertionType)
				with.Set("client_assertion", assertion("hmac", jose.HS256, []byte(hmacSecret)))
			case "private_key_jwt":
				with.Set("client_assertion_type", assertionType)
				with.Set("client_assertion", assertion("signs", jose.RS256, testKeys()[0].Key))
			case "tls_client_auth":
				edit = withCertificate(ofClient)
				with.Set("client_id", "pki")
			case "self_signed_tls_client_auth":
				edit = withCertificate(self)
				with.Set("client_id", "self")
			default:
				t.Fatalf("nothing uses the method %s", method)
			}
			if a := s.post(doc[endpoint].(string), with, edit); a.StatusCode == http.StatusUnauthorized || strings.Contains(a.body, "invalid_client") {
				t.Errorf("status %d: %s", a.StatusCode, a.body)
			}
		})
	}
	assertionAlgs := each(func(t *testing.T, alg string) {
		method, secret := `"private_key_jwt"`, strings.HasPrefix(alg, "HS")
		if secret {
			method = `"client_secret_jwt"`
		}
		key, length := any(nil), map[string]int{"HS256": 32, "HS384": 48, "HS512": 64}[alg]
		s := newDialectIDP(t, dialect, open)
		id := "asserts"
		if secret {
			key = []byte(strings.Repeat("k", length))
			s = newDialectIDP(t, dialect, func(c *mockidp.Config) {
				c.Clients = append(c.Clients, mockidp.Client{ClientID: id, ClientSecret: strings.Repeat("k", length), TokenEndpointAuthMethod: "client_secret_jwt"})
			})
		} else {
			keys := keysFor(t, jose.SignatureAlgorithm(alg))
			signing := keys[len(keys)-1]
			key = signing.Key
			set := &mockidp.JWKS{}
			set.Keys = []jose.JSONWebKey{{Key: signing.Key.Public(), Algorithm: alg}}
			s = newDialectIDP(t, dialect, func(c *mockidp.Config) { c.Clients = append(c.Clients, mockidp.Client{ClientID: id, JWKS: set}) })
		}
		claims := map[string]any{"iss": id, "sub": id, "aud": s.Issuer(), "jti": "1", "exp": s.clock.Now().Unix() + 60}
		form := codeParams("x", "client_assertion_type", assertionType, "client_assertion", signAssertion(t, jose.SignatureAlgorithm(alg), key, "", claims))
		if a := s.token(form, func(*http.Request) {}); !strings.Contains(a.body, "invalid_grant") {
			t.Errorf("%s: status %d: %s", method, a.StatusCode, a.body)
		}
	})
	registers := func(member string) func(*testing.T, any) {
		return each(func(t *testing.T, alg string) {
			s := *s
			s.t = t
			if doc["registration_endpoint"] == nil {
				signsFor(t, dialect, member, jose.SignatureAlgorithm(alg))
				return
			}
			if a, _ := s.register(`{"redirect_uris":["` + callback + `"],"` + member + `":"` + alg + `"}`); a.StatusCode != http.StatusCreated {
				t.Errorf("status %d: %s", a.StatusCode, a.body)
			}
		})
	}
	claimsSeen := map[string]bool{}
	checks := map[string]func(*testing.T, any){
		"issuer":                                         is(s.Issuer()),
		"authorization_endpoint":                         served("GET"),
		"token_endpoint":                                 served("POST"),
		"userinfo_endpoint":                              served("GET"),
		"jwks_uri":                                       served("GET"),
		"end_session_endpoint":                           served("GET"),
		"introspection_endpoint":                         served("POST"),
		"revocation_endpoint":                            served("POST"),
		"pushed_authorization_request_endpoint":          served("POST"),
		"device_authorization_endpoint":                  served("POST"),
		"registration_endpoint":                          served("POST"),
		"authorization_response_iss_parameter_supported": func(t *testing.T, got any) { is(answerOf(t).Has("iss"))(t, got) },
		"claims_parameter_supported":                     is(true), // TestAuthorize_Core_5_5_ClaimsParameter
		"request_parameter_supported":                    is(true), // request_object_signing_alg_values_supported
		"request_uri_parameter_supported":                is(true), // TestAuthorize_RFC9101_RequestObjects
		"dpop_signing_alg_values_supported":              each(func(t *testing.T, alg string) { provesKey(t, dialect, jose.SignatureAlgorithm(alg)) }),
		"tls_client_certificate_bound_access_tokens": func(t *testing.T, _ any) {
			s := *s
			s.t = t
			got := s.tokens(s.token(codeParams(answerOf(t, "client_id", "bound").Get("code")), basicAuth("bound", "s3cret"), withCertificate(self)))
			for status, chain := range map[int][]*x509.Certificate{http.StatusOK: {self}, http.StatusUnauthorized: {ofClient}} {
				if a := s.userinfoBy("Bearer", got.AccessToken, withCertificate(chain...)); a.StatusCode != status {
					t.Errorf("status %d, want %d", a.StatusCode, status)
				}
			}
		},
		"require_request_uri_registration":            is(true), // likewise
		"request_object_signing_alg_values_supported": each(func(t *testing.T, alg string) { signsRequests(t, dialect, jose.SignatureAlgorithm(alg)) }),
		"require_pushed_authorization_requests":       is(false),
		"backchannel_logout_supported":                is(doc["end_session_endpoint"] != nil), // TestBackChannelLogout_2
		"backchannel_logout_session_supported":        is(doc["end_session_endpoint"] != nil),
		"frontchannel_logout_supported":               is(doc["end_session_endpoint"] != nil), // TestFrontChannelLogout_3
		"frontchannel_logout_session_supported":       is(doc["end_session_endpoint"] != nil),
		"scopes_supported": each(func(t *testing.T, scope string) {
			if q := answerOf(t, "scope", scope); q.Get("code") == "" {
				t.Errorf("answer %v", q)
			}
		}),
		"response_types_supported": each(func(t *testing.T, responseType string) {
			q := answerOf(t, "client_id", "hybrid", "response_type", responseType)
			for word, member := range map[string]string{"code": "code", "id_token": "id_token", "token": "access_token"} {
				if slices.Contains(strings.Fields(responseType), word) != q.Has(member) {
					t.Errorf("answer %v", q)
				}
			}
		}),
		"response_modes_supported": each(func(t *testing.T, mode string) {
			if q := answerOf(t, "response_mode", mode); !q.Has("code") {
				t.Errorf("answer %v", q)
			}
		}),
		"grant_types_supported": each(func(t *testing.T, grantType string) {
			s := *s
			s.t = t
			if grantType == "implicit" {
				return // response_types_supported
			}
			for _, client := range []string{"app", "machine"} {
				if strings.Contains(s.token(url.Values{"grant_type": {grantType}}, basicAuth(client, "s3cret")).body, "unsupported_grant_type") {
					t.Error("unsupported")
				}
			}
		}),
		"subject_types_supported": each(func(t *testing.T, subjectType string) {
			s := newDialectIDP(t, dialect, func(c *mockidp.Config) {
				c.AutoLogin, c.Clients[0].SubjectType, c.Clients[0].RedirectURIs = "alice", subjectType, []string{callback}
			})
			if own := s.signIn().id["sub"] == "sub-alice"; own != (subjectType == "public") {
				t.Errorf("the sub is the user's own: %v", own)
			}
		}),
		"id_token_signing_alg_values_supported":                    registers("id_token_signed_response_alg"),
		"userinfo_signing_alg_values_supported":                    registers("userinfo_signed_response_alg"),
		"token_endpoint_auth_methods_supported":                    authenticates("token_endpoint", url.Values{"grant_type": {"authorization_code"}, "code": {"x"}}),
		"introspection_endpoint_auth_methods_supported":            authenticates("introspection_endpoint", url.Values{"token": {"x"}}),
		"revocation_endpoint_auth_methods_supported":               authenticates("revocation_endpoint", url.Values{"token": {"x"}}),
		"token_endpoint_auth_signing_alg_values_supported":         assertionAlgs,
		"introspection_endpoint_auth_signing_alg_values_supported": func(*testing.T, any) {}, // the same list, compared below
		"revocation_endpoint_auth_signing_alg_values_supported":    func(*testing.T, any) {}, // likewise
		"code_challenge_methods_supported": each(func(t *testing.T, method string) {
			if q := answerOf(t, "code_challenge_method", method); !q.Has("code") {
				t.Errorf("answer %v", q)
			}
		}),
		"prompt_values_supported": each(func(t *testing.T, prompt string) {
			if q := answerOf(t, "prompt", prompt); q.Get("error") == "invalid_request" {
				t.Errorf("answer %v", q)
			}
		}),
		"acr_values_supported": each(func(t *testing.T, acr string) {
			s := *s
			s.t = t
			q := answerOf(t, "acr_values", acr)
			if _, claims := s.claims(s.tokens(s.token(codeParams(q.Get("code")))).IDToken); claims["acr"] != acr {
				t.Errorf("acr %v", claims["acr"])
			}
		}),
		"claims_supported": each(func(t *testing.T, name string) {
			if !claimsSeen[name] {
				t.Error("no ID token has it")
			}
		}),
	}
	all := "openid profile email address phone groups"
	for _, user := range []string{"alice", "bob"} {
		q := answerOf(t, "client_id", "hybrid", "response_type", "code id_token token", "scope", all, "login_hint", user, "acr_values", "1")
		_, claims := s.claims(q.Get("id_token"))
		for name := range claims {
			claimsSeen[name] = true
		}
	}
	for name, value := range doc {
		t.Run(name, func(t *testing.T) {
			check := checks[name]
			if said, ok := dialect.Discovery.Add[name]; ok {
				check = dialectMember(name, said)
			}
			if check == nil {
				t.Fatal("it is advertised, and nothing here tries it")
			}
			check(t, value)
		})
	}
	same := func(a, b string) {
		if doc[a] != nil && !sameJSON(t, doc[a], doc[b]) {
			t.Errorf("%s differs from %s", a, b)
		}
	}
	same("introspection_endpoint_auth_signing_alg_values_supported", "token_endpoint_auth_signing_alg_values_supported")
	same("revocation_endpoint_auth_signing_alg_values_supported", "token_endpoint_auth_signing_alg_values_supported")
}
