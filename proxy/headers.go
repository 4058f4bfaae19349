// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net/http"
	"strings"
)

// setIdentity sets the identity headers under prefix, "X-Auth-Request-" or "X-Forwarded-". Empty claims and those that
// cannot stand in a header are left out.
func setIdentity(h http.Header, prefix string, s *session, accessToken bool) {
	set := func(name, value string) {
		if value != "" && isHeaderValue(value) {
			h.Set(prefix+name, value)
		}
	}
	set("User", s.Subject)
	set("Email", s.Email)
	set("Preferred-Username", s.PreferredUsername)
	set("Groups", joinGroups(s.Groups))
	if accessToken {
		set("Access-Token", s.AccessToken)
	}
}

// joinGroups lists groups with commas. A group with a comma in its name would read as two, one of which may be worth
// having, so it is left out.
func joinGroups(groups []string) string {
	var usable []string
	for _, g := range groups {
		if !strings.Contains(g, ",") && isHeaderValue(g) {
			usable = append(usable, g)
		}
	}
	return strings.Join(usable, ",")
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
			base := chunkSuffixPattern.ReplaceAllString(name, "")
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
