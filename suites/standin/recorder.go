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

// recorderBytes bounds what a Recorder keeps, whatever its capacity: headers may be long.
const recorderBytes = 64 << 20

// bodyKept is how much of a response body an exchange keeps, see exchange.Exchange.
const bodyKept = 4 << 10

// Recorder keeps the latest exchanges, oldest first. It is safe for concurrent use.
type Recorder struct {
	capacity int

	mu      sync.Mutex
	kept    []entry
	bytes   int
	dropped int64
	changed chan struct{} // closed and replaced whenever something is added
}

// entry is an exchange and the authorization code it carried, in the query of a callback or in the body of a token request.
type entry struct {
	exchange.Exchange
	code string
}

// size is about how many bytes of memory an entry holds.
func (e *entry) size() int {
	const bare = 512 // fields, headers of maps and slices
	n := bare + len(e.URL) + len(e.Body) + len(e.Error) + len(e.code)
	for _, h := range []http.Header{e.RequestHeader, e.ResponseHeader} {
		for name, values := range h {
			n += len(name)
			for _, v := range values {
				n += len(v) + 48
			}
		}
	}
	return n
}

// NewRecorder returns a Recorder for the latest capacity exchanges; 0 or less means DefaultCapacity.
func NewRecorder(capacity int) *Recorder {
	if capacity <= 0 {
		capacity = DefaultCapacity
	}
	return &Recorder{capacity: capacity, changed: make(chan struct{})}
}

// Add records one exchange. The recorder keeps e: the caller does not change its headers afterwards.
func (r *Recorder) Add(e exchange.Exchange) { r.add(entry{Exchange: e}) }

func (r *Recorder) add(e entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = append(r.kept, e)
	r.bytes += e.size()
	for len(r.kept) > r.capacity || (r.bytes > recorderBytes && len(r.kept) > 1) {
		r.bytes -= r.kept[0].size()
		r.kept[0] = entry{} // the array outlives the slice
		r.kept = r.kept[1:]
		r.dropped++
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

// Recorded returns the exchanges with one of these values of X-Request-Id, oldest first; "" returns all. A token request
// that carried no X-Request-Id counts as the callback's that it redeems the code of, and is returned with its ID.
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
	for i := range r.kept {
		e := &r.kept[i]
		if all || asked[e.RequestID] {
			found = append(found, e.Exchange)
		}
		if !all && e.RequestID != "" && asked[e.RequestID] && e.code != "" {
			found = append(found, r.redeemed(e)...)
		}
	}
	// An exchange is added when it is over: what it caused came before it.
	slices.SortStableFunc(found, func(a, b exchange.Exchange) int { return a.Time.Compare(b.Time) })
	return found, r.changed
}

// redeemed returns the token requests without an X-Request-Id that were made for a callback: with its code, while it waited,
// and while no other request with that code did.
func (r *Recorder) redeemed(callback *entry) []exchange.Exchange {
	var found []exchange.Exchange
	for i := range r.kept {
		e := &r.kept[i]
		if e.RequestID != "" || e.code != callback.code || !callback.spans(e) {
			continue
		}
		others := slices.ContainsFunc(r.kept, func(o entry) bool {
			return o.RequestID != "" && o.RequestID != callback.RequestID && o.code == e.code && o.spans(e)
		})
		if !others {
			made := e.Exchange
			made.RequestID = callback.RequestID
			found = append(found, made)
		}
	}
	return found
}

func (e *entry) spans(inner *entry) bool {
	return !inner.Time.Before(e.Time) && !inner.Time.Add(inner.Took).After(e.Time.Add(e.Took))
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
		Time: time.Now(), From: sender(r), To: to, Instance: instance,
		RequestID: r.Header.Get(RequestIDHeader), Method: r.Method, URL: scheme + "://" + r.Host + r.RequestURI,
		RequestHeader: h, RequestBodyBytes: n,
	}
	if err != nil {
		e.Error = "the request body ended early: " + err.Error()
	}
	return e
}

type senderKey struct{}

// from says who asks a stand-in; without it, the gateway does.
func from(party exchange.Party, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), senderKey{}, party)))
	})
}

func sender(r *http.Request) exchange.Party {
	if party, ok := r.Context().Value(senderKey{}).(exchange.Party); ok {
		return party
	}
	return exchange.Gateway
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
