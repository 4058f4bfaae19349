// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// HTTPEdit changes the answer as HTTP. Status, Body, Redirect and a Transport that sends nothing take the endpoint's place,
// so that it has no effects (a code stays unused); After lets it work first. All others need its answer.
type HTTPEdit struct {
	After  bool `json:"after,omitempty"`
	Status int  `json:"status,omitempty"`
	// Headers are set; "" removes one.
	Headers map[string]string `json:"headers,omitempty"`
	// Body replaces the body; Prefix and Suffix are put around it; Cut keeps its first half.
	Body   *string `json:"body,omitempty"`
	Prefix string  `json:"prefix,omitempty"`
	Suffix string  `json:"suffix,omitempty"`
	Cut    bool    `json:"cut,omitempty"`
	// Replace puts one text of the body in the place of another.
	Replace map[string]string `json:"replace,omitempty"`
	// Redirect answers with a Location.
	Redirect string `json:"redirect,omitempty"`
	// DelaySeconds passes before the first byte, DripSeconds after each byte of the body.
	DelaySeconds float64 `json:"delay_seconds,omitempty"`
	DripSeconds  float64 `json:"drip_seconds,omitempty"`
	// SpaceBytes of white space go before the body. They are not held in memory.
	SpaceBytes int64 `json:"space_bytes,omitempty"`
	// ManyHeaders adds that many headers of a kilobyte.
	ManyHeaders int `json:"many_headers,omitempty"`
	// Transport says what happens to the connection: see Transports.
	Transport string `json:"transport,omitempty"`
}

const (
	transportHang      = "hang"             // nothing ever comes
	transportReset     = "reset"            // RST before the first byte
	transportClose     = "close"            // FIN before the first byte
	transportCloseMid  = "close-mid"        // FIN in the middle of the body
	transportLong      = "length-too-long"  // Content-Length says more than comes
	transportShort     = "length-too-short" // Content-Length says less than comes
	transportChunk     = "bad-chunk"        // chunked, with a size that is none
	transportGzipBomb  = "gzip-bomb"        // ten gigabytes of spaces in ten megabytes
	transportGzipLie   = "gzip-lie"         // says gzip and is not
	transportEarly     = "informational"    // a thousand 103 first
	transportHTTP10    = "http-1.0"         // an HTTP/1.0 answer without length
	transportNotHTTP   = "not-http"         // bytes that are no HTTP
	transportStaleConn = "close-after"      // right, then the connection closes without notice
)

// Transports lists them.
func Transports() []string {
	return []string{transportHang, transportReset, transportClose, transportCloseMid, transportLong, transportShort, transportChunk,
		transportGzipBomb, transportGzipLie, transportEarly, transportHTTP10, transportNotHTTP, transportStaleConn}
}

// Bounds of what a fault does, so that a forgotten one ends.
const (
	maxFaultWait   = 5 * time.Minute
	maxSpaceBytes  = 1 << 30
	informationals = 1000
	gzipMember     = 10 << 20 // unpacked, in bytes
	gzipMembers    = 1000
)

func (e *HTTPEdit) validate() error {
	if e == nil {
		return nil
	}
	wait := max(e.DelaySeconds, e.DripSeconds)
	switch {
	case e.Status != 0 && (e.Status < 200 || e.Status > 599):
		return fmt.Errorf("http.status: %d must be from 200 to 599", e.Status)
	case e.Transport != "" && !slices.Contains(Transports(), e.Transport):
		return fmt.Errorf("http.transport: %q must be one of %s", e.Transport, strings.Join(Transports(), ", "))
	case min(e.DelaySeconds, e.DripSeconds) < 0 || wait > maxFaultWait.Seconds() || wait != wait:
		return fmt.Errorf("http: a wait must be between 0 and %v seconds", maxFaultWait.Seconds())
	case e.SpaceBytes < 0 || e.SpaceBytes > maxSpaceBytes:
		return fmt.Errorf("http.space_bytes: %d must be between 0 and %d", e.SpaceBytes, maxSpaceBytes)
	case e.ManyHeaders < 0 || e.ManyHeaders > 10_000:
		return fmt.Errorf("http.many_headers: %d must be between 0 and 10000", e.ManyHeaders)
	}
	for name, value := range e.Headers {
		if name == "" || strings.ContainsAny(name+value, "\r\n") || strings.ContainsAny(name, " :") {
			return fmt.Errorf("http.headers: %q is not a header", name)
		}
	}
	return nil
}

// replaces says that the endpoint's own answer is not needed.
func (e *HTTPEdit) replaces() bool {
	if e == nil || e.After {
		return false
	}
	return e.Status != 0 || e.Body != nil || e.Redirect != "" ||
		slices.Contains([]string{transportHang, transportReset, transportClose, transportNotHTTP}, e.Transport)
}

// bufferedAnswer is an answer that can still be changed. It is the http.ResponseWriter of the endpoint.
type bufferedAnswer struct {
	header http.Header
	status int
	body   []byte
	wrote  bool
}

func (a *bufferedAnswer) Header() http.Header { return a.header }

func (a *bufferedAnswer) WriteHeader(status int) {
	if !a.wrote {
		a.status, a.wrote = status, true
	}
}

func (a *bufferedAnswer) Write(data []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	a.body = append(a.body, data...)
	return len(data), nil
}

func (a *bufferedAnswer) send(w http.ResponseWriter) {
	clear(w.Header())
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}

