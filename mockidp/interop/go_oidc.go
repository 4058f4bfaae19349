// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"runtime/debug"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/ingress-auth/conformance/mockidp"
)

const goRedirect = "http://127.0.0.1/callback"

// goOIDC is coreos/go-oidc with golang.org/x/oauth2, used as their documentation shows. The application compares state and
// nonce; logout is not theirs.
func goOIDC() client {
	return client{
		name: "coreos/go-oidc with x/oauth2", version: moduleVersion("github.com/coreos/go-oidc/v3"),
		needs: []string{"discovery", "code", "PKCE S256", "nonce", "userinfo", "refresh"},
		start: func(ctx context.Context, idp *provider) (*party, error) {
			discovered, err := oidc.NewProvider(ctx, idp.Issuer())
			if err != nil {
				return nil, err
			}
			app := &goApplication{discovered, &oauth2.Config{
				ClientID: mockidp.DefaultClientID, ClientSecret: mockidp.DefaultClientSecret, Endpoint: discovered.Endpoint(), RedirectURL: goRedirect,
				Scopes: []string{oidc.ScopeOpenID, "email", oidc.ScopeOfflineAccess},
			}}
			return &party{login: app.login, stop: func(context.Context) error { return nil }}, nil
		},
	}
}

type goApplication struct {
	provider *oidc.Provider
	config   *oauth2.Config
}

func (a *goApplication) login(ctx context.Context) error {
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	back, err := a.authorize(ctx, a.config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)))
	if err != nil {
		return err
	}
	if back.Get("state") != state {
		return errors.New("the state is not the one that was sent")
	}
	token, err := a.config.Exchange(ctx, back.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		return err
	}
	raw, _ := token.Extra("id_token").(string)
	verified, err := a.provider.VerifierContext(ctx, &oidc.Config{ClientID: a.config.ClientID}).Verify(ctx, raw)
	if err != nil {
		return err
	}
	if verified.Nonce != nonce {
		return errors.New("the nonce is not the one that was sent")
	}
	if err := verified.VerifyAccessToken(token.AccessToken); err != nil {
		return err
	}
	return a.use(ctx, token, verified.Subject)
}

// use asks who it is and refreshes.
func (a *goApplication) use(ctx context.Context, token *oauth2.Token, subject string) error {
	info, err := a.provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return err
	}
	if info.Subject != subject || info.Email != "alice@example.com" {
		return errors.New("userinfo is about somebody else")
	}
	_, err = a.config.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	return err
}

// authorize is the browser's part: it goes to the provider and reads where it is sent back.
func (a *goApplication) authorize(ctx context.Context, at string) (url.Values, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	b := newBrowser()
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := b.Do(r)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer res.Body.Close()
	back, err := res.Location()
	if err != nil {
		return nil, errors.New("the provider does not send the browser back")
	}
	return back.Query(), nil
}

// moduleVersion reads what this program was compiled with.
func moduleVersion(path string) string {
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return ""
}
