// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"regexp"
	"strings"
)

// cookie redacts the value of a Cookie header (RFC 6265 §4.2): names stay.
func (s *scan) cookie(v string) string {
	pairs := strings.Split(v, ";")
	for i, p := range pairs {
		pairs[i] = s.cookiePair(p)
	}
	return strings.Join(pairs, ";")
}

// cookiePair redacts one name=value and keeps the white space around it. A pair without "=" is a nameless value.
func (s *scan) cookiePair(p string) string {
	name, value, ok := strings.Cut(p, "=")
	if !ok {
		trimmed := strings.TrimSpace(p)
		return strings.Replace(p, trimmed, s.secret("cookie", trimmed), 1)
	}
	if strings.HasPrefix(strings.TrimSpace(name), ReadableCookiePrefix) {
		return p
	}
	return s.text(name) + "=" + s.secret("cookie", strings.TrimSpace(value))
}

// setCookie redacts a Set-Cookie header (RFC 6265 §4.1): name and attributes stay. nginx may join several Set-Cookie
// headers with commas into one, so each cookie of such a list is redacted and the list stays visible as a list.
func (s *scan) setCookie(v string) string {
	cookies := splitJoinedCookies(v)
	for i, c := range cookies {
		cookies[i] = s.oneSetCookie(c)
	}
	return strings.Join(cookies, ",")
}

// nextCookie finds where a further cookie begins in a joined list: a comma, then a cookie name and "=". The comma of an
// Expires date is not followed by such a thing.
var nextCookie = regexp.MustCompile(`,[ \t]*[^\s;,="()<>@:/\[\]?{}]+[ \t]*=`)

func splitJoinedCookies(v string) []string {
	var parts []string
	start := 0
	for _, m := range nextCookie.FindAllStringIndex(v, -1) {
		parts = append(parts, v[start:m[0]])
		start = m[0] + 1
	}
	return append(parts, v[start:])
}

func (s *scan) oneSetCookie(v string) string {
	parts := strings.Split(v, ";")
	for i, p := range parts {
		if i == 0 {
			parts[i] = s.cookiePair(p)
		} else {
			parts[i] = s.cookieAttribute(p)
		}
	}
	return strings.Join(parts, ";")
}

// The values an attribute of a cookie may have; whatever else stands there may be a secret in the wrong place.
var attributeValue = map[string]*regexp.Regexp{
	"expires":  regexp.MustCompile(`^[A-Za-z]{3,9}, ?\d{1,2}[ -][A-Za-z]{3}[ -]\d{2,4} \d{1,2}:\d{2}:\d{2} [A-Z]{3}$`),
	"max-age":  regexp.MustCompile(`^-?\d{1,12}$`),
	"domain":   regexp.MustCompile(`^[A-Za-z0-9.\-]*$`),
	"samesite": regexp.MustCompile(`^[A-Za-z]{0,6}$`),
	"priority": regexp.MustCompile(`^[A-Za-z]{0,6}$`),
}

func (s *scan) cookieAttribute(p string) string {
	name, value, ok := strings.Cut(p, "=")
	trimmed := strings.TrimSpace(value)
	key := strings.ToLower(strings.TrimSpace(name))
	switch {
	case !ok && (key == "secure" || key == "httponly" || key == "partitioned" || key == ""):
		return p
	case !ok:
		return strings.Replace(p, strings.TrimSpace(p), s.secret("cookie", strings.TrimSpace(p)), 1)
	case key == "path":
		return name + "=" + s.url(value)
	}
	if form := attributeValue[key]; form != nil && form.MatchString(trimmed) {
		return p
	}
	return s.text(name) + "=" + s.secret("cookie", trimmed)
}
