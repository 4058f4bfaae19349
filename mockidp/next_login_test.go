// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ingress-auth/conformance/mockidp"
)

func TestNextLogin_AnswersWithoutAPage(t *testing.T) {
	s := newIDP(t, nil)
	queue := func(next mockidp.NextLogin) {
		t.Helper()
		if _, err := s.QueueLogin(next); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("what names the client goes first, else first in, first out", func(t *testing.T) {
		queue(mockidp.NextLogin{User: "bob"})
		queue(mockidp.NextLogin{ClientID: "app", User: "alice@example.com", Claims: map[string]any{"level": 3}, ACR: "2"})
		queue(mockidp.NextLogin{ClientID: "other", User: "nomail"})
		first := s.tokens(s.token(codeParams(s.redirected(s.authorize("acr_values", "1"), callback).Get("code"))))
		wantClaims(t, payload(t, first.IDToken), map[string]any{"sub": "sub-alice", "level": 3, "acr": "2", "department": absent})
		second := s.tokens(s.token(codeParams(s.redirected(s.authorize(), callback).Get("code"))))
		wantClaims(t, payload(t, second.IDToken), map[string]any{"sub": "bob"})
		if left := s.QueuedLogins(); len(left) != 1 || left[0].ClientID != "other" {
			t.Errorf("left %+v", left)
		}
		s.ClearLogins()
	})
	t.Run("it goes before the session and prompt, and narrows the scope", func(t *testing.T) {
		queue(mockidp.NextLogin{User: "alice", Scope: "openid email"})
		q := s.redirected(s.authorize("prompt", "login", "scope", "openid email profile"), callback)
		if got := s.tokens(s.token(codeParams(q.Get("code")))); got.Scope != "openid email" {
			t.Errorf("scope %q", got.Scope)
		}
	})
	t.Run("an error goes back as often as asked, with state and iss", func(t *testing.T) {
		queue(mockidp.NextLogin{Error: "temporarily_unavailable", ErrorDescription: "Come back later", Times: 2})
		for range 2 {
			a := s.authorize()
			s.wantError(a, "temporarily_unavailable")
			if q := s.redirected(a, callback); q.Get("state") == "" || q.Get("error_description") != "Come back later" {
				t.Errorf("answer %v", q)
			}
		}
		if q := s.redirected(s.authorize(), callback); q.Get("code") == "" {
			t.Errorf("the third time: %v", q)
		}
	})
	t.Run("a request that is wrong does not use it up", func(t *testing.T) {
		queue(mockidp.NextLogin{User: "bob"})
		s.wantError(s.authorize("max_age", "x"), "invalid_request")
		if len(s.QueuedLogins()) != 1 {
			t.Error("it is used up")
		}
		s.Reset()
		if len(s.QueuedLogins()) != 0 {
			t.Error("it waits after a reset")
		}
	})
	t.Run("mistakes are named", func(t *testing.T) {
		for want, next := range map[string]mockidp.NextLogin{
			"a user or an error":  {},
			"no client":           {ClientID: "x", User: "alice"},
			"no user":             {User: "zoe"},
			"no claims":           {Error: "x", Scope: "openid"},
			"set by the protocol": {User: "alice", Claims: map[string]any{"iss": "x"}},
			"without error":       {User: "alice", ErrorDescription: "x"},
			"negative":            {User: "alice", Times: -1},
			"printable":           {Error: "a\nb"},
		} {
			if _, err := s.QueueLogin(next); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: %v, want %q", next, err, want)
			}
		}
	})
}

