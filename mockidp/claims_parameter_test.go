// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/ingress-auth/conformance/mockidp"
)

func TestAuthorize_Core_5_5_ClaimsParameter(t *testing.T) {
	t.Run("claims are released where they are asked for, without their scope", func(t *testing.T) {
		s := newIDP(t, autoLogin("alice"))
		got := s.tokens(s.token(codeParams(s.code("alice", "claims", `{"id_token":{"email":null,"unknown":{"essential":true}},"userinfo":{"name":{"essential":true},"groups":{"values":["x"]}},"other":1}`))))
		_, inToken := s.claims(got.IDToken)
		var inUserinfo map[string]any
		if err := json.Unmarshal([]byte(s.userinfo(got.AccessToken).body), &inUserinfo); err != nil {
			t.Fatal(err)
		}
		if inToken["email"] != "alice@example.com" || inToken["name"] != nil || inToken["groups"] != nil || inToken["unknown"] != nil {
			t.Errorf("ID token %v", inToken)
		}
		if inUserinfo["name"] != "Alice" || inUserinfo["groups"] == nil || inUserinfo["email"] != nil {
			t.Errorf("userinfo %v", inUserinfo)
		}
	})
	for name, claims := range map[string]string{
		"not JSON": "x", "not an object": "[]", "null": "null", "userinfo is no object": `{"userinfo":1}`,
		"a claim is no object": `{"id_token":{"email":"x"}}`, "essential is no boolean": `{"id_token":{"email":{"essential":"yes"}}}`,
		"something after it": `{} {}`,
	} {
		t.Run("malformed: "+name, func(t *testing.T) {
			s := newIDP(t, autoLogin("alice"))
			s.wantError(s.authorize("claims", claims), "invalid_request")
		})
	}
	t.Run("5.5.1: a sub with a value is the one user who will do", func(t *testing.T) {
		s := newIDP(t, nil)
		s.login("alice")
		s.wantError(s.authorize("prompt", "none", "claims", `{"id_token":{"sub":{"value":"bob"}}}`), "login_required")
		if got := s.redirected(s.authorize("prompt", "none", "claims", `{"id_token":{"sub":{"value":"sub-alice"}}}`), callback); !got.Has("code") {
			t.Errorf("answer %v", got)
		}
		s.wantError(s.login("alice", "claims", `{"userinfo":{"sub":{"value":"bob"}}}`), "login_required")
		s.wantError(s.authorize("id_token_hint", s.mint("alice", "app"), "claims", `{"userinfo":{"sub":{"value":"bob"}}}`), "invalid_request")
	})
}

func TestAuthorize_Core_3_1_2_1_ACR(t *testing.T) {
	idToken := func(s *idp, overrides ...string) map[string]any {
		_, claims := s.claims(s.tokens(s.token(codeParams(s.code("alice", overrides...)))).IDToken)
		return claims
	}
	t.Run("acr and amr come when they are asked for", func(t *testing.T) {
		s := newIDP(t, nil)
		if claims := idToken(s); claims["acr"] != nil || claims["amr"] != nil {
			t.Errorf("claims %v", claims)
		}
		if claims := idToken(s, "acr_values", "unknown"); claims["acr"] != "1" || !sameJSON(t, claims["amr"], []string{"pwd"}) {
			t.Errorf("claims %v", claims)
		}
		if claims := idToken(s, "claims", `{"id_token":{"amr":null}}`); claims["acr"] != "1" {
			t.Errorf("claims %v", claims)
		}
	})
	t.Run("the first known value is met, by a new login if need be", func(t *testing.T) {
		s := newIDP(t, nil)
		s.login("alice")
		before := s.clock.Now().Unix()
		s.clock.advance(time.Second)
		claims := idToken(s, "acr_values", "unknown 2 1", "prompt", "login")
		if claims["acr"] != "2" || !sameJSON(t, claims["amr"], []string{"pwd", "otp", "mfa"}) || claims["auth_time"] == float64(before) {
			t.Errorf("claims %v", claims)
		}
		s.wantPage(s.authorize("acr_values", "1"), 200, "Sign in")
	})
	t.Run("voluntary: prompt=none takes the session as it is", func(t *testing.T) {
		s := newIDP(t, nil)
		s.login("alice")
		if claims := idToken(s, "acr_values", "2", "prompt", "none"); claims["acr"] != "1" {
			t.Errorf("claims %v", claims)
		}
	})
	t.Run("5.5.1.1: an essential acr is met or the request fails", func(t *testing.T) {
		s := newIDP(t, nil)
		s.login("alice")
		essential := func(values string) string { return `{"id_token":{"acr":{"essential":true,"values":` + values + `}}}` }
		s.wantError(s.authorize("claims", essential(`["2"]`), "prompt", "none"), "login_required")
		s.wantError(s.authorize("claims", essential(`["9"]`)), "unmet_authentication_requirements")
		if claims := idToken(s, "claims", essential(`["9","2"]`), "acr_values", "1"); claims["acr"] != "2" {
			t.Errorf("claims %v", claims)
		}
	})
	t.Run("the configuration names others", func(t *testing.T) {
		s := newIDP(t, func(c *mockidp.Config) {
			c.AuthenticationContexts = []mockidp.AuthenticationContext{{ACR: "urn:x:low"}, {ACR: "urn:x:high", AMR: []string{"hwk"}}}
		})
		if claims := idToken(s, "acr_values", "urn:x:high"); claims["acr"] != "urn:x:high" {
			t.Errorf("claims %v", claims)
		}
	})
}

func FuzzClaimsParameter(f *testing.F) {
	f.Add(`{"userinfo":{"email":null},"id_token":{"acr":{"essential":true,"values":["2",3]},"sub":{"value":"sub-alice"}}}`)
	f.Add(`{"id_token":{"acr":{"essential":true,"value":{"a":[1]}}}}`)
	f.Add(`{"id_token":{"\u0000":null,"iss":{"value":"x"}}}`)
	s := newIDP(f, autoLogin("alice"), quiet())
	f.Fuzz(func(t *testing.T, claims string) {
		if claims == "" {
			return
		}
		s := *s
		s.t = t
		a := s.redirected(s.authorize("claims", claims), callback)
		if !a.Has("code") {
			return
		}
		got := s.tokens(s.token(codeParams(a.Get("code"))))
		if _, in := s.claims(got.IDToken); in["iss"] != issuer || in["sub"] != "sub-alice" || in["aud"] != "app" {
			t.Fatalf("claims %v", in)
		}
	})
}
