// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/ingress-auth/conformance/mockidp"
)

// fragment returns the parameters of a redirect with a fragment.
func (s *idp) fragment(a answer) url.Values {
	s.t.Helper()
	location := a.Header.Get("Location")
	if (a.StatusCode != http.StatusFound && a.StatusCode != http.StatusSeeOther) || !strings.HasPrefix(location, callback+"#") {
		s.t.Fatalf("status %d, Location %q, want a fragment; body: %s", a.StatusCode, location, a.body)
	}
	values, err := url.ParseQuery(location[len(callback)+1:])
	if err != nil {
		s.t.Fatal(err)
	}
	return values
}

var formField = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// formPost returns the fields of a form_post page.
func (s *idp) formPost(a answer) url.Values {
	s.t.Helper()
	s.wantPage(a, http.StatusOK, `<form method="post" action="`+callback+`">`)
	values := url.Values{}
	for _, m := range formField.FindAllStringSubmatch(a.body, -1) {
		values.Add(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	return values
}

func leftHalfSHA256(value string) string {
	hash := sha256.Sum256([]byte(value))
	return base64.RawURLEncoding.EncodeToString(hash[:16])
}

func TestAuthorize_MultipleResponseTypes_2_1_ResponseModes(t *testing.T) {
	s := newIDP(t, autoLogin("alice"))
	state := "st&a te=%+é"
	t.Run("fragment", func(t *testing.T) {
		s.t = t
		got := s.fragment(s.authorize("response_mode", "fragment"))
		if got.Get("code") == "" || got.Get("state") != state || got.Get("iss") != issuer || len(got) != 3 {
			t.Errorf("answer %v", got)
		}
	})
	t.Run("query is the default of code", func(t *testing.T) {
		s.t = t
		for _, mode := range []string{"", "query"} {
			if got := s.redirected(s.authorize("response_mode", mode), callback); got.Get("code") == "" || len(got) != 3 {
				t.Errorf("answer %v", got)
			}
		}
	})
	t.Run("errors go the way that was asked for", func(t *testing.T) {
		s.t = t
		if got := s.fragment(s.authorize("response_mode", "fragment", "max_age", "x")); got.Get("error") != "invalid_request" || got.Get("iss") != issuer {
			t.Errorf("answer %v", got)
		}
		if got := s.formPost(s.authorize("response_mode", "form_post", "max_age", "x")); got.Get("error") != "invalid_request" || got.Get("state") != state {
			t.Errorf("answer %v", got)
		}
		if got := s.fragment(s.authorize("response_type", "code id_token")); got.Get("error") != "unauthorized_client" {
			t.Errorf("answer %v", got)
		}
	})
}

func TestAuthorize_FormPost_2(t *testing.T) {
	s := newIDP(t, autoLogin("alice"))
	t.Run("the answer is in a form that posts itself, escaped", func(t *testing.T) {
		s.t = t
		a := s.authorize("response_mode", "form_post", "state", `"><script>alert(1)</script>`)
		got := s.formPost(a)
		if got.Get("code") == "" || got.Get("state") != `"><script>alert(1)</script>` || got.Get("iss") != issuer || len(got) != 3 {
			t.Errorf("answer %v", got)
		}
		wantHeader(t, a, "Cache-Control", "no-store")
		script := regexp.MustCompile(`<script>(.*)</script>`).FindStringSubmatch(a.body)
		if script == nil || !strings.Contains(script[1], "submit") || strings.Count(a.body, "<script") != 1 {
			t.Fatalf("page %s", a.body)
		}
		hash := sha256.Sum256([]byte(script[1]))
		if policy := a.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "script-src 'sha256-"+base64.StdEncoding.EncodeToString(hash[:])+"'") {
			t.Errorf("the policy does not let the script run: %s", policy)
		}
		if regexp.MustCompile(`(src|href)=`).MatchString(a.body) {
			t.Error("the page loads something")
		}
	})
	t.Run("it works without state", func(t *testing.T) {
		s.t = t
		if got := s.formPost(s.authorize("response_mode", "form_post", "state", "")); got.Has("state") || got.Get("code") == "" {
			t.Errorf("answer %v", got)
		}
	})
}

func TestAuthorize_Core_3_2_And_3_3_ImplicitAndHybrid(t *testing.T) {
	for responseType, want := range map[string][]string{
		"id_token":            {"id_token"},
		"id_token token":      {"id_token", "access_token"},
		"token id_token":      {"id_token", "access_token"},
		"code id_token":       {"id_token", "code"},
		"code token":          {"code", "access_token"},
		"code id_token token": {"code", "id_token", "access_token"},
	} {
		for _, mode := range []string{"", "form_post"} {
			t.Run(responseType+" "+mode, func(t *testing.T) {
				s := newIDP(t, autoLogin("alice"))
				a := s.authorize("client_id", "hybrid", "response_type", responseType, "scope", "openid email", "response_mode", mode)
				got := url.Values{}
				if mode == "" {
					got = s.fragment(a)
				} else {
					got = s.formPost(a)
				}
				others := 2 // state, iss
				if got.Has("access_token") {
					others += 3
					if got.Get("token_type") != "Bearer" || got.Get("expires_in") != "300" || got.Get("scope") != "openid email" {
						t.Errorf("answer %v", got)
					}
					if a := s.userinfo(got.Get("access_token")); a.StatusCode != http.StatusOK {
						t.Errorf("userinfo answers %d", a.StatusCode)
					}
				}
				for _, name := range want {
					if got.Get(name) == "" {
						t.Errorf("%s is missing in %v", name, got)
					}
				}
				if len(got) != len(want)+others {
					t.Errorf("answer %v, want no more than %v", got, want)
				}
				if got.Has("id_token") {
					_, claims := s.claims(got.Get("id_token"))
					hashes := map[string]string{"at_hash": got.Get("access_token"), "c_hash": got.Get("code")}
					for name, of := range hashes {
						if of == "" && claims[name] != nil {
							t.Errorf("%s without what it is the hash of", name)
						}
						if of != "" && claims[name] != leftHalfSHA256(of) {
							t.Errorf("%s %v", name, claims[name])
						}
					}
					if claims["nonce"] != "n-1" || claims["sub"] != "sub-alice" || claims["aud"] != "hybrid" {
						t.Errorf("claims %v", claims)
					}
					if hybrid := got.Has("code"); hybrid != (claims["s_hash"] != nil) {
						t.Errorf("s_hash %v", claims["s_hash"])
					}
				}
				if got.Has("code") {
					tokens := s.tokens(s.token(codeParams(got.Get("code")), basicAuth("hybrid", "s3cret")))
					if _, claims := s.claims(tokens.IDToken); claims["nonce"] != "n-1" || claims["sub"] != "sub-alice" {
						t.Errorf("3.3.3.6: claims %v", claims)
					}
				}
			})
		}
	}
	s := newIDP(t, autoLogin("alice"))
	for name, test := range map[string]struct {
		params []string
		code   string
	}{
		"3.2.2.1: nonce is required with id_token":        {[]string{"response_type", "id_token", "nonce", ""}, "invalid_request"},
		"3.3.2.11: nonce is required with code id_token":  {[]string{"response_type", "code id_token", "nonce", ""}, "invalid_request"},
		"3.2.2.1: openid is required with id_token":       {[]string{"response_type", "id_token token", "scope", "email"}, "invalid_request"},
		"Multiple Response Types 3: no tokens in a query": {[]string{"response_type", "id_token", "response_mode", "query"}, "invalid_request"},
		"PKCE holds for the code of a hybrid flow":        {[]string{"response_type", "code id_token", "code_challenge_method", "plain"}, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			if got := s.fragment(s.authorize(append([]string{"client_id", "hybrid"}, test.params...)...)); got.Get("error") != test.code || len(got) != 4 {
				t.Errorf("answer %v, want %s", got, test.code)
			}
		})
	}
	t.Run("3.3.2.1: nonce is not required with code token", func(t *testing.T) {
		s.t = t
		if got := s.fragment(s.authorize("client_id", "hybrid", "response_type", "code token", "nonce", "")); !got.Has("code") {
			t.Errorf("answer %v", got)
		}
	})
	t.Run("RFC 6749 4.1.2: a replay of the code revokes the token of the front channel too", func(t *testing.T) {
		s.t = t
		got := s.fragment(s.authorize("client_id", "hybrid", "response_type", "code token"))
		s.tokens(s.token(codeParams(got.Get("code")), basicAuth("hybrid", "s3cret")))
		s.wantTokenError(s.token(codeParams(got.Get("code")), basicAuth("hybrid", "s3cret")), 400, "invalid_grant")
		if a := s.userinfo(got.Get("access_token")); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("status %d", a.StatusCode)
		}
	})
	t.Run("Registration 2: a client that registers nothing gets code alone", func(t *testing.T) {
		s.t = t
		for _, responseType := range []string{"id_token", "code id_token", "code token"} {
			if got := s.fragment(s.authorize("response_type", responseType)); got.Get("error") != "unauthorized_client" {
				t.Errorf("%s: %v", responseType, got)
			}
		}
		s := newIDP(t, func(c *mockidp.Config) {
			c.AutoLogin = "alice"
			c.Clients[0].ResponseTypes = []string{"id_token"}
		})
		s.wantError(s.authorize(), "unauthorized_client")
	})
}
