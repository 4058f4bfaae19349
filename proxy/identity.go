// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// identityProvider is a provider that was found: what is needed to log someone in and to verify tokens.
type identityProvider struct {
	cfg          Config
	client       *http.Client
	metadata     metadata
	oauth2       oauth2.Config
	userInfo     *oidc.Provider
	idTokens     *oidc.IDTokenVerifier
	bearerTokens *oidc.IDTokenVerifier
	logoutTokens *oidc.IDTokenVerifier
}

// context makes go-oidc and x/oauth2 use the proxy's bounded client.
func (i *identityProvider) context(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, i.client)
}

func (i *identityProvider) oauth2Config(callbackURL string) *oauth2.Config {
	c := i.oauth2
	c.RedirectURL = callbackURL
	return &c
}

// answered says whether an authorization response is this provider's own: one that names another issuer, or none where the
// provider always names itself, is a mix-up (RFC 9207 §2.4).
func (i *identityProvider) answered(query url.Values) bool {
	if !query.Has("iss") {
		return !i.metadata.AnswersName
	}
	return query.Get("iss") == i.cfg.IssuerURL
}

// claims is what the proxy learns about a person from a verified token.
type claims struct {
	Subject           string
	Nonce             string
	Email             string
	EmailUnverified   bool // the provider said email_verified: false
	Groups            []string
	PreferredUsername string
	AuthorizedParty   string // azp
	ProviderSession   string // sid (OpenID Connect Back-Channel Logout §2.1)
}

// identify verifies the ID token beside an access token (OpenID Connect Core §3.1.3.7) and returns its claims. Where it
// has no email address, the userinfo endpoint is asked.
func (i *identityProvider) identify(ctx context.Context, token *oauth2.Token) (*claims, error) {
	if err := checkTokenType(token); err != nil {
		return nil, err
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return nil, errors.New("the token response has no id_token: is openid in --scope?")
	}
	idToken, err := i.idTokens.Verify(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("verify the ID token: %w", err)
	}
	c, err := i.readClaims(idToken, "exp", "iat")
	if err != nil {
		return nil, fmt.Errorf("verify the ID token: %w", err)
	}
	if idToken.AccessTokenHash != "" {
		if err := idToken.VerifyAccessToken(token.AccessToken); err != nil {
			return nil, fmt.Errorf("verify the access token: %w", err)
		}
	}
	if c.AuthorizedParty != "" && c.AuthorizedParty != i.cfg.ClientID {
		return nil, fmt.Errorf("the ID token was issued to another client: azp %q", c.AuthorizedParty)
	}
	if c.Email != "" || i.metadata.UserInfo == "" {
		return c, nil
	}
	return c, i.completeFromUserInfo(ctx, token, c)
}

// completeFromUserInfo fills in what the ID token left out. The subject must be the same (OpenID Connect Core §5.3.2).
func (i *identityProvider) completeFromUserInfo(ctx context.Context, token *oauth2.Token, c *claims) error {
	info, err := i.userInfo.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return fmt.Errorf("ask the userinfo endpoint for the email address: %w", err)
	}
	if info.Subject != c.Subject {
		return errors.New("the userinfo endpoint answered about another subject")
	}
	var raw map[string]json.RawMessage
	if err := info.Claims(&raw); err != nil {
		return fmt.Errorf("read the claims of the userinfo endpoint: %w", err)
	}
	more := i.parseClaims(raw)
	c.Email, c.EmailUnverified = more.Email, more.EmailUnverified
	if len(c.Groups) == 0 {
		c.Groups = more.Groups
	}
	if c.PreferredUsername == "" {
		c.PreferredUsername = more.PreferredUsername
	}
	return nil
}

// readClaims demands a subject and the dates that are required.
func (i *identityProvider) readClaims(t *oidc.IDToken, required ...string) (*claims, error) {
	var raw map[string]json.RawMessage
	if err := t.Claims(&raw); err != nil {
		return nil, fmt.Errorf("read the claims: %w", err)
	}
	if err := checkDates(raw, required...); err != nil {
		return nil, err
	}
	if t.Subject == "" {
		return nil, errors.New("the token has no subject")
	}
	c := i.parseClaims(raw)
	c.Subject, c.Nonce = t.Subject, t.Nonce
	return c, nil
}

// parseClaims reads claims leniently where providers differ: groups may be one string, email_verified may be a string.
func (i *identityProvider) parseClaims(raw map[string]json.RawMessage) *claims {
	c := &claims{
		Email:             stringClaim(raw["email"]),
		PreferredUsername: stringClaim(raw["preferred_username"]),
		AuthorizedParty:   stringClaim(raw["azp"]),
		ProviderSession:   stringClaim(raw["sid"]),
		Groups:            stringsClaim(raw[i.cfg.GroupsClaim]),
	}
	if v := raw["email_verified"]; v != nil {
		text := strings.Trim(string(v), `"`)
		c.EmailUnverified = !strings.EqualFold(text, "true")
	}
	return c
}

func stringClaim(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s) // a claim of another type counts as absent
	return s
}

func stringsClaim(raw json.RawMessage) []string {
	if s := stringClaim(raw); s != "" {
		return []string{s}
	}
	var elements []json.RawMessage
	_ = json.Unmarshal(raw, &elements)
	var out []string
	for _, e := range elements {
		if s := stringClaim(e); s != "" {
			out = append(out, s)
		}
	}
	return out
}
