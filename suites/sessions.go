// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ingress-auth/conformance/suites/browser"
	"github.com/ingress-auth/conformance/suites/subject"
)

func sessionChecks() []Check {
	return []Check{
		authCheck("auth-service/cookie-attributes", cookieScope, "SESSION-COOKIE-PATH", "SESSION-COOKIE-DOMAIN", "SESSION-COOKIE-LIFETIME", "SESSION-COOKIE-SIZE", "SESSION-COOKIE-FRESH"),
		authCheck("auth-service/cookie-names", cookieNames, "SESSION-COOKIE-NAME-BOUND", "SESSION-COOKIE-SPLICED-401"),
		authCheck("auth-service/cookie-split", cookieSplit, "SESSION-COOKIE-SPLIT", "SESSION-COOKIE-SPLIT-SIZE", "SESSION-COOKIE-SPLIT-SIGNOUT", "SESSION-COOKIE-PART-MISSING-401"),
		authCheck("auth-service/cookie-garbage", cookieGarbage, "SESSION-COOKIE-GARBAGE-401"),
	}
}

func parseCookie(line string) (*http.Cookie, error) {
	c, err := http.ParseSetCookie(line)
	if err != nil {
		return nil, fmt.Errorf("reading a cookie: %w", err)
	}
	return c, nil
}

// sessionLifetime is how long a session lasts by the default of oauth2-proxy, which the run's auth service keeps.
const sessionLifetime = 168 * time.Hour

// maxSetCookie is the size that every browser keeps (RFC 6265 section 6.1).
const maxSetCookie = 4096

func cookieScope(ctx context.Context, t *Trial) error {
	var values []string
	for range 2 {
		b := t.Browser()
		callback, err := t.pendingCallback(ctx, b, "/", userAlice)
		if err != nil {
			return err
		}
		response, err := b.Do(ctx, browser.Request{URL: callback})
		if err != nil {
			return err
		}
		for _, line := range response.Header.Values("Set-Cookie") {
			t.Holds("SESSION-COOKIE-SIZE", len(line) <= maxSetCookie, fmt.Sprintf("at most %d bytes", maxSetCookie), fmt.Sprintf("%d bytes", len(line)))
		}
		for _, c := range response.SetCookies() {
			if !isSessionCookie(c.Name) || c.Value == "" {
				continue
			}
			values = append(values, c.Value)
			Equal(t, "SESSION-COOKIE-PATH", "Path", "/", c.Path)
			t.Holds("SESSION-COOKIE-DOMAIN", !c.HostOnly && c.Domain == subject.Domain, "Domain="+subject.Domain, c.String())
			off := c.Expires.Sub(response.Exchange.Time) - sessionLifetime
			t.Holds("SESSION-COOKIE-LIFETIME", c.Persistent && off.Abs() < time.Minute, "a lifetime of 168 hours", c.String())
		}
	}
	t.Holds("SESSION-COOKIE-FRESH", len(values) == 2 && values[0] != values[1], "two logins to give two values", fmt.Sprintf("%d values, the same: %t", len(values), len(values) == 2 && values[0] == values[1]))
	return nil
}

// cookieNames presents values that the auth service made for something else, and values put together from two sessions.
func cookieNames(ctx context.Context, t *Trial) error {
	pending := t.Browser()
	response, _, err := t.begin(ctx, pending, "/")
	if err != nil {
		return err
	}
	var foreign []string
	for _, c := range response.SetCookies() {
		if isLoginCookie(c.Name) && c.Value != "" {
			foreign = append(foreign, c.Value)
		}
	}
	other := t.Browser()
	if _, err := visit(ctx, other, browser.Request{URL: publicURL("auth-domain") + "/oauth2/start?rd=%2F"}, userAlice); err != nil {
		return err
	}
	for _, c := range other.AllCookies() {
		if c.Name == "_domain" {
			foreign = append(foreign, c.Value)
		}
	}
	if len(foreign) < 2 {
		return fmt.Errorf("found %d of the two values that were made for other cookies", len(foreign))
	}
	for _, value := range foreign {
		response, err := t.Browser().Do(ctx, withCookie("/oauth2/auth", sessionCookieName+"="+value))
		if err != nil {
			return err
		}
		t.Holds("SESSION-COOKIE-NAME-BOUND", response.Status == 401, "a 401 for a value that was made for a cookie of another name", describe(response))
	}
	return spliced(ctx, t)
}

