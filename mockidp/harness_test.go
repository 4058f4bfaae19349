// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ingress-auth/conformance/mockidp"
)

const (
	issuer   = "https://idp.example"
	callback = "https://app.example/callback"
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
	s256     = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// fakeClock moves only when told to.
type fakeClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// testKeys are made once: RSA keys are slow to generate under the race detector.
var testKeys = sync.OnceValue(func() []mockidp.SigningKey {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return []mockidp.SigningKey{{Algorithm: jose.RS256, Key: r}, {Algorithm: jose.ES256, Key: e}}
})

const hmacSecret = "0123456789abcdef0123456789abcdef"

// clientKeys are the public halves of testKeys, as a client would register them.
func clientKeys() *mockidp.JWKS {
	set := &mockidp.JWKS{}
	for i, k := range testKeys() {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.Key.Public(), KeyID: string(rune('a' + i)), Algorithm: string(k.Algorithm), Use: "sig"})
	}
	return set
}

func testConfig() mockidp.Config {
	yes := true
	return mockidp.Config{
		Issuer: issuer,
		Clients: []mockidp.Client{
			{
				ClientID: "app", ClientSecret: "s3cret", ClientName: "The <App>",
				RedirectURIs:           []string{callback, "https://app.example/cb?tenant=1&x=a%20b"},
				PostLogoutRedirectURIs: []string{"https://app.example/bye", "https://app.example/bye?x=1"},
			},
			{ClientID: "other", ClientSecret: "other-secret", RedirectURIs: []string{"https://other.example/callback", callback}, PostLogoutRedirectURIs: []string{"https://other.example/bye"}},
			{ClientID: "spa", RedirectURIs: []string{"https://spa.example/callback"}},
			{ClientID: "local-web", ClientSecret: "s3cret", RedirectURIs: []string{"http://127.0.0.1/callback"}},
			{ClientID: "strict", ClientSecret: "s3cret", RequirePKCE: &yes, RedirectURIs: []string{callback}},
			{ClientID: "cli", ClientSecret: "s3cret", ApplicationType: "native", RedirectURIs: []string{"http://127.0.0.1/callback", "http://localhost:1/callback", "http://[::1]/callback", "https://cli.example/callback"}},
			{ClientID: "elliptic", ClientSecret: "s3cret", IDTokenSignedResponseAlg: jose.ES256, RedirectURIs: []string{callback}},
			{ClientID: "always", ClientSecret: "s3cret", IssueRefreshToken: "always", RedirectURIs: []string{callback}},
			{ClientID: "never", ClientSecret: "s3cret", IssueRefreshToken: "never", RedirectURIs: []string{callback}},
			{ClientID: "basic-only", ClientSecret: "s3cret", TokenEndpointAuthMethod: "client_secret_basic", RedirectURIs: []string{callback}},
			{ClientID: "post-only", ClientSecret: "s3cret", TokenEndpointAuthMethod: "client_secret_post", RedirectURIs: []string{callback}},
			{ClientID: "hybrid", ClientSecret: "s3cret", RedirectURIs: []string{callback}, ResponseTypes: []string{"code", "id_token", "id_token token", "code id_token", "code token", "token id_token code"}},
			{ClientID: "machine", ClientSecret: "s3cret", GrantTypes: []string{"client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"}},
			{ClientID: "tv", GrantTypes: []string{"urn:ietf:params:oauth:grant-type:device_code", "refresh_token"}},
			{ClientID: "pushes", ClientSecret: "s3cret", RedirectURIs: []string{callback}, RequirePushedRequests: true},
			{ClientID: "hmac", ClientSecret: hmacSecret, TokenEndpointAuthMethod: "client_secret_jwt", RedirectURIs: []string{callback}},
			{ClientID: "signs", JWKS: clientKeys(), RedirectURIs: []string{callback}},
			{ClientID: "odd:client/é", ClientSecret: "p:+%/ é&=", RedirectURIs: []string{callback}},
		},
		Scopes: []string{"api:read", "api:write"},
		Users: []mockidp.User{
			{
				Username: "alice", Sub: "sub-alice", Name: "Alice", Email: "alice@example.com", Groups: []string{"admins", "a,b"},
				Claims: map[string]any{"department": "R&D", "phone_number": "+1 555", "address": map[string]any{"country": "NL"}},
			},
			{Username: "bob", Email: "bob@example.com", Claims: map[string]any{"email_verified": "true"}},
			{Username: "nomail", Claims: map[string]any{"preferred_username": nil}},
		},
	}
}

