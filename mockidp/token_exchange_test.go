// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/ingress-auth/conformance/mockidp"
)

const (
	exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"
	accessURI     = "urn:ietf:params:oauth:token-type:access_token"
	idURI         = "urn:ietf:params:oauth:token-type:id_token"
)

func (s *idp) exchange(form url.Values, overrides ...string) answer {
	s.t.Helper()
	form.Set("grant_type", exchangeGrant)
	return s.token(override(form, overrides), basicAuth("machine", "s3cret"))
}

type exchanged struct {
	AccessToken     string `json:"access_token"`
	IssuedTokenType string `json:"issued_token_type"`
	TokenType       string `json:"token_type"`
	Scope           string `json:"scope"`
	IDToken         string `json:"id_token"`
	RefreshToken    string `json:"refresh_token"`
}

func (s *idp) exchanged(a answer) exchanged {
	s.t.Helper()
	var out exchanged
	if err := json.Unmarshal([]byte(a.body), &out); err != nil || a.StatusCode != http.StatusOK {
		s.t.Fatalf("status %d: %s", a.StatusCode, a.body)
	}
	return out
}

func TestTokenExchange_RFC8693(t *testing.T) {
	start := func(t *testing.T) (*idp, tokens) {
		s := newIDP(t, nil)
		return s, s.tokens(s.token(codeParams(s.code("alice", "scope", "openid email api:read"))))
	}
	t.Run("2.2.1: impersonation; audience and resource are the new token's aud", func(t *testing.T) {
		s, got := start(t)
		out := s.exchanged(s.exchange(url.Values{"subject_token": {got.AccessToken}, "subject_token_type": {accessURI}, "audience": {"other"}, "resource": {"https://api.example/"}}, "scope", "api:read"))
		if out.IssuedTokenType != accessURI || out.TokenType != "Bearer" || out.Scope != "api:read" || out.RefreshToken != "" || out.IDToken != "" {
			t.Errorf("%+v", out)
		}
		claims := s.introspect(out.AccessToken)
		if claims["sub"] != "sub-alice" || claims["client_id"] != "machine" || claims["act"] != nil || !sameJSON(t, claims["aud"], []string{"https://api.example/", "other"}) {
			t.Errorf("introspection %v", claims)
		}
	})
	t.Run("4.1: delegation has act, and a chain", func(t *testing.T) {
		s, got := start(t)
		machine := s.tokens(s.token(url.Values{"grant_type": {"client_credentials"}}, basicAuth("machine", "s3cret")))
		form := func(subject string) url.Values {
			return url.Values{"subject_token": {subject}, "subject_token_type": {accessURI}, "actor_token": {machine.AccessToken}, "actor_token_type": {accessURI}}
		}
		first := s.exchanged(s.exchange(form(got.AccessToken)))
		if claims := s.introspect(first.AccessToken); !sameJSON(t, claims["act"], map[string]any{"iss": issuer, "sub": "machine"}) {
			t.Errorf("introspection %v", claims)
		}
		second := s.exchanged(s.exchange(form(first.AccessToken)))
		if claims := s.introspect(second.AccessToken); !sameJSON(t, claims["act"], map[string]any{"iss": issuer, "sub": "machine", "act": map[string]any{"iss": issuer, "sub": "machine"}}) {
			t.Errorf("introspection %v", claims)
		}
	})
	t.Run("2.2.1: an ID token is no access token, so N_A", func(t *testing.T) {
		s, got := start(t)
		out := s.exchanged(s.exchange(url.Values{"subject_token": {got.IDToken}, "subject_token_type": {idURI}, "requested_token_type": {idURI}, "audience": {"other"}}))
		_, claims := s.claims(out.AccessToken)
		if out.IssuedTokenType != idURI || out.TokenType != "N_A" || claims["aud"] != "other" || claims["azp"] != "machine" || claims["sub"] != "sub-alice" || claims["nonce"] != nil {
			t.Errorf("%+v, claims %v", out, claims)
		}
	})
	t.Run("what is made of a token ends with it", func(t *testing.T) {
		s, got := start(t)
		out := s.exchanged(s.exchange(url.Values{"subject_token": {got.AccessToken}, "subject_token_type": {accessURI}}))
		if s.introspect(out.AccessToken)["active"] != true {
			t.Fatal("not active")
		}
		s.endSession("id_token_hint", got.IDToken)
		s.inactive(out.AccessToken)
	})
	for name, test := range map[string]struct {
		overrides []string
		err       string
	}{
		"2.1: subject_token is required":          {[]string{"subject_token", ""}, "invalid_request"},
		"2.1: subject_token_type is required":     {[]string{"subject_token_type", ""}, "invalid_request"},
		"2.1: subject_token_type must fit":        {[]string{"subject_token_type", idURI}, "invalid_request"},
		"2.1: actor_token_type alone":             {[]string{"actor_token_type", accessURI}, "invalid_request"},
		"2.1: actor_token without its type":       {[]string{"actor_token", "x"}, "invalid_request"},
		"2.2.2: an unknown subject_token":         {[]string{"subject_token", "x"}, "invalid_request"},
		"2.1: an unknown requested_token_type":    {[]string{"requested_token_type", "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"},
		"2.2.2: an unknown audience":              {[]string{"audience", "nobody"}, "invalid_target"},
		"2.1: a resource that is not absolute":    {[]string{"resource", "/x"}, "invalid_target"},
		"2.1: a resource with a fragment":         {[]string{"resource", "https://a.example/#x"}, "invalid_target"},
		"2.1: scope beyond the subject_token's":   {[]string{"scope", "openid groups"}, "invalid_scope"},
		"an ID token out of scope without openid": {[]string{"scope", "email", "requested_token_type", idURI}, "invalid_scope"},
	} {
		t.Run(name, func(t *testing.T) {
			s, got := start(t)
			s.wantTokenError(s.exchange(url.Values{"subject_token": {got.AccessToken}, "subject_token_type": {accessURI}}, test.overrides...), 400, test.err)
		})
	}
	t.Run("2.2.2: an expired ID token, a client's own token", func(t *testing.T) {
		s, _ := start(t)
		s.wantTokenError(s.exchange(url.Values{"subject_token": {s.mint("alice", "app", mockidp.ExpiresIn(0))}, "subject_token_type": {idURI}}), 400, "invalid_request")
		machine := s.tokens(s.token(url.Values{"grant_type": {"client_credentials"}}, basicAuth("machine", "s3cret")))
		s.wantTokenError(s.exchange(url.Values{"subject_token": {machine.AccessToken}, "subject_token_type": {accessURI}}), 400, "invalid_request")
	})
	t.Run("the client must be registered for it", func(t *testing.T) {
		s, got := start(t)
		s.wantTokenError(s.token(url.Values{"grant_type": {exchangeGrant}, "subject_token": {got.AccessToken}, "subject_token_type": {accessURI}}), 400, "unauthorized_client")
	})
}
