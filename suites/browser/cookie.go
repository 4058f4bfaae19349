// SPDX-License-Identifier: Apache-2.0

package browser

import (
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"
)

// SameSite values a Cookie has. A cookie without a known SameSite attribute is treated as Lax, as browsers do.
const (
	SameSiteDefault = ""
	SameSiteStrict  = "Strict"
	SameSiteLax     = "Lax"
	SameSiteNone    = "None"
)

// Cookie is a cookie as a browser stores it.
type Cookie struct {
	Name, Value string
	// Domain is the host, or the Domain attribute without leading dot when HostOnly is false.
	Domain   string
	HostOnly bool
	Path     string
	Secure   bool
	HTTPOnly bool
	// SameSite is one of the SameSite constants.
	SameSite string
	// Persistent says that the cookie had Max-Age or Expires; Expires is then when it ends.
	Persistent bool
	Expires    time.Time
	Created    time.Time
}

// String shows the cookie without its value.
func (c Cookie) String() string {
	parts := []string{c.Name + "=…", "Path=" + c.Path}
	if !c.HostOnly {
		parts = append(parts, "Domain="+c.Domain)
	}
	if c.Persistent {
		parts = append(parts, "Expires="+c.Expires.UTC().Format(time.RFC1123))
	}
	if c.Secure {
		parts = append(parts, "Secure")
	}
	if c.HTTPOnly {
		parts = append(parts, "HttpOnly")
	}
	if c.SameSite != "" {
		parts = append(parts, "SameSite="+c.SameSite)
	}
	return strings.Join(parts, "; ")
}

// GoString keeps %#v from showing the value.
func (c Cookie) GoString() string { return c.String() }

// The limits of RFC 6265bis §5.6 and §5.5 (draft-ietf-httpbis-rfc6265bis).
const (
	largestNameAndValue = 4096
	largestAttribute    = 1024
	longestLife         = 400 * 24 * time.Hour
)

// ParseSetCookie reads one Set-Cookie header as received from url (RFC 6265bis §5.6) and applies the rules by which a
// browser accepts it (§5.7). The error says which rule refused it.
func ParseSetCookie(url, header string, now time.Time) (Cookie, error) {
	from, err := parseAddress(url)
	if err != nil {
		return Cookie{}, err
	}
	return parseSetCookie(from, header, now)
}

func parseSetCookie(from address, header string, now time.Time) (Cookie, error) {
	if strings.ContainsFunc(header, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return Cookie{}, fmt.Errorf("the cookie contains a control character")
	}
	pair, attributes, _ := strings.Cut(header, ";")
	name, value, ok := strings.Cut(pair, "=")
	if !ok {
		name, value = "", pair
	}
	c := Cookie{Name: trim(name), Value: trim(value), Created: now, HostOnly: true, Domain: from.name(), Path: defaultPath(from.path())}
	if c.Name == "" && c.Value == "" {
		return Cookie{}, fmt.Errorf("the cookie has neither name nor value")
	}
	if len(c.Name)+len(c.Value) > largestNameAndValue {
		return Cookie{}, fmt.Errorf("the cookie %.60s has %d bytes of name and value; browsers refuse more than %d",
			c.Name, len(c.Name)+len(c.Value), largestNameAndValue)
	}
	a := attributesOf(attributes)
	c.Secure, c.HTTPOnly, c.SameSite = a.secure, a.httpOnly, a.sameSite
	if strings.HasPrefix(a.path, "/") {
		c.Path = a.path
	}
	c.lifetime(a, now)
	if err := c.domain(a.domain); err != nil {
		return Cookie{}, err
	}
	return c, c.acceptable(from, strings.HasPrefix(a.path, "/"))
}

func trim(s string) string { return strings.Trim(s, " \t") }

type attributes struct {
	domain, path, sameSite string
	secure, httpOnly       bool
	maxAge                 int64
	hasMaxAge, hasExpires  bool
	expires                time.Time
}

// attributesOf reads the attributes; of repeated ones the last counts, unknown and unreadable ones are ignored.
func attributesOf(list string) attributes {
	var a attributes
	for part := range strings.SplitSeq(list, ";") {
		name, value, _ := strings.Cut(part, "=")
		value = trim(value)
		if len(value) > largestAttribute {
			continue
		}
		switch strings.ToLower(trim(name)) {
		case "secure":
			a.secure = true
		case "httponly":
			a.httpOnly = true
		case "domain":
			a.domain = strings.ToLower(strings.TrimPrefix(value, "."))
		case "path":
			a.path = value
		case "samesite":
			a.sameSite = sameSiteOf(value)
		case "max-age":
			if maxAgeForm.MatchString(value) {
				a.maxAge, a.hasMaxAge = parseMaxAge(value), true
			}
		case "expires":
			if t, ok := parseDate(value); ok {
				a.expires, a.hasExpires = t, true
			}
		}
	}
	return a
}

var maxAgeForm = regexp.MustCompile(`^-?[0-9]+$`)

func parseMaxAge(v string) int64 {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil && !strings.HasPrefix(v, "-") { // out of range
		return int64(longestLife / time.Second)
	}
	return min(n, int64(longestLife/time.Second))
}

