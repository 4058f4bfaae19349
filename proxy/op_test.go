// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

const (
	testClientID     = "app"
	testClientSecret = "s3cr&t/with=odd chars"
	testSecret       = "0123456789abcdefghijklmnopqrstuv"
)

// clock is a clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now().Truncate(time.Second)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// testOP is the smallest OpenID Provider that logs one user in, with knobs.
type testOP struct {
	*httptest.Server
	clock *clock

	mu             sync.Mutex
	key            *ecdsa.PrivateKey
	keyID          string
	signWith       *ecdsa.PrivateKey     // instead of the published key
	codes          map[string]url.Values // code → authorization request
	refresh        map[string]string     // valid refresh tokens → user
	reused         int                   // refresh tokens presented that were not valid
	user           map[string]any        // ID token claims
	userInfo       map[string]any
	issuer         string                                  // in the discovery document and tokens; default: URL
	tamper         func(map[string]any)                    // last word on ID token claims
	answer         func(r *http.Request) map[string]string // replaces the authorization answer
	tokenFail      func(form url.Values) (status int, code string)
	keysOnly       bool // no endpoint for logins
	namesItself    bool // announces iss in authorization responses
	noRefresh      bool
	noIDToken      bool
	down           bool
	tokenHits      int
	jwksHits       int
	authStyle      []string
	heard          []string                  // path and X-Request-Id of each request
	answerUserInfo func(http.ResponseWriter) // instead of userInfo
}

