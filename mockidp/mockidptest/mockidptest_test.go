// SPDX-License-Identifier: Apache-2.0

package mockidptest_test

import (
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/ingress-auth/conformance/mockidp"
	"github.com/ingress-auth/conformance/mockidp/mockidptest"
)

const callback = "http://127.0.0.1/callback"

// Each test has a tenant, breaks it in its own way, and sees nothing of what the others do.
func TestNewTenant_IsSafeInParallel(t *testing.T) {
	shared := mockidptest.Start(t, mockidp.Config{}, mockidp.WithRecording())
	t.Run("tests", func(t *testing.T) {
		for i := range 6 {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				idp := shared.NewTenant(t, mockidp.Tenant{Users: []mockidp.User{{Username: fmt.Sprintf("user-%d", i)}}})
				offset := time.Duration(i) * time.Hour
				if err := idp.AdvanceClock(offset); err != nil {
					t.Fatal(err)
				}
				if err := idp.RotateKeys(mockidp.RotateWithoutOverlap); err != nil {
					t.Fatal(err)
				}
				if _, err := idp.QueueLogin(mockidp.NextLogin{User: fmt.Sprintf("user-%d", i)}); err != nil {
					t.Fatal(err)
				}
				if i%2 == 0 {
					if _, err := idp.AddFault(mockidp.FaultRule{Fault: "C-AUD", Times: mockidp.FaultForever}); err != nil {
						t.Fatal(err)
					}
				}
				sub, err := logIn(t, idp)
				if (err != nil) != (i%2 == 0) || err == nil && sub != fmt.Sprintf("user-%d", i) {
					t.Errorf("sub %q, %v", sub, err)
				}
				if idp.ClockOffset() != offset || len(idp.QueuedLogins()) != 0 || len(idp.Requests(mockidp.RequestFilter{Endpoint: "token"})) != 1 {
					t.Errorf("clock %s, logins %v, requests %v", idp.ClockOffset(), idp.QueuedLogins(), idp.Requests(mockidp.RequestFilter{}))
				}
				idp.Reset()
			})
		}
	})
	if shared.ClockOffset() != 0 || len(shared.Requests(mockidp.RequestFilter{})) != 0 || len(shared.Tenants()) != 0 {
		t.Errorf("clock %s, requests %v, tenants %v", shared.ClockOffset(), shared.Requests(mockidp.RequestFilter{}), shared.Tenants())
	}
}

// logIn follows the code flow with a client that knows nothing of this module, and returns the sub of an ID token that is good.
func logIn(t *testing.T, idp *mockidptest.Server) (string, error) {
	t.Helper()
	ctx := oidc.ClientContext(t.Context(), idp.Client)
	provider, err := oidc.NewProvider(ctx, idp.Issuer())
	if err != nil {
		return "", err
	}
	rp := &oauth2.Config{ClientID: mockidp.DefaultClientID, ClientSecret: mockidp.DefaultClientSecret, Endpoint: provider.Endpoint(), RedirectURL: callback, Scopes: []string{"openid"}}
	browser := *idp.Client
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := browser.Get(rp.AuthCodeURL("x")) //nolint:noctx
	if err != nil {
		return "", err
	}
	response.Body.Close()
	at, err := response.Location()
	if err != nil {
		return "", fmt.Errorf("status %d: %w", response.StatusCode, err)
	}
	token, err := rp.Exchange(ctx, at.Query().Get("code"))
	if err != nil {
		return "", err
	}
	raw, _ := token.Extra("id_token").(string)
	verified, err := provider.Verifier(&oidc.Config{ClientID: mockidp.DefaultClientID, Now: idp.Now}).Verify(ctx, raw)
	if err != nil {
		return "", err
	}
	return verified.Subject, nil
}

// A headless login gives a code that any client redeems.
func TestAuthorize_GivesACodeWithoutABrowser(t *testing.T) {
	idp := mockidptest.Start(t, mockidp.Config{})
	answer, err := idp.Authorize(t.Context(), mockidp.HeadlessAuthorization{User: "alice", Params: map[string]string{"client_id": mockidp.DefaultClientID, "redirect_uri": callback}})
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {answer.Params["code"]}, "redirect_uri": {callback}, "client_id": {mockidp.DefaultClientID}, "client_secret": {mockidp.DefaultClientSecret}}
	response, err := idp.Client.PostForm(idp.URL+"/token", form) //nolint:noctx
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("status %d", response.StatusCode)
	}
}

