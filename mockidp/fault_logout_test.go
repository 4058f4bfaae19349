// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ingress-auth/conformance/mockidp"
)

// logoutLab has a client that is told of logouts, and returns what it is told.
func logoutLab(t *testing.T, change func(*mockidp.Client)) (l *lab, logout func() (page string, tokens []string)) {
	t.Helper()
	var got []string
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = append(got, r.FormValue("logout_token")) }))
	t.Cleanup(receiver.Close)
	server := httptest.NewUnstartedServer(nil)
	l = &lab{t: t, issuer: "http://" + server.Listener.Addr().String(), hung: make(chan struct{}, 1)}
	cfg := testConfig()
	cfg.Issuer, cfg.AutoLogin = l.issuer, "alice"
	cfg.Clients[0].BackchannelLogoutURI = receiver.URL
	if change != nil {
		change(&cfg.Clients[0])
	}
	provider, err := mockidp.New(cfg, mockidp.WithSigningKeys(testKeys()...))
	if err != nil {
		t.Fatal(err)
	}
	l.Provider, server.Config.Handler = provider, provider
	server.Start()
	t.Cleanup(server.Close)
	l.client = server.Client()
	l.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return l, func() (string, []string) {
		got = nil
		authorize := l.send(l.request("GET", l.issuer+"/authorize?"+authParams().Encode(), nil))
		bye := l.request("GET", l.issuer+"/end_session", nil)
		for _, cookie := range (&http.Response{Header: authorize.header}).Cookies() {
			bye.AddCookie(cookie)
		}
		return string(l.send(bye).body), got
	}
}

// Every row is on the wire, read with other code than what made it, and a good logout token comes without one.
func TestLogoutTokenFaults_EachIsOnTheWire(t *testing.T) {
	faults, err := mockidp.Faults()
	if err != nil {
		t.Fatal(err)
	}
	l, logout := logoutLab(t, nil)
	_, normal := logout()
	if len(normal) != 1 || !l.signedByUs(strings.Split(normal[0], ".")) {
		t.Fatalf("without a fault %d logout tokens come", len(normal))
	}
	for _, f := range faults {
		if f.Endpoint != mockidp.EndpointLogoutToken || !f.Staged() {
			continue
		}
		t.Run(f.ID, func(t *testing.T) {
			if _, err := l.AddFault(mockidp.FaultRule{Fault: f.ID, ClientID: "app"}); err != nil {
				t.Fatal(err)
			}
			defer l.ClearFaults()
			_, tokens := logout()
			if len(tokens) != max(f.Deviation.Repeat, 1) {
				t.Fatalf("%d logout tokens came", len(tokens))
			}
			here := &lab{Provider: l.Provider, t: t, issuer: l.issuer, client: l.client, hung: l.hung}
			d := *f.Deviation
			if edit := d.Claims; edit != nil && edit.Seconds != nil {
				checkPast(t, tokens[0])
				return
			}
			here.checkToken(&d, seen{body: []byte(normal[0])}, seen{body: []byte(tokens[0])})
			if d.Repeat > 1 && (tokens[0] != tokens[1] || !here.signedByUs(strings.Split(tokens[0], "."))) {
				t.Error("it is not the same good token again")
			}
		})
	}
}

func checkPast(t *testing.T, token string) {
	t.Helper()
	var claims struct{ Exp, Iat int64 }
	if err := json.Unmarshal(decodePart(t, strings.Split(token, ".")[1]), &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Exp > time.Now().Add(-9*time.Minute).Unix() || claims.Iat >= claims.Exp {
		t.Errorf("%+v", claims)
	}
}

// The frames of the page lead where the fault says.
func TestFrontchannelFaults_AreOnThePage(t *testing.T) {
	l, logout := logoutLab(t, func(c *mockidp.Client) {
		c.FrontchannelLogoutURI, c.FrontchannelLogoutSessionRequired = "https://app.example/fcl", true
	})
	normal, _ := logout()
	for fault, want := range map[string]string{"L-FCL-WRONG-ISS": "iss=x-http", "L-FCL-WRONG-SID": "sid=another-"} {
		if _, err := l.AddFault(mockidp.FaultRule{Fault: fault}); err != nil {
			t.Fatal(err)
		}
		if page, _ := logout(); !strings.Contains(page, want) || strings.Contains(normal, want) || !strings.Contains(normal, "iss=http") {
			t.Errorf("%s: %s", fault, page)
		}
	}
}
