// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net/url"
	"slices"
	"strings"
)

// admits says why s may not enter at all, by --email-domain and --allowed-group; "" admits. fresh are the claims s was
// just made of, nil for a session from a cookie.
func (p *Proxy) admits(s *session, fresh *claims) (reason string) {
	if fresh != nil && fresh.EmailUnverified && fresh.Email != "" && !p.cfg.AllowUnverifiedEmail {
		return "your email address is not verified"
	}
	if !emailAdmitted(s.Email, p.cfg.EmailDomains) {
		return "your email address is not in an allowed domain"
	}
	if len(p.cfg.AllowedGroups) > 0 && !intersect(s.Groups, p.cfg.AllowedGroups) {
		return "you are not in an allowed group"
	}
	return ""
}

func emailAdmitted(email string, domains []string) bool {
	return slices.ContainsFunc(domains, func(d string) bool { return d == "*" || emailInDomain(email, d) })
}

// emailInDomain compares without regard to case. An address with more than one @ is in no domain: parsers disagree about it.
func emailInDomain(email, domain string) bool {
	local, host, ok := strings.Cut(strings.ToLower(email), "@")
	if !ok || local == "" || host == "" || strings.Contains(host, "@") {
		return false
	}
	bare := bareDomain(domain)
	return host == bare || (bare != strings.ToLower(domain) && strings.HasSuffix(host, "."+bare))
}

// bareDomain is the domain without the leading dot (or "*.") that includes subdomains.
func bareDomain(domain string) string {
	return strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(domain), "*"), ".")
}

func intersect(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// constraint is one query parameter of /auth. Each narrows; values of one, in comma lists or repeated, are alternatives.
type constraint struct {
	parameter string
	satisfied func(s *session, values []string) bool
}

var constraints = []constraint{
	{"allowed_groups", func(s *session, values []string) bool { return intersect(s.Groups, values) }},
	{"allowed_emails", func(s *session, values []string) bool { return slices.Contains(values, s.Email) }},
	{"allowed_email_domains", func(s *session, values []string) bool {
		return slices.ContainsFunc(values, func(d string) bool { return emailInDomain(s.Email, d) })
	}},
}

// constrain says why the query of /auth denies s; "" allows. What it cannot understand denies: an empty list, a query that
// does not parse, a parameter that starts like a constraint and is none.
func constrain(s *session, rawQuery string) (reason string) {
	if rawQuery == "" {
		return ""
	}
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return "the query of the auth request cannot be read"
	}
	for name, raw := range query {
		if !strings.HasPrefix(name, "allowed_") {
			continue
		}
		i := slices.IndexFunc(constraints, func(c constraint) bool { return c.parameter == name })
		if i < 0 {
			return "the auth request has an unknown constraint"
		}
		// An empty list satisfies nothing.
		if !constraints[i].satisfied(s, listValues(raw)) {
			return name + " does not allow this session"
		}
	}
	return ""
}

func listValues(raw []string) []string {
	var out []string
	for _, list := range raw {
		for v := range strings.SplitSeq(list, ",") {
			if v = strings.TrimSpace(v); v != "" {
				out = append(out, v)
			}
		}
	}
	return out
}
