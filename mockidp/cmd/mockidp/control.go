// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/ingress-auth/conformance/mockidp"
)

// checkControl keeps the control API from being open to other machines.
func (s settings) checkControl() error {
	if s.controlListen == "" {
		if s.controlToken != "" {
			return fmt.Errorf("--control-token is given, but there is no --control-listen")
		}
		return nil
	}
	host, _, err := net.SplitHostPort(s.controlListen)
	if err != nil {
		return fmt.Errorf("--control-listen %q must be host:port", s.controlListen)
	}
	if !loopback(host) && s.controlToken == "" {
		return fmt.Errorf("--control-listen %s can be reached from other machines: give --control-token, which requests must then show", s.controlListen)
	}
	return nil
}

// serveControl serves the control API until ctx is over, if it was asked for.
func serveControl(ctx context.Context, p *mockidp.Provider, s settings, log *slog.Logger) error {
	if s.controlListen == "" {
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.controlListen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w; give another address with --control-listen", s.controlListen, err)
	}
	server := &http.Server{Handler: p.ControlHandler(s.controlToken), ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	log.Info("control API", "listen", listener.Addr().String(), "token_needed", s.controlToken != "")
	go func() { _ = server.Serve(listener) }() // ends with Close
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return nil
}