func newTestOP(t testing.TB, c *clock) *testOP {
	op := &testOP{
		clock: c, codes: map[string]url.Values{}, refresh: map[string]string{},
		user: map[string]any{"sub": "u-1", "email": "ann@example.com", "email_verified": true, "preferred_username": "ann", "groups": []string{"dev", "ops"}},
	}
	op.rotateKey(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", op.discovery)
	mux.HandleFunc("/jwks", op.jwks)
	mux.HandleFunc("/authorize", op.authorize)
	mux.HandleFunc("/token", op.token)
	mux.HandleFunc("/userinfo", func(w http.ResponseWriter, _ *http.Request) {
		if op.answerUserInfo != nil {
			op.answerUserInfo(w)
			return
		}
		op.writeJSON(w, op.userInfo)
	})
	op.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		op.set(func() { op.heard = append(op.heard, strings.TrimSpace(r.URL.Path+" "+r.Header.Get("X-Request-Id"))) })
		if op.get(func() bool { return op.down }) {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(op.Close)
	op.issuer = op.URL
	return op
}

func (op *testOP) get(f func() bool) bool {
	op.mu.Lock()
	defer op.mu.Unlock()
	return f()
}

func (op *testOP) set(f func()) {
	op.mu.Lock()
	defer op.mu.Unlock()
	f()
}

func (op *testOP) hits() (token, jwks int) {
	op.mu.Lock()
	defer op.mu.Unlock()
	return op.tokenHits, op.jwksHits
}

func (op *testOP) rotateKey(t testing.TB) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	op.set(func() { op.key, op.keyID = key, rand.Text() })
}

func (op *testOP) writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (op *testOP) discovery(w http.ResponseWriter, _ *http.Request) {
	op.mu.Lock()
	defer op.mu.Unlock()
	if op.keysOnly {
		op.writeJSON(w, map[string]any{"issuer": op.issuer, "jwks_uri": op.URL + "/jwks", "id_token_signing_alg_values_supported": []string{"ES256"}})
		return
	}
	op.writeJSON(w, map[string]any{
		"issuer": op.issuer, "authorization_endpoint": op.URL + "/authorize", "token_endpoint": op.URL + "/token",
		"jwks_uri": op.URL + "/jwks", "userinfo_endpoint": op.URL + "/userinfo", "end_session_endpoint": op.URL + "/logout?x=1",
		"id_token_signing_alg_values_supported": []string{"ES256", "none", "HS256"}, "token_endpoint_auth_methods_supported": op.authStyle,
		"authorization_response_iss_parameter_supported": op.namesItself,
	})
}

func (op *testOP) jwks(w http.ResponseWriter, _ *http.Request) {
	op.mu.Lock()
	defer op.mu.Unlock()
	op.jwksHits++
	op.writeJSON(w, map[string]any{"keys": []any{
		map[string]any{"kty": "XYZ", "kid": "future"},
		jose.JSONWebKey{Key: op.key.Public(), KeyID: op.keyID, Algorithm: "ES256", Use: "sig"},
	}})
}

func (op *testOP) authorize(w http.ResponseWriter, r *http.Request) {
	op.mu.Lock()
	defer op.mu.Unlock()
	q := r.URL.Query()
	q.Set("user", r.Header.Get("X-Test-User"))
	code := rand.Text()
	op.codes[code] = q
	back := url.Values{"code": {code}, "state": {q.Get("state")}}
	if op.answer != nil {
		back = url.Values{}
		for k, v := range op.answer(r) {
			back.Set(k, v)
		}
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (op *testOP) token(w http.ResponseWriter, r *http.Request) {
	op.mu.Lock()
	defer op.mu.Unlock()
	op.tokenHits++
	_ = r.ParseForm()
	fail := func(status int, code string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": code})
	}
	if op.tokenFail != nil {
		if status, code := op.tokenFail(r.PostForm); status != 0 {
			fail(status, code)
			return
		}
	}
	id, secret, basic := r.BasicAuth()
	if basic {
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
	} else {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	if id != testClientID || secret != testClientSecret {
		fail(http.StatusUnauthorized, "invalid_client")
		return
	}
	nonce, user := "", ""
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		code := r.PostForm.Get("code")
		asked, ok := op.codes[code]
		delete(op.codes, code)
		sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
		if !ok || asked.Get("redirect_uri") != r.PostForm.Get("redirect_uri") ||
			asked.Get("code_challenge_method") != "S256" || asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) {
			fail(http.StatusBadRequest, "invalid_grant")
			return
		}
		nonce, user = asked.Get("nonce"), asked.Get("user")
	case "refresh_token":
		token := r.PostForm.Get("refresh_token")
		var ok bool
		if user, ok = op.refresh[token]; !ok {
			op.reused++
			fail(http.StatusBadRequest, "invalid_grant")
			return
		}
		delete(op.refresh, token) // rotation: each is good once
	}
	answer := map[string]any{"access_token": "at-" + rand.Text(), "token_type": "Bearer", "expires_in": 300}
	if !op.noIDToken {
		answer["id_token"] = op.signLocked(nonce, user)
	}
	if !op.noRefresh {
		rt := "rt-" + rand.Text()
		op.refresh[rt] = user
		answer["refresh_token"] = rt
	}
	op.writeJSON(w, answer)
}

// signLocked makes an ID token for user, "" being the one in op.user.
func (op *testOP) signLocked(nonce, user string) string {
	c := map[string]any{"iss": op.issuer, "aud": testClientID, "iat": op.clock.Now().Unix(), "exp": op.clock.Now().Add(5 * time.Minute).Unix()}
	maps.Copy(c, op.user)
	if nonce != "" {
		c["nonce"] = nonce
	}
	if user != "" {
		c["sub"], c["email"] = user, user+"@example.com"
	}
	if op.tamper != nil {
		op.tamper(c)
	}
	key := op.key
	if op.signWith != nil {
		key = op.signWith
	}
	return signClaims(key, op.keyID, c)
}

// sign returns a token as the provider would issue it, after change.
func (op *testOP) sign(change func(map[string]any)) string {
	op.mu.Lock()
	defer op.mu.Unlock()
	before := op.tamper
	op.tamper = change
	defer func() { op.tamper = before }()
	return op.signLocked("", "")
}

func signClaims(key *ecdsa.PrivateKey, keyID string, claims map[string]any) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: keyID}}, nil)
	if err != nil {
		panic(err)
	}
	payload, _ := json.Marshal(claims)
	jws, err := signer.Sign(payload)
	if err != nil {
		panic(err)
	}
	raw, _ := jws.CompactSerialize()
	return raw
}

