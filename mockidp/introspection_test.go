// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/ingress-auth/conformance/mockidp"
)

func (s *idp) introspect(token string, edits ...func(*http.Request)) map[string]any {
	s.t.Helper()
	if len(edits) == 0 {
		edits = []func(*http.Request){basicAuth("other", "other-secret")}
	}
	a := s.post(issuer+"/introspect", url.Values{"token": {token}}, edits...)
	if a.StatusCode != http.StatusOK {
		s.t.Fatalf("status %d: %s", a.StatusCode, a.body)
	}
	wantHeader(s.t, a, "Cache-Control", "no-store")
	var claims map[string]any
	if err := json.Unmarshal([]byte(a.body), &claims); err != nil {
		s.t.Fatal(err)
	}
	return claims
}

func (s *idp) inactive(token string) {
	s.t.Helper()
	if got := s.introspect(token); !sameJSON(s.t, got, map[string]any{"active": false}) {
		s.t.Errorf("introspection %v, want active false and nothing else", got)
	}
}

func TestIntrospection_RFC7662_2(t *testing.T) {
	for _, format := range []string{"opaque", "jwt"} {
		t.Run("2.2: an access token, "+format, func(t *testing.T) {
			s := newIDP(t, func(c *mockidp.Config) { c.Clients[0].AccessTokenFormat = format })
			now := float64(s.clock.Now().Unix())
			got := s.tokens(s.token(codeParams(s.code("alice", "scope", "openid offline_access"))))
			want := map[string]any{"active": true, "iss": issuer, "aud": issuer, "sub": "sub-alice", "client_id": "app", "username": "alice",
				"scope": "openid offline_access", "token_type": "Bearer", "iat": now, "exp": now + 300, "auth_time": now, "acr": "1", "amr": []string{"pwd"}}
			if claims := s.introspect(got.AccessToken); !sameJSON(t, claims, want) {
				t.Errorf("%v, want %v", claims, want)
			}
			want = map[string]any{"active": true, "iss": issuer, "sub": "sub-alice", "client_id": "app", "username": "alice", "scope": "openid offline_access", "iat": now, "exp": now + 86400}
			if claims := s.introspect(got.RefreshToken); !sameJSON(t, claims, want) {
				t.Errorf("%v, want %v", claims, want)
			}
			s.inactive(got.IDToken)
			s.refresh(got.RefreshToken)
			s.inactive(got.RefreshToken)
			s.clock.advance(5 * time.Minute)
			s.inactive(got.AccessToken)
		})
	}
	t.Run("2.2: an unknown token", func(t *testing.T) { newIDP(t, nil).inactive("x") })
	t.Run("2.1: the caller authenticates", func(t *testing.T) {
		s := newIDP(t, nil)
		none := func(*http.Request) {}
		s.wantTokenError(s.post(issuer+"/introspect", url.Values{"token": {"x"}}, none), 401, "invalid_client")
		s.wantTokenError(s.post(issuer+"/introspect", url.Values{"token": {"x"}}, basicAuth("app", "wrong")), 401, "invalid_client")
		s.wantTokenError(s.post(issuer+"/introspect", url.Values{"token": {"x"}, "client_id": {"spa"}}, none), 401, "invalid_client")
	})
	t.Run("2.1: token is required, once", func(t *testing.T) {
		s := newIDP(t, nil)
		s.wantTokenError(s.post(issuer+"/introspect", url.Values{}, basicAuth("app", "s3cret")), 400, "invalid_request")
		s.wantTokenError(s.post(issuer+"/introspect", url.Values{"token": {"a", "b"}}, basicAuth("app", "s3cret")), 400, "invalid_request")
		if a := s.get(issuer + "/introspect?token=x"); a.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("GET answers %d", a.StatusCode)
		}
	})
}

func TestAccessToken_RFC9068_2_JWT(t *testing.T) {
	s := newIDP(t, func(c *mockidp.Config) { c.Clients[0].AccessTokenFormat = "jwt" })
	got := s.tokens(s.token(codeParams(s.code("alice"))))
	header, claims := s.claims(got.AccessToken)
	if header.ExtraHeaders["typ"] != "at+jwt" || claims["jti"] == nil || claims["client_id"] != "app" || claims["sub"] != "sub-alice" || claims["scope"] != "openid" {
		t.Errorf("header %v, claims %v", header, claims)
	}
	if a := s.userinfo(got.AccessToken); a.StatusCode != http.StatusOK {
		t.Errorf("userinfo answers %d", a.StatusCode)
	}
	t.Run("RFC 8725 3.11: it is no id_token_hint", func(t *testing.T) {
		s.t = t
		s.wantError(s.authorize("id_token_hint", got.AccessToken), "invalid_request")
	})
}

