// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/ingress-auth/conformance/mockidp"
)

func open(c *mockidp.Config) { c.EnableRegistration = true }

func (s *idp) register(body string) (answer, map[string]any) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.at("registration"), strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	a := s.do(s.browser, r)
	var out map[string]any
	if err := json.Unmarshal([]byte(a.body), &out); err != nil {
		s.t.Fatalf("status %d: %s", a.StatusCode, a.body)
	}
	return a, out
}

func TestRegistration_OIDCR_3_And_RFC7591_3(t *testing.T) {
	t.Run("3.2: a client registers, with the specification's defaults, and signs in", func(t *testing.T) {
		s := newIDP(t, open)
		a, got := s.register(`{"redirect_uris":["` + callback + `"],"client_name":"New","unknown_member":1}`)
		if a.StatusCode != http.StatusCreated {
			t.Fatalf("status %d: %s", a.StatusCode, a.body)
		}
		wantHeader(t, a, "Cache-Control", "no-store")
		id, secret := got["client_id"].(string), got["client_secret"].(string)
		if got["client_secret_expires_at"] != float64(0) || got["client_id_issued_at"] != float64(s.clock.Now().Unix()) || got["token_endpoint_auth_method"] != "client_secret_basic" ||
			!sameJSON(t, got["response_types"], []string{"code"}) || got["application_type"] != "web" || got["id_token_signed_response_alg"] != "RS256" || got["unknown_member"] != nil {
			t.Errorf("%v", got)
		}
		code := s.code("alice", "client_id", id)
		s.wantTokenError(s.token(codeParams(code, "client_id", id, "client_secret", secret), func(*http.Request) {}), 401, "invalid_client")
		tokens := s.tokens(s.token(codeParams(code), basicAuth(id, secret)))
		if _, claims := s.claims(tokens.IDToken); claims["aud"] != id {
			t.Errorf("claims %v", claims)
		}
	})
	t.Run("4: a client reads its registration with its token only", func(t *testing.T) {
		s := newIDP(t, open)
		_, got := s.register(`{"redirect_uris":["` + callback + `"]}`)
		read := func(token string) answer {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, got["registration_client_uri"].(string), nil)
			if err != nil {
				t.Fatal(err)
			}
			if token != "" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			return s.do(s.browser, r)
		}
		var again map[string]any
		if a := read(got["registration_access_token"].(string)); a.StatusCode != http.StatusOK || json.Unmarshal([]byte(a.body), &again) != nil || !sameJSON(t, again, got) {
			t.Errorf("status %d: %s", a.StatusCode, a.body)
		}
		for _, wrong := range []string{"", "x", got["client_secret"].(string)} {
			if a := read(wrong); a.StatusCode != http.StatusUnauthorized {
				t.Errorf("status %d", a.StatusCode)
			}
		}
		if a := s.get(issuer + "/register/app"); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("a configured client: status %d", a.StatusCode)
		}
	})
	t.Run("2: a client with keys has no secret; a public one neither", func(t *testing.T) {
		s := newIDP(t, open)
		keys, err := json.Marshal(clientKeys())
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range []string{
			`{"redirect_uris":["` + callback + `"],"token_endpoint_auth_method":"private_key_jwt","jwks":` + string(keys) + `}`,
			`{"redirect_uris":["` + callback + `"],"token_endpoint_auth_method":"none"}`,
		} {
			a, got := s.register(body)
			if a.StatusCode != http.StatusCreated || got["client_secret"] != nil || got["client_secret_expires_at"] != nil {
				t.Errorf("status %d: %v", a.StatusCode, got)
			}
		}
		_, got := s.register(`{"redirect_uris":["` + callback + `"],"token_endpoint_auth_method":"client_secret_jwt"}`)
		if len(got["client_secret"].(string)) < 32 {
			t.Errorf("%v", got)
		}
	})
	t.Run("RFC 8705 2: a client with a certificate has no secret", func(t *testing.T) {
		authority := newCertifier()
		certificate := authority.certify(func(c *x509.Certificate) { c.DNSNames = []string{"app.example"} })
		s := newIDP(t, func(c *mockidp.Config) { open(c); c.ClientCertificateAuthorities = authority.pem() }, mockidp.WithClientCertificates())
		_, got := s.register(`{"grant_types":["client_credentials"],"token_endpoint_auth_method":"tls_client_auth","tls_client_auth_san_dns":"app.example","tls_client_certificate_bound_access_tokens":true}`)
		if got["client_secret"] != nil || got["tls_client_auth_san_dns"] != "app.example" || got["tls_client_certificate_bound_access_tokens"] != true {
			t.Fatalf("%v", got)
		}
		form := url.Values{"grant_type": {"client_credentials"}, "client_id": {got["client_id"].(string)}}
		s.tokens(s.token(form, withCertificate(certificate)))
		s.wantTokenError(s.token(form, withCertificate(authority.certify(nil))), 401, "invalid_client")
		if a, got := s.register(`{"grant_types":["client_credentials"],"token_endpoint_auth_method":"tls_client_auth"}`); a.StatusCode != http.StatusBadRequest || got["error"] != "invalid_client_metadata" {
			t.Errorf("nobody's: status %d: %v", a.StatusCode, got)
		}
	})
	for name, test := range map[string]struct{ body, err string }{
		"3.3: no redirect_uris":                      {`{}`, "invalid_redirect_uri"},
		"3.3: a redirect_uri with a fragment":        {`{"redirect_uris":["https://a.example/#x"]}`, "invalid_redirect_uri"},
		"3.3: a redirect_uri that runs code":         {`{"redirect_uris":["javascript:alert(1)"]}`, "invalid_redirect_uri"},
		"3.3: an unknown method":                     {`{"redirect_uris":["https://a.example/"],"token_endpoint_auth_method":"magic"}`, "invalid_client_metadata"},
		"RFC 8705 2: certificates without TLS":       {`{"redirect_uris":["https://a.example/"],"token_endpoint_auth_method":"tls_client_auth","tls_client_auth_san_dns":"a.example"}`, "invalid_client_metadata"},
		"RFC 8705 3: bound tokens without TLS":       {`{"redirect_uris":["https://a.example/"],"tls_client_certificate_bound_access_tokens":true}`, "invalid_client_metadata"},
		"3.3: private_key_jwt without keys":          {`{"redirect_uris":["https://a.example/"],"token_endpoint_auth_method":"private_key_jwt"}`, "invalid_client_metadata"},
		"3.3: an algorithm without a key":            {`{"redirect_uris":["https://a.example/"],"id_token_signed_response_alg":"PS512"}`, "invalid_client_metadata"},
		"3.3: alg none":                              {`{"redirect_uris":["https://a.example/"],"id_token_signed_response_alg":"none"}`, "invalid_client_metadata"},
		"2: jwks_uri and jwks":                       {`{"redirect_uris":["https://a.example/"],"jwks_uri":"https://a.example/jwks","jwks":{"keys":[]}}`, "invalid_client_metadata"},
		"Core 8.1: pairwise on two hosts":            {`{"redirect_uris":["https://a.example/","https://b.example/"],"subject_type":"pairwise"}`, "invalid_client_metadata"},
		"5: sector_identifier_uri that is not https": {`{"redirect_uris":["https://a.example/"],"sector_identifier_uri":"http://a.example/s"}`, "invalid_client_metadata"},
		"5: sector_identifier_uri that is no URL":    {`{"redirect_uris":["https://a.example/"],"sector_identifier_uri":"x"}`, "invalid_client_metadata"},
		"3.3: an unknown grant type":                 {`{"redirect_uris":["https://a.example/"],"grant_types":["password"]}`, "invalid_client_metadata"},
		"3.3: not JSON":                              {`x`, "invalid_client_metadata"},
		"3.3: a member of a wrong type":              {`{"redirect_uris":"https://a.example/"}`, "invalid_client_metadata"},
		"FCL 2: a logout URI that is no URL":         {`{"redirect_uris":["https://a.example/"],"frontchannel_logout_uri":"x"}`, "invalid_client_metadata"},
		"CSP: a logout URI that ends a directive":    {`{"redirect_uris":["https://a.example/"],"frontchannel_logout_uri":"https://a;script-src/"}`, "invalid_client_metadata"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newIDP(t, open)
			if a, got := s.register(test.body); a.StatusCode != http.StatusBadRequest || got["error"] != test.err {
				t.Errorf("status %d: %v, want %s", a.StatusCode, got, test.err)
			}
		})
	}
	t.Run("it is off unless it is switched on", func(t *testing.T) {
		s := newIDP(t, nil)
		if a := s.post(issuer+"/register", url.Values{}); a.StatusCode != http.StatusNotFound {
			t.Errorf("status %d", a.StatusCode)
		}
		if doc := discovery(t, s, issuer+"/.well-known/openid-configuration"); doc["registration_endpoint"] != nil {
			t.Error("it is advertised all the same")
		}
	})
}

