// SPDX-License-Identifier: Apache-2.0

package control

import (
	"io"
	"net/http"
	"strings"
	"sync"
)

// RequestIDHeader correlates what one client request causes, for LeakRequestHeader.
const RequestIDHeader = "X-Request-Id"

// Middleware wraps the handler of a part.
type Middleware = func(http.Handler) http.Handler

// Middlewares returns what has to be wrapped around which part so that all the controls are in place. The first control
// of a part is the outermost. A part without a control is not in the map.
func Middlewares(controls ...Control) map[Part]Middleware {
	seen := &seenHeaders{}
	all := map[Part]Middleware{}
	chain := func(part Part, next Middleware) {
		outer := all[part]
		if outer == nil {
			all[part] = next
			return
		}
		all[part] = func(h http.Handler) http.Handler { return outer(next(h)) }
	}
	for _, c := range controls {
		switch {
		case c.Then.LeakRequestHeader != "":
			chain(Gateway, seen.remember(c.Then.LeakRequestHeader))
			chain(c.Part, seen.leak(c.When, c.Then.LeakRequestHeader))
		case c.Then.Bypass:
			way := &shortcut{}
			chain(Backend, way.remember)
			chain(Gateway, way.take(c.When))
		default:
			chain(c.Part, c.Middleware())
		}
	}
	return all
}

// Middleware is the control's deviation by itself. LeakRequestHeader and Bypass need two places: see Middlewares.
func (c Control) Middleware() Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !c.When.request(r) {
				next.ServeHTTP(w, r)
				return
			}
			c.deviate(w, r, next)
		})
	}
}

func (c Control) deviate(w http.ResponseWriter, r *http.Request, next http.Handler) {
	switch {
	case c.Then.Abort:
		panic(http.ErrAbortHandler)
	case c.Then.Instead != nil:
		c.Then.Instead.write(w)
	case c.Then.changesAnswer():
		changed := &answerWriter{ResponseWriter: w, answer: c.deviateAnswer, head: r.Method == http.MethodHead}
		next.ServeHTTP(changed, r)
		changed.finish()
	default:
		next.ServeHTTP(w, c.Then.changeRequest(r))
	}
}

// changeRequest returns a changed copy of the request.
func (t Then) changeRequest(r *http.Request) *http.Request {
	r = r.Clone(r.Context())
	switch {
	case t.Method != "":
		r.Method = t.Method
	case t.RequestBody != "":
		r.Body = io.NopCloser(strings.NewReader(t.RequestBody))
		r.ContentLength = int64(len(t.RequestBody))
		r.TransferEncoding = nil
	case t.DropRequestHeader != "":
		r.Header.Del(t.DropRequestHeader)
	case t.SetRequestHeader != nil:
		r.Header.Set(t.SetRequestHeader.Name, t.SetRequestHeader.Value)
	case t.EditRequestHeader != nil:
		t.EditRequestHeader.apply(r.Header)
	}
	return r
}

func (e Edit) apply(header http.Header) {
	values := header[http.CanonicalHeaderKey(e.Name)]
	for i, value := range values {
		values[i] = e.Match.replace(value, e.Replacement)
	}
}

func (a Answer) write(w http.ResponseWriter) {
	for _, f := range a.Header {
		w.Header().Add(f.Name, f.Value)
	}
	w.WriteHeader(a.Status)
	if bodyAllowed(a.Status) {
		_, _ = io.WriteString(w, a.Body)
	}
}

// bodyAllowed says whether an answer of this status may have a body (RFC 9110, section 6.4.1).
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// seenHeaders keeps what the browser sent, by request ID, until the part behind the gateway asks for it. It lives as long as
// the subject that a control was made for.
type seenHeaders struct{ values sync.Map }

type seenKey struct{ requestID, name string }

func (s *seenHeaders) remember(name string) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if id, values := r.Header.Get(RequestIDHeader), r.Header.Values(name); id != "" && len(values) > 0 {
				s.values.Store(seenKey{id, name}, append([]string(nil), values...))
			}
			next.ServeHTTP(w, r)
		})
	}
}

// of returns what the browser sent under the name with this request, or nil.
func (s *seenHeaders) of(r *http.Request, name string) []string {
	values, _ := s.values.Load(seenKey{r.Header.Get(RequestIDHeader), name})
	list, _ := values.([]string)
	return list
}

func (s *seenHeaders) leak(when When, name string) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if values := s.of(r, name); values != nil && when.request(r) {
				r = r.Clone(r.Context())
				r.Header[http.CanonicalHeaderKey(name)] = values
			}
			next.ServeHTTP(w, r)
		})
	}
}

// shortcut leads from the browser straight to the backend.
type shortcut struct {
	mu      sync.Mutex
	backend http.Handler
}

// remember keeps the backend that is wrapped; of several the first.
func (s *shortcut) remember(backend http.Handler) http.Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.backend == nil {
		s.backend = backend
	}
	return backend
}

func (s *shortcut) take(when When) Middleware {
	return func(gateway http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.mu.Lock()
			backend := s.backend
			s.mu.Unlock()
			if backend == nil || !when.request(r) {
				gateway.ServeHTTP(w, r)
				return
			}
			backend.ServeHTTP(w, r)
		})
	}
}
