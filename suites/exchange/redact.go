// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// ReadableCookiePrefix starts the names of the cookies whose values are never redacted: the scripts that tell a
// stand-in what to answer. They are test input, and a report without them could not be understood.
const ReadableCookiePrefix = "standin-"

// shortestLiteral is the length in bytes from which a secret found in one place of an exchange is also looked for in
// every other place. Shorter values ("1", "true") would take harmless text with them.
const shortestLiteral = 8

// Redactor replaces secrets by markers of the form REDACTED-<kind>-<hash>. A marker consists of URL-unreserved
// characters only (RFC 3986 §2.3), so a redacted URL, cookie, JSON document or HTML page stays parseable. The hash is
// keyed with a random key per Redactor: within one run equal values have equal markers, and the value cannot be
// guessed from the marker.
//
// What is a secret: the value of every cookie, the credentials of Authorization and Proxy-Authorization, the value of
// headers that carry tokens, every OAuth and OpenID Connect parameter that is or proves a credential (code, state,
// nonce, tokens, client_secret, password …) in URLs at any depth of percent-encoding, in form and JSON bodies and in
// HTML inputs, everything that looks like a JWT, and every value given to Hide.
//
// A Redactor is safe for concurrent use.
type Redactor struct {
	key    [32]byte
	mu     sync.RWMutex
	hidden map[string]string // literal value → kind
}

// NewRedactor returns a Redactor with a fresh random key. Create one per run.
func NewRedactor() *Redactor {
	r := &Redactor{hidden: map[string]string{}}
	rand.Read(r.key[:]) // never fails: crypto/rand aborts the program instead
	return r
}

// Hide makes the Redactor replace these values wherever they occur literally: client secrets, passwords and other
// values the run itself made up. kind names them in the marker; empty values are ignored.
func (r *Redactor) Hide(kind string, values ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range values {
		if v != "" {
			r.hidden[v] = kind
		}
	}
}

// Mark returns the marker of one secret value, "" for the empty value. A marker is returned unchanged, so redacting
// twice is harmless.
func (r *Redactor) Mark(kind, value string) string {
	if value == "" || markerOnly.MatchString(value) {
		return value
	}
	mac := hmac.New(sha256.New, r.key[:])
	mac.Write([]byte(value))
	return "REDACTED-" + kind + "-" + hex.EncodeToString(mac.Sum(nil)[:4])
}

var markerOnly = regexp.MustCompile(`^REDACTED-[a-z-]+-[0-9a-f]{8}$`)

// Exchange returns a redacted deep copy of e.
func (r *Redactor) Exchange(e Exchange) Exchange {
	s := r.newScan()
	out := e
	out.URL = s.url(e.URL)
	out.RequestHeader = s.header(e.RequestHeader)
	out.ResponseHeader = s.header(e.ResponseHeader)
	out.RequestID = s.text(e.RequestID)
	out.Error = s.text(e.Error)
	out.Body = s.body(e.Body)

	// A secret that one field named may stand unnamed in another, such as a cookie value in an error text.
	out.URL = keepURL(e.URL, s.literals(out.URL), r)
	s.headerLiterals(out.RequestHeader)
	s.headerLiterals(out.ResponseHeader)
	out.RequestID = s.literals(out.RequestID)
	out.Error = s.literals(out.Error)
	out.Body = keepJSON(e.Body, s.literals(out.Body), r)
	return out
}

// Exchanges returns redacted deep copies, in the same order.
func (r *Redactor) Exchanges(es []Exchange) []Exchange {
	out := make([]Exchange, len(es))
	for i, e := range es {
		out[i] = r.Exchange(e)
	}
	return out
}

// URL returns a redacted URL or URL reference.
func (r *Redactor) URL(raw string) string {
	s := r.newScan()
	return keepURL(raw, s.literals(s.url(raw)), r)
}

// Header returns a redacted copy of h.
func (r *Redactor) Header(h http.Header) http.Header {
	s := r.newScan()
	out := s.header(h)
	s.headerLiterals(out)
	return out
}

// Text returns redacted free text: a log line, an error, a page, a JSON document. It is the fallback for whatever has
// no structure the caller knows; a multi-line text may be given whole.
func (r *Redactor) Text(text string) string {
	s := r.newScan()
	return keepJSON(text, s.literals(s.body(text)), r)
}

// Bytes is Text for bytes.
func (r *Redactor) Bytes(b []byte) []byte { return []byte(r.Text(string(b))) }

// keepJSON guards that what was a JSON document stays one.
func keepJSON(before, after string, r *Redactor) string {
	if before != after && json.Valid([]byte(before)) && !json.Valid([]byte(after)) {
		return `"` + r.Mark("document", before) + `"`
	}
	return after
}

