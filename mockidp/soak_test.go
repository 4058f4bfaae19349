// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"flag"
	"net/http"
	"net/url"
	"runtime"
	"testing"
	"time"

	"github.com/ingress-auth/conformance/mockidp"
	"github.com/ingress-auth/conformance/mockidp/mockidptest"
)

var soak = flag.Int("soak", 2000, "logins of TestSoak; make soak-idp makes 100,000")

// growthLimit is how many bytes a login may leave behind when the store is full: less than any entry of it takes.
const growthLimit = 64

// TestSoak_MemoryIsFlatAndNoGoroutineIsLeft signs in over and over: page, code, tokens, userinfo, refresh, and every other time
// logout. Nine tenths of the logins come when the store is full, and must cost nothing.
func TestSoak_MemoryIsFlatAndNoGoroutineIsLeft(t *testing.T) {
	goroutines := runtime.NumGoroutine()
	t.Run("logins", func(t *testing.T) {
		if left := growth(t, *soak, *soak/10); left > growthLimit {
			t.Errorf("each login leaves %.0f bytes behind, want at most %d", left, growthLimit)
		}
	})
	t.Run("control: a store that is never full is noticed", func(t *testing.T) {
		if left := growth(t, 400, 10_000); left <= growthLimit {
			t.Errorf("each login leaves %.0f bytes behind, though all are remembered", left)
		}
	})
	// The server's goroutines end a moment after it is closed.
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > goroutines && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if left := runtime.NumGoroutine(); left > goroutines {
		t.Errorf("%d goroutines, %d before", left, goroutines)
	}
}

// growth is how many bytes each of the last nine tenths of n logins leaves behind.
func growth(t *testing.T, n, maxEntries int) float64 {
	client := mockidp.Client{ClientID: "app", ClientSecret: "s3cret", IDTokenSignedResponseAlg: "ES256", IssueRefreshToken: "always", RedirectURIs: []string{callback}}
	server := mockidptest.Start(t, mockidp.Config{MaxEntries: maxEntries, Clients: []mockidp.Client{client}}, mockidp.WithSigningKeys(testKeys()...), mockidp.WithRecording())
	defer server.Client.CloseIdleConnections()
	logins(t, server, n/10)
	before := heapInUse()
	logins(t, server, n-n/10)
	after := heapInUse()
	left := (float64(after) - float64(before)) / float64(n-n/10)
	t.Logf("%d entries of each kind at most: heap of %.1f MiB after %d logins, %.1f MiB after %d; %.1f bytes more for each", maxEntries, mebibytes(before), n/10, mebibytes(after), n, left)
	runtime.KeepAlive(server)
	return left
}

func mebibytes(n uint64) float64 { return float64(n) / (1 << 20) }

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC() // what the first one only took out of the pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func logins(t *testing.T, server *mockidptest.Server, n int) {
	t.Helper()
	for i := range n {
		s := &idp{Provider: server.Provider, t: t}
		s.browser = s.newBrowser()
		s.browser.Transport = server.Client.Transport
		soakLogin(s, server.URL, i%2 == 0)
	}
}

func soakLogin(s *idp, at string, logout bool) {
	s.t.Helper()
	page := s.get(at + "/authorize?" + authParams("scope", "openid email offline_access").Encode())
	back := s.redirected(s.post(at+"/login", url.Values{"transaction": {s.transactionOf(page)}, "user": {"alice"}}), callback)
	app := basicAuth("app", "s3cret")
	got := s.tokens(s.post(at+"/token", codeParams(back.Get("code")), app))
	info, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, at+"/userinfo", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	info.Header.Set("Authorization", "Bearer "+got.AccessToken)
	if a := s.do(s.browser, info); a.StatusCode != http.StatusOK {
		s.t.Fatalf("userinfo: %d %s", a.StatusCode, a.body)
	}
	s.tokens(s.post(at+"/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.RefreshToken}}, app))
	if logout {
		if a := s.get(at + "/end_session?" + url.Values{"id_token_hint": {got.IDToken}}.Encode()); a.StatusCode != http.StatusOK {
			s.t.Fatalf("end_session: %d", a.StatusCode)
		}
	}
}
