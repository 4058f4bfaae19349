// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
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

// What is being answered when the program is asked to end is answered to the end; nothing new is taken.
func TestRequestsInProgressAreAnswered(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	arrived, release := make(chan struct{}), make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		_, _ = io.WriteString(w, "whole")
	})}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, server, listener) }()
	body := make(chan string, 1)
	go func() {
		resp, err := http.Get("http://" + listener.Addr().String())
		if err != nil {
			body <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		body <- string(b)
	}()
	<-arrived
	cancel()
	for { // until the listener is closed
		c, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			break
		}
		_ = c.Close()
	}
	select {
	case err := <-ended:
		t.Fatalf("it ended before the request was answered: %v", err)
	default:
	}
	close(release)
	if got := <-body; got != "whole" {
		t.Errorf("got %q", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestMetricsHaveAnAddressOfTheirOwn(t *testing.T) {
	log := &lines{}
	cfg := testConfig("127.0.0.1:0")
	cfg.MetricsAddress = "localhost:0" // two ports, two spellings
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, cfg, slog.New(log)) }()
	metrics, public := log.await(t, "serving metrics", ended), log.await(t, "listening", ended)
	for address, want := range map[string]int{metrics + "/metrics": 200, metrics + "/oauth2/auth": 404, public + "/metrics": 404, public + "/ready": 503} {
		resp, err := http.Get("http://" + address)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", address, resp.StatusCode, want)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// lines is a log whose addresses can be awaited.
type lines struct{ byMessage sync.Map }

func (l *lines) channel(message string) chan string {
	c, _ := l.byMessage.LoadOrStore(message, make(chan string, 1))
	return c.(chan string)
}

func (l *lines) await(t *testing.T, message string, ended <-chan error) string {
	t.Helper()
	select {
	case address := <-l.channel(message):
		return address
	case err := <-ended:
		t.Fatalf("it ended before it said %q: %v", message, err)
		return ""
	}
}

// Enabled implements slog.Handler.
func (l *lines) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (l *lines) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "address" {
			l.channel(r.Message) <- a.Value.String()
		}
		return true
	})
	return nil
}

// WithAttrs implements slog.Handler.
func (l *lines) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup implements slog.Handler.
func (l *lines) WithGroup(string) slog.Handler { return l }
