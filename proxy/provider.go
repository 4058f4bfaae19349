// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	firstLoadTimeout = 5 * time.Second
	minRetryDelay    = 250 * time.Millisecond
	maxRetryDelay    = 15 * time.Second
	wellKnownPath    = "/.well-known/openid-configuration"
)

// signingAlgorithms are the ID token algorithms accepted, where the identity provider advertises them: asymmetric only.
var signingAlgorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA,
}

// provider finds the identity provider and keeps trying until it does: the proxy starts, and says 401 to those without a
// session, while the identity provider is down.
type provider struct {
	cfg    Config
	secret string
	client *http.Client
	now    func() time.Time
	log    *slog.Logger
	// bearerOnly says that nobody logs in here: only keys are needed.
	bearerOnly bool

	found  atomic.Pointer[identityProvider]
	failed atomic.Pointer[error]
	ready  chan struct{} // closed once found
	cancel context.CancelFunc
	done   chan struct{} // closed when the background work has ended
}

func newProvider(cfg Config, secret string, client *http.Client, now func() time.Time, log *slog.Logger) *provider {
	return &provider{cfg: cfg, secret: secret, client: client, now: now, log: log, ready: make(chan struct{}), done: make(chan struct{})}
}

// start looks for the provider, first for as long as patience, then in the background until close.
func (p *provider) start(ctx context.Context, patience time.Duration) {
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p.cancel = cancel
	if patience > 0 {
		first, stop := context.WithTimeout(ctx, patience)
		defer stop()
		if p.tryLoad(first) {
			close(p.done)
			return
		}
	}
	go p.keepTrying(background)
}

func (p *provider) keepTrying(ctx context.Context) {
	defer close(p.done)
	for delay := minRetryDelay; ; delay = min(2*delay, maxRetryDelay) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(delay):
		}
		if p.tryLoad(ctx) {
			return
		}
	}
}

func (p *provider) tryLoad(ctx context.Context) bool {
	idp, err := p.load(ctx)
	if err != nil {
		p.failed.Store(&err)
		if ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
			p.log.Warn("identity provider not ready, trying again", "issuer", p.cfg.IssuerURL, "error", err.Error())
		}
		return false
	}
	p.found.Store(idp)
	close(p.ready)
	p.log.Info("identity provider ready", "issuer", p.cfg.IssuerURL)
	return true
}

// current is the identity provider, or nil while it has not been found.
func (p *provider) current() *identityProvider { return p.found.Load() }

func (p *provider) lastError() error {
	if err := p.failed.Load(); err != nil {
		return *err
	}
	return nil
}

func (p *provider) close() {
	p.cancel()
	<-p.done
}

// metadata is the part of the discovery document the proxy reads (OpenID Connect Discovery §3, RP-Initiated Logout §2.1).
type metadata struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	UserInfo      string   `json:"userinfo_endpoint"`
	JWKS          string   `json:"jwks_uri"`
	EndSession    string   `json:"end_session_endpoint"`
	Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	TokenAuth     []string `json:"token_endpoint_auth_methods_supported"`
	// AnswersName says that the provider adds iss to each authorization response (RFC 9207 §3).
	AnswersName bool `json:"authorization_response_iss_parameter_supported"`
}

func (p *provider) load(ctx context.Context) (*identityProvider, error) {
	document := p.cfg.DiscoveryURL
	if document == "" {
		document = p.cfg.IssuerURL
	}
	if !strings.Contains(document, "/.well-known/") {
		document = strings.TrimSuffix(document, "/") + wellKnownPath
	}
	var m metadata
	if err := getJSON(ctx, p.client, document, &m); err != nil {
		return nil, fmt.Errorf("fetch the discovery document: %w", err)
	}
	if m.Issuer != p.cfg.IssuerURL {
		return nil, fmt.Errorf("the discovery document at %s names issuer %q, but --oidc-issuer-url is %q: they must be equal, trailing slash included", document, m.Issuer, p.cfg.IssuerURL)
	}
	p.override(&m)
	for _, e := range p.needed(m) {
		if err := checkHTTPURL(e.url); err != nil {
			return nil, fmt.Errorf("the discovery document's %s: %w", e.name, err)
		}
	}
	keys := &keySet{url: m.JWKS, client: p.client, now: p.now}
	if err := keys.fetch(ctx); err != nil {
		return nil, err
	}
	return p.build(m, keys), nil
}

type endpoint struct{ name, url string }

func (p *provider) needed(m metadata) []endpoint {
	if p.bearerOnly {
		return []endpoint{{"jwks_uri", m.JWKS}}
	}
	return []endpoint{{"authorization_endpoint", m.Authorization}, {"token_endpoint", m.Token}, {"jwks_uri", m.JWKS}}
}

func (p *provider) override(m *metadata) {
	for _, o := range []struct {
		from string
		to   *string
	}{{p.cfg.LoginURL, &m.Authorization}, {p.cfg.RedeemURL, &m.Token}, {p.cfg.JWKSURL, &m.JWKS}, {p.cfg.ProfileURL, &m.UserInfo}} {
		if o.from != "" {
			*o.to = o.from
		}
	}
}

func (p *provider) build(m metadata, keys *keySet) *identityProvider {
	algorithms := slices.DeleteFunc(slices.Clone(m.Algorithms), func(a string) bool { return !slices.Contains(signingAlgorithms, a) })
	if len(algorithms) == 0 {
		algorithms = []string{oidc.RS256} // what a silent discovery document means (OpenID Connect Core §3.1.3.7)
	}
	common := oidc.Config{SupportedSigningAlgs: algorithms, Now: p.now}
	idTokens, bearerTokens := common, common
	idTokens.ClientID = p.cfg.ClientID    // logout tokens too
	bearerTokens.SkipClientIDCheck = true // bearer.go compares with all accepted audiences
	return &identityProvider{
		cfg:      p.cfg,
		client:   p.client,
		metadata: m,
		oauth2: oauth2.Config{
			ClientID: p.cfg.ClientID, ClientSecret: p.secret, Scopes: strings.Fields(p.cfg.scope()),
			Endpoint: oauth2.Endpoint{AuthURL: m.Authorization, TokenURL: m.Token, AuthStyle: tokenAuthStyle(m.TokenAuth, p.secret)},
		},
		userInfo:     (&oidc.ProviderConfig{IssuerURL: m.Issuer, UserInfoURL: m.UserInfo}).NewProvider(oidc.ClientContext(context.Background(), p.client)),
		idTokens:     oidc.NewVerifier(m.Issuer, tokenKeys{keySet: keys, types: idTokenTypes}, &idTokens),
		bearerTokens: oidc.NewVerifier(m.Issuer, tokenKeys{keySet: keys, types: bearerTokenTypes, throttle: true}, &bearerTokens),
		logoutTokens: oidc.NewVerifier(m.Issuer, tokenKeys{keySet: keys, types: logoutTokenTypes, throttle: true}, &idTokens),
	}
}

// tokenAuthStyle is decided from discovery rather than by trial, which would send each code twice.
func tokenAuthStyle(supported []string, secret string) oauth2.AuthStyle {
	if secret == "" || (len(supported) > 0 && !slices.Contains(supported, "client_secret_basic")) {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader
}

// getJSON reads a JSON document of bounded size (see client.go).
func getJSON(ctx context.Context, client *http.Client, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read %s: %w", url, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s answered %d", url, resp.StatusCode)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("GET %s did not answer with the expected JSON: %w", url, err)
	}
	return nil
}