func TestAuthorize_Headless(t *testing.T) {
	s := newIDP(t, nil)
	ask := func(user string, claims map[string]any, params ...string) (mockidp.HeadlessAnswer, error) {
		in := mockidp.HeadlessAuthorization{User: user, Claims: claims, Params: map[string]string{}}
		for i := 0; i+1 < len(params); i += 2 {
			in.Params[params[i]] = params[i+1]
		}
		return s.Authorize(t.Context(), in)
	}
	t.Run("the code is as good as one of a browser", func(t *testing.T) {
		a, err := ask("alice", map[string]any{"level": 3}, "client_id", "app", "redirect_uri", callback, "state", "x", "nonce", "n", "code_challenge", s256, "code_challenge_method", "S256")
		if err != nil || a.Params["state"] != "x" || a.Params["iss"] != issuer || !strings.HasPrefix(a.RedirectURI, callback+"?") || a.CodeVerifier != "" {
			t.Fatalf("%+v, %v", a, err)
		}
		got := s.tokens(s.token(codeParams(a.Params["code"])))
		wantClaims(t, payload(t, got.IDToken), map[string]any{"sub": "sub-alice", "level": 3, "nonce": "n", "sid": present})
	})
	t.Run("PKCE is filled in where the client must use it", func(t *testing.T) {
		a, err := ask("bob", nil, "client_id", "spa")
		if err != nil || a.CodeVerifier == "" {
			t.Fatalf("%+v, %v", a, err)
		}
		s.tokens(s.token(codeParams(a.Params["code"], "client_id", "spa", "redirect_uri", "https://spa.example/callback", "code_verifier", a.CodeVerifier), func(*http.Request) {}))
	})
	t.Run("tokens come in the fragment", func(t *testing.T) {
		a, err := ask("bob", nil, "client_id", "hybrid", "response_type", "id_token token", "nonce", "n")
		if err != nil || a.Params["id_token"] == "" || !strings.HasPrefix(a.RedirectURI, callback+"#") {
			t.Errorf("%+v, %v", a, err)
		}
	})
	t.Run("what the protocol tells the client is in the answer", func(t *testing.T) {
		for want, params := range map[string][]string{"unauthorized_client": {"response_type", "id_token"}, "invalid_request": {"max_age", "x"}, "login_required": {"claims", `{"id_token":{"sub":{"value":"other"}}}`}} {
			a, err := ask("alice", nil, append(params, "client_id", "app", "redirect_uri", callback)...)
			if err != nil || a.Params["error"] != want || a.Params["iss"] != issuer {
				t.Errorf("%v: %+v, %v", params, a, err)
			}
		}
	})
	t.Run("what it must not be told is an error", func(t *testing.T) {
		for want, params := range map[string][]string{"client_id is missing": {}, "redirect_uri is missing": {"client_id", "app"}, "not registered": {"client_id", "app", "redirect_uri", "https://evil.example"}} {
			if _, err := ask("alice", nil, params...); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v: %v", params, err)
			}
		}
		if _, err := ask("zoe", nil, "client_id", "app"); err == nil || !strings.Contains(err.Error(), "zoe") {
			t.Errorf("%v", err)
		}
	})
}

// Tenants share nothing but what their configuration takes from the first.
func TestTenants_ShareNothing(t *testing.T) {
	s := newIDP(t, nil, mockidp.WithRecording())
	a, errA := s.AddTenant(mockidp.Tenant{Path: "/a"})
	b, errB := s.AddTenant(mockidp.Tenant{Path: "/b"})
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	for _, err := range []error{a.AdvanceClock(time.Hour), second(a.AddFault(mockidp.FaultRule{Fault: "D-503", Times: mockidp.FaultForever})), second(a.QueueLogin(mockidp.NextLogin{User: "bob"}))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	at := func(p *mockidp.Provider) int {
		return s.get(p.Issuer() + "/.well-known/openid-configuration").StatusCode
	}
	if at(a) != 503 || at(b) != 200 || at(s.Provider) != 200 {
		t.Errorf("status %d, %d, %d", at(a), at(b), at(s.Provider))
	}
	for name, other := range map[string]*mockidp.Provider{"another tenant": b, "the first issuer": s.Provider} {
		if other.ClockOffset() != 0 || len(other.ActiveFaults()) != 0 || len(other.QueuedLogins()) != 0 {
			t.Errorf("%s: clock %s, faults %v, logins %v", name, other.ClockOffset(), other.ActiveFaults(), other.QueuedLogins())
		}
		for _, r := range other.Requests(mockidp.RequestFilter{}) {
			if r.Issuer != other.Issuer() {
				t.Errorf("%s has recorded a request to %s", name, r.Issuer)
			}
		}
	}
	b.Reset()
	s.Reset()
	if a.ClockOffset() != time.Hour || len(a.ActiveFaults()) != 1 || len(a.QueuedLogins()) != 1 || len(a.Requests(mockidp.RequestFilter{})) == 0 {
		t.Error("the reset of another reset it")
	}
	a.Reset()
	if a.ClockOffset() != 0 || at(a) != 200 {
		t.Error("its own reset did not")
	}
}

func second[T any](_ T, err error) error { return err }
