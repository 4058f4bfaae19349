// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/ingress-auth/conformance/mockidp"
)

const bye = "https://app.example/bye"

func (s *idp) endSession(params ...string) answer {
	s.t.Helper()
	return s.get(issuer + "/end_session?" + override(url.Values{}, params).Encode())
}

func (s *idp) signedIn() bool {
	s.t.Helper()
	return s.redirected(s.authorize("prompt", "none"), callback).Get("code") != ""
}

func (s *idp) mint(user, client string, edits ...mockidp.ClaimsEdit) string {
	s.t.Helper()
	token, err := s.MintIDToken(user, client, edits...)
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

func TestEndSession_RPInitiatedLogout(t *testing.T) {
	start := func(t *testing.T) *idp {
		s := newIDP(t, nil)
		s.login("alice")
		return s
	}
	t.Run("3: with a hint of the user: signed out, sent back, state and all", func(t *testing.T) {
		s := start(t)
		a := s.endSession("id_token_hint", s.mint("alice", "app"), "post_logout_redirect_uri", bye, "state", "a&b c")
		wantHeader(t, a, "Location", bye+"?state=a%26b+c")
		wantHeader(t, a, "Cache-Control", "no-store")
		if s.signedIn() {
			t.Error("the session lives on")
		}
	})
	t.Run("3: no state in, no state out; the query is kept", func(t *testing.T) {
		s := start(t)
		wantHeader(t, s.endSession("id_token_hint", s.mint("alice", "app"), "post_logout_redirect_uri", bye+"?x=1"), "Location", bye+"?x=1")
	})
	t.Run("2: an expired hint will do", func(t *testing.T) {
		s := start(t)
		wantHeader(t, s.endSession("id_token_hint", s.mint("alice", "app", mockidp.ExpiresIn(-time.Hour)), "post_logout_redirect_uri", bye), "Location", bye)
	})
	t.Run("2: POST serves as GET does", func(t *testing.T) {
		s := start(t)
		a := s.post(issuer+"/end_session", url.Values{"id_token_hint": {s.mint("alice", "app")}, "post_logout_redirect_uri": {bye}})
		wantHeader(t, a, "Location", bye)
		if a.StatusCode != http.StatusSeeOther || s.signedIn() {
			t.Errorf("status %d", a.StatusCode)
		}
	})
	t.Run("2: without a redirect there is a page", func(t *testing.T) {
		s := start(t)
		s.wantPage(s.endSession("id_token_hint", s.mint("alice", "app")), http.StatusOK, "You are signed out")
		if s.signedIn() {
			t.Error("the session lives on")
		}
	})
	t.Run("2: without parameters and without a session there is a page", func(t *testing.T) {
		s := newIDP(t, nil)
		s.wantPage(s.endSession(), http.StatusOK, "You are signed out")
	})
	for name, params := range map[string]func(*idp) []string{
		"no hint":           func(*idp) []string { return nil },
		"a hint of another": func(s *idp) []string { return []string{"id_token_hint", s.mint("bob", "app")} },
		"client_id alone":   func(*idp) []string { return []string{"client_id", "app", "post_logout_redirect_uri", bye} },
		"a hint of a stranger": func(s *idp) []string {
			return []string{"id_token_hint", s.mint("bob", "app", mockidp.Claim("sub", "x"))}
		},
	} {
		t.Run("2: it asks first when there is "+name, func(t *testing.T) {
			s := start(t)
			page := s.endSession(params(s)...)
			s.wantPage(page, http.StatusOK, "Sign out?")
			if !s.signedIn() {
				t.Error("signed out without being asked")
			}
		})
	}
	confirm := func(s *idp, decision string) answer {
		page := s.endSession("client_id", "app", "post_logout_redirect_uri", bye, "state", "x")
		return s.post(issuer+"/end_session/confirm", url.Values{"transaction": {s.transactionOf(page)}, "decision": {decision}})
	}
	t.Run("2: the answer yes", func(t *testing.T) {
		s := start(t)
		wantHeader(t, confirm(s, "sign_out"), "Location", bye+"?state=x")
		if s.signedIn() {
			t.Error("the session lives on")
		}
	})
	t.Run("2: the answer no", func(t *testing.T) {
		s := start(t)
		wantHeader(t, confirm(s, "stay"), "Location", bye+"?state=x")
		if !s.signedIn() {
			t.Error("signed out all the same")
		}
	})
	t.Run("RFC 6749 10.12: the answer is bound to the browser", func(t *testing.T) {
		s := start(t)
		page := s.endSession()
		mine := s.browser
		s.browser = s.newBrowser()
		s.wantPage(s.post(issuer+"/end_session/confirm", url.Values{"transaction": {s.transactionOf(page)}, "decision": {"sign_out"}}), http.StatusForbidden, "no longer valid")
		s.browser = mine
		if !s.signedIn() {
			t.Error("signed out by another browser")
		}
	})
	t.Run("automatic login answers by itself", func(t *testing.T) {
		s := newIDP(t, autoLogin("alice"))
		s.authorize()
		wantHeader(t, s.endSession("client_id", "app", "post_logout_redirect_uri", bye), "Location", bye)
		s.wantError(s.authorize("prompt", "none"), "login_required")
	})
	for name, params := range map[string]func(*idp) []string{
		"not registered": func(s *idp) []string {
			return []string{"id_token_hint", s.mint("alice", "app"), "post_logout_redirect_uri", "https://evil.example/"}
		},
		"query added": func(s *idp) []string {
			return []string{"id_token_hint", s.mint("alice", "app"), "post_logout_redirect_uri", bye + "?y=1"}
		},
		"another client's": func(s *idp) []string {
			return []string{"id_token_hint", s.mint("alice", "app"), "post_logout_redirect_uri", "https://other.example/bye"}
		},
		"no client": func(*idp) []string { return []string{"post_logout_redirect_uri", bye} },
		"client_id of another": func(s *idp) []string {
			return []string{"id_token_hint", s.mint("alice", "app"), "client_id", "other", "post_logout_redirect_uri", bye}
		},
		"unknown client": func(*idp) []string { return []string{"client_id", "nobody", "post_logout_redirect_uri", bye} },
		"changed hint": func(s *idp) []string {
			return []string{"id_token_hint", s.mint("alice", "app") + "x", "post_logout_redirect_uri", bye}
		},
		"bad hint": func(*idp) []string { return []string{"id_token_hint", "x", "post_logout_redirect_uri", bye} },
		"other issuer": func(s *idp) []string {
			return []string{"id_token_hint", s.mint("alice", "app", mockidp.Claim("iss", "x"))}
		},
	} {
		t.Run("3: never a redirect, and no logout: "+name, func(t *testing.T) {
			s := start(t)
			s.wantPage(s.endSession(params(s)...), http.StatusBadRequest, "not valid")
			if !s.signedIn() {
				t.Error("signed out all the same")
			}
		})
	}
	t.Run("RFC 6749 3.1: a repeated parameter", func(t *testing.T) {
		s := start(t)
		s.wantPage(s.get(issuer+"/end_session?client_id=app&client_id=other"), http.StatusBadRequest, "more than once")
	})
}

func TestEndSession_BackChannelLogout_2_7_TokensWithoutOfflineAccessEnd(t *testing.T) {
	for scope, survives := range map[string]bool{"openid": false, "openid offline_access": true} {
		s := newIDP(t, func(c *mockidp.Config) { c.Clients[0].IssueRefreshToken = "always" })
		got := s.tokens(s.token(codeParams(s.code("alice", "scope", scope))))
		s.login("alice", "prompt", "login") // a later login of the same user is the same session
		s.endSession("id_token_hint", got.IDToken)
		a := s.refresh(got.RefreshToken)
		if survives {
			s.tokens(a)
			continue
		}
		s.wantTokenError(a, 400, "invalid_grant")
		if a := s.userinfo(got.AccessToken); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("the access token still works: %d", a.StatusCode)
		}
	}
	t.Run("a code that was not redeemed in time ends too", func(t *testing.T) {
		s := newIDP(t, nil)
		code := s.code("alice")
		s.endSession("id_token_hint", s.mint("alice", "app"))
		s.wantTokenError(s.token(codeParams(code)), 400, "invalid_grant")
	})
}
