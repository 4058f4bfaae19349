// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	// maxLogoutBody is more than any logout token is long.
	maxLogoutBody = 64 << 10
)

// logoutToken is what the identity provider says has ended.
type logoutToken struct {
	Subject string                     `json:"sub"`
	Session string                     `json:"sid"`
	ID      string                     `json:"jti"`
	Events  map[string]json.RawMessage `json:"events"`
	Nonce   json.RawMessage            `json:"nonce"`
	expires time.Time
}

// backchannelLogout ends sessions by word of the identity provider (OpenID Connect Back-Channel Logout 1.0 §2.5 to §2.8):
// 200 when they are ended, or when there were none, 400 otherwise.
func (p *Proxy) backchannelLogout(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	r.Body = http.MaxBytesReader(w, r.Body, maxLogoutBody)
	token, err := p.verifyLogoutToken(onBehalfOf(r), r.PostFormValue("logout_token"))
	if err != nil {
		p.refuseLogout(w, r, "invalid_request", err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 2*storeTimeout)
	defer cancel()
	ended, err := p.logout.end(ctx, token, token.expires.Sub(p.now()))
	switch {
	case errors.Is(err, errReplayed):
		p.refuseLogout(w, r, "invalid_request", err)
		return
	case err != nil:
		p.refuseLogout(w, r, "logout_failed", err)
		return
	}
	p.log.Info("signed out by the identity provider", "sessions", ended, "requestId", requestID(r))
	w.WriteHeader(http.StatusOK)
}

func (p *Proxy) refuseLogout(w http.ResponseWriter, r *http.Request, code string, err error) {
	p.log.Warn("back-channel logout failed", "error", err.Error(), "requestId", requestID(r))
	description := "the logout token was refused"
	if code == "logout_failed" {
		description = "the sessions could not be ended; try again"
	}
	writeJSON(w, http.StatusBadRequest, map[string]string{"error": code, "error_description": description})
}

// verifyLogoutToken checks all that §2.6 demands.
func (p *Proxy) verifyLogoutToken(ctx context.Context, raw string) (*logoutToken, error) {
	idp := p.provider.current()
	if idp == nil {
		return nil, errors.New("the identity provider has not been reached yet")
	}
	verified, err := idp.logoutTokens.Verify(idp.context(ctx), raw)
	if err != nil {
		return nil, fmt.Errorf("verify the logout token: %w", err)
	}
	token, dates := &logoutToken{expires: verified.Expiry}, map[string]json.RawMessage{}
	if err := errors.Join(verified.Claims(token), verified.Claims(&dates)); err != nil {
		return nil, fmt.Errorf("read the logout token: %w", err)
	}
	if err := checkDates(dates, "exp", "iat"); err != nil {
		return nil, err
	}
	var event map[string]json.RawMessage
	switch {
	case verified.IssuedAt.Sub(p.now()) > maxClockStep:
		return nil, errors.New("the logout token was issued at a time that is still to come")
	case token.Subject == "" && token.Session == "":
		return nil, errors.New("the logout token names neither sub nor sid")
	case token.Nonce != nil:
		return nil, errors.New("the logout token has a nonce, which ID tokens have")
	case json.Unmarshal(token.Events[logoutEvent], &event) != nil || event == nil:
		return nil, errors.New("the logout token does not name the logout event")
	case token.ID == "":
		return nil, errors.New("the logout token has no jti")
	}
	return token, nil
}

// errReplayed is a logout token that was used before.
var errReplayed = errors.New("the logout token was used before")

// sessionIndex finds the tickets of a person, or of one session at the identity provider. Its keys are hashed with the cookie
// secrets, so that the store does not show who is signed in.
type sessionIndex struct {
	store Store
	name  string
	keys  [][]byte // the first names new entries, all find old ones
}

func newSessionIndex(store Store, name string, secrets [][]byte) (*sessionIndex, error) {
	x := &sessionIndex{store: store, name: name}
	for _, secret := range secrets {
		key, err := deriveKey(secret, "index")
		if err != nil {
			return nil, err
		}
		x.keys = append(x.keys, key)
	}
	return x, nil
}

// entry is the store's key for a claim's value under one of the index's keys.
func (x *sessionIndex) entry(key []byte, claim, value string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(claim + "=" + value))
	return x.name + "-" + claim + "-" + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// add notes a session before it is stored: an entry that leads nowhere does no harm, a session that nothing leads to would.
func (x *sessionIndex) add(ctx context.Context, s *session, id string, ttl time.Duration) error {
	if err := x.store.AddMember(ctx, x.entry(x.keys[0], "sub", s.Subject), id, ttl); err != nil {
		return err
	}
	if s.ProviderSession == "" {
		return nil
	}
	return x.store.AddMember(ctx, x.entry(x.keys[0], "sid", s.ProviderSession), id, ttl)
}

// end deletes the sessions that token names and returns how many there may have been. The token is remembered for ttl.
func (x *sessionIndex) end(ctx context.Context, token *logoutToken, ttl time.Duration) (int, error) {
	used := x.entry(x.keys[0], "jti", token.ID)
	switch _, found, err := x.store.Get(ctx, used); {
	case err != nil:
		return 0, fmt.Errorf("%w: %w", errStoreAway, err)
	case found:
		return 0, errReplayed
	}
	claim, value := "sub", token.Subject
	if token.Session != "" {
		claim, value = "sid", token.Session
	}
	var keys []string
	for _, key := range x.keys {
		members, err := x.store.Members(ctx, x.entry(key, claim, value))
		if err != nil {
			return 0, fmt.Errorf("find the sessions: %w", err)
		}
		for _, id := range members {
			keys = append(keys, storeKey(x.name, id))
		}
	}
	if len(keys) > 0 {
		if err := x.store.Delete(ctx, keys...); err != nil {
			return 0, fmt.Errorf("end the sessions: %w", err)
		}
	}
	// Last, so that the identity provider may try again after a failure.
	if _, err := x.store.Create(ctx, used, []byte{1}, max(ttl, time.Second)); err != nil {
		return 0, fmt.Errorf("remember the logout token: %w", err)
	}
	return len(keys), nil
}
