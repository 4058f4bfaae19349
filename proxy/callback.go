// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/oauth2"
)

// callback ends a login (OpenID Connect Core §3.1.2.5 to §3.1.3.7): state, then code, then ID token and nonce, then
// whether this person may sign in at all.
func (p *Proxy) callback(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	login, err := p.states.find(r, query.Get("state"))
	if err != nil {
		p.fail(w, r, problem{
			status:  http.StatusForbidden,
			message: "This login was not begun in this browser, was already used, or took too long. Please sign in again.",
			cause:   err,
		})
		return
	}
	// Whatever happens now, the state has been used.
	setCookies(w, p.states.end(r, login)...)
	idp := p.provider.current()
	if idp == nil {
		p.providerUnavailable(w, r, login.Redirect)
		return
	}
	if !idp.answered(query) {
		p.fail(w, r, problem{status: http.StatusForbidden, message: "The answer came from another identity provider, or does not say from which.", retry: login.Redirect})
		return
	}
	if code := query.Get("error"); code != "" {
		p.fail(w, r, providerRefusal(code, query.Get("error_description"), login.Redirect))
		return
	}
	if query.Get("code") == "" {
		p.fail(w, r, problem{status: http.StatusBadRequest, message: "The identity provider sent no code.", retry: login.Redirect})
		return
	}
	s, trouble := p.redeem(r, idp, login, query.Get("code"))
	if trouble != nil {
		trouble.retry = login.Redirect
		p.fail(w, r, *trouble)
		return
	}
	set, stale, err := p.sessions.create(r, s)
	if errors.Is(err, errStoreAway) {
		p.fail(w, r, problem{status: http.StatusServiceUnavailable, message: "You signed in, but your session cannot be stored at the moment. Please try again shortly.", cause: err, retry: login.Redirect})
		return
	}
	if err != nil {
		p.fail(w, r, problem{status: http.StatusInternalServerError, message: "The session is too large to keep in cookies.", cause: err, retry: login.Redirect})
		return
	}
	if len(set) > 1 {
		p.log.Warn("the session needs several cookies; an ingress may pass on only one when it is renewed", "cookies", len(set))
	}
	setCookies(w, set...)
	setCookies(w, stale...)
	p.log.Info("signed in", "subject", s.Subject, "requestId", requestID(r))
	p.returnTo(w, r, login.Redirect)
}

// returnTo sends the browser where it wanted to go. rd was checked when the login began; it is checked again because the
// list of allowed hosts may have shrunk since.
func (p *Proxy) returnTo(w http.ResponseWriter, r *http.Request, rd string) {
	rd = p.safeRedirect(r, rd)
	if p.cfg.sameSite() == http.SameSiteStrictMode {
		// A redirect from the identity provider is cross-site to its end, and the browser would withhold the new cookie:
		// a page that goes on by itself begins a same-site navigation.
		p.continuePage(w, r, rd)
		return
	}
	redirectTo(w, rd)
}

// providerRefusal explains an error answer (RFC 6749 §4.1.2.1).
func providerRefusal(code, description, retry string) problem {
	message := "The identity provider refused the login: " + code
	if description != "" {
		message += " (" + description + ")"
	}
	status := http.StatusForbidden
	switch code {
	case "server_error":
		status = http.StatusBadGateway
	case "temporarily_unavailable":
		status = http.StatusServiceUnavailable
	}
	return problem{status: status, message: limitText(message, 500), retry: retry}
}

func limitText(s string, n int) string {
	if runes := []rune(s); len(runes) > n {
		return string(runes[:n]) + "…"
	}
	return s
}

// redeem exchanges the code and returns a session for a person who may sign in.
func (p *Proxy) redeem(r *http.Request, idp *identityProvider, login *loginState, code string) (*session, *problem) {
	ctx := idp.context(onBehalfOf(r))
	token, err := idp.oauth2Config(p.callbackURL(r)).Exchange(ctx, code, oauth2.VerifierOption(login.Verifier))
	if err != nil {
		return nil, exchangeProblem(err)
	}
	claims, err := idp.identify(ctx, token)
	if err != nil {
		return nil, &problem{status: http.StatusBadGateway, message: "The identity provider's answer could not be trusted.", cause: err}
	}
	if subtle.ConstantTimeCompare([]byte(claims.Nonce), []byte(login.Nonce)) != 1 {
		return nil, &problem{status: http.StatusForbidden, message: "The ID token was issued for another login.", cause: errors.New("nonce differs")}
	}
	now := p.now()
	s := p.newSession(token, claims, now, now.Add(p.cfg.CookieExpire))
	if reason := p.admits(s, claims); reason != "" {
		return nil, &problem{status: http.StatusForbidden, message: "You are signed in with the identity provider, but may not enter: " + reason + ".", cause: errors.New(reason)}
	}
	if p.cfg.CookieRefresh > 0 && s.RefreshToken == "" {
		p.log.Warn("--cookie-refresh is set but the identity provider issued no refresh token: the session will end at that age; ask for one, for example with offline_access in --scope")
	}
	return s, nil
}

// exchangeProblem tells a code that is no longer good from an identity provider that cannot answer. The response body is
// kept out of the log: it may carry tokens.
func exchangeProblem(err error) *problem {
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused) && refused.ErrorCode == "invalid_grant":
		return &problem{status: http.StatusForbidden, message: "The login was already used or took too long. Please sign in again.", cause: errors.New("token endpoint: invalid_grant")}
	case errors.As(err, &refused):
		err = fmt.Errorf("token endpoint: status %d, error %q", refused.Response.StatusCode, limitText(refused.ErrorCode, 64))
	case errors.Is(err, context.DeadlineExceeded):
		return &problem{status: http.StatusGatewayTimeout, message: "The identity provider took too long to complete the login.", cause: errors.New("token endpoint: timeout")}
	default:
		err = withoutURL(err)
	}
	return &problem{status: http.StatusBadGateway, message: "The identity provider could not complete the login.", cause: err}
}

// newSession keeps of the tokens only what a setting needs: a small cookie fits one header.
func (p *Proxy) newSession(token *oauth2.Token, c *claims, now, expires time.Time) *session {
	s := &session{
		Subject: c.Subject, Email: c.Email, Groups: c.Groups, PreferredUsername: c.PreferredUsername,
		Refreshed: now.Unix(), Expires: expires.Unix(),
	}
	if p.cfg.PassAccessToken {
		s.AccessToken = token.AccessToken
	}
	if p.cfg.CookieRefresh > 0 {
		s.RefreshToken = token.RefreshToken
	}
	if p.cfg.BackchannelLogout {
		s.ProviderSession = c.ProviderSession
	}
	if p.cfg.EndSession {
		s.IDToken, _ = token.Extra("id_token").(string)
	}
	return s
}
