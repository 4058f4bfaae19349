// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// maxCookieBytes is the length of one Set-Cookie value, name and attributes included, that every browser keeps
	// (RFC 6265 §6.1).
	maxCookieBytes = 4096
	// maxChunks bounds how many parts a value may be split into: no server accepts more header than that.
	maxChunks = 8
	// maxCandidates bounds how many cookies of one name are tried; a client can send any number.
	maxCandidates = 4
)

// cookieMaker writes and reads cookie values of any length. A value that does not fit one cookie is split into name_0,
// name_1, …; name_0 starts with the number of parts, so that a part left over from a longer value is never read.
type cookieMaker struct {
	domain   string
	secure   bool
	sameSite http.SameSite
}

func (m cookieMaker) cookie(name, value string, maxAge time.Duration) *http.Cookie {
	c := &http.Cookie{
		Name: name, Value: value, Path: "/", Domain: m.domain, HttpOnly: true, Secure: m.secure, SameSite: m.sameSite,
		MaxAge: int(maxAge / time.Second),
	}
	if c.MaxAge <= 0 {
		c.MaxAge = -1 // net/http writes Max-Age=0 for it: delete
	}
	return c
}

// split returns the cookies that carry value under name.
func (m cookieMaker) split(name, value string, maxAge time.Duration) ([]*http.Cookie, error) {
	whole := m.cookie(name, value, maxAge)
	if len(whole.String()) <= maxCookieBytes {
		return []*http.Cookie{whole}, nil
	}
	overhead := len(m.cookie(name+"_0", "", maxAge).String())
	room := maxCookieBytes - overhead - len("0.")
	count := (len(value) + room - 1) / room
	if room <= 0 || count > maxChunks {
		return nil, fmt.Errorf("the value for cookie %s has %d bytes, more than %d cookies can carry", name, len(value), maxChunks)
	}
	parts := make([]*http.Cookie, 0, count)
	for i := range count {
		part := value[i*room : min((i+1)*room, len(value))]
		if i == 0 {
			part = strconv.Itoa(count) + "." + part
		}
		parts = append(parts, m.cookie(chunkName(name, i), part, maxAge))
	}
	return parts, nil
}

func chunkName(name string, i int) string { return name + "_" + strconv.Itoa(i) }

// unchunked is the name without the suffix of a part.
func unchunked(name string) string {
	bare := strings.TrimRight(name, "0123456789")
	if len(bare) < len(name) && strings.HasSuffix(bare, "_") {
		return bare[:len(bare)-1]
	}
	return name
}

// nextCookie cuts the first cookie from a Cookie header (RFC 6265 §4.2.1). What is no cookie has an empty name.
func nextCookie(header string) (name, value, rest string) {
	pair, rest, _ := strings.Cut(header, ";")
	name, value, ok := strings.Cut(strings.TrimLeft(pair, " \t"), "=")
	if !ok {
		return "", "", rest
	}
	return name, strings.TrimRight(value, " \t"), rest
}

// cookieValues returns the values of r's cookies called name + suffix, at most limit. net/http would copy every cookie of the
// request, again for each name.
func cookieValues(r *http.Request, name, suffix string, limit int) []string {
	var values []string
	for _, line := range r.Header["Cookie"] {
		for line != "" && len(values) < limit {
			var n, value string
			n, value, line = nextCookie(line)
			if len(n) == len(name)+len(suffix) && strings.HasPrefix(n, name) && strings.HasSuffix(n, suffix) {
				values = append(values, value)
			}
		}
	}
	return values
}

// join returns the values that r may carry under name, most of them wrong at most once in a while: the whole one and the
// joined parts can both be there when a session grew or shrank and an ingress dropped one of the Set-Cookie headers.
func (m cookieMaker) join(r *http.Request, name string) []string {
	values := slices.DeleteFunc(cookieValues(r, name, "", maxCandidates), func(v string) bool { return v == "" })
	if v, ok := joinParts(r, name); ok {
		values = append(values, v)
	}
	return values
}

func joinParts(r *http.Request, name string) (string, bool) {
	first := cookieValues(r, name, "_0", 1)
	if len(first) == 0 {
		return "", false
	}
	number, value, ok := strings.Cut(first[0], ".")
	count, err := strconv.Atoi(number)
	if !ok || err != nil || count < 2 || count > maxChunks {
		// No part of ours, yet a presented credential: to be refused, and deleted.
		return "", true
	}
	var b strings.Builder
	b.WriteString(value)
	for i := 1; i < count; i++ {
		part := cookieValues(r, name, "_"+strconv.Itoa(i), 1)
		if len(part) == 0 {
			break
		}
		b.WriteString(part[0])
	}
	return b.String(), true
}

// presented lists the names under which r carries name or a part of it, each once, the whole first.
func presented(r *http.Request, name string) []string {
	var names []string
	if len(cookieValues(r, name, "", 1)) > 0 {
		names = append(names, name)
	}
	for i := range maxChunks {
		if n := chunkName(name, i); len(cookieValues(r, n, "", 1)) > 0 {
			names = append(names, n)
		}
	}
	return names
}

// deletions returns cookies that delete everything r carries under name, except the names in keep.
func (m cookieMaker) deletions(r *http.Request, name string, keep ...*http.Cookie) []*http.Cookie {
	kept := map[string]bool{}
	for _, c := range keep {
		kept[c.Name] = true
	}
	var gone []*http.Cookie
	for _, n := range presented(r, name) {
		if !kept[n] {
			gone = append(gone, m.cookie(n, "", 0))
		}
	}
	return gone
}

func setCookies(w http.ResponseWriter, cookies ...*http.Cookie) {
	for _, c := range cookies {
		w.Header().Add("Set-Cookie", c.String())
	}
}
