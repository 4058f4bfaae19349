// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/ingress-auth/conformance/proxy"
)

func testConfig(address string) proxy.Config {
	cfg := proxy.DefaultConfig()
	cfg.HTTPAddress = address
	cfg.IssuerURL, cfg.ClientID, cfg.CookieSecret, cfg.EmailDomains = "http://127.0.0.1:1", "app", "0123456789abcdefghijklmnopqrstuv", []string{"*"}
	return cfg
}

func TestRunEndsCleanlyWhenAsked(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := run(ctx, testConfig("127.0.0.1:0"), slog.New(slog.NewTextHandler(io.Discard, nil))); err != nil {
		t.Error(err)
	}
}

func TestAPortInUseIsNamed(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	err = run(t.Context(), testConfig(taken.Addr().String()), slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err == nil || !strings.Contains(err.Error(), "--http-address="+taken.Addr().String()) {
		t.Errorf("got %v", err)
	}
}
