// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ingress-auth/conformance/mockidp"
	"github.com/ingress-auth/conformance/proxy"
	"github.com/ingress-auth/conformance/proxy/redisstore"
	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/platform/local"
	"github.com/ingress-auth/conformance/suites/standin"
)

// The parts that LocalOptions.Wrap knows.
const (
	partGateway     = "gateway"
	partAuthRequest = "auth-request"
	partAuthService = "auth-service"
	partBackend     = "backend"
	partIdP         = "idp"
)

// The servers beside the proxies, which have their own names, and the error pages, which have their modes'.
const (
	serverAuth        = "standin"
	serverBackend     = "backend"
	serverUpstream    = "upstream"
	serverIdP         = "idp"
	serverBackchannel = "idp-backchannel"
)

// origin is the name of the server behind a relay.
func origin(name string) string { return name + "-origin" }

// readyTimeout bounds the wait for a proxy to find the identity provider, which is in the same process.
const readyTimeout = 20 * time.Second

// localServers are addresses by name, and listeners where the server is in this process. They exist before what they serve,
// because the parts need each other's addresses.
type localServers struct {
	listeners map[string]net.Listener
	addrs     map[string]string
}

func (l localServers) addr(name string) string { return l.addrs[name] }

// url is the base URL of a server.
func (l localServers) url(name string) string { return "http://" + l.addr(name) }

// startServers starts the stand-ins, the identity provider and the proxies.
func (s *localSubject) startServers(ctx context.Context) error {
	if err := s.listen(ctx); err != nil {
		return err
	}
	s.serve(serverAuth, s.asAuthService(standin.NewAuth(s.recorder)))
	s.serve(serverBackend, s.wrapped(partBackend, standin.NewBackend(s.recorder, "echo")))
	s.serve(serverUpstream, s.wrapped(partBackend, standin.NewUpstream(s.recorder, "echo")))
	for _, mode := range []standin.ErrorPageMode{standin.XCode, standin.Always200, standin.NotFound} {
		s.serve(string(mode), standin.NewErrorPages(s.recorder, mode))
	}
	s.relay(serverIdP, exchange.Gateway, exchange.IdP, "", serverIdP)
	s.relay(serverBackchannel, exchange.AuthService, exchange.IdP, "", serverIdP)
	for _, service := range AuthServices() {
		s.relay(service.Name, exchange.Gateway, exchange.AuthService, service.Name, service.Name)
	}
	if err := s.startIdP(); err != nil {
		return err
	}
	if err := s.startRedis(); err != nil {
		return err
	}
	if s.options.AuthService != nil {
		return s.startPrograms(ctx)
	}
	return s.startProxies(ctx)
}

// startProxies serves the variants of the auth service in this process.
func (s *localSubject) startProxies(ctx context.Context) error {
	var group errgroup.Group
	proxies := make([]*localProxy, len(AuthServices()))
	for i, service := range AuthServices() {
		group.Go(func() (err error) {
			proxies[i], err = s.newProxy(ctx, service)
			return err
		})
	}
	err := group.Wait()
	for _, p := range proxies {
		if p != nil {
			s.serveProxy(p)
		}
	}
	return err
}

func (s *localSubject) listen(ctx context.Context) error {
	names := []string{serverAuth, serverBackend, serverUpstream, serverIdP, serverBackchannel, origin(serverIdP),
		string(standin.XCode), string(standin.Always200), string(standin.NotFound)}
	for _, service := range AuthServices() {
		names = append(names, service.Name)
	}
	s.servers = localServers{listeners: map[string]net.Listener{}, addrs: map[string]string{}}
	if s.options.AuthService != nil {
		if err := s.chooseAddrs(ctx); err != nil {
			return err
		}
	} else {
		for _, service := range AuthServices() {
			names = append(names, origin(service.Name))
		}
	}
	for _, name := range names {
		l, err := local.Listen(ctx)
		if err != nil {
			return fmt.Errorf("start %s: %w", name, err)
		}
		s.servers.listeners[name], s.servers.addrs[name] = l, l.Addr().String()
		s.onClose(func(context.Context) error { return closeListener(l) })
	}
	return nil
}

// chooseAddrs finds addresses for auth services that bind them themselves.
func (s *localSubject) chooseAddrs(ctx context.Context) error {
	addrs, err := local.FreeAddrs(ctx, len(AuthServices()))
	if err != nil {
		return err
	}
	for i, service := range AuthServices() {
		s.servers.addrs[origin(service.Name)] = addrs[i]
	}
	return nil
}

