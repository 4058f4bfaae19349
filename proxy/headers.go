// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net/http"
	"strings"
)

// identityHeaders are the names of the headers that say who a request is from, spelled as net/http keeps them.
type identityHeaders struct{ user, email, preferredUsername, groups, accessToken string }

var (
	authRequestHeaders = identityHeaders{"X-Auth-Request-User", "X-Auth-Request-Email", "X-Auth-Request-Preferred-Username", "X-Auth-Request-Groups", "X-Auth-Request-Access-Token"}
	forwardedHeaders   = identityHeaders{"X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Preferred-Username", "X-Forwarded-Groups", "X-Forwarded-Access-Token"}
)

// set says in h who s is. Empty claims and those that cannot stand in a header are left out.
func (names identityHeaders) set(h http.Header, s *session, accessToken bool) {
	values := make([]string, 0, 5) // one allocation for all, on every request
	set := func(name, value string) {
		if value != "" && isHeaderValue(value) {
			values = append(values, value)
			h[name] = values[len(values)-1 : len(values) : len(values)]
		}
	}
	set(names.user, s.Subject)
	set(names.email, s.Email)
	set(names.preferredUsername, s.PreferredUsername)
	set(names.groups, joinGroups(s.Groups))
	if accessToken {
		set(names.accessToken, s.AccessToken)
	}
}

// joinGroups lists groups with commas. A group with a comma in its name would read as two, one of which may be worth
// having, so it is left out.
func joinGroups(groups []string) string {
	var b strings.Builder
	b.Grow(sumLengths(groups))
	for _, g := range groups {
		if g == "" || strings.Contains(g, ",") || !isHeaderValue(g) {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(g)
	}
	return b.String()
}

// sumLengths is the length of groups with a comma after each.
func sumLengths(groups []string) int {
	n := len(groups)
	for _, g := range groups {
		n += len(g)
	}
	return n
}

// isHeaderValue says whether s is a field value (RFC 9110 §5.5).
func isHeaderValue(s string) bool {
	for i := range len(s) {
		if (s[i] < 0x20 && s[i] != '\t') || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// isIdentityHeader says whether a request header claims an identity. Servers behind CGI or WSGI do not tell - from _, so
// neither does this.
func isIdentityHeader(name string) bool {
	name = strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	if strings.HasPrefix(name, "x-auth-request-") {
		return true
	}
	switch name {
	case "x-forwarded-user", "x-forwarded-email", "x-forwarded-groups", "x-forwarded-preferred-username", "x-forwarded-access-token":
		return true
	}
	return false
}

func stripIdentity(h http.Header) {
	for name := range h {
		if isIdentityHeader(name) {
			delete(h, name)
		}
	}
}

// stripOwnCookies removes the proxy's cookies from what an upstream receives: it has no use for them, and they are worth a
// login. All else in the header stays as it was sent.
func (p *Proxy) stripOwnCookies(h http.Header) {
	lines := h.Values("Cookie")
	if len(lines) == 0 {
		return
	}
	var kept []string
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ";") {
			name, _, _ := strings.Cut(strings.TrimSpace(part), "=")
			base := unchunked(name)
			if base != p.cfg.CookieName && !p.states.owns(base) {
				kept = append(kept, strings.TrimSpace(part))
			}
		}
	}
	h.Del("Cookie")
	if len(kept) > 0 {
		h.Set("Cookie", strings.Join(kept, "; "))
	}
}