func TestRevocation_RFC7009_2(t *testing.T) {
	revoke := func(s *idp, token string, edits ...func(*http.Request)) answer {
		if len(edits) == 0 {
			edits = []func(*http.Request){basicAuth("app", "s3cret")}
		}
		return s.post(issuer+"/revoke", url.Values{"token": {token}, "token_type_hint": {"whatever"}}, edits...)
	}
	start := func(t *testing.T) (*idp, tokens) {
		s := newIDP(t, nil)
		return s, s.tokens(s.token(codeParams(s.code("alice", "scope", "openid offline_access"))))
	}
	wantOK := func(t *testing.T, a answer) {
		t.Helper()
		if a.StatusCode != http.StatusOK {
			t.Errorf("status %d: %s", a.StatusCode, a.body)
		}
	}
	t.Run("2.1: an access token goes alone", func(t *testing.T) {
		s, got := start(t)
		wantOK(t, revoke(s, got.AccessToken))
		if a := s.userinfo(got.AccessToken); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("userinfo answers %d", a.StatusCode)
		}
		s.inactive(got.AccessToken)
		s.tokens(s.refresh(got.RefreshToken))
	})
	t.Run("2.1: a refresh token takes its access tokens along", func(t *testing.T) {
		s, got := start(t)
		wantOK(t, revoke(s, got.RefreshToken))
		s.inactive(got.AccessToken)
		s.wantTokenError(s.refresh(got.RefreshToken), 400, "invalid_grant")
	})
	t.Run("2.2: an unknown token is fine, and so is a second time", func(t *testing.T) {
		s, got := start(t)
		wantOK(t, revoke(s, "unknown"))
		wantOK(t, revoke(s, got.AccessToken))
		wantOK(t, revoke(s, got.AccessToken))
	})
	t.Run("2.1: another client's token is refused and lives", func(t *testing.T) {
		s, got := start(t)
		for _, token := range []string{got.AccessToken, got.RefreshToken} {
			s.wantTokenError(revoke(s, token, basicAuth("other", "other-secret")), 400, "invalid_grant")
		}
		if s.introspect(got.AccessToken)["active"] != true {
			t.Error("revoked all the same")
		}
	})
	t.Run("2.2.1: an ID token cannot be revoked", func(t *testing.T) {
		s, got := start(t)
		s.wantTokenError(revoke(s, got.IDToken), 400, "unsupported_token_type")
	})
	t.Run("2.1: the client authenticates; a public one names itself", func(t *testing.T) {
		s, _ := start(t)
		s.wantTokenError(revoke(s, "x", basicAuth("app", "wrong")), 401, "invalid_client")
		s.wantTokenError(s.post(issuer+"/revoke", url.Values{}, basicAuth("app", "s3cret")), 400, "invalid_request")
		wantOK(t, s.post(issuer+"/revoke", url.Values{"token": {"x"}, "client_id": {"spa"}}))
	})
}

func TestUserinfo_Core_5_3_2_Signed(t *testing.T) {
	s := newIDP(t, func(c *mockidp.Config) { c.Clients[0].UserinfoSignedResponseAlg = "ES256" })
	a := s.userinfo(s.tokens(s.token(codeParams(s.code("alice", "scope", "openid email")))).AccessToken)
	wantHeader(t, a, "Content-Type", "application/jwt")
	wantHeader(t, a, "Cache-Control", "no-store")
	header, claims := s.claims(a.body)
	if header.Algorithm != "ES256" || claims["iss"] != issuer || claims["aud"] != "app" || claims["sub"] != "sub-alice" || claims["email"] != "alice@example.com" || claims["nonce"] != nil {
		t.Errorf("header %v, claims %v", header, claims)
	}
}

func TestToken_RFC6749_4_4_ClientCredentials(t *testing.T) {
	machine := basicAuth("machine", "s3cret")
	ask := func(s *idp, scope string) answer {
		return s.token(override(url.Values{"grant_type": {"client_credentials"}}, []string{"scope", scope}), machine)
	}
	t.Run("4.4.3: an access token, without refresh and ID token", func(t *testing.T) {
		s := newIDP(t, nil)
		got := s.tokens(ask(s, "api:read"))
		if got.AccessToken == "" || got.RefreshToken != "" || got.IDToken != "" || got.Scope != "api:read" {
			t.Errorf("%+v", got)
		}
		if claims := s.introspect(got.AccessToken); claims["sub"] != "machine" || claims["client_id"] != "machine" || claims["username"] != nil {
			t.Errorf("introspection %v", claims)
		}
		if a := s.userinfo(got.AccessToken); a.StatusCode != http.StatusForbidden {
			t.Errorf("userinfo answers %d", a.StatusCode)
		}
		s.tokens(ask(s, ""))
	})
	t.Run("3.3: no scope that is about a user, none that is unknown", func(t *testing.T) {
		s := newIDP(t, nil)
		for _, scope := range []string{"openid", "api:read profile", "unknown"} {
			s.wantTokenError(ask(s, scope), 400, "invalid_scope")
		}
	})
	t.Run("4.4: not for a public client", func(t *testing.T) {
		s := newIDP(t, func(c *mockidp.Config) { c.Clients[2].GrantTypes = []string{"client_credentials"} })
		s.wantTokenError(s.token(url.Values{"grant_type": {"client_credentials"}, "client_id": {"spa"}}, func(*http.Request) {}), 400, "unauthorized_client")
	})
}
