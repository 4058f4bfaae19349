// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Provider is the OpenID Provider, an http.Handler that is safe for concurrent use.
type Provider struct {
	cfg       Config
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
	parent    *Provider // of a tenant that a fault's URL names
}

// New makes a provider. It fails if the configuration is not valid (Config.Validate) or a given key does not fit.
func New(cfg Config, opts ...Option) (*Provider, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("mockidp configuration: %w", err)
	}
	cfg = cfg.withDefaults()
	p := &Provider{
		cfg:       cfg,
		directory: newDirectory(cfg.Clients, cfg.Users),
		urls:      newURLs(cfg.Issuer, cfg.BackchannelURLs),
		clock:     &movableClock{base: systemClock{}},
		random:    newRandomSource(),
		log:       slog.New(slog.DiscardHandler),
		faults:    newFaultEngine(),
		outbound:  newOutboundClient(),
		options:   opts,
		tenants:   tenants{byRoot: map[string]*Provider{}},
	}
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
	p.store = newStore(cfg.Lifetimes)
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
	name    string
	pattern string // a net/http pattern: method and path; GET includes HEAD
	handle  http.HandlerFunc
}

// endpoints lists everything the provider serves.
func (p *Provider) endpoints() []endpoint {
	at := p.urls.path
	list := []endpoint{
		{"discovery", "GET " + at(pathDiscovery), p.serveDiscovery},
		{"discovery", "GET " + p.urls.authorizationServerMetadataPath(), p.serveDiscovery},
		{"jwks", "GET " + at(pathJWKS), p.serveJWKS},
		{"authorization", "GET " + at(pathAuthorize), p.serveAuthorize},
		{"authorization", "POST " + at(pathAuthorize), p.serveAuthorize},
		{"login", "POST " + at(pathLogin), p.serveLogin},
		{"token", "POST " + at(pathToken), p.serveToken},
		{"introspection", "POST " + at(pathIntrospection), p.serveIntrospection},
		{"revocation", "POST " + at(pathRevocation), p.serveRevocation},
		{"pushed_authorization_request", "POST " + at(pathPushedRequest), p.servePushedRequest},
		{"device_authorization", "POST " + at(pathDeviceAuth), p.serveDeviceAuthorization},
		{"device", "GET " + at(pathDevice), p.serveDevice},
		{"device", "POST " + at(pathDevice), p.serveDeviceCode},
		{"device_decide", "POST " + at(pathDeviceDecide), p.serveDeviceDecision},
		{"userinfo", "GET " + at(pathUserinfo), p.serveUserinfo},
		{"userinfo", "POST " + at(pathUserinfo), p.serveUserinfo},
		{"end_session", "GET " + at(pathEndSession), p.serveEndSession},
		{"end_session", "POST " + at(pathEndSession), p.serveEndSession},
		{"end_session_confirm", "POST " + at(pathEndSessionConfirm), p.serveEndSessionConfirm},
		{"health", "GET " + pathHealth, serveHealth},
	}
	if p.cfg.EnableRegistration {
		list = append(list,
			endpoint{"registration", "POST " + at(pathRegistration), p.serveRegistration},
			endpoint{"registration_client", "GET " + at(pathRegistration) + "/{client_id}", p.serveRegisteredClient})
	}
	if p.cfg.EnableTestMint {
		list = append(list, endpoint{"test_mint", "POST " + at(pathTestMint), p.serveTestMint})
	}
	return list
}

func (p *Provider) routes() http.Handler {
	mux := http.NewServeMux()
	for _, e := range p.endpoints() {
		e.handle = p.recorded(e.name, p.withFaults(e))
		mux.Handle(e.pattern, p.observe(e))
	}
	p.routeFaultTenants(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Mock-IdP", "testing-only")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer") // RFC 9700 section 4.2.4: no code or state in a Referer
		mux.ServeHTTP(w, r)
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