// idp is a provider and a browser, without a network: requests go straight to the handler.
type idp struct {
	*mockidp.Provider
	t       testing.TB
	clock   *fakeClock
	browser *http.Client
	log     *lockedBuffer
	dialect mockidp.Dialect // the zero value for plain
}

// at is where an endpoint is, by the names of dialects.yaml.
func (s *idp) at(name string) string {
	if path, ok := s.dialect.Endpoints[name]; ok {
		return s.base() + path
	}
	plain := map[string]string{"authorization": "/authorize", "registration": "/register", "discovery": "/.well-known/openid-configuration"}[name]
	if plain == "" {
		plain = "/" + name
	}
	return s.base() + plain
}

// base is what endpoints are below: the issuer without the end that its dialect gives it.
func (s *idp) base() string { return strings.TrimSuffix(s.Issuer(), s.dialect.IssuerSuffix) }

func newIDP(t testing.TB, edit func(*mockidp.Config), opts ...mockidp.Option) *idp {
	t.Helper()
	cfg := testConfig()
	if edit != nil {
		edit(&cfg)
	}
	clock := &fakeClock{now: time.Unix(1_800_000_000, 0)}
	log := &lockedBuffer{}
	opts = append([]mockidp.Option{
		mockidp.WithClock(clock), mockidp.WithSigningKeys(testKeys()...),
		mockidp.WithLogger(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))),
	}, opts...)
	p, err := mockidp.New(cfg, opts...)
	if err != nil {
		t.Fatal(err)
	}
	s := &idp{Provider: p, t: t, clock: clock, log: log}
	s.browser = s.newBrowser()
	return s
}

func autoLogin(user string) func(*mockidp.Config) {
	return func(c *mockidp.Config) { c.AutoLogin = user }
}

// newBrowser returns a browser without cookies. It follows no redirect.
func (s *idp) newBrowser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &http.Client{
		Jar:           jar,
		Transport:     handlerTransport{s.Provider},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type handlerTransport struct{ handler http.Handler }

func (h handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	in := r.Clone(r.Context())
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	h.handler.ServeHTTP(recorder, in)
	response := recorder.Result()
	response.Request = r
	return response, nil
}

type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body string
}

func (s *idp) do(client *http.Client, r *http.Request) answer {
	s.t.Helper()
	response, err := client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{response, string(body)}
}

func (s *idp) get(rawURL string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, rawURL, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.do(s.browser, r)
}

func (s *idp) post(rawURL string, form url.Values, edits ...func(*http.Request)) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, rawURL, strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, edit := range edits {
		edit(r)
	}
	return s.do(s.browser, r)
}

// authParams are those of a good request; overrides come as name, value; an empty value removes the parameter.
func authParams(overrides ...string) url.Values {
	v := url.Values{
		"client_id": {"app"}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid"}, "state": {"st&a te=%+é"},
		"nonce": {"n-1"}, "code_challenge": {s256}, "code_challenge_method": {"S256"},
	}
	return override(v, overrides)
}

func override(v url.Values, overrides []string) url.Values {
	for i := 0; i+1 < len(overrides); i += 2 {
		if overrides[i+1] == "" {
			v.Del(overrides[i])
			continue
		}
		v.Set(overrides[i], overrides[i+1])
	}
	return v
}

func (s *idp) authorize(overrides ...string) answer {
	s.t.Helper()
	return s.get(s.at("authorization") + "?" + authParams(overrides...).Encode())
}

// redirected returns the parameters of a redirect to the client.
func (s *idp) redirected(a answer, to string) url.Values {
	s.t.Helper()
	location := a.Header.Get("Location")
	if a.StatusCode != http.StatusFound && a.StatusCode != http.StatusSeeOther {
		s.t.Fatalf("status %d, want a redirect; body: %s", a.StatusCode, a.body)
	}
	if !strings.HasPrefix(location, to+"?") && !strings.HasPrefix(location, to+"&") {
		s.t.Fatalf("redirected to %q, want %q and parameters", location, to)
	}
	query, err := url.ParseQuery(location[len(to)+1:])
	if err != nil {
		s.t.Fatal(err)
	}
	return query
}

// wantError asserts an error redirect with state and iss.
func (s *idp) wantError(a answer, code string) {
	s.t.Helper()
	q := s.redirected(a, callback)
	if q.Get("error") != code || q.Has("code") {
		s.t.Fatalf("answer %v, want error %s", q, code)
	}
	if q.Get("iss") != issuer {
		s.t.Errorf("iss is %q on an error response", q.Get("iss"))
	}
	if q.Get("error_description") == "" {
		s.t.Error("error_description is missing")
	}
}

