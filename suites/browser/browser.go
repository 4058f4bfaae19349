// SPDX-License-Identifier: Apache-2.0

// Package browser is the user agent of the checks: what a browser does with cookies, redirects and forms, one hop at a
// time, with every hop recorded. It runs no scripts and treats every request as a top-level navigation.
//
// Paths and queries that a check gives go out byte for byte. A Location is followed as the URL Standard says: byte for
// byte too, except that dot segments are removed, backslashes become slashes, and space, bytes beyond ASCII and a few
// delimiters are percent-encoded.
package browser

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ingress-auth/conformance/suites/exchange"
)

// DefaultTimeout bounds one hop when Options does not.
const DefaultTimeout = 30 * time.Second

// bodyKept is how much of a response body an exchange keeps, see exchange.Exchange.
const bodyKept = 4 << 10

// Options configure a Browser.
type Options struct {
	// Transport carries the requests; browsers share one. When nil, a new one is made from Resolve and RootCAs.
	Transport *Transport
	Resolve   Resolve
	RootCAs   *x509.CertPool
	// Check is the name of the check on whose behalf the browser acts; it stands in User-Agent.
	Check string
	// Now is the clock for cookie expiry and records; nil means time.Now.
	Now func() time.Time
	// Record receives every hop, unredacted, as soon as it is over; nil drops them. It may be called concurrently.
	Record func(exchange.Exchange)
	// Logger gets one debug line per hop and per refused cookie, without values; nil discards them.
	Logger *slog.Logger
	// Timeout bounds one hop; 0 means DefaultTimeout.
	Timeout time.Duration
}

// Browser is one user agent with its own cookies. It is cheap: make one per case. It is safe for concurrent use.
type Browser struct {
	o   Options
	jar *jar
}

// New returns a Browser without cookies.
func New(o Options) *Browser {
	if o.Transport == nil {
		o.Transport = NewTransport(TransportOptions{Resolve: o.Resolve, RootCAs: o.RootCAs})
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Record == nil {
		o.Record = func(exchange.Exchange) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	return &Browser{o: o, jar: &jar{}}
}

// Request is what the browser is asked to do.
type Request struct {
	// Method is GET when empty.
	Method string
	// URL is absolute. Its path and query go out byte for byte; its fragment stays in the browser.
	URL string
	// Target replaces path and query in the request line, byte for byte, for what no URL can express.
	Target string
	// Header is added to what the browser sends by itself, names spelled as the keys are. A header the browser sends by
	// itself (Host, User-Agent, Accept, X-Request-Id, Cookie, Origin, Content-Length) is replaced, or left out when the
	// value is an empty list. A Cookie given here is sent as it is and only on this hop.
	Header http.Header
	// Cookies are sent besides those of the jar, on this hop and on every followed hop to the same host. They are meant
	// for what steers a stand-in, and are not stored.
	Cookies []*http.Cookie
	Body    []byte
	// Initiator is the URL of the page that caused the request by a link or a form; empty means the address bar. It
	// decides which SameSite cookies are sent (RFC 6265bis §5.2) and, for a request that is not GET or HEAD, Origin.
	Initiator string

	opaqueOrigin bool // a redirect crossed origins: Origin is null (Fetch, "redirect-tainted origin")
	cookieHost   string
}

// Response is one hop's answer.
type Response struct {
	// Method and URL are what was asked for; URL includes the fragment.
	Method, URL string
	// RequestID is the X-Request-Id that was sent.
	RequestID string
	Status    int
	Proto     string
	Header    http.Header
	// Body is at most 1 MiB; Truncated says that there was more.
	Body      []byte
	Truncated bool
	// Sent are the cookies that were sent from the jar, without their values.
	Sent []Cookie
	// Refused says why the browser did not store some cookies of this response.
	Refused []error
	// Exchange is the hop as it was recorded, unredacted.
	Exchange exchange.Exchange

	address address
	request Request
}

// Get is Do with GET.
func (b *Browser) Get(ctx context.Context, url string) (*Response, error) {
	return b.Do(ctx, Request{URL: url})
}

// Do sends one request and never follows a redirect. Every response, whatever its status, is a success; an error means
// that there was no complete response, or that the request could not be sent at all.
func (b *Browser) Do(ctx context.Context, r Request) (*Response, error) {
	to, err := parseAddress(r.URL)
	if err != nil {
		return nil, err
	}
	return b.do(ctx, r, to)
}

func (b *Browser) do(ctx context.Context, r Request, to address) (*Response, error) {
	r.Method = cmp.Or(r.Method, http.MethodGet)
	r.cookieHost = cmp.Or(r.cookieHost, to.host)
	now := b.o.Now()
	stored, err := b.cookiesFor(r, to, now)
	if err != nil {
		return nil, err
	}
	w := wire{scheme: to.scheme, host: to.host, method: r.Method, target: cmp.Or(r.Target, to.target), body: r.Body}
	w.fields = b.fields(r, to, stored)
	if err := w.valid(); err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.Method, withoutValues(r.URL), err)
	}

	ctx, cancel := context.WithTimeoutCause(ctx, b.o.Timeout, fmt.Errorf("no complete response within %s", b.o.Timeout))
	defer cancel()
	start := time.Now()
	a, err := b.o.Transport.roundTrip(ctx, w)
	took := time.Since(start)

	e := exchangeOf(w, to, now)
	e.Took = took
	resp := &Response{Method: r.Method, URL: to.String(), RequestID: e.RequestID, Sent: valueless(stored), address: to, request: r}
	if a.Response != nil {
		e.Status, e.ResponseHeader = a.StatusCode, a.Header
		e.ResponseBodyBytes, e.Body = int64(len(a.body)), string(a.body[:min(len(a.body), bodyKept)])
		resp.Status, resp.Proto, resp.Header = a.StatusCode, a.Proto, a.Header
		resp.Body, resp.Truncated = a.body, a.truncated
		resp.Refused = b.jar.receive(to, a.Header["Set-Cookie"], now)
	}
	if err != nil {
		err = fmt.Errorf("%s %s: %w", r.Method, withoutValues(to.String()), err)
		e.Error = err.Error()
	}
	resp.Exchange = e
	b.o.Record(e)
	b.log(ctx, resp, err)
	if err != nil {
		return nil, err
	}
	return resp, nil
}

