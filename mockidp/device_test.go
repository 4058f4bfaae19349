// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ingress-auth/conformance/mockidp"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

type deviceStart struct {
	DeviceCode      string `json:"device_code"`
	UserCode        string `json:"user_code"`
	VerificationURI string `json:"verification_uri"`
	Complete        string `json:"verification_uri_complete"`
	ExpiresIn       int    `json:"expires_in"`
	Interval        int    `json:"interval"`
}

func (s *idp) startDevice() deviceStart {
	s.t.Helper()
	a := s.post(issuer+"/device_authorization", url.Values{"client_id": {"tv"}, "scope": {"openid offline_access"}})
	var d deviceStart
	if err := json.Unmarshal([]byte(a.body), &d); err != nil || a.StatusCode != http.StatusOK {
		s.t.Fatalf("status %d: %s", a.StatusCode, a.body)
	}
	wantHeader(s.t, a, "Cache-Control", "no-store")
	return d
}

func (s *idp) poll(deviceCode string) answer {
	s.t.Helper()
	return s.token(url.Values{"grant_type": {deviceGrant}, "device_code": {deviceCode}, "client_id": {"tv"}}, func(*http.Request) {})
}

func (s *idp) decideDevice(userCode string, decision ...string) answer {
	s.t.Helper()
	page := s.post(issuer+"/device", url.Values{"user_code": {userCode}})
	return s.post(issuer+"/device/decide", override(url.Values{"transaction": {s.transactionOf(page)}}, decision))
}

func TestDevice_RFC8628(t *testing.T) {
	t.Run("3.2: the answer", func(t *testing.T) {
		s := newIDP(t, nil)
		d := s.startDevice()
		if !regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`).MatchString(d.UserCode) || d.DeviceCode == "" ||
			d.VerificationURI != issuer+"/device" || d.Complete != issuer+"/device?user_code="+d.UserCode || d.ExpiresIn != 600 || d.Interval != 5 {
			t.Errorf("%+v", d)
		}
	})
	t.Run("3.3 to 3.5: pending, approved, tokens, once", func(t *testing.T) {
		s := newIDP(t, nil)
		d := s.startDevice()
		s.wantTokenError(s.poll(d.DeviceCode), 400, "authorization_pending")
		s.wantPage(s.get(d.Complete), http.StatusOK, `value="`+d.UserCode+`"`)
		s.wantPage(s.decideDevice(strings.ToLower(strings.ReplaceAll(d.UserCode, "-", " ")), "user", "alice"), http.StatusOK, "signed in")
		s.clock.advance(5 * time.Second)
		got := s.tokens(s.poll(d.DeviceCode))
		_, claims := s.claims(got.IDToken)
		if claims["sub"] != "sub-alice" || claims["aud"] != "tv" || claims["nonce"] != nil || got.RefreshToken == "" || claims["at_hash"] != leftHalfSHA256(got.AccessToken) {
			t.Errorf("claims %v", claims)
		}
		s.wantTokenError(s.poll(d.DeviceCode), 400, "invalid_grant")
		s.wantPage(s.post(issuer+"/device", url.Values{"user_code": {d.UserCode}}), http.StatusBadRequest, "No device waits")
	})
	t.Run("3.5: access_denied", func(t *testing.T) {
		s := newIDP(t, nil)
		d := s.startDevice()
		s.wantPage(s.decideDevice(d.UserCode, "decision", "deny"), http.StatusOK, "refused")
		s.wantTokenError(s.poll(d.DeviceCode), 400, "access_denied")
	})
	t.Run("3.5: slow_down adds five seconds each time", func(t *testing.T) {
		s := newIDP(t, nil)
		d := s.startDevice()
		s.wantTokenError(s.poll(d.DeviceCode), 400, "authorization_pending")
		s.clock.advance(4 * time.Second)
		s.wantTokenError(s.poll(d.DeviceCode), 400, "slow_down")
		s.clock.advance(9 * time.Second)
		s.wantTokenError(s.poll(d.DeviceCode), 400, "slow_down")
		s.clock.advance(15 * time.Second)
		s.wantTokenError(s.poll(d.DeviceCode), 400, "authorization_pending")
	})
	t.Run("3.5: expired_token", func(t *testing.T) {
		s := newIDP(t, nil)
		d := s.startDevice()
		s.clock.advance(10 * time.Minute)
		s.wantTokenError(s.poll(d.DeviceCode), 400, "expired_token")
		s.wantPage(s.post(issuer+"/device", url.Values{"user_code": {d.UserCode}}), http.StatusBadRequest, "No device waits")
	})
	t.Run("3.4: bound to the client", func(t *testing.T) {
		s := newIDP(t, func(c *mockidp.Config) { c.Clients[0].GrantTypes = []string{deviceGrant} })
		d := s.startDevice()
		s.wantTokenError(s.token(url.Values{"grant_type": {deviceGrant}, "device_code": {d.DeviceCode}}), 400, "invalid_grant")
		s.wantTokenError(s.poll("unknown"), 400, "invalid_grant")
		s.wantTokenError(s.poll(""), 400, "invalid_request")
	})
	t.Run("3.1: the client must be registered for it", func(t *testing.T) {
		s := newIDP(t, nil)
		s.wantTokenError(s.post(issuer+"/device_authorization", url.Values{"scope": {"openid"}}, basicAuth("app", "s3cret")), 400, "unauthorized_client")
		s.wantTokenError(s.post(issuer+"/device_authorization", url.Values{"scope": {"openid"}}, basicAuth("app", "x")), 401, "invalid_client")
		s.wantTokenError(s.post(issuer+"/device_authorization", url.Values{"client_id": {"tv"}}), 400, "invalid_scope")
	})
	t.Run("5.4: the decision is bound to the browser and made once", func(t *testing.T) {
		s := newIDP(t, nil)
		d := s.startDevice()
		form := url.Values{"transaction": {s.transactionOf(s.post(issuer+"/device", url.Values{"user_code": {d.UserCode}}))}, "user": {"alice"}}
		mine := s.browser
		s.browser = s.newBrowser()
		s.wantPage(s.post(issuer+"/device/decide", form), http.StatusForbidden, "no longer valid")
		s.browser = mine
		s.wantPage(s.post(issuer+"/device/decide", url.Values{"transaction": form["transaction"], "user": {"zoe"}}), http.StatusBadRequest, "no user")
		s.wantPage(s.post(issuer+"/device/decide", form), http.StatusOK, "signed in")
		s.wantPage(s.post(issuer+"/device/decide", form), http.StatusForbidden, "no longer valid")
		s.wantPage(s.post(issuer+"/login", form), http.StatusForbidden, "no longer valid")
	})
	t.Run("auto_login answers by itself", func(t *testing.T) {
		s := newIDP(t, autoLogin("alice"))
		d := s.startDevice()
		s.wantPage(s.post(issuer+"/device", url.Values{"user_code": {d.UserCode}}), http.StatusOK, "signed in")
		s.tokens(s.poll(d.DeviceCode))
	})
}

// FuzzDevice: no guess finds a device, and every answer is a page.
func FuzzDevice(f *testing.F) {
	f.Add("BCDF-GHJK")
	f.Add("<script>")
	f.Add("\xff\x00 ſ K")
	s := newIDP(f, nil, quiet())
	f.Fuzz(func(t *testing.T, code string) {
		r := httptest.NewRequest(http.MethodPost, "/device", strings.NewReader(url.Values{"user_code": {code}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest || strings.Contains(w.Body.String(), "<script>") {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
	})
}
