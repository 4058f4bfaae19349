// SPDX-License-Identifier: Apache-2.0

package browser

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// RedirectError says why following redirects ended before an answer that is none. Its text lists the hops without
// parameter values.
type RedirectError struct {
	// Reason is a sentence; Chain are the hops that were made.
	Reason string
	Chain  []*Response
}

func (e *RedirectError) Error() string {
	var b strings.Builder
	b.WriteString(e.Reason)
	for i, r := range e.Chain {
		fmt.Fprintf(&b, "\n  %d. %s %s → %d", i+1, r.Method, withoutValues(r.URL), r.Status)
	}
	return b.String()
}

// IsRedirect reports whether a browser would go on to Location.
func (r *Response) IsRedirect() bool {
	return slices.Contains([]int{301, 302, 303, 307, 308}, r.Status) && len(r.Header["Location"]) > 0
}

// Location is the absolute URL a browser would go to, fragment included; "" when there is no Location header.
func (r *Response) Location() (string, error) {
	if len(r.Header["Location"]) == 0 {
		return "", nil
	}
	to, err := r.address.resolve(r.Header.Get("Location"))
	if err != nil {
		return "", fmt.Errorf("the Location %q: %w", withoutValues(r.Header.Get("Location")), err)
	}
	return to.String(), nil
}

// SetCookies reads every Set-Cookie header of the response, also those the browser refused for a reason that is
// not their form. What cannot be read at all is left out; Refused has the reasons.
func (r *Response) SetCookies() []Cookie {
	var out []Cookie
	for _, h := range r.Header["Set-Cookie"] {
		if c, _ := parseSetCookie(r.address, h, r.Exchange.Time); c.Name != "" {
			out = append(out, c)
		}
	}
	return out
}

// Follow sends a request and follows redirects as the Fetch standard says ("HTTP-redirect fetch"): 301 and 302 turn
// POST into GET, 303 turns everything but HEAD into GET, 307 and 308 keep method and body; Authorization is dropped when
// the origin changes; the fragment is inherited. It returns all hops, the last one being no redirect. After a failure
// or more than max redirects, or at a request that was made before with the same cookies, it returns the hops so far and
// an error.
func (b *Browser) Follow(ctx context.Context, r Request, max int) ([]*Response, error) {
	to, err := parseAddress(r.URL)
	if err != nil {
		return nil, err
	}
	var chain []*Response
	made := map[string]bool{}
	for {
		resp, err := b.do(ctx, r, to)
		if err != nil {
			if len(chain) > 0 {
				err = fmt.Errorf("%w\n%w", err, &RedirectError{Reason: "reached through:", Chain: chain})
			}
			return chain, err
		}
		chain = append(chain, resp)
		if !resp.IsRedirect() {
			return chain, nil
		}
		key := strings.Join([]string{resp.Method, to.scheme, to.host, to.target, resp.Exchange.RequestHeader.Get("Cookie")}, "\x00")
		if made[key] {
			return chain, &RedirectError{"the redirects go in a circle: the last request was made before, with the same cookies", chain}
		}
		made[key] = true
		if len(chain) > max {
			return chain, &RedirectError{fmt.Sprintf("more than %d redirects", max), chain}
		}
		next, err := to.resolve(resp.Header.Get("Location"))
		if err != nil {
			return chain, &RedirectError{"the last Location cannot be followed: " + err.Error(), chain}
		}
		r = redirected(resp.request, resp.Status, to, next)
		to = next
	}
}

// redirected is the request of the next hop.
func redirected(r Request, status int, from, to address) Request {
	next := r
	next.URL, next.Target = to.String(), ""
	next.Header = r.Header.Clone()
	drop := []string{"Cookie", "Host", "X-Request-Id", "Content-Length"}
	toGet := (status == 301 || status == 302) && r.Method == http.MethodPost ||
		status == 303 && r.Method != http.MethodGet && r.Method != http.MethodHead
	if toGet {
		next.Method, next.Body = http.MethodGet, nil
		drop = append(drop, "Content-Type", "Content-Encoding", "Content-Language", "Content-Location", "Origin")
	}
	if from.origin() != to.origin() {
		drop = append(drop, "Authorization", "Origin")
		next.opaqueOrigin = r.Initiator != "" || r.opaqueOrigin
	}
	for name := range next.Header {
		if slices.ContainsFunc(drop, func(d string) bool { return strings.EqualFold(d, name) }) {
			delete(next.Header, name)
		}
	}
	return next
}

// Last is the last hop of a chain, nil for none.
func Last(chain []*Response) *Response {
	if len(chain) == 0 {
		return nil
	}
	return chain[len(chain)-1]
}
