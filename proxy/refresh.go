// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"
)

const (
	// refreshMemory is how long the outcome of a refresh answers requests that still carry the old cookie. A page sends
	// many requests at once; a rotated refresh token is good for one of them.
	refreshMemory = 10 * time.Second
	// maxRefreshMemory bounds the number of outcomes remembered. Who finds the oldest forgotten asks the identity provider.
	maxRefreshMemory = 16384
)

var errRefreshRefused = errors.New("the identity provider refused to renew the session")

type refreshKey [sha256.Size]byte

type refreshOutcome struct {
	session *session
	err     error
	at      time.Time
}

// refresher renews sessions by refresh token (RFC 6749 §6, OpenID Connect Core §12), each token once.
type refresher struct {
	proxy *Proxy

	inFlight singleflight.Group
	mu       sync.Mutex
	recent   map[refreshKey]refreshOutcome
	order    []refreshKey // of recent, the oldest first
}

func newRefresher(p *Proxy) *refresher {
	return &refresher{proxy: p, recent: map[refreshKey]refreshOutcome{}}
}

// refresh returns the renewed session. errRefreshRefused means the session is over; any other error may pass.
func (f *refresher) refresh(ctx context.Context, s *session) (*session, error) {
	key := refreshKey(sha256.Sum256([]byte(s.RefreshToken)))
	result, err, _ := f.inFlight.Do(string(key[:]), func() (any, error) {
		if known, ok := f.recall(key); ok {
			return known.session, known.err
		}
		// Others wait for this outcome too: one client that goes away must not spoil it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), providerTimeout)
		defer cancel()
		renewed, err := f.ask(ctx, s)
		f.remember(key, renewed, err)
		return renewed, err
	})
	if err != nil {
		return nil, err
	}
	return result.(*session), nil
}

func (f *refresher) ask(ctx context.Context, old *session) (*session, error) {
	p := f.proxy
	idp := p.provider.current()
	if idp == nil {
		return nil, errors.New("the identity provider has not been reached yet")
	}
	ctx = idp.context(ctx)
	token, err := idp.oauth2Config("").TokenSource(ctx, &oauth2.Token{RefreshToken: old.RefreshToken}).Token()
	if err != nil {
		return nil, refreshFailure(err)
	}
	if err := checkTokenType(token); err != nil {
		return nil, fmt.Errorf("%w: %w", errRefreshRefused, err)
	}
	renewed := *old
	renewed.Refreshed = p.now().Unix()
	renewed.RefreshToken = token.RefreshToken // x/oauth2 keeps the old one where none was sent
	if p.cfg.PassAccessToken {
		renewed.AccessToken = token.AccessToken
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return &renewed, nil // allowed (OpenID Connect Core §12.2): what is known stays
	}
	c, err := idp.identify(ctx, token)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRefreshRefused, err)
	}
	if c.Subject != old.Subject {
		return nil, fmt.Errorf("%w: the new ID token is about another subject", errRefreshRefused)
	}
	if c.EmailUnverified && !p.cfg.AllowUnverifiedEmail {
		return nil, fmt.Errorf("%w: the email address is no longer verified", errRefreshRefused)
	}
	renewed.Email, renewed.Groups, renewed.PreferredUsername = c.Email, c.Groups, c.PreferredUsername
	if p.cfg.EndSession {
		renewed.IDToken = raw
	}
	return &renewed, nil
}

// refreshFailure tells a refusal from an outage. The request is the same for each session, so any of the token endpoint's
// error codes (RFC 6749 §5.2) is about this one: Dex says invalid_request of a refresh token that is dead.
func refreshFailure(err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return withoutURL(err)
	}
	switch refused.ErrorCode {
	case "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope":
		return fmt.Errorf("%w: %s", errRefreshRefused, refused.ErrorCode)
	}
	return fmt.Errorf("token endpoint: status %d", refused.Response.StatusCode)
}

func (f *refresher) recall(key refreshKey) (refreshOutcome, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	known, ok := f.recent[key]
	return known, ok && f.isRecent(known)
}

// isRecent says whether an outcome still counts. The clock may have been put back.
func (f *refresher) isRecent(o refreshOutcome) bool {
	return f.proxy.now().Sub(o.at).Abs() < refreshMemory
}

func (f *refresher) remember(key refreshKey, s *session, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.order) > 0 && (len(f.order) >= maxRefreshMemory || !f.isRecent(f.recent[f.order[0]])) {
		delete(f.recent, f.order[0])
		f.order = f.order[1:]
	}
	f.recent[key] = refreshOutcome{session: s, err: err, at: f.proxy.now()}
	f.order = append(f.order, key)
}
