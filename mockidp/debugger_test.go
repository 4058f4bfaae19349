// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ingress-auth/conformance/mockidp"
)

func TestDebugger_ShowsTheLastFlows(t *testing.T) {
	s := newIDP(t, nil, mockidp.WithDebugger())
	code := s.code("alice", "scope", "openid offline_access email")
	got := s.tokens(s.token(codeParams(code)))
	s.userinfo(got.AccessToken)
	again := s.tokens(s.refresh(got.RefreshToken))
	s.token(codeParams("made-up"))
	s.browser = s.newBrowser()
	s.authorize("response_type", "nonsense")
	page := s.get(issuer + "/debugger")
	s.wantPage(page, http.StatusOK, "Last flows")

	t.Run("what belongs together is one flow", func(t *testing.T) {
		for _, want := range []string{"authorization → login → token → userinfo → token", "Flow 1: app, sub-alice", "Flow 2: app", "unsupported_response_type", "Other requests", "invalid_grant"} {
			if !strings.Contains(page.body, want) {
				t.Errorf("no %q in %s", want, page.body)
			}
		}
		if strings.Index(page.body, "Flow 2") > strings.Index(page.body, "Flow 1") {
			t.Error("the newest is not the first")
		}
		first := s.Requests(mockidp.RequestFilter{Endpoint: "authorization"})[0]
		info := s.Requests(mockidp.RequestFilter{Endpoint: "userinfo"})[0]
		if first.Flow == "" || first.Flow != info.Flow {
			t.Errorf("flows %q and %q", first.Flow, info.Flow)
		}
	})
	t.Run("the nonce of the request and of the ID token have one hash", func(t *testing.T) {
		token := s.Requests(mockidp.RequestFilter{Endpoint: "token"})[0]
		if asked := s.Requests(mockidp.RequestFilter{Endpoint: "authorization"})[0].Params["nonce"][0]; asked != token.IDTokenClaims["nonce"] || !strings.HasPrefix(asked, "hash:") {
			t.Errorf("%v and %v", asked, token.IDTokenClaims["nonce"])
		}
		wantClaims(t, token.IDTokenClaims, map[string]any{"email": "alice@example.com", "aud": "app"})
	})
	t.Run("nothing secret is on it", func(t *testing.T) {
		secrets := []string{code, got.AccessToken, got.RefreshToken, got.IDToken, again.AccessToken, again.IDToken, again.RefreshToken, "s3cret", verifier, "n-1", "st&amp;a te", "made-up"}
		for _, c := range s.browser.Jar.Cookies(mustParse(t, issuer)) {
			secrets = append(secrets, c.Value)
		}
		for _, secret := range secrets {
			if secret == "" || strings.Contains(page.body, secret) {
				t.Errorf("the page holds %q", secret)
			}
		}
	})
	t.Run("it is not there unless asked for, and does not show itself", func(t *testing.T) {
		if a := newIDP(t, nil, mockidp.WithRecording()).get(issuer + "/debugger"); a.StatusCode != http.StatusNotFound {
			t.Errorf("status %d", a.StatusCode)
		}
		if n := len(s.Requests(mockidp.RequestFilter{Endpoint: "debugger"})); n != 0 {
			t.Errorf("%d requests of the page itself", n)
		}
	})
	t.Run("a tenant has a page of its own", func(t *testing.T) {
		if _, err := s.AddTenant(mockidp.Tenant{Path: "/t/1"}); err != nil {
			t.Fatal(err)
		}
		s.wantPage(s.get(issuer+"/t/1/debugger"), http.StatusOK, "Nobody has signed in yet")
		s.wantPage(s.get(issuer+"/debugger"), http.StatusOK, issuer+"/t/1/debugger")
	})
}
