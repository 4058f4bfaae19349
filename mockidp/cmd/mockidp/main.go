// SPDX-License-Identifier: Apache-2.0

// Command mockidp serves a mock OpenID Provider, for tests only.
//
// Exit codes: 0 after SIGINT or SIGTERM, 1 if it cannot serve, 2 if flags or configuration are wrong.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/ingress-auth/conformance/mockidp"
)

const (
	exitOK      = 0
	exitRuntime = 1
	exitUsage   = 2
)

func main() {
	time.AfterFunc(settled, keepSmall)
	os.Exit(run(context.Background(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// smallHeap is how much garbage there may be, in percent of what is in use: a quarter of what Go allows. A mock provider runs beside
// what matters, often several at a time, and spends nearly all its time on signatures anyway.
const smallHeap = 25

// settled is when the start is over, during which collecting garbage would take longer than all else.
const settled = time.Second

// keepSmall leaves the choice to GOGC if that is set.
func keepSmall() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(smallHeap)
	}
}

// run is main with its surroundings injected. It ends when ctx does.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	if len(args) > 1 && args[0] == "faults" && args[1] == "run" {
		return runFaultsRun(ctx, args[2:], stdout, stderr)
	}
	if len(args) > 0 {
		if command := commands()[args[0]]; command != nil {
			if err := command(args[1:], stdout); err != nil {
				complain(stderr, err)
				return exitUsage
			}
			return exitOK
		}
	}
	s, err := parseSettings(args, getenv, stdout)
	if errors.Is(err, errHelp) {
		return exitOK
	}
	if err == nil {
		err = s.check()
	}
	if err != nil {
		complain(stderr, err)
		return exitUsage
	}
	cfg, err := s.config()
	if err != nil {
		complain(stderr, err)
		return exitUsage
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.listen)
	if err != nil {
		fmt.Fprintf(stderr, "mockidp: cannot listen on %s: %v; give another address with --listen\n", s.listen, err)
		return exitRuntime
	}
	if cfg.Issuer == "" {
		cfg.Issuer = s.defaultIssuer(listener.Addr()) + dialectPath(cfg)
	}
	log := s.logger(stderr)
	options := []mockidp.Option{mockidp.WithLogger(log)}
	if s.controlListen != "" {
		options = append(options, mockidp.WithRecording())
	}
	if s.debugger {
		options = append(options, mockidp.WithDebugger())
		log.Info("debugger: GET /debugger, below the issuer's path, shows the last flows")
	}
	if s.tlsCert != "" {
		options = append(options, mockidp.WithClientCertificates())
	}
	provider, err := mockidp.New(cfg, options...)
	if err != nil {
		_ = listener.Close()
		complain(stderr, err)
		return exitUsage
	}
	if err := serveControl(ctx, provider, s, log); err != nil {
		_ = listener.Close()
		complain(stderr, err)
		return exitRuntime
	}
	authority, err := s.authority()
	if err != nil {
		_ = listener.Close()
		complain(stderr, err)
		return exitRuntime
	}
	announce := func() { banner(log, provider, listener.Addr(), cfg) }
	if err := serve(ctx, provider, listener, authority, s, log, announce); err != nil {
		complain(stderr, err)
		return exitRuntime
	}
	return exitOK
}

// commands print something instead of serving.
func commands() map[string]func(args []string, stdout io.Writer) error {
	return map[string]func([]string, io.Writer) error{"faults": runFaults, "dialects": runDialects, "schema": runSchema}
}

// complain writes an error in one line, since several mistakes may come on several.
func complain(w io.Writer, err error) {
	var line strings.Builder
	for part := range strings.Lines(err.Error()) {
		switch said := line.String(); {
		case said == "":
		case strings.HasSuffix(said, ":"):
			line.WriteString(" ")
		default:
			line.WriteString("; ")
		}
		line.WriteString(strings.TrimSpace(part))
	}
	fmt.Fprintln(w, "mockidp:", line.String())
}

// banner says what is served, and how to use the defaults, which are published and no secret.
func banner(log *slog.Logger, p *mockidp.Provider, addr net.Addr, cfg mockidp.Config) {
	log.Warn("mock identity provider: for tests only, it signs anybody in without a password",
		"issuer", p.Issuer(), "listen", addr.String())
	if len(cfg.Clients) == 0 {
		log.Info("no clients configured: using the default client", "client_id", mockidp.DefaultClientID,
			"default_secret", mockidp.DefaultClientSecret, "redirect_uris", mockidp.DefaultClients()[0].RedirectURIs)
	}
	if cfg.EnableTestMint {
		log.Warn("enable_test_mint is on: anyone who reaches this server gets an ID token from POST /test/mint")
	}
}

// authority makes that of --tls, or returns nil.
func (s settings) authority() (*mockidp.Authority, error) {
	if !s.tls {
		return nil, nil
	}
	authority, err := mockidp.NewAuthority()
	if err != nil || s.tlsCAFile == "" {
		return authority, err
	}
	if err := os.WriteFile(s.tlsCAFile, authority.RootPEM(), 0o644); err != nil {
		return nil, fmt.Errorf("the certificate of the authority cannot be written: %w; give another --tls-ca-file", err)
	}
	return authority, nil
}

// shutdownTimeout is what requests under way get after SIGTERM.
const shutdownTimeout = 5 * time.Second

func serve(ctx context.Context, provider *mockidp.Provider, listener net.Listener, authority *mockidp.Authority, s settings, log *slog.Logger, announce func()) error {
	server := &http.Server{
		Handler:           provider,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() {
		if authority != nil {
			ended <- provider.ServeTLS(server, listener, authority)
			return
		}
		if s.tlsCert != "" {
			server.TLSConfig = &tls.Config{ClientAuth: tls.RequestClientCert}
			ended <- server.ServeTLS(listener, s.tlsCert, s.tlsKey)
			return
		}
		ended <- server.Serve(listener)
	}()
	announce()
	// Before it serves a signal ends it as it is; to listen for signals takes a thread, which the start need not wait for.
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	select {
	case err := <-ended:
		return fmt.Errorf("serving stopped: %w", err)
	case <-ctx.Done():
	}
	log.Info("shutting down")
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return fmt.Errorf("requests were still under way after %s: %w", shutdownTimeout, err)
	}
	return nil
}