func (b *Browser) log(ctx context.Context, r *Response, err error) {
	b.o.Logger.DebugContext(ctx, "hop", "check", b.o.Check, "method", r.Method, "url", withoutValues(r.URL), "status", r.Status,
		"took", r.Exchange.Took, "error", err)
	for _, why := range r.Refused {
		b.o.Logger.DebugContext(ctx, "cookie refused", "check", b.o.Check, "host", r.address.host, "why", why)
	}
}

func (b *Browser) cookiesFor(r Request, to address, now time.Time) ([]Cookie, error) {
	s := situation{safe: slices.Contains([]string{"GET", "HEAD", "OPTIONS", "TRACE"}, r.Method)}
	if r.Initiator != "" {
		from, err := parseAddress(r.Initiator)
		if err != nil {
			return nil, fmt.Errorf("the initiator of the request: %w", err)
		}
		s.crossSite = site(from) != site(to)
	}
	return b.jar.sent(to, s, now), nil
}

func valueless(cookies []Cookie) []Cookie {
	out := slices.Clone(cookies)
	for i := range out {
		out[i].Value = ""
	}
	return out
}

// fields are the header lines in the order they go out.
func (b *Browser) fields(r Request, to address, stored []Cookie) [][2]string {
	own := [][2]string{
		{"Host", to.host},
		{"User-Agent", userAgent(b.o.Check)},
		{"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
		{"X-Request-Id", newRequestID()},
	}
	for _, c := range r.Cookies {
		if r.cookieHost == to.host {
			stored = append(stored, Cookie{Name: c.Name, Value: c.Value})
		}
	}
	if v := cookieHeader(stored); v != "" {
		own = append(own, [2]string{"Cookie", v})
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		if o := originOf(r); o != "" {
			own = append(own, [2]string{"Origin", o})
		}
	}
	if len(r.Body) > 0 || r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch {
		own = append(own, [2]string{"Content-Length", strconv.Itoa(len(r.Body))})
	}
	given := slices.Sorted(maps.Keys(r.Header))
	own = slices.DeleteFunc(own, func(f [2]string) bool {
		return slices.ContainsFunc(given, func(name string) bool { return strings.EqualFold(name, f[0]) })
	})
	// Host goes first, as RFC 9110 §7.2 asks.
	var first, rest [][2]string
	for _, name := range given {
		for _, v := range r.Header[name] {
			if strings.EqualFold(name, "Host") {
				first = append(first, [2]string{name, v})
			} else {
				rest = append(rest, [2]string{name, v})
			}
		}
	}
	return slices.Concat(first, own, rest)
}

func originOf(r Request) string {
	if r.opaqueOrigin {
		return "null"
	}
	if from, err := parseAddress(r.Initiator); err == nil {
		return from.origin()
	}
	return ""
}

// userAgent names the check, in characters that may stand in a comment of the header.
func userAgent(check string) string {
	name := strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' || strings.ContainsRune(`()\`, c) {
			return '-'
		}
		return c
	}, check)
	return "ingress-auth-conformance (" + cmp.Or(name, "no check") + ")"
}

func newRequestID() string {
	var id [16]byte
	rand.Read(id[:]) // never fails: crypto/rand aborts the program instead
	return hex.EncodeToString(id[:])
}

func exchangeOf(w wire, to address, now time.Time) exchange.Exchange {
	h := http.Header{}
	for _, f := range w.fields {
		h.Add(f[0], f[1])
	}
	return exchange.Exchange{
		Time: now, From: exchange.Browser, To: exchange.Gateway, RequestID: h.Get("X-Request-Id"),
		Method: w.method, URL: to.origin() + w.target, RequestHeader: h, RequestBodyBytes: int64(len(w.body)),
	}
}

// Cookies returns the cookies the browser would send to url by itself for a GET from the address bar, in that order,
// values included.
func (b *Browser) Cookies(url string) ([]Cookie, error) {
	to, err := parseAddress(url)
	if err != nil {
		return nil, err
	}
	return b.jar.sent(to, situation{safe: true}, b.o.Now()), nil
}

// AllCookies returns every cookie that has not expired, values included.
func (b *Browser) AllCookies() []Cookie { return b.jar.all(b.o.Now()) }

// SetCookie stores a cookie as if url had sent it, so the same rules accept or refuse it.
func (b *Browser) SetCookie(url string, c *http.Cookie) error {
	from, err := parseAddress(url)
	if err != nil {
		return err
	}
	line := c.String()
	if line == "" {
		return fmt.Errorf("the cookie %.60q has a name that cannot be sent", c.Name)
	}
	if refused := b.jar.receive(from, []string{line}, b.o.Now()); len(refused) > 0 {
		return refused[0]
	}
	return nil
}

// RemoveCookies removes the cookies that match.
func (b *Browser) RemoveCookies(match func(Cookie) bool) { b.jar.remove(match) }

// Clear removes all cookies.
func (b *Browser) Clear() { b.jar.remove(func(Cookie) bool { return true }) }

// Clone returns a browser with a copy of the cookies and the same options.
func (b *Browser) Clone() *Browser { return &Browser{o: b.o, jar: b.jar.clone()} }
