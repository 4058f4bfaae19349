// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// ReceivedRequest is a request the provider received. What may be secret is replaced by a hash that is the same for the same
// value as long as the provider lives, so that two requests can be compared.
type ReceivedRequest struct {
	// Number counts from 1.
	Number   int64     `json:"number"`
	Time     time.Time `json:"time"`
	Issuer   string    `json:"issuer"`
	Endpoint string    `json:"endpoint"`
	Method   string    `json:"method"`
	Host     string    `json:"host"`
	Path     string    `json:"path"`
	ClientID string    `json:"client_id,omitempty"`
	// Params are those of the query or the form body.
	Params map[string][]string `json:"params,omitempty"`
	// Authorization is the scheme and the hash of the rest; Cookies are names.
	Authorization string   `json:"authorization,omitempty"`
	Cookies       []string `json:"cookies,omitempty"`
	UserAgent     string   `json:"user_agent,omitempty"`
	ContentType   string   `json:"content_type,omitempty"`
	Accept        string   `json:"accept,omitempty"`
	// Status is what was answered; 0 if nothing was, as when a fault cut the connection.
	Status int `json:"status"`
	// Error is the error that was answered, with its description.
	Error string `json:"error,omitempty"`
	// Flow is the same for an authorization request and all that came of it: the login, the tokens, userinfo.
	Flow string `json:"flow,omitempty"`
	// IDTokenClaims are those of the ID token that was answered, before any fault.
	IDTokenClaims map[string]any `json:"id_token_claims,omitempty"`
}

// RequestFilter says which requests are meant; empty fields fit all.
type RequestFilter struct {
	Endpoint string `json:"endpoint,omitempty"`
	ClientID string `json:"client_id,omitempty"`
	Issuer   string `json:"issuer,omitempty"`
}

func (f RequestFilter) fits(r *ReceivedRequest) bool {
	return (f.Endpoint == "" || f.Endpoint == r.Endpoint) && (f.ClientID == "" || f.ClientID == r.ClientID) && (f.Issuer == "" || f.Issuer == r.Issuer)
}

// maxRecorded bounds the record; the oldest make room.
const maxRecorded = 1000

// recorder keeps the last requests. It is safe for concurrent use.
type recorder struct {
	secret [32]byte
	mu     sync.Mutex
	list   []ReceivedRequest
	last   int64
	news   chan struct{} // closed when there is a new one
}

func newRecorder() *recorder {
	r := &recorder{news: make(chan struct{})}
	_, _ = rand.Read(r.secret[:]) // never fails
	return r
}

// WithRecording keeps the last 1000 requests, redacted: see Requests and TakeRequest. Each tenant has a record of its own. Default:
// none.
func WithRecording() Option {
	return func(p *Provider) {
		if p.recorder == nil { // not of a tenant of a fault, or twice
			p.recorder = newRecorder()
		}
	}
}

// plainParams hold nothing secret; every other parameter is hashed.
func plainParams() []string {
	return []string{"client_id", "redirect_uri", "response_type", "response_mode", "scope", "prompt", "max_age", "display", "ui_locales", "acr_values",
		"grant_type", "code_challenge_method", "resource", "audience", "client_assertion_type", "subject_token_type", "requested_token_type",
		"token_type_hint", "decision", "post_logout_redirect_uri"}
}

func (r *recorder) hash(value string) string {
	mac := hmac.New(sha256.New, r.secret[:])
	mac.Write([]byte(value))
	return "hash:" + hex.EncodeToString(mac.Sum(nil)[:8])
}

func (r *recorder) redact(values url.Values) map[string][]string {
	if len(values) == 0 {
		return nil
	}
	plain := plainParams()
	out := map[string][]string{}
	for name, list := range values {
		for _, value := range list {
			if !slices.Contains(plain, name) && value != "" {
				value = r.hash(value)
			}
			out[name] = append(out[name], value)
		}
	}
	return out
}

func (r *recorder) add(request ReceivedRequest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	request.Number = r.last
	if len(r.list) == maxRecorded {
		r.list = slices.Delete(r.list, 0, 1)
	}
	r.list = append(r.list, request)
	close(r.news)
	r.news = make(chan struct{})
}

// recorded records what an endpoint receives, after it has answered.
func (p *Provider) recorded(name string, handle http.HandlerFunc) http.HandlerFunc {
	if p.recorder == nil || name == endpointDebugger {
		return handle
	}
	return func(w http.ResponseWriter, r *http.Request) {
		note := &flowNote{}
		r = withNote(r, note)
		form := peekForm(r)
		received := ReceivedRequest{
			Time: p.now(), Issuer: p.cfg.Issuer, Endpoint: name, Method: r.Method, Host: r.Host, Path: r.URL.Path, ClientID: p.clientOf(name, r, form),
			Params: p.recorder.redact(form), UserAgent: r.UserAgent(), ContentType: r.Header.Get("Content-Type"), Accept: r.Header.Get("Accept"),
		}
		if scheme, rest, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok {
			received.Authorization = scheme + " " + p.recorder.hash(rest)
		}
		for _, cookie := range r.Cookies() {
			received.Cookies = append(received.Cookies, cookie.Name)
		}
		seen := &statusRecorder{ResponseWriter: w}
		defer func() {
			received.Status, received.Error, received.Flow, received.IDTokenClaims = seen.status, note.err, note.flow, note.idToken
			p.recorder.add(received)
		}()
		handle(seen, r)
		if seen.status == 0 {
			seen.status = http.StatusOK
		}
	}
}

// Requests returns what was received and still is remembered, oldest first. Without WithRecording there is nothing.
func (p *Provider) Requests(filter RequestFilter) []ReceivedRequest {
	list := []ReceivedRequest{}
	if p.recorder == nil {
		return list
	}
	p.recorder.mu.Lock()
	defer p.recorder.mu.Unlock()
	for i := range p.recorder.list {
		if filter.fits(&p.recorder.list[i]) {
			list = append(list, p.recorder.list[i])
		}
	}
	return list
}

// TakeRequest takes the oldest request that fits off the record, and waits for one until ctx is over; then it returns the
// error of ctx.
func (p *Provider) TakeRequest(ctx context.Context, filter RequestFilter) (ReceivedRequest, error) {
	for p.recorder != nil {
		taken, news := p.recorder.take(filter)
		if taken != nil {
			return *taken, nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ReceivedRequest{}, ctx.Err()
		}
	}
	return ReceivedRequest{}, errNotRecording
}

func (r *recorder) take(filter RequestFilter) (*ReceivedRequest, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.list {
		if filter.fits(&r.list[i]) {
			taken := r.list[i]
			r.list = slices.Delete(r.list, i, i+1)
			return &taken, nil
		}
	}
	return nil, r.news
}

func (r *recorder) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = nil
}
