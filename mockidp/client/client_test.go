// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/ingress-auth/conformance/mockidp"
	"github.com/ingress-auth/conformance/mockidp/client"
	"github.com/ingress-auth/conformance/mockidp/mockidptest"
)

func start(t *testing.T, token string) (*mockidptest.Server, *client.Client, *httptest.Server) {
	t.Helper()
	idp := mockidptest.Start(t, mockidp.Config{AutoLogin: "alice"}, mockidp.WithRecording())
	control := httptest.NewServer(idp.ControlHandler(token))
	t.Cleanup(control.Close)
	return idp, client.New(control.URL, token, nil), control
}

func get(t *testing.T, rawURL string) *http.Response {
	t.Helper()
	response, err := http.Get(rawURL) //nolint:noctx
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response
}

func TestClient_DrivesFaultsFromOutside(t *testing.T) {
	idp, c, _ := start(t, "")
	ctx := t.Context()
	added, err := c.AddFault(ctx, mockidp.FaultRule{Fault: "D-503", Times: 2})
	if err != nil || added.Left != 2 {
		t.Fatalf("%+v, %v", added, err)
	}
	if got := get(t, idp.URL+"/.well-known/openid-configuration"); got.StatusCode != 503 {
		t.Errorf("status %d", got.StatusCode)
	}
	list, err := c.ActiveFaults(ctx)
	if err != nil || len(list) != 1 || list[0].Fired != 1 || list[0].Left != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	if err := c.RemoveFault(ctx, added.ID); err != nil {
		t.Error(err)
	}
	if err := c.RemoveFault(ctx, added.ID); err == nil || !strings.Contains(err.Error(), "not there") {
		t.Errorf("removing it twice: %v", err)
	}
	if got := get(t, idp.URL+"/.well-known/openid-configuration"); got.StatusCode != 200 {
		t.Errorf("status %d", got.StatusCode)
	}
	if _, err := c.AddFault(ctx, mockidp.FaultRule{Endpoint: "jwks", Deviation: &mockidp.Deviation{HTTP: &mockidp.HTTPEdit{Status: 418}}}); err != nil {
		t.Error(err)
	}
	if got := get(t, idp.URL+"/jwks"); got.StatusCode != 418 {
		t.Errorf("status %d", got.StatusCode)
	}
	if all, err := c.Catalogue(ctx); err != nil || len(all) < 260 {
		t.Errorf("%d faults, %v", len(all), err)
	}
	if issuer, err := c.FaultIssuer(ctx, "H-HANG@jwks"); err != nil || issuer != idp.URL+"/faults/H-HANG@jwks" {
		t.Errorf("%s, %v", issuer, err)
	}
	if err := c.ClearFaults(ctx); err != nil {
		t.Error(err)
	}
}

