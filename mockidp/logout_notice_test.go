// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/ingress-auth/conformance/mockidp"
)

// relyingParties records the calls that reach them.
type relyingParties struct {
	mu    sync.Mutex
	calls []*http.Request
	fail  bool
}

func (rp *relyingParties) RoundTrip(r *http.Request) (*http.Response, error) {
	rp.mu.Lock()
	defer rp.mu.Unlock()
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	rp.calls = append(rp.calls, r)
	if rp.fail {
		return nil, errors.New("connection refused")
	}
	w := httptest.NewRecorder()
	return w.Result(), nil
}

func (rp *relyingParties) taken() []*http.Request {
	rp.mu.Lock()
	defer rp.mu.Unlock()
	calls := rp.calls
	rp.calls = nil
	return calls
}

func withLogoutURIs(c *mockidp.Config) {
	c.Clients[0].BackchannelLogoutURI = "https://app.example/backchannel?tenant=1"
	c.Clients[1].BackchannelLogoutURI = "https://other.example/backchannel"
}

func TestBackChannelLogout_2(t *testing.T) {
	start := func(t *testing.T) (*idp, *relyingParties, map[string]any) {
		rp := &relyingParties{}
		s := newIDP(t, withLogoutURIs, mockidp.WithHTTPClient(&http.Client{Transport: rp}))
		_, claims := s.claims(s.tokens(s.token(codeParams(s.code("alice")))).IDToken)
		return s, rp, claims
	}
	t.Run("2.4 and 2.5: a logout token goes to the clients of the session and no others", func(t *testing.T) {
		s, rp, idToken := start(t)
		s.endSession("id_token_hint", s.mint("alice", "app"))
		calls := rp.taken()
		if len(calls) != 1 || calls[0].URL.String() != "https://app.example/backchannel?tenant=1" || calls[0].Method != http.MethodPost ||
			calls[0].Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			t.Fatalf("%d calls: %v", len(calls), calls)
		}
		header, claims := s.claims(calls[0].PostForm.Get("logout_token"))
		now := float64(s.clock.Now().Unix())
		want := map[string]any{"iss": issuer, "aud": "app", "iat": now, "exp": now + 120, "jti": claims["jti"], "sub": "sub-alice", "sid": idToken["sid"],
			"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}
		if header.ExtraHeaders["typ"] != "logout+jwt" || header.Algorithm != "RS256" || !sameJSON(t, claims, want) || claims["jti"] == "" || claims["sid"] == nil {
			t.Errorf("header %v, claims %v", header, claims)
		}
		t.Run("RFC 8725 3.11: a logout token is no id_token_hint", func(t *testing.T) {
			s.wantPage(s.endSession("id_token_hint", calls[0].PostForm.Get("logout_token")), http.StatusBadRequest, "not valid")
		})
	})
	t.Run("2.5: every client that took part, also after a new login of the same user", func(t *testing.T) {
		s, rp, _ := start(t)
		s.login("alice", "client_id", "other", "prompt", "login")
		if calls := rp.taken(); len(calls) != 0 {
			t.Fatalf("%d calls before the end", len(calls))
		}
		s.endSession("id_token_hint", s.mint("alice", "app"))
		if calls := rp.taken(); len(calls) != 2 {
			t.Errorf("%d calls", len(calls))
		}
	})
	t.Run("another user's login ends the session", func(t *testing.T) {
		s, rp, _ := start(t)
		s.login("bob", "prompt", "login")
		if calls := rp.taken(); len(calls) != 1 {
			t.Errorf("%d calls", len(calls))
		}
	})
	t.Run("2.5: a client that cannot be reached does not keep the person from signing out", func(t *testing.T) {
		s, rp, _ := start(t)
		rp.fail = true
		wantHeader(t, s.endSession("id_token_hint", s.mint("alice", "app"), "post_logout_redirect_uri", bye), "Location", bye)
		if s.signedIn() {
			t.Error("still signed in")
		}
	})
	t.Run("no session, no call", func(t *testing.T) {
		s, rp, _ := start(t)
		s.browser = s.newBrowser()
		s.endSession("id_token_hint", s.mint("alice", "app"))
		if calls := rp.taken(); len(calls) != 0 {
			t.Errorf("%d calls", len(calls))
		}
	})
}

func TestFrontChannelLogout_3(t *testing.T) {
	start := func(t *testing.T) (*idp, map[string]any) {
		s := newIDP(t, func(c *mockidp.Config) {
			c.Clients[0].FrontchannelLogoutURI, c.Clients[0].FrontchannelLogoutSessionRequired = "https://app.example/front?x=1", true
			c.Clients[1].FrontchannelLogoutURI = "https://other.example/front"
		})
		_, claims := s.claims(s.tokens(s.token(codeParams(s.code("alice")))).IDToken)
		s.login("alice", "client_id", "other")
		return s, claims
	}
	t.Run("2 and 3: frames for the clients of the session, with iss and sid where asked for, then back", func(t *testing.T) {
		s, claims := start(t)
		a := s.endSession("id_token_hint", s.mint("alice", "app"), "post_logout_redirect_uri", bye, "state", "x")
		s.wantPage(a, http.StatusOK, `href="`+bye+`?state=x"`)
		query := url.Values{"iss": {issuer}, "sid": {claims["sid"].(string)}}.Encode()
		for _, frame := range []string{`<iframe src="https://app.example/front?x=1&amp;` + strings.ReplaceAll(query, "&", "&amp;") + `"`, `<iframe src="https://other.example/front"`} {
			if !strings.Contains(a.body, frame) {
				t.Errorf("want %s in %s", frame, a.body)
			}
		}
		policy := a.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "; frame-src https://app.example https://other.example") {
			t.Errorf("policy %s", policy)
		}
		script := regexp.MustCompile(`(?s)<script>(.*)</script>`).FindStringSubmatch(a.body)
		hash := sha256.Sum256([]byte(script[1]))
		if !strings.Contains(policy, "script-src 'sha256-"+base64.StdEncoding.EncodeToString(hash[:])+"'") {
			t.Errorf("the policy does not let the script run: %s", policy)
		}
		if s.signedIn() {
			t.Error("still signed in")
		}
	})
	t.Run("without a redirect the page stays", func(t *testing.T) {
		s, _ := start(t)
		a := s.endSession("id_token_hint", s.mint("alice", "app"))
		s.wantPage(a, http.StatusOK, "signed out")
		if strings.Contains(a.body, "href=") {
			t.Errorf("page %s", a.body)
		}
	})
}
