// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"regexp"
	"time"
)

type requestIDKey struct{}

var requestIDPattern = regexp.MustCompile(`^[A-Za-z0-9._:+/=-]{1,128}$`)

// requestID is the ID the ingress gave the request (X-Request-Id), or one of our own.
func requestID(r *http.Request) string {
	id, _ := r.Context().Value(requestIDKey{}).(string)
	return id
}

func withRequestID(r *http.Request) *http.Request {
	id := r.Header.Get("X-Request-Id")
	if !requestIDPattern.MatchString(id) {
		id = rand.Text()
	}
	return r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id))
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
		"took", p.now().Sub(began), "requestId", requestID(r))
}