func spliced(ctx context.Context, t *Trial) error {
	var values []string
	for _, user := range []string{userAlice, userBob} {
		b, err := t.session(ctx, user)
		if err != nil {
			return err
		}
		_, value, err := sessionValue(b)
		if err != nil {
			return err
		}
		values = append(values, value)
	}
	for _, at := range []float64{0.2, 0.5, 0.8} {
		a, b := int(at*float64(len(values[0]))), int(at*float64(len(values[1])))
		response, err := t.Browser().Do(ctx, withCookie("/oauth2/auth", sessionCookieName+"="+values[0][:a]+values[1][b:]))
		if err != nil {
			return err
		}
		t.Holds("SESSION-COOKIE-SPLICED-401", response.Status == 401, "a 401 for one session's beginning with another's end", describe(response))
	}
	return nil
}

func cookieGarbage(ctx context.Context, t *Trial) error {
	b, err := t.session(ctx, userAlice)
	if err != nil {
		return err
	}
	_, value, err := sessionValue(b)
	if err != nil {
		return err
	}
	for name, header := range map[string]string{
		"nothing": "=", "half of the value": "=" + value[:len(value)/2], "no base64": "=!!!", "separators": "=|||", "a time far ahead": "=YQ==|99999999999|YQ==",
		"a negative time": "=YQ==|-1|YQ==", "much": "=" + strings.Repeat("A", 3500), "bytes beyond ASCII": "=\xc3\xa9\xff", "quotes": `="` + value[:20] + `"`,
		"a part without the first": "_1=" + value, "the whole as a part": "_0=" + value, "twice the value": "=" + value + value,
	} {
		response, err := t.Browser().Do(ctx, withCookie("/oauth2/auth", sessionCookieName+header))
		if err != nil {
			return err
		}
		t.Holds("SESSION-COOKIE-GARBAGE-401", response.Status == 401, "a 401 for "+name, describe(response))
	}
	return nil
}

// cookieSplit signs in as a user whose session does not fit one cookie.
func cookieSplit(ctx context.Context, t *Trial) error {
	b := t.Browser()
	callback, err := t.pendingCallback(ctx, b, "/", userCarol)
	if err != nil {
		return err
	}
	response, err := b.Do(ctx, browser.Request{URL: callback})
	if err != nil {
		return err
	}
	longest := 0
	for _, line := range response.Header.Values("Set-Cookie") {
		longest = max(longest, len(line))
	}
	t.Holds("SESSION-COOKIE-SPLIT-SIZE", response.Status == http.StatusFound && longest <= maxSetCookie, fmt.Sprintf("Set-Cookie of at most %d bytes", maxSetCookie), fmt.Sprintf("%d, the longest with %d bytes", response.Status, longest))
	answer, err := b.Do(ctx, browser.Request{URL: authURL("/oauth2/userinfo")})
	if err != nil {
		return err
	}
	groups := 0
	if info, err := parseUserInfo(answer); err == nil {
		groups = len(info.Groups)
	}
	t.Holds("SESSION-COOKIE-SPLIT", answer.Status == http.StatusOK && groups > 100, "a session with more than 100 groups", fmt.Sprintf("%d with %d groups", answer.Status, groups))
	return partsOf(ctx, t, b)
}

// partsOf leaves out one part of a session after the other, and then signs out.
func partsOf(ctx context.Context, t *Trial, b *browser.Browser) error {
	whole, err := sessionHeader(b)
	if err != nil {
		return err
	}
	parts := strings.Split(whole, "; ")
	if len(parts) < 2 {
		return fmt.Errorf("the session stands in %d cookie, so there is no part to lose", len(parts))
	}
	for i := range parts {
		rest := strings.Join(append(append([]string{}, parts[:i]...), parts[i+1:]...), "; ")
		response, err := t.Browser().Do(ctx, withCookie("/oauth2/auth", rest))
		if err != nil {
			return err
		}
		t.Holds("SESSION-COOKIE-PART-MISSING-401", response.Status == 401, fmt.Sprintf("a 401 without part %d of %d", i+1, len(parts)), describe(response))
	}
	if _, err := b.Do(ctx, browser.Request{URL: authURL("/oauth2/sign_out")}); err != nil {
		return err
	}
	var left []string
	for _, c := range b.AllCookies() {
		if isSessionCookie(c.Name) {
			left = append(left, c.Name)
		}
	}
	t.Holds("SESSION-COOKIE-SPLIT-SIGNOUT", len(left) == 0, "no part left after signing out", strings.Join(left, ", "))
	return nil
}