// A long poll returns the request that comes later, and nothing secret with it.
func TestClient_TakesWhatWasReceived(t *testing.T) {
	idp, c, _ := start(t, "")
	taken := make(chan mockidp.ReceivedRequest, 1)
	go func() {
		r, err := c.TakeRequest(t.Context(), mockidp.RequestFilter{Endpoint: "token"}, time.Minute)
		if err != nil {
			t.Error(err)
		}
		taken <- r
	}()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {"very-secret"}, "client_secret": {"hush"}, "client_id": {"mockidp-client"}}
	response, err := http.PostForm(idp.URL+"/token", form) //nolint:noctx
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	r := <-taken
	if r.Params["grant_type"][0] != "authorization_code" || r.ClientID != "mockidp-client" || r.Status != 401 {
		t.Errorf("%+v", r)
	}
	for _, name := range []string{"code", "client_secret"} {
		if value := r.Params[name][0]; !strings.HasPrefix(value, "hash:") {
			t.Errorf("%s is %q", name, value)
		}
	}
	if _, err := c.TakeRequest(t.Context(), mockidp.RequestFilter{Endpoint: "token"}, 0); !errors.Is(err, client.ErrNone) {
		t.Errorf("%v", err)
	}
	get(t, idp.URL+"/jwks")
	if list, err := c.Requests(t.Context(), mockidp.RequestFilter{}); err != nil || len(list) != 1 || list[0].Endpoint != "jwks" || list[0].Status != 200 {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestClient_MovesTheClockMintsAndRotates(t *testing.T) {
	idp, c, _ := start(t, "")
	ctx := t.Context()
	before := idp.Now()
	state, err := c.AdvanceClock(ctx, time.Hour)
	if err != nil || state.OffsetSeconds != 3600 || idp.Now().Sub(before) < time.Hour {
		t.Errorf("%+v, %v", state, err)
	}
	if state, err = c.SetClockOffset(ctx, -time.Minute); err != nil || state.OffsetSeconds != -60 {
		t.Errorf("%+v, %v", state, err)
	}
	first, err := c.MintIDToken(ctx, client.Mint{User: "alice", ClientID: mockidp.DefaultClientID, Audience: []string{"x"}})
	if err != nil || strings.Count(first, ".") != 2 {
		t.Fatalf("%s, %v", first, err)
	}
	if err := c.RotateKeys(ctx, false); err != nil {
		t.Error(err)
	}
	second, err := c.MintIDToken(ctx, client.Mint{User: "alice", ClientID: mockidp.DefaultClientID})
	if err != nil || strings.Split(first, ".")[0] == strings.Split(second, ".")[0] {
		t.Errorf("the key is the old one; %v", err)
	}
	if err := c.Reset(ctx); err != nil {
		t.Error(err)
	}
	if state, err = c.Clock(ctx); err != nil || state.OffsetSeconds != 0 {
		t.Errorf("%+v, %v", state, err)
	}
	if _, err := c.AdvanceClock(ctx, 200*365*24*time.Hour); err == nil {
		t.Error("the clock moved by 200 years")
	}
	if _, err := c.MintIDToken(ctx, client.Mint{User: "nobody", ClientID: mockidp.DefaultClientID}); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("%v", err)
	}
}

// The client has a method for every operation that is described, and calls nothing else.
func TestClient_AgreesWithTheDescription(t *testing.T) {
	called := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		for _, prefix := range []string{"/v1/faults/", "/v1/issuers/"} {
			if rest, ok := strings.CutPrefix(path, prefix); ok && rest != "" {
				path = prefix + map[string]string{"/v1/faults/": "{id}", "/v1/issuers/": "{fault}"}[prefix]
			}
		}
		called[r.Method+" "+path] = true
	}))
	t.Cleanup(server.Close)
	c := reflect.ValueOf(client.New(server.URL, "", nil))
	for i := range c.NumMethod() {
		method := c.Type().Method(i)
		if method.Name == "Tenant" {
			continue // asks for nothing
		}
		in := []reflect.Value{reflect.ValueOf(t.Context())}
		for j := 1; j < c.Method(i).Type().NumIn(); j++ {
			of := c.Method(i).Type().In(j)
			value := reflect.New(of).Elem()
			if of.Kind() == reflect.String {
				value.SetString("X")
			}
			in = append(in, value)
		}
		c.Method(i).Call(in)
	}
	_, _, control := start(t, "")
	response, err := http.Get(control.URL + "/v1/openapi.yaml") //nolint:noctx
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var doc struct{ Paths map[string]map[string]any }
	if err := yaml.NewDecoder(response.Body).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	for path, item := range doc.Paths {
		for method := range item {
			operation := strings.ToUpper(method) + " " + path
			if method == "parameters" || path == "/v1/openapi.yaml" {
				continue
			}
			if !called[operation] {
				t.Errorf("%s is described, and no method calls it", operation)
			}
			delete(called, operation)
		}
	}
	for operation := range called {
		t.Errorf("a method calls %s, which is not described", operation)
	}
}

