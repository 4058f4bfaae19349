// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingress-auth/conformance/mockidp"
	"github.com/ingress-auth/conformance/mockidp/rptest"
	"github.com/ingress-auth/conformance/proxy"
)

// faultClock is the proxy's time.
type faultClock struct {
	mu     sync.Mutex
	offset time.Duration
}

func (c *faultClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset)
}

func (c *faultClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

func startProxy(ctx context.Context, issuer string) (*rptest.RelyingParty, error) {
	cfg := proxy.DefaultConfig()
	cfg.IssuerURL, cfg.ClientID, cfg.ClientSecret = issuer, mockidp.DefaultClientID, mockidp.DefaultClientSecret
	cfg.CookieSecret = rand.Text()[:16] + rand.Text()[:16]
	cfg.CookieSecure, cfg.CookieRefresh = false, time.Minute
	cfg.EmailDomains, cfg.Scope = []string{"example.com"}, "openid email profile groups offline_access"
	clock := &faultClock{}
	ctx, cancel := context.WithCancel(ctx)
	p, err := proxy.New(ctx, cfg, proxy.Options{Clock: clock.now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		cancel()
		return nil, err
	}
	server := httptest.NewServer(p)
	return &rptest.RelyingParty{URL: server.URL, Age: clock.add, Close: func() {
		server.Close()
		_ = p.Close() // nothing is left to do about it
		cancel()
	}}, nil
}

// faultResults is where the verdicts stand; UPDATE_FAULT_RESULTS=1 writes them.
const faultResults = "../docs/faults-results.md"

// The proxy goes through the whole fault catalogue; a verdict that is not the written one is a change to explain.
func TestProxyStandsTheFaultCatalogue(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as the proxy's own deadlines")
	}
	faults, err := mockidp.Faults()
	if err != nil {
		t.Fatal(err)
	}
	results, err := rptest.Run(t.Context(), rptest.Driver{
		Start: startProxy, LoginPath: "/oauth2/start?rd=/", CallbackPath: "/oauth2/callback", AuthPath: "/oauth2/auth",
		SessionCookie: "_oauth2_proxy", RefreshAfter: 90 * time.Second,
	}, faults, 24)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := rptest.WriteMarkdown(&text, "proxy", results); err != nil {
		t.Fatal(err)
	}
	if os.Getenv("UPDATE_FAULT_RESULTS") != "" {
		if err := os.WriteFile(faultResults, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(faultResults)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Verdict == rptest.Blocked {
			t.Errorf("%s: could not be judged: %s", r.Fault.ID, r.Reason)
		}
	}
	want, got := strings.Split(string(written), "\n"), strings.Split(text.String(), "\n")
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) || want[i] != got[i] {
			t.Errorf("%s differs from line %d on; run with UPDATE_FAULT_RESULTS=1 and look at what changed\nwritten: %s\nnow:     %s",
				faultResults, i+1, line(want, i), line(got, i))
			break
		}
	}
}

func line(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(nothing)"
}