func (s *idp) wantPage(a answer, status int, contains string) {
	s.t.Helper()
	if a.StatusCode != status || !strings.Contains(a.body, contains) || a.Header.Get("Location") != "" {
		s.t.Fatalf("status %d, Location %q, want a page with %d and %q; body: %s", a.StatusCode, a.Header.Get("Location"), status, contains, a.body)
	}
	if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
		s.t.Errorf("Content-Type %q, want a page", a.Header.Get("Content-Type"))
	}
}

var transactionField = regexp.MustCompile(`name="transaction" value="([^"]+)"`)

func (s *idp) transactionOf(a answer) string {
	s.t.Helper()
	m := transactionField.FindStringSubmatch(a.body)
	if m == nil {
		s.t.Fatalf("status %d: no form to sign in; body: %s", a.StatusCode, a.body)
	}
	return m[1]
}

// login goes through the login page, unless a session answers.
func (s *idp) login(user string, overrides ...string) answer {
	s.t.Helper()
	page := s.authorize(overrides...)
	if page.StatusCode == http.StatusFound {
		return page
	}
	return s.post(s.at("login"), url.Values{"transaction": {s.transactionOf(page)}, "user": {user}})
}

// code signs in and returns the code.
func (s *idp) code(user string, overrides ...string) string {
	s.t.Helper()
	to := callback
	if uri := override(url.Values{}, overrides).Get("redirect_uri"); uri != "" {
		to = uri
	}
	q := s.redirected(s.login(user, overrides...), to)
	if q.Get("code") == "" {
		s.t.Fatalf("no code in %v", q)
	}
	return q.Get("code")
}

func basicAuth(id, secret string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret))))
	}
}

func codeParams(code string, overrides ...string) url.Values {
	v := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}
	return override(v, overrides)
}

func (s *idp) token(form url.Values, edits ...func(*http.Request)) answer {
	s.t.Helper()
	if len(edits) == 0 {
		edits = []func(*http.Request){basicAuth("app", "s3cret")}
	}
	return s.post(s.at("token"), form, edits...)
}

func (s *idp) refresh(token string, overrides ...string) answer {
	s.t.Helper()
	return s.token(override(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}, overrides))
}

type tokens struct {
	AccessToken  string          `json:"access_token"`
	TokenType    string          `json:"token_type"`
	ExpiresIn    json.RawMessage `json:"expires_in"`
	RefreshToken string          `json:"refresh_token"`
	Scope        string          `json:"scope"`
	IDToken      string          `json:"id_token"`
}

func (s *idp) tokens(a answer) tokens {
	s.t.Helper()
	if a.StatusCode != http.StatusOK {
		s.t.Fatalf("status %d, want tokens; body: %s", a.StatusCode, a.body)
	}
	var out tokens
	if err := json.Unmarshal([]byte(a.body), &out); err != nil {
		s.t.Fatal(err)
	}
	return out
}

// wantTokenError asserts RFC 6749 section 5.2, cache headers included.
func (s *idp) wantTokenError(a answer, status int, code string) {
	s.t.Helper()
	var body struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		s.t.Fatalf("status %d, body is not JSON: %s", a.StatusCode, a.body)
	}
	if a.StatusCode != status || body.Error != code {
		s.t.Fatalf("status %d error %q (%s), want %d %q", a.StatusCode, body.Error, body.Description, status, code)
	}
	wantHeader(s.t, a, "Cache-Control", "no-store")
	wantHeader(s.t, a, "Pragma", "no-cache")
}

func wantHeader(t testing.TB, a answer, name, want string) {
	t.Helper()
	if got := a.Header.Get(name); got != want {
		t.Errorf("%s: %q, want %q", name, got, want)
	}
}

// claims verifies an ID token against the published keys and returns header and claims.
func (s *idp) claims(token string) (jose.Header, map[string]any) {
	s.t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(s.get(s.at("jwks")).body), &set); err != nil {
		s.t.Fatal(err)
	}
	parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA})
	if err != nil {
		s.t.Fatal(err)
	}
	header := parsed.Signatures[0].Header
	keys := set.Key(header.KeyID)
	if len(keys) != 1 {
		s.t.Fatalf("%d published keys have the kid %q, want 1", len(keys), header.KeyID)
	}
	payload, err := parsed.Verify(keys[0])
	if err != nil {
		s.t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		s.t.Fatal(err)
	}
	return header, claims
}

func (s *idp) userinfo(token string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.at("userinfo"), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return s.do(s.browser, r)
}
