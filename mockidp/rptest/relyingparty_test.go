// SPDX-License-Identifier: Apache-2.0

package rptest_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/ingress-auth/conformance/mockidp/rptest"
)

// sample is a small relying party of go-oidc and x/oauth2. It can be told to make mistakes.
type sample struct {
	mistakes []string
	issuer   string
	config   oauth2.Config
	provider *oidc.Provider
	client   *http.Client

	mu       sync.Mutex
	logins   map[string]pending // by state
	sessions map[string]string  // sub by cookie
	count    int
}

// pending is a login that has begun.
type pending struct{ browser, nonce, verifier string }

func (s *sample) wrong(mistake string) bool { return slices.Contains(s.mistakes, mistake) }

// sampleDriver says how to start one and where its endpoints are.
func sampleDriver(mistakes ...string) rptest.Driver {
	return rptest.Driver{
		Start: func(ctx context.Context, setting rptest.Setting) (*rptest.RelyingParty, error) {
			return startSample(ctx, setting, mistakes)
		},
		LoginPath: "/login", CallbackPath: "/callback", AuthPath: "/me", BackchannelLogoutPath: "/logout", SignOutPath: "/sign_out", SessionCookie: "session",
		Limit: 10 * time.Second,
	}
}

func startSample(ctx context.Context, setting rptest.Setting, mistakes []string) (*rptest.RelyingParty, error) {
	s := &sample{mistakes: mistakes, issuer: setting.Issuer, logins: map[string]pending{}, sessions: map[string]string{}}
	roots := x509.NewCertPool()
	if pem, err := os.ReadFile(setting.CAFile); err == nil {
		roots.AppendCertsFromPEM(pem)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, InsecureSkipVerify: s.wrong("certificate")}, DisableKeepAlives: true}
	s.client = &http.Client{Transport: transport, Timeout: 5 * time.Second}
	if !s.wrong("redirects") {
		s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return errors.New("a redirect") }
	}
	if s.wrong("secret") {
		s.client.Transport = rawBasic{transport, setting}
	}
	var err error
	if s.provider, err = oidc.NewProvider(oidc.ClientContext(ctx, s.client), setting.Issuer); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/login", s.login)
	mux.HandleFunc("/callback", s.callback)
	mux.HandleFunc("/me", s.me)
	mux.HandleFunc("POST /logout", s.logout)
	mux.HandleFunc("GET /sign_out", s.signOut)
	mux.HandleFunc("GET /{$}", s.signedOut)
	server := httptest.NewServer(mux)
	s.config = oauth2.Config{
		ClientID: setting.ClientID, ClientSecret: setting.ClientSecret, Endpoint: s.provider.Endpoint(), RedirectURL: server.URL + "/callback",
		Scopes: []string{"openid", "email"},
	}
	s.config.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	party := &rptest.RelyingParty{URL: server.URL, Close: server.Close}
	if s.wrong("memory") {
		party.PeakMemory = func() (uint64, error) { return 1 << 30, nil }
	}
	return party, nil
}

// rawBasic sends the secret as it is, which RFC 6749 section 2.3.1 forbids.
type rawBasic struct {
	http.RoundTripper
	rptest.Setting
}

// RoundTrip implements http.RoundTripper.
func (t rawBasic) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Authorization") != "" {
		r = r.Clone(r.Context())
		r.SetBasicAuth(t.ClientID, t.ClientSecret)
	}
	return t.RoundTripper.RoundTrip(r)
}

func (s *sample) login(w http.ResponseWriter, r *http.Request) {
	state, p := rand.Text(), pending{browser: rand.Text(), nonce: rand.Text(), verifier: oauth2.GenerateVerifier()}
	s.mu.Lock()
	s.logins[state] = p
	s.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: "login", Value: p.browser, Path: "/"})
	options := []oauth2.AuthCodeOption{oidc.Nonce(p.nonce)}
	if !s.wrong("pkce") {
		options = append(options, oauth2.S256ChallengeOption(p.verifier))
	}
	http.Redirect(w, r, s.config.AuthCodeURL(state, options...), http.StatusFound)
}

func (s *sample) callback(w http.ResponseWriter, r *http.Request) {
	sub, err := s.finish(r)
	if err != nil {
		http.Error(w, "no", http.StatusForbidden)
		return
	}
	id := rand.Text()
	s.mu.Lock()
	s.sessions[id] = sub
	s.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: "session", Value: id, Path: "/"})
	if !s.wrong("leak") {
		http.Redirect(w, r, "/me", http.StatusFound)
	}
}

