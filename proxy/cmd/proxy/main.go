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
		fmt.Fprintf(os.Stderr, "The proxy cannot start with this configuration:\n%v\nSee --help for the settings.\n", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, cfg, slog.New(slog.NewJSONHandler(os.Stderr, nil))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, cfg proxy.Config, log *slog.Logger) error {
	listener, err := net.Listen("tcp", cfg.HTTPAddress)
	if err != nil {
		return fmt.Errorf("listen on --http-address=%s: %w", cfg.HTTPAddress, err)
	}
	options := proxy.Options{Logger: log}
	if cfg.SessionStoreType == proxy.SessionStoreRedis {
		store, err := redisstore.Open(redisstore.Options(cfg.Redis))
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		defer store.Close()
		options.Store = store
	}
	handler, err := proxy.New(ctx, cfg, options)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer handler.Close()
	server := proxy.NewServer(cfg, handler)
	server.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	log.Info("listening", "address", listener.Addr().String())
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	shutdown, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(shutdown); err != nil {
		return errors.Join(fmt.Errorf("some requests did not finish within %s: %w", shutdownTimeout, err), server.Close())
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