// fixture is a proxy served over TLS, its provider, and a browser that follows no redirect by itself.
type fixture struct {
	t     testing.TB
	op    *testOP
	clock *clock
	proxy *Proxy
	url   string
	log   *syncBuffer
	*browser
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b.Reset()
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// testConfig is the smallest valid configuration, with two sharp edges blunted: no real secret, everyone admitted.
func testConfig(issuer string) Config {
	cfg := DefaultConfig()
	cfg.IssuerURL, cfg.ClientID, cfg.ClientSecret = issuer, testClientID, testClientSecret
	cfg.CookieSecret = testSecret
	cfg.EmailDomains = []string{"*"}
	cfg.SetXAuthRequest = true
	return cfg
}

func newFixture(t testing.TB, change func(*Config)) *fixture {
	t.Helper()
	c := newClock()
	return newFixtureWith(t, c, newTestOP(t, c), change)
}

func newFixtureWith(t testing.TB, c *clock, op *testOP, change func(*Config)) *fixture {
	t.Helper()
	cfg := testConfig(op.issuer)
	if change != nil {
		change(&cfg)
	}
	log := &syncBuffer{}
	options := Options{Clock: c.Now, Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	if cfg.SessionStoreType == SessionStoreRedis {
		options.Store = openStore(t, cfg.Redis)
	}
	p, err := New(context.Background(), cfg, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	server := httptest.NewTLSServer(p)
	t.Cleanup(server.Close)
	f := &fixture{t: t, op: op, clock: c, proxy: p, url: server.URL, log: log}
	f.browser = f.newBrowser(server.Client().Transport)
	return f
}

type browser struct {
	t    testing.TB
	http *http.Client
	base string
}

func (f *fixture) newBrowser(transport http.RoundTripper) *browser {
	jar, _ := cookiejar.New(nil)
	return &browser{t: f.t, base: f.url, http: &http.Client{
		Transport: transport, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// another returns a second browser with no cookies.
func (f *fixture) another() *browser { return f.newBrowser(f.http.Transport) }

type response struct {
	*http.Response
	body string
}

func (b *browser) do(method, path string, header ...string) *response {
	b.t.Helper()
	target := path
	if strings.HasPrefix(path, "/") {
		target = b.base + path
	}
	req, err := http.NewRequest(method, target, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header[header[i]] = append(req.Header[header[i]], header[i+1]) // not Set: underscores and case stay
	}
	return b.send(req)
}

func (b *browser) send(req *http.Request) *response {
	b.t.Helper()
	resp, err := b.http.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return &response{resp, string(body)}
}

func (b *browser) get(path string, header ...string) *response {
	b.t.Helper()
	return b.do(http.MethodGet, path, header...)
}

// login goes through start, the provider and the callback, and returns the callback's answer.
func (b *browser) login(rd string) *response {
	b.t.Helper()
	return b.finish(b.begin(rd))
}

// begin returns the URL of the provider's authorization endpoint.
func (b *browser) begin(rd string) string {
	b.t.Helper()
	resp := b.get("/oauth2/start?rd=" + url.QueryEscape(rd))
	if resp.StatusCode != http.StatusFound {
		b.t.Fatalf("start: got %d, want 302: %s", resp.StatusCode, resp.body)
	}
	return resp.Header.Get("Location")
}

func (b *browser) finish(authorize string) *response {
	b.t.Helper()
	return b.get(b.atProvider(authorize))
}

// atProvider returns the callback URL to which the provider redirects.
func (b *browser) atProvider(authorize string) string {
	b.t.Helper()
	resp := b.get(authorize)
	if resp.StatusCode != http.StatusFound {
		b.t.Fatalf("authorize: got %d: %s", resp.StatusCode, resp.body)
	}
	return resp.Header.Get("Location")
}

func (b *browser) cookies() []*http.Cookie {
	u, _ := url.Parse(b.base)
	return b.http.Jar.Cookies(u)
}

func (b *browser) cookie(name string) string {
	for _, c := range b.cookies() {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

func (b *browser) setCookie(name, value string) {
	u, _ := url.Parse(b.base)
	b.http.Jar.SetCookies(u, []*http.Cookie{{Name: name, Value: value, Path: "/", Secure: true}})
}

func wantStatus(t testing.TB, resp *response, status int) {
	t.Helper()
	if resp.StatusCode != status {
		t.Fatalf("%s: got %d, want %d; body: %.300s", resp.Request.URL.Path, resp.StatusCode, status, resp.body)
	}
}

func wantHeader(t testing.TB, resp *response, name, value string) {
	t.Helper()
	if got := resp.Header.Get(name); got != value {
		t.Errorf("%s: header %s: got %q, want %q", resp.Request.URL.Path, name, got, value)
	}
}
