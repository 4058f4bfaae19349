// SPDX-License-Identifier: Apache-2.0

package browser

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Resolve says where the connection for a host goes, such as "https", "app.example.test" → "127.0.0.1:43211", true.
// host carries the port unless it is the scheme's default. A host that is not known must not be reached: return false.
type Resolve func(scheme, host string) (addr string, ok bool)

// TransportOptions configure a Transport.
type TransportOptions struct {
	Resolve Resolve
	// RootCAs are trusted for https; nil means the system's.
	RootCAs *x509.CertPool
}

// mostIdle bounds the connections kept for reuse; the oldest goes first.
const mostIdle = 64

// largestBody is how much of a response body is read, in bytes.
const largestBody = 1 << 20

// Transport sends HTTP/1.1 requests whose request target and header names go out byte for byte, which net/http does not
// do for every path. It keeps connections and TLS sessions for reuse. Many browsers share one; it is safe for
// concurrent use.
type Transport struct {
	resolve Resolve
	tls     *tls.Config

	mu   sync.Mutex
	idle []*conn // oldest first
}

// NewTransport returns a Transport.
func NewTransport(o TransportOptions) *Transport {
	return &Transport{resolve: o.Resolve, tls: &tls.Config{
		RootCAs: o.RootCAs, NextProtos: []string{"http/1.1"}, ClientSessionCache: tls.NewLRUClientSessionCache(512),
	}}
}

// CloseIdle closes the connections kept for reuse.
func (t *Transport) CloseIdle() {
	t.mu.Lock()
	idle := t.idle
	t.idle = nil
	t.mu.Unlock()
	for _, c := range idle {
		c.Close()
	}
}

// conn is one connection.
type conn struct {
	net.Conn
	tcp    net.Conn // below TLS
	key    string
	r      *bufio.Reader
	reused bool
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// usable reports whether an idle connection is still good: a server that hung up, or says something unasked, has made
// it useless.
func (c *conn) usable() bool {
	if c.r.Buffered() > 0 || !quiet(c.tcp) {
		c.Close()
		return false
	}
	c.reused = true
	return true
}

func (t *Transport) keep(c *conn) {
	t.mu.Lock()
	t.idle = append(t.idle, c)
	var oldest *conn
	if len(t.idle) > mostIdle {
		oldest, t.idle = t.idle[0], slices.Delete(t.idle, 0, 1)
	}
	t.mu.Unlock()
	if oldest != nil {
		oldest.Close()
	}
}

func (t *Transport) take(key string) *conn {
	for {
		t.mu.Lock()
		var c *conn
		for i, idle := range slices.Backward(t.idle) {
			if idle.key == key {
				c = idle
				t.idle = slices.Delete(t.idle, i, i+1)
				break
			}
		}
		t.mu.Unlock()
		if c == nil || c.usable() {
			return c
		}
	}
}

func (t *Transport) dial(ctx context.Context, scheme, host string) (*conn, error) {
	addr, ok := "", false
	if t.resolve != nil {
		addr, ok = t.resolve(scheme, host)
	}
	if !ok {
		return nil, fmt.Errorf("%s://%s is not part of this run: no address is known for it", scheme, host)
	}
	key := scheme + " " + host + " " + addr
	if c := t.take(key); c != nil {
		return c, nil
	}
	return t.connect(ctx, key, scheme, host, addr)
}

func (t *Transport) connect(ctx context.Context, key, scheme, host, addr string) (*conn, error) {
	var d net.Dialer
	raw, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s for %s://%s: %w", addr, scheme, host, err)
	}
	c := &conn{Conn: raw, tcp: raw, key: key}
	if scheme == "https" {
		config := t.tls.Clone()
		config.ServerName = hostName(host)
		secured := tls.Client(raw, config)
		if err := secured.HandshakeContext(ctx); err != nil {
			raw.Close()
			return nil, fmt.Errorf("TLS handshake with %s for https://%s: %w", addr, host, err)
		}
		c.Conn = secured
	}
	c.r = bufio.NewReader(c.Conn)
	return c, nil
}

// wire is one request as it goes out.
type wire struct {
	scheme, host   string
	method, target string
	fields         [][2]string
	body           []byte
}

// answer is one response as it came in.
type answer struct {
	*http.Response
	body      []byte
	truncated bool
}

func (t *Transport) roundTrip(ctx context.Context, w wire) (answer, error) {
	c, err := t.dial(ctx, w.scheme, w.host)
	if err != nil {
		return answer{}, err
	}
	a, began, err := t.exchange(ctx, c, w)
	// The server may have closed an idle connection at the very moment it was taken (RFC 9112 §9.3.1).
	if err != nil && c.reused && !began && idempotent(w.method) && ctx.Err() == nil {
		addr, _ := t.resolve(w.scheme, w.host)
		if c, err = t.connect(ctx, c.key, w.scheme, w.host, addr); err != nil {
			return answer{}, err
		}
		a, _, err = t.exchange(ctx, c, w)
	}
	return a, err
}

func idempotent(method string) bool {
	return slices.Contains([]string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}, method)
}

// exchange sends the request and reads the response; began says that some of a response was read.
func (t *Transport) exchange(ctx context.Context, c *conn, w wire) (a answer, began bool, err error) {
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(past) })
	reusable := false
	defer func() {
		if !stop() || !reusable {
			c.Close()
			return
		}
		t.keep(c)
	}()
	// A server may answer and hang up before it has read everything; its answer counts, not the failed write.
	_, writeErr := c.Write(w.bytes())
	if _, err := c.r.Peek(1); err != nil {
		return answer{}, false, gaveUp(ctx, errors.Join(writeErr, err))
	}
	resp, err := readFinal(c.r, w.method)
	if err != nil {
		return answer{}, true, gaveUp(ctx, err)
	}
	a.Response = resp
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return a, true, nil
	}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, largestBody+1))
	if a.truncated = len(a.body) > largestBody; a.truncated {
		a.body = a.body[:largestBody]
	}
	if err != nil {
		return a, true, fmt.Errorf("reading the response body: %w", gaveUp(ctx, err))
	}
	reusable = !resp.Close && !a.truncated && writeErr == nil
	return a, true, nil
}

// gaveUp prefers the reason why the context ended over the broken connection it left behind.
func gaveUp(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the server closed the connection before the response was complete: %w", err)
	}
	return err
}

// readFinal reads the response and passes over informational ones (RFC 9110 §15.2).
func readFinal(r *bufio.Reader, method string) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			return nil, fmt.Errorf("reading the response: %w", err)
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
	}
}

func (w wire) bytes() []byte {
	var b bytes.Buffer
	b.WriteString(w.method + " " + w.target + " HTTP/1.1\r\n")
	for _, f := range w.fields {
		b.WriteString(f[0] + ": " + f[1] + "\r\n")
	}
	b.WriteString("\r\n")
	b.Write(w.body)
	return b.Bytes()
}

// valid refuses what would end a line early.
func (w wire) valid() error {
	if strings.ContainsFunc(w.method, notInRequestLine) || w.method == "" {
		return fmt.Errorf("the method %q cannot be sent", w.method)
	}
	if strings.ContainsAny(w.target, "\r\n\x00") || w.target == "" {
		return errors.New("the request target is empty or contains a line break")
	}
	for _, f := range w.fields {
		if f[0] == "" || strings.ContainsAny(f[0], "\r\n\x00: ") || strings.ContainsAny(f[1], "\r\n\x00") {
			return fmt.Errorf("the header %q cannot be sent", f[0])
		}
	}
	return nil
}
