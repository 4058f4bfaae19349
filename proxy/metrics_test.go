// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func scrape(t testing.TB, p *Proxy) string {
	t.Helper()
	w := httptest.NewRecorder()
	p.Metrics().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("metrics: %d", w.Code)
	}
	return w.Body.String()
}

func TestMetricsCountByEndpointAndNameNobody(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.MetricsAddress = "127.0.0.1:0" })
	f.login("/")
	f.get("/oauth2/auth")
	f.another().get("/oauth2/auth")
	f.get("/ready")
	f.get("/oauth2/no-such-endpoint")
	f.get("/ann@example.com")
	got := scrape(t, f.proxy)
	for _, want := range []string{
		`auth_proxy_requests_total{code="202",endpoint="auth"} 1`,
		`auth_proxy_requests_total{code="401",endpoint="auth"} 1`,
		`auth_proxy_requests_total{code="302",endpoint="callback"} 1`,
		`auth_proxy_requests_total{code="200",endpoint="health"} 1`,
		`auth_proxy_requests_total{code="404",endpoint="none"} 2`,
		`auth_proxy_request_duration_seconds_count{endpoint="auth"} 2`,
		`auth_proxy_provider_request_duration_seconds_count{outcome="2xx"} 3`, // discovery, keys, token
		`auth_proxy_ready 1`,
		`go_goroutines`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing", want)
		}
	}
	for _, secret := range []string{"ann", "u-1", "example.com"} {
		if strings.Contains(got, secret) {
			t.Errorf("the metrics tell %q", secret)
		}
	}
}

func TestMetricsAreOffByDefault(t *testing.T) {
	f := newFixture(t, nil)
	if f.proxy.Metrics() != nil {
		t.Error("there are metrics")
	}
	// And never among the public addresses.
	on := newFixture(t, func(c *Config) { c.MetricsAddress = "127.0.0.1:0" })
	wantStatus(t, on.get("/metrics"), http.StatusNotFound)
}

func TestMetricsSayThatTheProviderIsMissing(t *testing.T) {
	c := newClock()
	op := newTestOP(t, c)
	op.set(func() { op.down = true })
	f := newFixtureWith(t, c, op, func(c *Config) { c.MetricsAddress = "127.0.0.1:0" })
	got := scrape(t, f.proxy)
	for _, want := range []string{`auth_proxy_ready 0`, `auth_proxy_provider_request_duration_seconds_count{outcome="5xx"}`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing", want)
		}
	}
}
