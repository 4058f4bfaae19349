// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/ingress-auth/conformance/mockidp"
)

// The client is mockidp's default one, and the others are told of it.
const (
	clientID     = mockidp.DefaultClientID
	clientSecret = mockidp.DefaultClientSecret
	redirectURI  = "http://127.0.0.1/callback"
)

// relyingParty logs in through one provider. It is the same for all: connections are kept, keys are fetched once, every
// login is that of a browser without cookies.
type relyingParty struct {
	authorize string
	token     string
	verifier  *oidc.IDTokenVerifier
	client    *http.Client
}

func newRelyingParty(ctx context.Context, issuer string) (*relyingParty, error) {
	client := &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       30 * time.Second,
	}
	ctx = oidc.ClientContext(ctx, client)
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, err
	}
	verifier := provider.VerifierContext(ctx, &oidc.Config{ClientID: clientID, SupportedSigningAlgs: []string{oidc.RS256}})
	return &relyingParty{provider.Endpoint().AuthURL, provider.Endpoint().TokenURL, verifier, client}, nil
}

// login is one authorization code flow: authorize with PKCE, whatever redirects the provider has of its own, token, and the
// verification of the ID token.
func (rp *relyingParty) login(ctx context.Context) error {
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	code, err := rp.code(ctx, state, nonce, verifier)
	if err != nil {
		return err
	}
	token, err := rp.redeem(ctx, code, verifier)
	if err != nil {
		return err
	}
	verified, err := rp.verifier.Verify(ctx, token)
	if err != nil {
		return err
	}
	if verified.Nonce != nonce {
		return errors.New("the nonce is not the one that was sent")
	}
	return nil
}

// maxHops is more than any of the providers needs.
const maxHops = 8

func (rp *relyingParty) code(ctx context.Context, state, nonce, verifier string) (string, error) {
	next := rp.authorize + "?" + url.Values{
		"client_id": {clientID}, "response_type": {"code"}, "redirect_uri": {redirectURI}, "scope": {"openid email"}, "state": {state}, "nonce": {nonce},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"},
	}.Encode()
	cookies := map[string]string{} // the paths of cookies do not matter to any of the providers
	for range maxHops {
		location, err := rp.visit(ctx, next, cookies)
		if err != nil {
			return "", err
		}
		if !strings.HasPrefix(location, redirectURI) {
			next = location
			continue
		}
		back, err := url.Parse(location)
		if err != nil {
			return "", err
		}
		if q := back.Query(); q.Get("state") == state && q.Get("code") != "" {
			return q.Get("code"), nil
		}
		return "", errors.New("the provider came back without a code, or with another state")
	}
	return "", errors.New("too many redirects")
}

func (rp *relyingParty) visit(ctx context.Context, at string, cookies map[string]string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return "", err
	}
	for name, value := range cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	res, err := rp.client.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return "", err
	}
	for _, c := range res.Cookies() {
		cookies[c.Name] = c.Value
	}
	to, err := res.Location()
	if err != nil {
		return "", fmt.Errorf("%s answered %s without a redirect", r.URL.Path, res.Status)
	}
	return to.String(), nil
}

func (rp *relyingParty) redeem(ctx context.Context, code, verifier string) (string, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {verifier},
		"client_id": {clientID}, "client_secret": {clientSecret}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, rp.token, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := rp.client.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	var answer struct {
		IDToken string `json:"id_token"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the token endpoint answered %s", res.Status)
	}
	return answer.IDToken, nil
}

// logins makes n logins, several at a time, and returns how many there were in a second.
func (rp *relyingParty) logins(ctx context.Context, n, parallel int) (float64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var done atomic.Int64
	var all sync.WaitGroup
	start := time.Now()
	for range parallel {
		all.Go(func() {
			for done.Add(1) <= int64(n) && ctx.Err() == nil {
				if err := rp.login(ctx); err != nil {
					cancel(err)
				}
			}
		})
	}
	all.Wait()
	return float64(n) / time.Since(start).Seconds(), context.Cause(ctx)
}
