// SPDX-License-Identifier: Apache-2.0

package browser

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/publicsuffix"
)

// jar stores cookies by RFC 6265bis §5.7 and chooses those to send by §5.8. It is safe for concurrent use.
type jar struct {
	mu      sync.Mutex
	cookies []Cookie
}

// receive stores the cookies of one response and returns why some were refused.
func (j *jar) receive(from address, headers []string, now time.Time) []error {
	j.mu.Lock()
	defer j.mu.Unlock()
	var refused []error
	for _, h := range headers {
		c, err := parseSetCookie(from, h, now)
		if err == nil {
			err = j.store(from, c, now)
		}
		if err != nil {
			refused = append(refused, err)
		}
	}
	return refused
}

func (j *jar) store(from address, c Cookie, now time.Time) error {
	if from.scheme != "https" && slices.ContainsFunc(j.cookies, func(old Cookie) bool { return c.wouldShadow(old) }) {
		return fmt.Errorf("the cookie %.60s came over http and would take the place of a Secure one", c.Name)
	}
	i := slices.IndexFunc(j.cookies, func(old Cookie) bool {
		return old.Name == c.Name && old.Domain == c.Domain && old.HostOnly == c.HostOnly && old.Path == c.Path
	})
	expired := c.expired(now)
	switch {
	case i >= 0 && expired:
		j.cookies = slices.Delete(j.cookies, i, i+1)
	case i >= 0:
		c.Created = j.cookies[i].Created
		j.cookies[i] = c
	case !expired:
		j.cookies = append(j.cookies, c)
	}
	return nil
}

// wouldShadow: a cookie from http must not overlay a Secure one of the same name (RFC 6265bis §5.7 step 16).
func (c Cookie) wouldShadow(old Cookie) bool {
	return old.Secure && old.Name == c.Name && pathMatch(c.Path, old.Path) &&
		(domainMatch(c.Domain, old.Domain) || domainMatch(old.Domain, c.Domain))
}

func (c Cookie) expired(now time.Time) bool { return c.Persistent && !c.Expires.After(now) }

// situation is what SameSite depends on.
type situation struct {
	crossSite bool
	safe      bool // method is GET, HEAD, OPTIONS or TRACE
}

func (j *jar) sent(to address, s situation, now time.Time) []Cookie {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []Cookie
	for _, c := range j.cookies {
		if !c.expired(now) && c.matches(to) && s.allows(c.SameSite) {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b Cookie) int {
		return cmp.Or(len(b.Path)-len(a.Path), a.Created.Compare(b.Created))
	})
	return out
}

func (c Cookie) matches(to address) bool {
	if c.HostOnly && c.Domain != to.name() || !domainMatch(to.name(), c.Domain) {
		return false
	}
	return pathMatch(to.path(), c.Path) && (!c.Secure || to.scheme == "https")
}

// allows: every request of this package is a top-level navigation.
func (s situation) allows(sameSite string) bool {
	if !s.crossSite {
		return true
	}
	switch sameSite {
	case SameSiteNone:
		return true
	case SameSiteStrict:
		return false
	default:
		return s.safe
	}
}

func (j *jar) all(now time.Time) []Cookie {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(j.cookies), func(c Cookie) bool { return c.expired(now) })
}

func (j *jar) remove(match func(Cookie) bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.cookies = slices.DeleteFunc(j.cookies, match)
}

func (j *jar) clone() *jar {
	j.mu.Lock()
	defer j.mu.Unlock()
	return &jar{cookies: slices.Clone(j.cookies)}
}

// site is the registrable domain with its scheme ("schemeful same-site").
func site(a address) string {
	if registrable, err := publicsuffix.EffectiveTLDPlusOne(a.name()); err == nil {
		return a.scheme + "://" + registrable
	}
	return a.scheme + "://" + a.name()
}

// cookieHeader is the Cookie header for cookies, "" for none.
func cookieHeader(cookies []Cookie) string {
	pairs := make([]string, len(cookies))
	for i, c := range cookies {
		pairs[i] = c.Value
		if c.Name != "" {
			pairs[i] = c.Name + "=" + c.Value
		}
	}
	return strings.Join(pairs, "; ")
}
