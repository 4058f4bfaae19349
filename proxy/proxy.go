// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Options are what a program, unlike a flag, can give.
type Options struct {
	// Clock tells the time of every decision: sessions, states, tokens. Default: time.Now.
	Clock func() time.Time
	// Logger receives one line per request and the reasons of refusals; never a cookie, code, state, token or secret.
	// Default: slog.Default.
	Logger *slog.Logger
	// HTTPClient is used towards the identity provider. Time and size are bounded and redirects refused in any case.
	HTTPClient *http.Client
	// Store keeps the sessions where Config.SessionStoreType is SessionStoreRedis; the caller closes it after the proxy.
	Store Store
}

// Proxy is the auth service. It is safe for concurrent use.
type Proxy struct {
	cfg       Config
	log       *slog.Logger
	now       func() time.Time
	provider  *provider
	issuers   bearerIssuers
	sessions  sessionStore
	store     Store
	reached   atomic.Bool // the store answered once
	logout    *sessionIndex
	states    *stateStore
	redirects redirectValidator
	trusted   trustedProxies
	refresher *refresher
	upstream  http.Handler
	endpoints map[string]http.HandlerFunc
	metrics   *metrics // nil without --metrics-address
}

// New makes a proxy from a valid configuration. It asks the identity provider once and, where that fails, goes on trying in
// the background: Ready then tells when logins can begin. Call Close when done.
func New(ctx context.Context, cfg Config, opts Options) (*Proxy, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if (cfg.SessionStoreType == SessionStoreRedis) != (opts.Store != nil) {
		return nil, errors.New("--session-store-type=redis and Options.Store need each other: give both or neither")
	}
	p := &Proxy{cfg: cfg, log: opts.Logger, now: opts.Clock, store: opts.Store}
	if p.log == nil {
		p.log = slog.Default()
	}
	if p.now == nil {
		p.now = time.Now
	}
	clientSecret, err := cfg.clientSecret()
	if err != nil {
		return nil, err
	}
	if err := p.newStores(); err != nil {
		return nil, err
	}
	client, err := newProviderClient(opts.HTTPClient, cfg.ProviderCAFiles)
	if err != nil {
		return nil, err
	}
	if cfg.MetricsAddress != "" {
		p.metrics = newMetrics(p)
		client.Transport = measuredTransport{client.Transport, p.metrics.provider}
	}
	if p.upstream, err = p.newUpstream(); err != nil {
		return nil, fmt.Errorf("--upstream: %w", err)
	}
	if p.trusted, err = parseTrustedProxies(cfg.TrustedProxies); err != nil {
		return nil, err
	}
	p.refresher = newRefresher(p)
	p.endpoints = p.routes()
	p.provider = newProvider(cfg, clientSecret, client, p.now, p.log)
	if p.issuers, err = newBearerIssuers(ctx, p.provider, client, p.now, p.log); err != nil {
		return nil, err
	}
	p.provider.start(ctx, firstLoadTimeout)
	return p, nil
}

func (p *Proxy) newStores() error {
	secrets, err := p.cfg.cookieSecrets()
	if err != nil {
		return err
	}
	cookies := cookieMaker{domain: p.cfg.CookieDomain, secure: p.cfg.CookieSecure, sameSite: p.cfg.sameSite()}
	if err := p.newSessionStore(secrets, cookies); err != nil {
		return err
	}
	stateSealer, err := newSealer("state", secrets...)
	if err != nil {
		return err
	}
	// The way back from the identity provider is cross-site: a strict state cookie would never arrive.
	if cookies.sameSite == http.SameSiteStrictMode {
		cookies.sameSite = http.SameSiteLaxMode
	}
	p.states = &stateStore{cookieName: stateCookieName(p.cfg), sealer: stateSealer, cookies: cookies, lifetime: p.cfg.CSRFExpire, now: p.now}
	p.redirects = redirectValidator{prefix: p.cfg.ProxyPrefix}
	for _, entry := range p.cfg.WhitelistDomains {
		allowed, err := parseAllowedHost(entry)
		if err != nil {
			return fmt.Errorf("--whitelist-domain=%q %w", entry, err)
		}
		p.redirects.allowed = append(p.redirects.allowed, allowed)
	}
	return nil
}

