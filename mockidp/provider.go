// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Provider is the OpenID Provider, an http.Handler that is safe for concurrent use.
type Provider struct {
	cfg       Config
	given     Config // as it came: what tenants inherit
	dialect   *Dialect
	directory *directory
	urls      urls
	keys      *keySet
	store     *store
	pages     *pages
	clock     *movableClock
	random    *randomSource
	log       *slog.Logger
	givenKeys []SigningKey
	outbound  *http.Client // calls relying parties
	options   []Option     // for tenants
	tenants   tenants
	handler   http.Handler
	faults    *faultEngine
	recorder  *recorder // nil unless requests are recorded
	logins    loginQueue
	remote    remoteKeys
	nonceKey  [32]byte // of DPoP nonces
	debugger  bool     // shows what is recorded on a page
	mutualTLS *mutualTLS
	// certificates are those of the keys, by kid, in a dialect that publishes them.
	certificates sync.Map
	parent       *Provider // of a tenant that a fault's URL names
}

// New makes a provider. It fails if the configuration is not valid (Config.Validate) or a given key does not fit.
func New(cfg Config, opts ...Option) (*Provider, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("mockidp configuration: %w", err)
	}
	given := cfg
	cfg = cfg.withDefaults()
	dialect := cfg.dialectOf()
	p := &Provider{
		cfg:       cfg,
		given:     given,
		dialect:   dialect,
		directory: newDirectory(cfg.Clients, cfg.Users),
		urls:      newURLs(cfg.Issuer, cfg.BackchannelURLs, dialect),
		clock:     &movableClock{base: systemClock{}},
		random:    newRandomSource(),
		log:       slog.New(slog.DiscardHandler),
		faults:    newFaultEngine(),
		outbound:  newOutboundClient(),
		options:   opts,
		tenants:   tenants{byRoot: map[string]*Provider{}},
		mutualTLS: &mutualTLS{},
	}
	_, _ = rand.Read(p.nonceKey[:]) // never fails
	for _, opt := range opts {
		opt(p)
	}
	var err error
	if p.parent != nil {
		p.keys = p.parent.keys
	} else if p.keys, err = newKeySet(p.givenKeys, cfg.algorithmsInUse()); err != nil {
		return nil, fmt.Errorf("mockidp signing keys: %w", err)
	}
	if p.pages, err = newPages(); err != nil {
		return nil, fmt.Errorf("mockidp pages: %w", err)
	}
	p.store = newStore(cfg.Lifetimes, cfg.RefreshTokenGracePeriod, cfg.MaxEntries)
	p.handler = p.routes()
	for _, t := range cfg.Tenants {
		if p.parent != nil {
			break // the issuer of a fault has none
		}
		if _, err := p.AddTenant(t); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Issuer is the issuer identifier.
func (p *Provider) Issuer() string { return p.cfg.Issuer }

// ServeHTTP serves every endpoint, on any host.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.serving(r.URL).handler.ServeHTTP(w, r)
}

// endpoint is one row of the table below. The name is the endpoint's stable name, for logs and, in time, for faults.
type endpoint struct {
	name   string
	plain  string // where it is unless a dialect places it elsewhere, or not at all
	method string
	handle http.HandlerFunc
}

// endpoints lists everything the provider serves.
func (p *Provider) endpoints() []endpoint {
	list := []endpoint{
		{"discovery", pathDiscovery, "GET", p.serveDiscovery},
		{"jwks", pathJWKS, "GET", p.serveJWKS},
		{"authorization", pathAuthorize, "GET", p.serveAuthorize},
		{"authorization", pathAuthorize, "POST", p.serveAuthorize},
		{"login", pathLogin, "POST", p.serveLogin},
		{"login", pathConsent, "POST", p.serveConsent},
		{"token", pathToken, "POST", p.serveToken},
		{"introspection", pathIntrospection, "POST", p.serveIntrospection},
		{"revocation", pathRevocation, "POST", p.serveRevocation},
		{"pushed_authorization_request", pathPushedRequest, "POST", p.servePushedRequest},
		{"device_authorization", pathDeviceAuth, "POST", p.serveDeviceAuthorization},
		{"device", pathDevice, "GET", p.serveDevice},
		{"device", pathDevice, "POST", p.serveDeviceCode},
		{"device_decide", pathDeviceDecide, "POST", p.serveDeviceDecision},
		{"userinfo", pathUserinfo, "GET", p.serveUserinfo},
		{"userinfo", pathUserinfo, "POST", p.serveUserinfo},
		{"end_session", pathEndSession, "GET", p.serveEndSession},
		{"end_session", pathEndSession, "POST", p.serveEndSession},
		{"end_session_confirm", pathEndSessionConfirm, "POST", p.serveEndSessionConfirm},
	}
	if p.cfg.EnableRegistration {
		list = append(list,
			endpoint{"registration", pathRegistration, "POST", p.serveRegistration},
			endpoint{"registration_client", pathRegistration + "/{client_id}", "GET", p.serveRegisteredClient},
			endpoint{"registration_client", pathRegistration + "/{client_id}", "PUT", p.serveRegisteredClient},
			endpoint{"registration_client", pathRegistration + "/{client_id}", "DELETE", p.serveRegisteredClient})
	}
	if p.cfg.EnableTestMint {
		list = append(list, endpoint{"test_mint", pathTestMint, "POST", p.serveTestMint})
	}
	if p.debugger {
		list = append(list, endpoint{endpointDebugger, pathDebugger, "GET", p.serveDebugger})
	}
	return slices.Concat(list, p.dialectAPI())
}

// patterns are the net/http patterns of an endpoint; GET includes HEAD. Discovery has another place besides (RFC 8414 section
// 3.1), and health is at the root.
func (p *Provider) patterns(e endpoint) []string {
	at, rest := e.plain, ""
	if strings.HasPrefix(at, pathRegistration) {
		at, rest = pathRegistration, strings.TrimPrefix(at, pathRegistration)
	}
	if !p.urls.serves(at) {
		return nil
	}
	list := []string{e.method + " " + p.urls.path(at) + rest}
	if at == pathDiscovery && p.urls.serves(pathMetadata) {
		list = append(list, e.method+" "+p.urls.authorizationServerMetadataPath())
		if p.dialect.Endpoints != nil && p.urls.root != "" {
			list = append(list, e.method+" "+p.urls.path(pathMetadata))
		}
	}
	return list
}

func (p *Provider) routes() http.Handler {
	mux := http.NewServeMux()
	for _, e := range p.endpoints() {
		e.handle = p.recorded(e.name, p.withFaults(e))
		for _, pattern := range p.patterns(e) {
			mux.Handle(pattern, p.observe(e))
		}
	}
	mux.HandleFunc("GET "+pathHealth, serveHealth)
	p.routeFaultTenants(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Mock-IdP", "testing-only")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer") // RFC 9700 section 4.2.4: no code or state in a Referer
		mux.ServeHTTP(w, r)
		p.keys.prepare()
	})
}

// observe logs each request without its query, which may hold a state, a code or a hint.
func (p *Provider) observe(e endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		e.handle(recorder, r)
		p.log.DebugContext(r.Context(), "request", "endpoint", e.name, "method", r.Method, "host", r.Host,
			"status", recorder.status, "duration", time.Since(start))
	})
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (s *statusRecorder) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (p *Provider) now() time.Time { return p.clock.Now() }

func serveHealth(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte("ok\n"))
}
