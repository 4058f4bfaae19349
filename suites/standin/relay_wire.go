// SPDX-License-Identifier: Apache-2.0

package standin

import (
	"bytes"
	"cmp"
	"io"
	"mime"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/ingress-auth/conformance/suites/exchange"
)

// maxForm is the longest body of a token request that is searched for its code, in bytes.
const maxForm = 64 << 10

// wire reads the two directions of one connection and pairs requests with answers.
type wire struct {
	relay *Relay

	mu      sync.Mutex
	pending []*entry
	// blind is set when answers are no longer read.
	blind bool
}

// mostPending is how many requests may wait for their answers on one connection.
const mostPending = 64

// requests reads requests until the connection ends or something else than HTTP/1.1 comes.
func (w *wire) requests(t *tap) {
	for w.request(t) {
	}
}

// request reads one request and reports whether another may follow.
func (w *wire) request(t *tap) (more bool) {
	t.head(true)
	r, err := http.ReadRequest(t.in)
	if err != nil || r.ProtoMajor != 1 {
		return false
	}
	t.head(false)
	e := &entry{Exchange: exchange.Exchange{
		Time: time.Now(), From: w.relay.From, To: w.relay.To, Instance: w.relay.Instance,
		RequestID: r.Header.Get(RequestIDHeader), Method: r.Method, URL: "http://" + r.Host + r.RequestURI, RequestHeader: r.Header,
	}}
	e.RequestHeader.Set("Host", r.Host)
	if w.relay.To == exchange.AuthService {
		e.code = r.URL.Query().Get("code")
	}
	if !w.push(e) {
		return false
	}
	form := &beginning{left: maxForm}
	n, err := io.Copy(form, r.Body)
	w.mu.Lock()
	defer w.mu.Unlock()
	e.RequestBodyBytes = n
	if w.relay.To == exchange.IdP {
		e.code = codeOf(r.Header.Get("Content-Type"), form.kept.String())
	}
	return err == nil
}

// answers reads answers until the connection ends, changes its protocol, or answers what was not understood.
func (w *wire) answers(t *tap) {
	for w.answer(t) {
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.blind = true
}

func (w *wire) answer(t *tap) (more bool) {
	t.head(true)
	if _, err := t.in.Peek(1); err != nil {
		return false
	}
	e := w.first()
	if e == nil {
		return false
	}
	r, err := http.ReadResponse(t.in, &http.Request{Method: e.Method})
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		e.Error = "the answer cannot be read: " + err.Error()
		return false
	}
	t.head(false)
	if r.StatusCode < 200 && r.StatusCode != http.StatusSwitchingProtocols {
		return true // the answer itself is to come
	}
	body := &beginning{left: bodyKept}
	n, err := io.Copy(body, r.Body)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = w.pending[1:]
	e.Status, e.ResponseHeader, e.ResponseBodyBytes, e.Took = r.StatusCode, r.Header, n, time.Since(e.Time)
	if r.Header.Get("Content-Encoding") == "" {
		e.Body = body.kept.String()
	}
	if err != nil {
		e.Error = "the answer ended early: " + err.Error()
	}
	w.relay.Recorder.add(*e)
	return err == nil && r.StatusCode != http.StatusSwitchingProtocols
}

func (w *wire) push(e *entry) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.blind || len(w.pending) >= mostPending {
		return false
	}
	w.pending = append(w.pending, e)
	return true
}

func (w *wire) first() *entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pending) == 0 {
		return nil
	}
	return w.pending[0]
}

// unanswered records the requests that are left when the connection has ended.
func (w *wire) unanswered(reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.pending {
		e.Error, e.Took = cmp.Or(e.Error, reason), time.Since(e.Time)
		w.relay.Recorder.add(*e)
	}
	w.pending = nil
}

// beginning keeps the first bytes of what is written to it.
type beginning struct {
	kept bytes.Buffer
	left int
}

// Write implements io.Writer.
func (b *beginning) Write(p []byte) (int, error) {
	n, err := b.kept.Write(p[:min(len(p), b.left)])
	b.left -= n
	return len(p), err
}

// codeOf is the authorization code in the body of a token request (RFC 6749 §4.1.3), "" in any other.
func codeOf(contentType, body string) string {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return ""
	}
	values, err := url.ParseQuery(body)
	if err != nil {
		return ""
	}
	return values.Get("code")
}