func (p *Proxy) newSessionStore(secrets [][]byte, cookies cookieMaker) error {
	purpose := "session"
	if p.store != nil {
		purpose = "ticket"
	}
	sealer, err := newSealer(purpose, secrets...)
	if err != nil {
		return err
	}
	if p.store == nil {
		p.sessions = &cookieStore{name: p.cfg.CookieName, sealer: sealer, cookies: cookies, now: p.now}
		return nil
	}
	if p.cfg.BackchannelLogout {
		if p.logout, err = newSessionIndex(p.store, p.cfg.CookieName, secrets); err != nil {
			return err
		}
	}
	p.sessions = &ticketStore{
		name: p.cfg.CookieName, sealer: sealer, cookies: cookies, now: p.now, log: p.log, store: p.store, index: p.logout,
		patience: 2 * storeTimeout, unstored: map[ticket]unstored{},
	}
	return nil
}

func (p *Proxy) routes() map[string]http.HandlerFunc {
	read := []string{http.MethodGet, http.MethodHead}
	routes := map[string]http.HandlerFunc{
		"/auth":     p.auth, // any method: an ingress may ask with the method of the original request
		"/ping":     p.ping,
		"/ready":    p.readiness,
		"/sign_in":  p.only(p.signIn, read...),
		"/start":    p.only(p.start, append(read, http.MethodPost)...),
		"/callback": p.only(p.callback, http.MethodGet),
		"/sign_out": p.only(p.signOut, append(read, http.MethodPost)...),
		"/userinfo": p.only(p.userInfo, read...),
	}
	if p.logout != nil {
		routes["/backchannel-logout"] = p.only(p.backchannelLogout, http.MethodPost)
	}
	return routes
}

// only refuses other methods.
func (p *Proxy) only(next http.HandlerFunc, methods ...string) http.HandlerFunc {
	allow := strings.Join(methods, ", ")
	return func(w http.ResponseWriter, r *http.Request) {
		for _, m := range methods {
			if r.Method == m {
				next(w, r)
				return
			}
		}
		w.Header().Set("Allow", allow)
		p.fail(w, r, problem{status: http.StatusMethodNotAllowed, message: "This address answers " + allow + " only."})
	}
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r = withRequestID(r)
	recorder := &statusRecorder{ResponseWriter: w}
	began := p.now()
	p.dispatch(recorder, r)
	if p.metrics != nil {
		p.metrics.observe(p.endpointOf(r.URL.Path), recorder.status, p.now().Sub(began))
	}
	p.logRequest(r, recorder.status, began)
}

func (p *Proxy) dispatch(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case p.cfg.PingPath != "" && path == p.cfg.PingPath:
		p.ping(w, r)
	case p.cfg.ReadyPath != "" && path == p.cfg.ReadyPath:
		p.readiness(w, r)
	case strings.HasPrefix(path, p.cfg.ProxyPrefix+"/"):
		endpoint, ok := p.endpoints[strings.TrimPrefix(path, p.cfg.ProxyPrefix)]
		if !ok {
			p.fail(w, r, problem{status: http.StatusNotFound, message: "There is no such address under " + p.cfg.ProxyPrefix + "/."})
			return
		}
		endpoint(w, r)
	default:
		p.forward(w, r)
	}
}

// Ready is closed once the identity provider has been found.
func (p *Proxy) Ready() <-chan struct{} { return p.provider.ready }

// Close ends the background work. Requests in progress are not disturbed.
func (p *Proxy) Close() error {
	p.issuers.close()
	return nil
}

func (p *Proxy) providerName() string {
	if p.cfg.ProviderName != "" {
		return p.cfg.ProviderName
	}
	u, err := url.Parse(p.cfg.IssuerURL)
	if err != nil {
		return "the identity provider"
	}
	return u.Host
}