func TestRegistration_OIDCR_5_SectorIdentifier(t *testing.T) {
	const uri = "https://sector.example/uris.json"
	const two = `{"redirect_uris":["https://a.example/cb","https://b.example/cb"],"subject_type":"pairwise","sector_identifier_uri":"` + uri + `"}`
	published := &documents{}
	s := newIDP(t, open, mockidp.WithHTTPClient(&http.Client{Transport: published})) // a client that would follow redirects
	t.Run("clients of one sector have the same sub, on whatever hosts", func(t *testing.T) {
		published.put(uri, `["https://a.example/cb","https://b.example/cb","https://c.example/cb"]`)
		subs := map[string]bool{}
		for _, body := range []string{two, `{"redirect_uris":["https://c.example/cb"],"subject_type":"pairwise","sector_identifier_uri":"` + uri + `"}`} {
			a, got := s.register(body)
			if a.StatusCode != http.StatusCreated || got["sector_identifier_uri"] != uri {
				t.Fatalf("status %d: %v", a.StatusCode, got)
			}
			subs[s.subAt(got["client_id"].(string))] = true
		}
		_, got := s.register(`{"redirect_uris":["https://a.example/cb"],"subject_type":"pairwise"}`)
		if own := s.subAt(got["client_id"].(string)); len(subs) != 1 || subs[own] || subs["sub-alice"] {
			t.Errorf("%v, and of another sector %s", subs, own)
		}
	})
	for name, answer := range map[string]string{
		"one redirect URI is not listed":    `["https://a.example/cb"]`,
		"one is listed with another ending": `["https://a.example/cb","https://b.example/cb/"]`,
		"no array":                          `{"redirect_uris":["https://a.example/cb","https://b.example/cb"]}`,
		"null":                              `null`,
		"not JSON":                          `<html>`,
		"too large":                         `["https://a.example/cb","https://b.example/cb","` + strings.Repeat("x", 1<<20) + `"]`,
		"it is elsewhere":                   "redirect:https://elsewhere.example/uris.json",
		"empty":                             "",
	} {
		t.Run(name, func(t *testing.T) {
			published.put("https://elsewhere.example/uris.json", `["https://a.example/cb","https://b.example/cb"]`)
			published.put(uri, answer)
			if a, got := s.register(two); a.StatusCode != http.StatusBadRequest || got["error"] != "invalid_client_metadata" || !strings.Contains(got["error_description"].(string), "sector_identifier_uri") {
				t.Errorf("status %d: %v", a.StatusCode, got)
			}
		})
	}
}

// subAt is how a client knows alice.
func (s *idp) subAt(client string) string {
	s.t.Helper()
	token, err := s.MintIDToken("alice", client)
	if err != nil {
		s.t.Fatal(err)
	}
	_, claims := s.claims(token)
	return claims["sub"].(string)
}

// FuzzRegistration: never a panic; whoever is registered can be asked about.
func FuzzRegistration(f *testing.F) {
	f.Add(`{"redirect_uris":["https://a.example/cb"],"jwks":{"keys":[]},"response_types":["code id_token"]}`)
	f.Add(`{"redirect_uris":["com.app:/cb"],"application_type":"native","frontchannel_logout_uri":"https://a.example/"}`)
	f.Add(`{"token_endpoint_auth_method":"tls_client_auth","tls_client_auth_san_ip":"::1","tls_client_auth_subject_dn":"CN=\\"}`)
	f.Add(`{"redirect_uris":[null],"jwks":null,"grant_types":["implicit"]}`)
	s := newIDP(f, open, quiet(), mockidp.WithClientCertificates())
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, "/register", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if !json.Valid(w.Body.Bytes()) || (w.Code != http.StatusCreated && w.Code != http.StatusBadRequest) {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
	})
}