func TestClient_DrivesLoginsAndTenants(t *testing.T) {
	idp, c, _ := start(t, "")
	ctx := t.Context()
	made, err := c.AddTenant(ctx, mockidp.Tenant{Path: "/realms/a", Dialect: "keycloak", AutoLogin: "carol", Users: []mockidp.User{{Username: "carol", Groups: []string{"g"}, Claims: map[string]any{"level": 3}}},
		Clients: []mockidp.Client{{ClientID: "rp", ClientSecret: "s", RedirectURIs: []string{"http://127.0.0.1/cb"}}}})
	if err != nil || made.Issuer != idp.URL+"/realms/a" {
		t.Fatalf("%+v, %v", made, err)
	}
	if list, err := c.Tenants(ctx); err != nil || len(list) != 1 || list[0] != made {
		t.Errorf("%+v, %v", list, err)
	}
	tenant := c.Tenant("/realms/a")
	if _, err := tenant.QueueLogin(ctx, mockidp.NextLogin{ClientID: "rp", Error: "access_denied", Times: 2}); err != nil {
		t.Fatal(err)
	}
	if list, err := tenant.QueuedLogins(ctx); err != nil || len(list) != 1 || list[0].Left != 2 {
		t.Errorf("%+v, %v", list, err)
	}
	if list, err := c.QueuedLogins(ctx); err != nil || len(list) != 0 {
		t.Errorf("the first issuer has %+v, %v", list, err)
	}
	answer, err := tenant.Authorize(ctx, mockidp.HeadlessAuthorization{User: "carol", Params: map[string]string{"client_id": "rp", "state": "x"}})
	if err != nil || answer.Params["code"] == "" || answer.Params["state"] != "x" || answer.Params["iss"] != made.Issuer {
		t.Errorf("%+v, %v", answer, err)
	}
	if state, err := tenant.AdvanceClock(ctx, time.Hour); err != nil || state.OffsetSeconds != 3600 || idp.ClockOffset() != 0 {
		t.Errorf("%+v, %v; the first issuer's clock is off by %s", state, err, idp.ClockOffset())
	}
	if err := tenant.Reset(ctx); err != nil {
		t.Error(err)
	}
	if list, err := tenant.QueuedLogins(ctx); err != nil || len(list) != 0 {
		t.Errorf("after the reset: %+v, %v", list, err)
	}
	if list, err := c.Dialects(ctx); err != nil || len(list) < 8 {
		t.Errorf("%d dialects, %v", len(list), err)
	}
	if err := c.RemoveTenant(ctx, "/realms/a"); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{"a tenant that is gone": tenant.Reset(ctx), "removing it twice": c.RemoveTenant(ctx, "/realms/a")} {
		if err == nil || !strings.Contains(err.Error(), "not there") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := c.AddTenant(ctx, mockidp.Tenant{Path: "/token"}); err == nil || !strings.Contains(err.Error(), "hide") {
		t.Errorf("%v", err)
	}
}

func TestControl_IsGuarded(t *testing.T) {
	_, _, open := start(t, "")
	_, withToken, guarded := start(t, "let-me-in")
	if err := withToken.Reset(t.Context()); err != nil {
		t.Error(err)
	}
	for name, row := range map[string]struct {
		server *httptest.Server
		edit   func(*http.Request)
		want   int
	}{
		"open, from this machine":       {open, func(*http.Request) {}, 200},
		"open, from a web page":         {open, func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 403},
		"open, by a name":               {open, func(r *http.Request) { r.Host = "evil.example" }, 403},
		"open, by a name like loopback": {open, func(r *http.Request) { r.Host = "127.evil.example:80" }, 403},
		"token, none given":             {guarded, func(*http.Request) {}, 401},
		"token, a wrong one":            {guarded, func(r *http.Request) { r.Header.Set("Authorization", "Bearer let-me-in2") }, 401},
		"token, right, by any name": {guarded, func(r *http.Request) {
			r.Header.Set("Authorization", "Bearer let-me-in")
			r.Host = "mockidp.auth.svc"
		}, 200},
	} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", row.server.URL+"/v1/clock", nil)
		if err != nil {
			t.Fatal(err)
		}
		row.edit(r)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != row.want {
			t.Errorf("%s: %d, want %d", name, response.StatusCode, row.want)
		}
	}
}
