// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics counts requests. No label holds anything a client can choose.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	provider *prometheus.HistogramVec
}

func newMetrics(p *Proxy) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "auth_proxy_requests_total", Help: "Requests answered, by endpoint and status.",
		}, []string{"endpoint", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "auth_proxy_request_duration_seconds", Help: "Time to answer, by endpoint.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .05, .1, .5, 1, 5, 10},
		}, []string{"endpoint"}),
		provider: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "auth_proxy_provider_request_duration_seconds", Help: "Time the identity provider took, by the class of its status, or error.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"outcome"}),
	}
	ready := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "auth_proxy_ready", Help: "1 once discovery document and signing keys of the identity provider are there.",
	}, func() float64 {
		if p.provider.current() == nil {
			return 0
		}
		return 1
	})
	m.registry.MustRegister(m.requests, m.duration, m.provider, ready,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// endpointOf names what answers path, from a fixed set.
func (p *Proxy) endpointOf(path string) string {
	own, isOwn := strings.CutPrefix(path, p.cfg.ProxyPrefix)
	switch {
	case p.isHealthCheck(path):
		return "health"
	case isOwn && p.endpoints[own] != nil:
		return own[1:]
	case p.upstream != nil:
		return "upstream"
	}
	return "none"
}

func (m *metrics) observe(endpoint string, status int, took time.Duration) {
	m.requests.WithLabelValues(endpoint, strconv.Itoa(status)).Inc()
	m.duration.WithLabelValues(endpoint).Observe(took.Seconds())
}

// Metrics serves them for Prometheus; nil without --metrics-address.
func (p *Proxy) Metrics() http.Handler {
	if p.metrics == nil {
		return nil
	}
	return promhttp.HandlerFor(p.metrics.registry, promhttp.HandlerOpts{})
}

// measuredTransport measures the identity provider.
type measuredTransport struct {
	next http.RoundTripper
	took *prometheus.HistogramVec
}

// RoundTrip implements http.RoundTripper.
func (t measuredTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	resp, err := t.next.RoundTrip(r)
	outcome := "error"
	if err == nil {
		outcome = strconv.Itoa(resp.StatusCode/100) + "xx"
	}
	t.took.WithLabelValues(outcome).Observe(time.Since(began).Seconds())
	return resp, err
}