// Servers, too, are each their own.
func TestStart_ManyAtOnce(t *testing.T) {
	var done sync.WaitGroup
	for range 3 {
		idp := mockidptest.Start(t, mockidp.Config{AutoLogin: "alice"})
		done.Go(func() {
			if sub, err := logIn(t, idp); err != nil || sub != "alice" {
				t.Errorf("sub %q, %v", sub, err)
			}
		})
	}
	done.Wait()
}

// What is wrong with a connection is chosen by AddFault, and by the host of the issuer.
func TestStartTLS_StagesFaultsOfConnections(t *testing.T) {
	server := mockidptest.StartTLS(t, mockidp.Config{Issuer: "https://idp.example"})
	get := func(issuer string) error {
		server.Client.CloseIdleConnections()
		response, err := server.Client.Get(issuer + "/.well-known/openid-configuration")
		if err == nil {
			response.Body.Close()
		}
		return err
	}
	if err := get(server.Issuer()); err != nil {
		t.Fatal(err)
	}
	expired, err := server.FaultIssuer("H-TLS-EXPIRED")
	if err != nil {
		t.Fatal(err)
	}
	if err := get(expired); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("%v", err)
	}
	if _, err := server.AddFault(mockidp.FaultRule{Fault: "H-TLS-UNTRUSTED-CA"}); err != nil {
		t.Fatal(err)
	}
	if err := get(server.Issuer()); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("%v", err)
	}
	if err := get(server.Issuer()); err != nil {
		t.Error(err)
	}
}

// RFC 8705 over a real connection: the authority certifies a client, whose token is bound to the certificate; whoever has none is
// served all the same.
func TestStartTLS_RFC8705_RequestsCertificatesOfClients(t *testing.T) {
	server := mockidptest.StartTLS(t, mockidp.Config{Clients: []mockidp.Client{{ClientID: "app", TokenEndpointAuthMethod: "tls_client_auth",
		TLSClientAuthSANDNS: "app.example", TLSClientCertificateBoundAccessTokens: true, RedirectURIs: []string{callback}}}})
	tenant := server.NewTenant(t, mockidp.Tenant{})
	for name, idp := range map[string]*mockidptest.Server{"issuer": server, "tenant": tenant} {
		t.Run(name, func(t *testing.T) {
			token := func(client *http.Client) (status int, access string) {
				answer, err := idp.Authorize(t.Context(), mockidp.HeadlessAuthorization{User: "alice", Params: map[string]string{"client_id": "app"}})
				if err != nil {
					t.Fatal(err)
				}
				form := url.Values{"grant_type": {"authorization_code"}, "code": {answer.Params["code"]}, "redirect_uri": {callback}, "client_id": {"app"}}
				var got struct {
					AccessToken string `json:"access_token"`
				}
				return post(t, client, idp.URL+"/token", form, &got), got.AccessToken
			}
			named := func(name string) *http.Client {
				certificate, err := idp.Authority.ClientCertificate(pkix.Name{CommonName: "app"}, name)
				if err != nil {
					t.Fatal(err)
				}
				return idp.ClientWith(t, certificate)
			}
			app, other := named("app.example"), named("other.example")
			if status, _ := token(other); status != http.StatusUnauthorized {
				t.Errorf("another's certificate: status %d", status)
			}
			if status, _ := token(idp.Client); status != http.StatusUnauthorized {
				t.Errorf("no certificate: status %d", status)
			}
			status, access := token(app)
			if status != http.StatusOK {
				t.Fatalf("status %d", status)
			}
			for want, client := range map[int]*http.Client{http.StatusOK: app, http.StatusUnauthorized: other} {
				if got := post(t, client, idp.URL+"/userinfo", url.Values{"access_token": {access}}, &struct{}{}); got != want {
					t.Errorf("userinfo: status %d, want %d", got, want)
				}
			}
		})
	}
}

func post(t *testing.T, client *http.Client, to string, form url.Values, into any) int {
	t.Helper()
	response, err := client.PostForm(to, form) //nolint:noctx
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}