func sameSiteOf(v string) string {
	for _, known := range []string{SameSiteStrict, SameSiteLax, SameSiteNone} {
		if strings.EqualFold(v, known) {
			return known
		}
	}
	return SameSiteDefault
}

// lifetime: Max-Age wins over Expires.
func (c *Cookie) lifetime(a attributes, now time.Time) {
	switch {
	case a.hasMaxAge && a.maxAge <= 0:
		c.Persistent, c.Expires = true, time.Unix(0, 0).UTC()
	case a.hasMaxAge:
		c.Persistent, c.Expires = true, now.Add(time.Duration(a.maxAge)*time.Second)
	case a.hasExpires:
		c.Persistent, c.Expires = true, a.expires
		if latest := now.Add(longestLife); c.Expires.After(latest) {
			c.Expires = latest
		}
	}
}

// domain applies the Domain attribute: it must cover the host and must not be a public suffix.
func (c *Cookie) domain(attribute string) error {
	host := c.Domain
	if attribute == "" {
		return nil
	}
	if isPublicSuffix(attribute) {
		if attribute == host {
			return nil // stays host-only
		}
		return fmt.Errorf("the cookie %.60s has Domain=%s, a public suffix", c.Name, attribute)
	}
	if !domainMatch(host, attribute) {
		return fmt.Errorf("the cookie %.60s has Domain=%s, which does not cover the host %s", c.Name, attribute, host)
	}
	c.Domain, c.HostOnly = attribute, false
	return nil
}

// isPublicSuffix: by the list, and by its default rule for names under no listed suffix.
func isPublicSuffix(domain string) bool {
	if net.ParseIP(domain) != nil {
		return false
	}
	suffix, _ := publicsuffix.PublicSuffix(domain)
	return suffix == domain
}

// acceptable applies the rules about Secure, SameSite and name prefixes.
func (c *Cookie) acceptable(from address, pathGiven bool) error {
	name, refuse := strings.ToLower(c.Name), func(why string) error {
		return fmt.Errorf("the cookie %.60s %s", c.Name, why)
	}
	switch {
	case c.Secure && from.scheme != "https":
		return refuse("is Secure but came over http")
	case c.SameSite == SameSiteNone && !c.Secure:
		return refuse("has SameSite=None without Secure")
	case strings.HasPrefix(name, "__secure-") && !c.Secure:
		return refuse("has the prefix __Secure- but is not Secure")
	case strings.HasPrefix(name, "__host-") && (!c.Secure || !c.HostOnly || !pathGiven || c.Path != "/"):
		return refuse("has the prefix __Host- but is not Secure, host-only and with Path=/")
	case name == "" && (hasFoldedPrefix(c.Value, "__secure-") || hasFoldedPrefix(c.Value, "__host-")):
		return refuse("has no name and a value that pretends to be a prefixed name")
	}
	return nil
}

func hasFoldedPrefix(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// defaultPath is RFC 6265 §5.1.4.
func defaultPath(path string) string {
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		return path[:i]
	}
	return "/"
}

// pathMatch is RFC 6265 §5.1.4.
func pathMatch(request, cookie string) bool {
	if request == cookie {
		return true
	}
	return strings.HasPrefix(request, cookie) && (strings.HasSuffix(cookie, "/") || request[len(cookie)] == '/')
}

// domainMatch is RFC 6265 §5.1.3.
func domainMatch(host, domain string) bool {
	return host == domain || strings.HasSuffix(host, "."+domain) && net.ParseIP(host) == nil
}

var (
	dateToken = regexp.MustCompile(`[^\x09\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+`)
	timeForm  = regexp.MustCompile(`^(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\D|$)`)
	dayForm   = regexp.MustCompile(`^(\d{1,2})(?:\D|$)`)
	yearForm  = regexp.MustCompile(`^(\d{2,4})(?:\D|$)`)
)

const months = "janfebmaraprmayjunjulaugsepoctnovdec"

// parseDate is the lenient cookie date of RFC 6265 §5.1.1.
func parseDate(v string) (time.Time, bool) {
	var clock []string
	day, month, year := -1, -1, -1
	for _, token := range dateToken.FindAllString(v, -1) {
		if m := timeForm.FindStringSubmatch(token); clock == nil && m != nil {
			clock = m[1:]
		} else if m := dayForm.FindStringSubmatch(token); day < 0 && m != nil {
			day, _ = strconv.Atoi(m[1])
		} else if i := monthOf(token); month < 0 && i > 0 {
			month = i
		} else if m := yearForm.FindStringSubmatch(token); year < 0 && m != nil {
			year, _ = strconv.Atoi(m[1])
		}
	}
	switch {
	case year >= 70 && year <= 99:
		year += 1900
	case year >= 0 && year <= 69:
		year += 2000
	}
	if clock == nil || day < 1 || month < 0 || year < 1601 {
		return time.Time{}, false
	}
	hour, _ := strconv.Atoi(clock[0])
	minute, _ := strconv.Atoi(clock[1])
	second, _ := strconv.Atoi(clock[2])
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	return t, t.Day() == day && hour < 24 && minute < 60 && second < 60
}

func monthOf(token string) int {
	if len(token) < 3 {
		return 0
	}
	if i := strings.Index(months, strings.ToLower(token[:3])); i >= 0 && i%3 == 0 {
		return i/3 + 1
	}
	return 0
}