// keepURL guards that what was a URL stays one.
func keepURL(before, after string, r *Redactor) string {
	if before == after {
		return after
	}
	if _, err := url.Parse(before); err != nil {
		return after
	}
	if _, err := url.Parse(after); err != nil {
		return r.Mark("url", before)
	}
	return after
}

// scan is one redaction: it remembers the secrets it came across.
type scan struct {
	r     *Redactor
	found map[string]string // secret → marker
}

func (r *Redactor) newScan() *scan {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := &scan{r: r, found: make(map[string]string, len(r.hidden))}
	for v, kind := range r.hidden {
		s.found[v] = r.Mark(kind, v)
	}
	return s
}

// secret notes a secret and returns its marker.
func (s *scan) secret(kind, value string) string {
	m := s.r.Mark(kind, value)
	if len(value) >= shortestLiteral && m != value && !strings.Contains(m, value) {
		s.found[value] = m
	}
	return m
}

// literals replaces every secret noted so far, as it is and in the usual encodings, longest first so that a secret
// that begins with another is replaced whole.
func (s *scan) literals(text string) string {
	if text == "" || len(s.found) == 0 {
		return text
	}
	secrets := slices.SortedFunc(maps.Keys(s.found), func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	pairs := make([]string, 0, 2*len(secrets))
	for _, v := range secrets {
		for _, form := range encodings(v) {
			pairs = append(pairs, form, s.found[v])
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// encodings returns v and its percent-encoded and JSON-escaped forms, without repeats.
func encodings(v string) []string {
	forms := []string{v}
	quoted, _ := json.Marshal(v)
	once := url.QueryEscape(v)
	for _, f := range []string{once, url.PathEscape(v), url.QueryEscape(once), strings.Trim(string(quoted), `"`)} {
		if f != "" && !slices.Contains(forms, f) {
			forms = append(forms, f)
		}
	}
	return forms
}

func (s *scan) headerLiterals(h http.Header) {
	for name, values := range h {
		for i := range values {
			values[i] = s.literalsOfHeader(name, values[i])
		}
	}
}

// literalsOfHeader leaves the scripts of the stand-ins alone: they are readable by rule.
func (s *scan) literalsOfHeader(name, value string) string {
	if kind := headerKindOf(name); kind == cookieHeader && strings.Contains(value, ReadableCookiePrefix) {
		return value
	}
	return s.literals(value)
}

// headerKind says how the value of a header is redacted.
type headerKind int

const (
	textHeader headerKind = iota
	cookieHeader
	setCookieHeader
	credentialHeader
	tokenHeader
	urlHeader
)

// headerKindOf classifies a header by name, in any case and spelled with - or _.
func headerKindOf(name string) headerKind {
	n := strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	switch n {
	case "cookie", "cookie2":
		return cookieHeader
	case "set-cookie", "set-cookie2":
		return setCookieHeader
	case "authorization", "proxy-authorization":
		return credentialHeader
	case "location", "content-location", "referer", "x-original-url", "x-original-uri", "x-auth-request-redirect",
		"x-forwarded-uri", "x-rewrite-url", "origin":
		return urlHeader
	}
	for _, suffix := range []string{"token", "secret", "password", "assertion", "api-key"} {
		// CORS lists names of headers, and those end like this too.
		if strings.HasSuffix(n, suffix) && n != suffix {
			return tokenHeader
		}
	}
	return textHeader
}

func (s *scan) header(h http.Header) http.Header {
	if h == nil {
		return nil
	}
	out := make(http.Header, len(h))
	for name, values := range h {
		copied := make([]string, len(values))
		for i, v := range values {
			copied[i] = s.headerValue(headerKindOf(textproto.CanonicalMIMEHeaderKey(name)), v)
		}
		out[name] = copied
	}
	return out
}

func (s *scan) headerValue(kind headerKind, v string) string {
	switch kind {
	case cookieHeader:
		return s.cookie(v)
	case setCookieHeader:
		return s.setCookie(v)
	case credentialHeader:
		return s.credentials(v)
	case tokenHeader:
		return s.secret("token", v)
	case urlHeader:
		return s.url(v)
	default:
		return s.text(v)
	}
}

// credentials redacts "scheme credentials" (RFC 9110 §11.4) and keeps the scheme. A value without a scheme is a
// secret as a whole.
func (s *scan) credentials(v string) string {
	scheme, rest, ok := strings.Cut(v, " ")
	if !ok || !schemeName.MatchString(scheme) {
		return s.secret("credential", v)
	}
	return scheme + " " + s.secret("credential", rest)
}

var schemeName = regexp.MustCompile(`^(?i:basic|bearer|digest|dpop|negotiate|hoba|mutual|token|apikey|gnap|ntlm|scram-sha-(1|256)|vapid)$`)
