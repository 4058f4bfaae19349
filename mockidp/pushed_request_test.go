// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

func (s *idp) push(form url.Values, edits ...func(*http.Request)) answer {
	s.t.Helper()
	if len(edits) == 0 {
		edits = []func(*http.Request){basicAuth("app", "s3cret")}
	}
	return s.post(issuer+"/par", form, edits...)
}

func (s *idp) pushed(form url.Values, edits ...func(*http.Request)) string {
	s.t.Helper()
	a := s.push(form, edits...)
	var body struct {
		RequestURI string `json:"request_uri"`
		ExpiresIn  int    `json:"expires_in"`
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil || a.StatusCode != http.StatusCreated || body.ExpiresIn != 60 {
		s.t.Fatalf("status %d: %s", a.StatusCode, a.body)
	}
	wantHeader(s.t, a, "Cache-Control", "no-store")
	if !strings.HasPrefix(body.RequestURI, "urn:ietf:params:oauth:request_uri:") {
		s.t.Fatalf("request_uri %s", body.RequestURI)
	}
	return body.RequestURI
}

func (s *idp) authorizePushed(client, uri string, more ...string) answer {
	s.t.Helper()
	return s.get(issuer + "/authorize?" + override(url.Values{"client_id": {client}, "request_uri": {uri}}, more).Encode())
}

func TestPushedRequest_RFC9126(t *testing.T) {
	t.Run("2.2 and 4: pushed, then used, once; other parameters do not count", func(t *testing.T) {
		s := newIDP(t, autoLogin("alice"))
		uri := s.pushed(authParams("scope", "openid email"))
		q := s.redirected(s.authorizePushed("app", uri, "scope", "openid groups", "redirect_uri", "https://evil.example"), callback)
		got := s.tokens(s.token(codeParams(q.Get("code"))))
		if q.Get("state") != "st&a te=%+é" || got.Scope != "openid email" {
			t.Errorf("answer %v, scope %s", q, got.Scope)
		}
		s.wantPage(s.authorizePushed("app", uri), http.StatusBadRequest, "request_uri")
	})
	t.Run("2.2: it outlives the login page", func(t *testing.T) {
		s := newIDP(t, nil)
		page := s.authorizePushed("app", s.pushed(authParams()))
		s.redirected(s.post(issuer+"/login", url.Values{"transaction": {s.transactionOf(page)}, "user": {"alice"}}), callback)
	})
	t.Run("2.2: it expires", func(t *testing.T) {
		s := newIDP(t, autoLogin("alice"))
		uri := s.pushed(authParams())
		s.clock.advance(time.Minute)
		s.wantPage(s.authorizePushed("app", uri), http.StatusBadRequest, "request_uri")
	})
	t.Run("2.2: it is bound to the client, and another's attempt costs nothing", func(t *testing.T) {
		s := newIDP(t, autoLogin("alice"))
		uri := s.pushed(authParams())
		s.wantPage(s.authorizePushed("other", uri), http.StatusBadRequest, "request_uri")
		s.redirected(s.authorizePushed("app", uri), callback)
	})
	for name, test := range map[string]struct {
		form   url.Values
		auth   func(*http.Request)
		status int
		err    string
	}{
		"2.3: the client authenticates":       {authParams(), basicAuth("app", "wrong"), 401, "invalid_client"},
		"2.1: request_uri cannot be pushed":   {authParams("request_uri", "urn:x"), basicAuth("app", "s3cret"), 400, "invalid_request"},
		"2.3: a redirect_uri not registered":  {authParams("redirect_uri", "https://evil.example"), basicAuth("app", "s3cret"), 400, "invalid_request"},
		"2.1: another client's client_id":     {authParams("client_id", "other"), basicAuth("app", "s3cret"), 400, "invalid_request"},
		"2.3: the request itself is checked":  {authParams("prompt", "none login"), basicAuth("app", "s3cret"), 400, "invalid_request"},
		"2.3: a response type not registered": {authParams("response_type", "code id_token"), basicAuth("app", "s3cret"), 400, "unauthorized_client"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newIDP(t, nil)
			s.wantTokenError(s.push(test.form, test.auth), test.status, test.err)
		})
	}
	t.Run("2.3: GET is 405", func(t *testing.T) {
		if a := newIDP(t, nil).get(issuer + "/par"); a.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("status %d", a.StatusCode)
		}
	})
	t.Run("6: a client that must push", func(t *testing.T) {
		s := newIDP(t, autoLogin("alice"))
		s.wantError(s.authorize("client_id", "pushes"), "invalid_request")
		s.redirected(s.authorizePushed("pushes", s.pushed(authParams("client_id", "pushes"), basicAuth("pushes", "s3cret"))), callback)
	})
}

// FuzzPushedRequest: whatever is pushed, it is refused with an RFC 6749 error or kept under a request_uri that works for the
// client that pushed it and answers nowhere but at a registered URI.
func FuzzPushedRequest(f *testing.F) {
	f.Add(authParams("scope", "openid email").Encode())
	f.Add(authParams("redirect_uri", "https://evil.example").Encode())
	f.Add(authParams("request_uri", "urn:x", "claims", `{"id_token":{"sub":{"value":"x"}}}`).Encode())
	f.Add("client_id=other&response_type=code&redirect_uri=" + url.QueryEscape(callback))
	f.Add("response_mode=form_post&%zz&;=")
	s := newIDP(f, autoLogin("alice"), quiet())
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, "/par", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		basicAuth("app", "s3cret")(r)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		var answer struct {
			Error      string
			RequestURI string `json:"request_uri"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
		if w.Code != http.StatusCreated {
			if (w.Code != http.StatusBadRequest && w.Code != http.StatusUnauthorized) || answer.Error == "" {
				t.Fatalf("status %d: %s", w.Code, w.Body)
			}
			return
		}
		query := url.Values{"client_id": {"app"}, "request_uri": {answer.RequestURI}}
		w = httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/authorize?"+query.Encode(), nil))
		if location := w.Header().Get("Location"); location != "" {
			if u, err := url.Parse(location); err != nil || u.Host != "app.example" {
				t.Fatalf("redirected to %q", location)
			}
		} else if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
			t.Fatalf("status %d", w.Code)
		}
	})
}
