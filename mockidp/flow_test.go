// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/ingress-auth/conformance/mockidp"
	"github.com/ingress-auth/conformance/mockidp/mockidptest"
)

// TestFlow_AnIndependentClientSignsInAndRefreshes runs the whole flow over https with go-oidc and x/oauth2.
func TestFlow_AnIndependentClientSignsInAndRefreshes(t *testing.T) {
	for _, client := range []mockidp.Client{
		{ClientID: "rs", ClientSecret: "s:e+c %", RedirectURIs: []string{callback}},
		{ClientID: "es", ClientSecret: "secret", IDTokenSignedResponseAlg: "ES256", TokenEndpointAuthMethod: "client_secret_post", RedirectURIs: []string{callback}},
		{ClientID: "public", RedirectURIs: []string{callback}},
	} {
		t.Run(client.ClientID, func(t *testing.T) {
			cfg := mockidp.Config{AutoLogin: "alice", Clients: []mockidp.Client{client}}
			server := mockidptest.StartTLS(t, cfg, mockidp.WithSigningKeys(testKeys()...))
			ctx := oidc.ClientContext(t.Context(), server.Client)
			provider, err := oidc.NewProvider(ctx, server.Issuer())
			if err != nil {
				t.Fatal(err)
			}
			rp := &oauth2.Config{ClientID: client.ClientID, ClientSecret: client.ClientSecret, Endpoint: provider.Endpoint(), RedirectURL: callback,
				Scopes: []string{oidc.ScopeOpenID, oidc.ScopeOfflineAccess, "email", "groups"}}
			code, pkce := visit(t, server, rp)

			token, err := rp.Exchange(ctx, code, oauth2.VerifierOption(pkce))
			if err != nil {
				t.Fatal(err)
			}
			subject := checkIDToken(t, ctx, provider, client, token, "the-nonce")
			info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
			if err != nil {
				t.Fatal(err)
			}
			if info.Subject != subject || info.Email != "alice@example.com" || !info.EmailVerified {
				t.Errorf("userinfo %+v", info)
			}
			refreshed, err := rp.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
			if err != nil {
				t.Fatal(err)
			}
			if refreshed.RefreshToken == token.RefreshToken {
				t.Error("the refresh token was not rotated")
			}
			checkIDToken(t, ctx, provider, client, refreshed, "")
		})
	}
}

// visit acts as the browser and returns the code and the PKCE verifier.
func visit(t *testing.T, server *mockidptest.Server, rp *oauth2.Config) (code, pkce string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := *server.Client
	browser.Jar = jar
	browser.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host == "app.example" {
			return http.ErrUseLastResponse
		}
		return nil
	}
	pkce = oauth2.GenerateVerifier()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		rp.AuthCodeURL("the-state", oidc.Nonce("the-nonce"), oauth2.S256ChallengeOption(pkce)), nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := browser.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	location, err := response.Location()
	if err != nil {
		t.Fatalf("status %d: %v", response.StatusCode, err)
	}
	q := location.Query()
	if q.Get("state") != "the-state" || q.Get("code") == "" {
		t.Fatalf("answer %v", q)
	}
	if q.Has("iss") && q.Get("iss") != server.Issuer() {
		t.Errorf("iss %s", q.Get("iss"))
	}
	return q.Get("code"), pkce
}

func checkIDToken(t *testing.T, ctx context.Context, provider *oidc.Provider, client mockidp.Client, token *oauth2.Token, nonce string) string {
	t.Helper()
	raw, _ := token.Extra("id_token").(string)
	idToken, err := provider.Verifier(&oidc.Config{ClientID: client.ClientID}).Verify(ctx, raw)
	if err != nil {
		t.Fatal(err)
	}
	if idToken.Nonce != nonce {
		t.Errorf("nonce %q, want %q", idToken.Nonce, nonce)
	}
	if err := idToken.VerifyAccessToken(token.AccessToken); err != nil {
		t.Error(err)
	}
	var claims struct {
		Groups []string `json:"groups"`
	}
	if err := idToken.Claims(&claims); err != nil || len(claims.Groups) != 2 {
		t.Errorf("groups %v, %v", claims.Groups, err)
	}
	return idToken.Subject
}

// TestFlow_ZeroConfiguration is what a person tries first.
func TestFlow_ZeroConfiguration(t *testing.T) {
	server := mockidptest.Start(t, mockidp.Config{AutoLogin: mockidp.DefaultUsername})
	ctx := oidc.ClientContext(t.Context(), server.Client)
	provider, err := oidc.NewProvider(ctx, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	token, err := server.MintIDToken(mockidp.DefaultUsername, mockidp.DefaultClientID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.Verifier(&oidc.Config{ClientID: mockidp.DefaultClientID}).Verify(ctx, token); err != nil {
		t.Error(err)
	}
	expired, err := server.MintIDToken(mockidp.DefaultUsername, mockidp.DefaultClientID, mockidp.ExpiresIn(-1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.Verifier(&oidc.Config{ClientID: mockidp.DefaultClientID}).Verify(ctx, expired); err == nil {
		t.Error("an expired token was accepted")
	}
}