// finish returns who logged in.
func (s *sample) finish(r *http.Request) (sub string, err error) {
	q := r.URL.Query()
	p, err := s.take(q.Get("state"), r)
	if err != nil {
		return "", err
	}
	if iss := q.Get("iss"); iss != s.issuer && !s.wrong("issuer") {
		return "", errors.New("another issuer")
	}
	if q.Get("error") != "" || q.Get("code") == "" {
		return "", errors.New("no code")
	}
	ctx := oidc.ClientContext(r.Context(), s.client)
	var options []oauth2.AuthCodeOption
	if !s.wrong("pkce") {
		options = append(options, oauth2.VerifierOption(p.verifier))
	}
	tokens, err := s.config.Exchange(ctx, q.Get("code"), options...)
	if err != nil && s.wrong("resend") {
		tokens, err = s.config.Exchange(ctx, q.Get("code"), options...)
	}
	if err != nil {
		return "", err
	}
	raw, _ := tokens.Extra("id_token").(string)
	token, err := s.provider.Verifier(&oidc.Config{ClientID: s.config.ClientID, InsecureSkipSignatureCheck: s.wrong("signature")}).Verify(ctx, raw)
	if err != nil {
		return "", err
	}
	if token.Nonce != p.nonce && !s.wrong("nonce") {
		return "", errors.New("another nonce")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count++; s.wrong("fickle") && s.count%2 == 0 {
		return "", errors.New("not today")
	}
	return token.Subject, nil
}

// take is the login that the state and the browser's cookie belong to, once.
func (s *sample) take(state string, r *http.Request) (pending, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.logins[state]
	if !s.wrong("replay") {
		delete(s.logins, state)
	}
	cookie, err := r.Cookie("login")
	switch {
	case s.wrong("state") && !ok:
		for _, p = range s.logins { // whichever
		}
	case !ok:
		return pending{}, errors.New("no such login")
	case !s.wrong("cookie") && (err != nil || cookie.Value != p.browser):
		return pending{}, errors.New("another browser")
	}
	return p, nil
}

func (s *sample) me(w http.ResponseWriter, r *http.Request) {
	cookie, err := r.Cookie("session")
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || s.sessions[cookie.Value] == "" {
		http.SetCookie(w, &http.Cookie{Name: "session", Path: "/", MaxAge: -1})
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// signOut goes to the provider's logout (RP-Initiated Logout 1.0).
func (s *sample) signOut(w http.ResponseWriter, r *http.Request) {
	if !s.wrong("sign-out") {
		s.endSession(r)
	}
	back := url.Values{"client_id": {s.config.ClientID}, "post_logout_redirect_uri": {"http://" + r.Host + "/"}, "state": {"s-1"}}
	http.Redirect(w, r, s.issuer+"/end_session?"+back.Encode(), http.StatusFound)
}

// signedOut is where the browser comes back to. Who is wrong ends the session only there.
func (s *sample) signedOut(_ http.ResponseWriter, r *http.Request) {
	if r.FormValue("state") == "s-1" {
		s.endSession(r)
	}
}

func (s *sample) endSession(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cookie, err := r.Cookie("session"); err == nil {
		delete(s.sessions, cookie.Value)
	}
}

// logout is Back-Channel Logout 1.0 section 2.6, for all sessions of a user.
func (s *sample) logout(w http.ResponseWriter, r *http.Request) {
	sub, err := s.loggedOut(r)
	if err != nil && !s.wrong("logout") {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, of := range s.sessions {
		if of == sub || s.wrong("logout") {
			delete(s.sessions, id)
		}
	}
}

func (s *sample) loggedOut(r *http.Request) (sub string, err error) {
	token, err := s.provider.Verifier(&oidc.Config{ClientID: s.config.ClientID}).Verify(oidc.ClientContext(r.Context(), s.client), r.FormValue("logout_token"))
	if err != nil {
		return "", err
	}
	var claims struct {
		Events map[string]any `json:"events"`
		Nonce  *string        `json:"nonce"`
		Issued *float64       `json:"iat"`
	}
	if err := token.Claims(&claims); err != nil {
		return "", err
	}
	if claims.Events["http://schemas.openid.net/event/backchannel-logout"] == nil || claims.Nonce != nil || claims.Issued == nil || token.Subject == "" {
		return "", errors.New("not a logout token")
	}
	return token.Subject, nil
}