// apply changes what can be changed before sending.
func (e *HTTPEdit) apply(s *stage, a *bufferedAnswer) {
	if e.Status != 0 {
		a.status = e.Status
		if e.Body == nil {
			a.body = nil
		}
	}
	if e.Redirect != "" {
		a.header.Set("Location", s.expand(e.Redirect))
		if e.Status == 0 {
			a.status = http.StatusFound
		}
	}
	if e.Body != nil {
		a.body = []byte(s.expand(*e.Body))
	}
	for old, fresh := range e.Replace {
		a.body = bytes.ReplaceAll(a.body, []byte(old), []byte(s.expand(fresh)))
	}
	if e.Cut {
		a.body = a.body[:len(a.body)/2]
	}
	if e.Prefix != "" || e.Suffix != "" {
		a.body = slices.Concat([]byte(s.expand(e.Prefix)), a.body, []byte(s.expand(e.Suffix)))
	}
	for i := range e.ManyHeaders {
		a.header.Add("X-Filler-"+strconv.Itoa(i), strings.Repeat("x", 1024))
	}
	for name, value := range e.Headers {
		if value == "" {
			a.header[http.CanonicalHeaderKey(name)] = nil // nil keeps net/http from adding its own
			continue
		}
		a.header.Set(name, s.expand(value))
	}
}

// send writes the answer over the connection, as wrongly as asked.
func (e *HTTPEdit) send(ctx context.Context, p *Provider, w http.ResponseWriter, a *bufferedAnswer) {
	if e.DelaySeconds > 0 && p.faults.wait(ctx, seconds(e.DelaySeconds)) != nil {
		return
	}
	switch e.Transport {
	case transportHang:
		_ = p.faults.wait(ctx, maxFaultWait)
		panic(http.ErrAbortHandler)
	case transportReset, transportClose, transportCloseMid, transportLong, transportShort, transportChunk, transportHTTP10, transportNotHTTP, transportStaleConn:
		e.sendRaw(w, a)
	case transportGzipBomb:
		sendGzipBomb(w, a)
	case transportGzipLie:
		a.header.Set("Content-Encoding", "gzip")
		a.send(w)
	case transportEarly:
		for range informationals {
			w.WriteHeader(http.StatusEarlyHints)
		}
		a.send(w)
	default:
		e.sendBody(ctx, p, w, a)
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func (e *HTTPEdit) sendBody(ctx context.Context, p *Provider, w http.ResponseWriter, a *bufferedAnswer) {
	if e.DripSeconds == 0 && e.SpaceBytes == 0 {
		a.send(w)
		return
	}
	body := a.body
	a.body = nil
	a.send(w)
	spaces := bytes.Repeat([]byte(" "), 1<<16)
	for left := e.SpaceBytes; left > 0; left -= int64(len(spaces)) {
		if _, err := w.Write(spaces[:min(left, int64(len(spaces)))]); err != nil {
			return
		}
	}
	if e.DripSeconds == 0 {
		_, _ = w.Write(body)
		return
	}
	flush := http.NewResponseController(w)
	for i := range body {
		if _, err := w.Write(body[i : i+1]); err != nil || flush.Flush() != nil || p.faults.wait(ctx, seconds(e.DripSeconds)) != nil {
			return
		}
	}
}

func sendGzipBomb(w http.ResponseWriter, a *bufferedAnswer) {
	var member bytes.Buffer
	zip := gzip.NewWriter(&member)
	_, _ = zip.Write(bytes.Repeat([]byte(" "), gzipMember))
	_ = zip.Close()
	a.header.Set("Content-Encoding", "gzip")
	a.body = nil
	a.send(w)
	for range gzipMembers {
		if _, err := w.Write(member.Bytes()); err != nil {
			return
		}
	}
}

// sendRaw writes bytes of its own on the connection and closes it. Where there is no connection to take, as in HTTP/2, the
// stream ends abruptly.
func (e *HTTPEdit) sendRaw(w http.ResponseWriter, a *bufferedAnswer) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer connection.Close()
	// Best effort: the other side may be gone, which is no matter here.
	_ = connection.SetDeadline(time.Now().Add(time.Minute))
	if e.Transport == transportReset {
		_ = resetOnClose(connection)
		return
	}
	_, _ = connection.Write(e.raw(a))
}

func (e *HTTPEdit) raw(a *bufferedAnswer) []byte {
	var head bytes.Buffer
	start := func(version string, framing ...string) []byte {
		fmt.Fprintf(&head, "%s %d %s\r\n", version, a.status, http.StatusText(a.status))
		a.header.Del("Content-Length")
		_ = a.header.Write(&head)
		for _, line := range framing {
			head.WriteString(line + "\r\n")
		}
		head.WriteString("\r\n")
		return head.Bytes()
	}
	length := func(n int) string { return "Content-Length: " + strconv.Itoa(n) }
	half := a.body[:len(a.body)/2]
	switch e.Transport {
	case transportCloseMid:
		return append(start("HTTP/1.1", length(len(a.body))), half...)
	case transportLong:
		return append(start("HTTP/1.1", length(len(a.body)+100)), a.body...)
	case transportShort:
		return append(start("HTTP/1.1", length(len(half))), a.body...)
	case transportChunk:
		return append(start("HTTP/1.1", "Transfer-Encoding: chunked"), "zz\r\n"+string(a.body)+"\r\n0\r\n\r\n"...)
	case transportHTTP10:
		return append(start("HTTP/1.0"), a.body...)
	case transportNotHTTP:
		return []byte("220 mail.example ESMTP ready\r\n")
	case transportStaleConn:
		return append(start("HTTP/1.1", length(len(a.body))), a.body...) // no "Connection: close"
	}
	return nil // transportClose
}

// resetOnClose makes closing send RST.
func resetOnClose(connection net.Conn) error {
	if wrapped, ok := connection.(interface{ NetConn() net.Conn }); ok {
		connection = wrapped.NetConn()
	}
	tcp, ok := connection.(*net.TCPConn)
	if !ok {
		return errors.New("not a TCP connection")
	}
	return tcp.SetLinger(0)
}
