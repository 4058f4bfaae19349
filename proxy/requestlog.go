// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"crypto/rand"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"time"
)

// requestIDHeader is where the ingress names the request. Spelled as net/http keeps it.
const requestIDHeader = "X-Request-Id"

// requestID is the ID the ingress gave the request, or one of our own.
func requestID(r *http.Request) string {
	if id := r.Header[requestIDHeader]; len(id) > 0 {
		return id[0]
	}
	return ""
}

// withRequestID returns r, or a copy with an ID of our own where r has none that can stand in a log and a page.
func withRequestID(r *http.Request) *http.Request {
	if isRequestID(requestID(r)) {
		return r
	}
	named := *r
	named.Header = maps.Clone(r.Header)
	if named.Header == nil {
		named.Header = http.Header{}
	}
	named.Header[requestIDHeader] = []string{rand.Text()}
	return &named
}

type requestIDKey struct{}

// onBehalfOf is the context in which the identity provider is asked for the sake of r.
func onBehalfOf(r *http.Request) context.Context {
	return context.WithValue(r.Context(), requestIDKey{}, requestID(r))
}

func isRequestID(id string) bool {
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("._:+/=-", c) >= 0:
		default:
			return false
		}
	}
	return 0 < len(id) && len(id) <= 128
}

// statusRecorder remembers the status for the log. Unwrap lets http.ResponseController flush and hijack.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (s *statusRecorder) WriteHeader(status int) {
	if s.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (s *statusRecorder) Write(b []byte) (int, error) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	return s.ResponseWriter.Write(b)
}

// Unwrap serves http.ResponseController.
func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// logRequest writes one line per request, without its query: that is where codes and states travel.
func (p *Proxy) logRequest(r *http.Request, status int, began time.Time) {
	if !p.cfg.RequestLogging {
		return
	}
	level := slog.LevelInfo
	if p.isHealthCheck(r.URL.Path) {
		level = slog.LevelDebug // a kubelet asks every few seconds
	}
	if !p.log.Enabled(r.Context(), level) {
		return
	}
	p.log.Log(r.Context(), level, "request", "method", r.Method, "host", r.Host, "path", r.URL.Path, "status", status,
		"seconds", p.now().Sub(began).Seconds(), "requestId", requestID(r))
}