// relay records what reaches a real part under a name of its own.
func (s *localSubject) relay(name string, from, to exchange.Party, instance, part string) {
	l := s.servers.listeners[name]
	relay := &standin.Relay{From: from, To: to, Instance: instance, Target: s.servers.addr(origin(part)), Recorder: s.recorder}
	ended := make(chan error, 1)
	go func() { ended <- relay.Serve(l) }()
	s.onClose(func(context.Context) error { return errors.Join(closeListener(l), <-ended) })
}

// closeListener closes a listener that its server may have closed already.
func closeListener(l net.Listener) error {
	if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func (s *localSubject) serve(name string, h http.Handler) {
	s.serveWith(name, &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second})
}

// serveWith serves on the listener of that name until the subject is closed. Answers in progress are cut off: some of them
// are made never to end.
func (s *localSubject) serveWith(name string, server *http.Server) {
	s.start(name, server, func() error { return server.Serve(s.servers.listeners[name]) })
}

func (s *localSubject) start(name string, server *http.Server, serve func() error) {
	server.ErrorLog = slog.NewLogLogger(s.options.Logger.Handler(), slog.LevelDebug)
	ended := make(chan error, 1)
	go func() { ended <- serve() }()
	s.onClose(func(context.Context) error {
		err := server.Close()
		if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, fmt.Errorf("%s ended early: %w", name, served))
		}
		return err
	})
}

func (s *localSubject) wrapped(part string, h http.Handler) http.Handler {
	if wrap := s.options.Wrap[part]; wrap != nil {
		return wrap(h)
	}
	return h
}

func (s *localSubject) asAuthService(h http.Handler) http.Handler {
	return s.wrapped(partAuthRequest, s.wrapped(partAuthService, h))
}

type mockClock func() time.Time

// Now implements mockidp.Clock.
func (c mockClock) Now() time.Time { return c() }

// startIdP starts the identity provider with the configuration it has in a cluster. The browser knows it by the issuer's
// host, through the gateway; the proxies ask it directly.
func (s *localSubject) startIdP() error {
	var hosts []string
	for _, service := range AuthServices() {
		hosts = append(hosts, service.Host+"."+Domain)
	}
	text, err := kindManifests{files: s.options.Manifests}.text("idp.yaml", map[string]any{
		"Issuer": publicURL(idpHost), "Backchannel": s.servers.url(serverBackchannel), "ClientSecret": s.material.clientSecret, "AuthHosts": hosts,
		"BackchannelLogout": s.servers.url(storeReplica) + backchannelLogoutPath,
	})
	if err != nil {
		return err
	}
	config, err := mockidp.ParseConfig(strings.NewReader(text))
	if err != nil {
		return fmt.Errorf("configure the identity provider: %w", err)
	}
	if config.Dialect, err = idpDialect(s.options.IdP); err != nil {
		return err
	}
	s.idp, err = mockidp.New(config, mockidp.WithClock(mockClock(s.options.Now)), mockidp.WithLogger(s.options.Logger))
	if err != nil {
		return fmt.Errorf("start the identity provider: %w", err)
	}
	s.serve(origin(serverIdP), s.wrapped(partIdP, s.idp))
	return nil
}

type localProxy struct {
	name    string
	config  proxy.Config
	handler *proxy.Proxy
}

// newProxy makes one variant of the auth service with the flags it has in a cluster; addresses and secrets are those of
// this run. It returns when the proxy has found the identity provider.
func (s *localSubject) newProxy(ctx context.Context, service AuthService) (*localProxy, error) {
	config, err := proxy.ParseConfig(authServiceArgs(service, newPlaceholders(s.placeholders())), nil, io.Discard)
	if err != nil {
		return nil, fmt.Errorf("configure %s: %w", service.Name, err)
	}
	config.HTTPAddress = s.servers.addr(origin(service.Name))
	config.ClientSecretFile, config.ClientSecret = "", s.material.clientSecret
	config.CookieSecretFile, config.CookieSecret = "", s.material.cookieSecret
	options := proxy.Options{Clock: s.options.Now, Logger: s.options.Logger}
	if config.SessionStoreType == proxy.SessionStoreRedis {
		store, err := redisstore.Open(redisstore.Options(config.Redis))
		if err != nil {
			return nil, fmt.Errorf("configure %s: %w", service.Name, err)
		}
		s.onClose(func(context.Context) error { return store.Close() })
		options.Store = store
	}
	handler, err := proxy.New(ctx, config, options)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", service.Name, err)
	}
	p := &localProxy{service.Name, config, handler}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	select {
	case <-handler.Ready():
		return p, nil
	case <-ctx.Done():
		return p, fmt.Errorf("%s did not find the identity provider: %w", service.Name, ctx.Err())
	}
}

func (s *localSubject) serveProxy(p *localProxy) {
	s.onClose(func(context.Context) error { return p.handler.Close() })
	s.serveWith(origin(p.name), proxy.NewServer(p.config, s.asAuthService(p.handler)))
}
