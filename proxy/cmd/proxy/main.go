// SPDX-License-Identifier: Apache-2.0

// Command proxy runs the reference auth proxy. All it does is in package proxy; see --help for the settings.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ingress-auth/conformance/proxy"
	"github.com/ingress-auth/conformance/proxy/redisstore"
)

// shutdownTimeout is how long requests in progress get to finish after SIGTERM.
const shutdownTimeout = 20 * time.Second

func main() {
	cfg, err := proxy.ParseConfig(os.Args[1:], os.Environ(), os.Stdout)
	switch {
	case errors.Is(err, proxy.ErrDone):
		return
	case err != nil:
		fmt.Fprintf(os.Stderr, "The configuration is not right:\n%v\nSee --help for the settings.\n", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	useForStandardLog(log)
	if err := run(ctx, cfg, log); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, cfg proxy.Config, log *slog.Logger) error {
	listener, err := net.Listen("tcp", cfg.HTTPAddress)
	if err != nil {
		return fmt.Errorf("listen on --http-address=%s: %w", cfg.HTTPAddress, err)
	}
	defer listener.Close()
	options := proxy.Options{Logger: log}
	if cfg.SessionStoreType == proxy.SessionStoreRedis {
		redisstore.Quiet()
		store, err := redisstore.Open(redisstore.Options(cfg.Redis))
		if err != nil {
			return err
		}
		defer store.Close()
		options.Store = store
	}
	handler, err := proxy.New(ctx, cfg, options)
	if err != nil {
		return err
	}
	defer handler.Close()
	if cfg.MetricsAddress != "" {
		stop, err := serveMetrics(cfg.MetricsAddress, handler.Metrics(), log)
		if err != nil {
			return err
		}
		defer stop()
	}
	server := proxy.NewServer(cfg, handler)
	server.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	log.Info("listening", "address", listener.Addr().String())
	return serve(ctx, server, listener)
}

// serve answers until ctx ends, and then until the requests in progress are answered.
func serve(ctx context.Context, server *http.Server, listener net.Listener) error {
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	shutdown, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(shutdown); err != nil {
		return errors.Join(fmt.Errorf("some requests did not finish within %s: %w", shutdownTimeout, err), server.Close())
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// serveMetrics answers /metrics on an address of its own until stop.
func serveMetrics(address string, handler http.Handler, log *slog.Logger) (stop func(), err error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on --metrics-address=%s: %w", address, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", handler)
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 20 * time.Second, WriteTimeout: 20 * time.Second,
		IdleTimeout: 120 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	go func() { _ = server.Serve(listener) }() // ends by stop
	log.Info("serving metrics", "address", listener.Addr().String())
	return func() { _ = server.Close() }, nil
}
