// SPDX-License-Identifier: Apache-2.0

package standin

import (
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ingress-auth/conformance/suites/exchange"
)

// RequestIDHeader correlates the hops that one client request causes.
const RequestIDHeader = "X-Request-Id"

// DefaultCapacity is how many exchanges a Recorder keeps when not told otherwise.
const DefaultCapacity = 8192

// bodyKept is how much of a response body an exchange keeps, see exchange.Exchange.
const bodyKept = 4 << 10

// Recorder keeps the latest exchanges of the stand-ins, oldest first. It is safe for concurrent use.
type Recorder struct {
	capacity int

	mu      sync.Mutex
	ring    []exchange.Exchange // grows to capacity, then wraps at next
	next    int
	dropped int64
	changed chan struct{} // closed and replaced whenever something is added
}

// NewRecorder returns a Recorder for the latest capacity exchanges; 0 or less means DefaultCapacity.
func NewRecorder(capacity int) *Recorder {
	if capacity <= 0 {
		capacity = DefaultCapacity
	}
	return &Recorder{capacity: capacity, changed: make(chan struct{})}
}

// Add records one exchange. The recorder keeps e: the caller does not change its headers afterwards.
func (r *Recorder) Add(e exchange.Exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ring) < r.capacity {
		r.ring = append(r.ring, e)
	} else {
		r.ring[r.next] = e
		r.next = (r.next + 1) % r.capacity
		r.dropped++
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

// Recorded returns the exchanges with one of these values of X-Request-Id, oldest first; "" returns all.
func (r *Recorder) Recorded(requestIDs ...string) []exchange.Exchange {
	found, _ := r.recorded(requestIDs)
	return found
}

// Dropped is how many exchanges made room for later ones.
func (r *Recorder) Dropped() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dropped
}

// Await returns the exchanges with this X-Request-Id as soon as there are at least n, or those there are when ctx ends.
func (r *Recorder) Await(ctx context.Context, requestID string, n int) []exchange.Exchange {
	return r.await(ctx, []string{requestID}, n)
}

func (r *Recorder) await(ctx context.Context, requestIDs []string, n int) []exchange.Exchange {
	for {
		found, changed := r.recorded(requestIDs)
		if len(found) >= n {
			return found
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return found
		}
	}
}

func (r *Recorder) recorded(requestIDs []string) ([]exchange.Exchange, <-chan struct{}) {
	all := slices.Contains(requestIDs, "")
	asked := make(map[string]bool, len(requestIDs))
	for _, id := range requestIDs {
		asked[id] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	found := []exchange.Exchange{}
	for i := range r.ring {
		e := r.ring[(r.next+i)%len(r.ring)]
		if all || asked[e.RequestID] {
			found = append(found, e)
		}
	}
	return found, r.changed
}

// received reads the request to its end and returns its record, without the answer.
func received(r *http.Request, to exchange.Party, instance string, body io.Writer) exchange.Exchange {
	n, err := io.Copy(body, r.Body)
	h := r.Header.Clone()
	h.Set("Host", r.Host)
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	e := exchange.Exchange{
		Time: time.Now(), From: exchange.Gateway, To: to, Instance: instance,
		RequestID: r.Header.Get(RequestIDHeader), Method: r.Method, URL: scheme + "://" + r.Host + r.RequestURI,
		RequestHeader: h, RequestBodyBytes: n,
	}
	if err != nil {
		e.Error = "the request body ended early: " + err.Error()
	}
	return e
}

// answer records the exchange and then sends the answer, in this order: whoever has the answer finds the record.
func answer(rec *Recorder, w http.ResponseWriter, r *http.Request, e exchange.Exchange, status int, headers [][2]string, body string) {
	h := w.Header()
	for _, kv := range headers {
		h.Add(kv[0], kv[1])
	}
	if h.Get("Content-Type") == "" {
		h["Content-Type"] = nil // keeps the server from guessing one
	}
	if r.Method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified {
		body = ""
	}
	e.Status = status
	e.ResponseHeader = h.Clone()
	if len(e.ResponseHeader["Content-Type"]) == 0 {
		delete(e.ResponseHeader, "Content-Type")
	}
	e.ResponseBodyBytes = int64(len(body))
	e.Body = body[:min(len(body), bodyKept)]
	e.Took = time.Since(e.Time)
	rec.Add(e)
	w.WriteHeader(status)
	io.WriteString(w, body) // a client that went away is no concern of the stand-in
}
