// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ingress-auth/conformance/suites/browser"
	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/standin"
)

// upstreamURL is an address on the auth service that stands in front of an upstream: the gateway only passes on.
func upstreamURL(target string) string { return publicURL("upstream") + target }

func upstreamChecks() []Check {
	return []Check{
		authCheck("auth-service/upstream-anonymous", upstreamAnonymous, "UPSTREAM-NO-SESSION-403", "UPSTREAM-PAGE-NO-STORE", "UPSTREAM-JSON-401", "UPSTREAM-POST-NO-SESSION"),
		authCheck("auth-service/upstream-paths", upstreamPaths, "UPSTREAM-PATH-CONFUSION"),
		authCheck("auth-service/upstream-headers", upstreamHeaders, "UPSTREAM-IDENTITY-ALL", "UPSTREAM-OTHER-IDENTITY", "UPSTREAM-COOKIE-KEPT-BACK", "UPSTREAM-COOKIES-PASS",
			"UPSTREAM-HOST", "UPSTREAM-FORWARDED"),
		authCheck("auth-service/upstream-requests", upstreamRequests, "UPSTREAM-BODY", "UPSTREAM-TARGET"),
		authCheck("auth-service/upstream-answers", upstreamStatuses, "UPSTREAM-STATUSES", "UPSTREAM-401-KEEPS-SESSION"),
		authCheck("auth-service/upstream-bearer", upstreamBearer, "UPSTREAM-BEARER"),
	}
}

// reached says how often the upstream was asked on behalf of a response's request.
func (t *Trial) reached(ctx context.Context, response *browser.Response) (int, error) {
	received, err := t.Received(ctx, response, exchange.Backend)
	return len(received), err
}

func upstreamAnonymous(ctx context.Context, t *Trial) error {
	page, err := t.Browser().Do(ctx, browser.Request{URL: upstreamURL("/page")})
	if err != nil {
		return err
	}
	t.Holds("UPSTREAM-NO-SESSION-403", page.Status == http.StatusForbidden && strings.Contains(string(page.Body), "/oauth2/start"), "a 403 with the sign-in page", describe(page))
	t.Holds("UPSTREAM-PAGE-NO-STORE", strings.Contains(page.Header.Get("Cache-Control"), "no-store"), "Cache-Control with no-store", fmt.Sprintf("%q", page.Header.Get("Cache-Control")))
	api, err := t.Browser().Do(ctx, browser.Request{URL: upstreamURL("/api"), Header: http.Header{"Accept": {"application/json"}}})
	if err != nil {
		return err
	}
	t.Holds("UPSTREAM-JSON-401", api.Status == 401 && strings.HasPrefix(api.Header.Get("Content-Type"), "application/json"), "a 401 in JSON", fmt.Sprintf("%s: %s", api.Header.Get("Content-Type"), describe(api)))
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		response, err := t.Browser().Do(ctx, browser.Request{Method: method, URL: upstreamURL("/change"), Body: []byte("a=b")})
		if err != nil {
			return err
		}
		asked, err := t.reached(ctx, response)
		if err != nil {
			return err
		}
		t.Holds("UPSTREAM-POST-NO-SESSION", denied(response) && asked == 0, method+": a 401 or 403, and the upstream not asked", fmt.Sprintf("%s; asked %d times", describe(response), asked))
	}
	return nil
}

// upstreamPaths writes addresses that begin like an open one and lead elsewhere, or the other way round.
func upstreamPaths(ctx context.Context, t *Trial) error {
	for _, path := range []string{
		"/private", "//private", "/./private", "/ping/../private", "/ping/%2e%2e/private", "/ping%2f..%2fprivate", "/ping/private", "/ping;/private", "/ping%00/private",
		"/oauth2/../private", "/oauth2/sign_in/../../private", "/oauth2/static/../../private", "/oauth2/auth/../../private", "/robots.txt/../private",
		"/private?/ping", "/private?x=/oauth2/sign_in", "/private%3f/ping", "/private%23/ping", `/ping\..\private`,
	} {
		response, err := t.Browser().Do(ctx, browser.Request{URL: upstreamURL("/"), Target: path})
		if err != nil {
			return err
		}
		asked, err := t.reached(ctx, response)
		if err != nil {
			return err
		}
		t.Holds("UPSTREAM-PATH-CONFUSION", asked == 0 && (response.Status >= 300 || !strings.Contains(string(response.Body), "requestTarget")), path+" not to reach the upstream without a session",
			fmt.Sprintf("%s; asked %d times", describe(response), asked))
	}
	return nil
}

// upstreamSession returns a browser with a session in front of the upstream.
func (t *Trial) upstreamSession(ctx context.Context) (*browser.Browser, error) {
	b := t.Browser()
	last, err := visit(ctx, b, browser.Request{URL: upstreamURL("/")}, userAlice)
	if err == nil && last.Status != http.StatusOK {
		err = fmt.Errorf("signing in in front of the upstream ended with %s", describe(last))
	}
	return b, err
}

// echoed asks the upstream and returns what it says it received.
func (t *Trial) echoed(ctx context.Context, b *browser.Browser, request browser.Request) (standin.Echo, error) {
	response, err := b.Do(ctx, request)
	if err != nil {
		return standin.Echo{}, err
	}
	return parseEcho(response)
}

func upstreamHeaders(ctx context.Context, t *Trial) error {
	b, err := t.upstreamSession(ctx)
	if err != nil {
		return err
	}
	spoofing := spoofedIdentity()
	spoofing.Set("X-Forwarded-Access-Token", "mallory-token")
	received, err := t.echoed(ctx, b, browser.Request{URL: upstreamURL("/"), Header: spoofing, Cookies: []*http.Cookie{{Name: "app_state", Value: "kept"}}})
	if err != nil {
		return err
	}
	all := func(name string) string { return strings.Join(received.Values(name), ", ") }
	user, name, groups := all("X-Forwarded-User"), all("X-Forwarded-Preferred-Username"), strings.ReplaceAll(all("X-Forwarded-Groups"), " ", "")
	t.Holds("UPSTREAM-IDENTITY-ALL", user != "" && !strings.Contains(user, "mallory") && name == "alice" && groups == "users,admins", "alice's user, name and groups, and nothing of mallory",
		fmt.Sprintf("user %q, name %q, groups %q", user, name, groups))
	others := strings.Join([]string{all("X-Auth-Request-User"), all("X-Auth-Request-Email"), all("X-Auth-Request-Groups"), all("X-Forwarded-Access-Token")}, " ")
	t.Holds("UPSTREAM-OTHER-IDENTITY", !strings.Contains(others, "mallory") && !strings.Contains(others, "root"), "no identity of the client's making", fmt.Sprintf("%q", others))
	cookies := all("Cookie")
	t.Holds("UPSTREAM-COOKIE-KEPT-BACK", !strings.Contains(cookies, "_upstream"), "no cookie of the auth service", fmt.Sprintf("its session cookie there: %t", strings.Contains(cookies, "_upstream")))
	t.Holds("UPSTREAM-COOKIES-PASS", strings.Contains(cookies, "app_state=kept"), "the application's cookie", fmt.Sprintf("there: %t", strings.Contains(cookies, "app_state")))
	Equal(t, "UPSTREAM-HOST", "Host", strings.TrimPrefix(upstreamURL(""), "https://"), received.Host)
	t.Holds("UPSTREAM-FORWARDED", all("X-Forwarded-Proto") == "https" && all("X-Forwarded-Host") == received.Host && all("X-Forwarded-For") != "", "X-Forwarded-Proto https, the host and the client's address",
		fmt.Sprintf("proto %q, host %q, for %q", all("X-Forwarded-Proto"), all("X-Forwarded-Host"), all("X-Forwarded-For")))
	return nil
}

func upstreamRequests(ctx context.Context, t *Trial) error {
	b, err := t.upstreamSession(ctx)
	if err != nil {
		return err
	}
	body := strings.Repeat("name=value&", 100)
	sum := sha256.Sum256([]byte(body))
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch} {
		received, err := t.echoed(ctx, b, browser.Request{Method: method, URL: upstreamURL("/form"), Body: []byte(body), Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}})
		if err != nil {
			return err
		}
		t.Holds("UPSTREAM-BODY", received.Method == method && received.BodySHA256 == hex.EncodeToString(sum[:]), fmt.Sprintf("%s with its %d bytes", method, len(body)), fmt.Sprintf("%s with %d bytes", received.Method, received.BodyBytes))
	}
	for _, target := range []string{"/a%20b/c%2Fd/caf%C3%A9", "/q?a=1&b=2&a=3&empty=&flag", "/plus+?q=a+b%2B"} {
		response, err := b.Do(ctx, browser.Request{URL: upstreamURL(target)})
		if err != nil {
			return err
		}
		received, err := parseEcho(response)
		if err != nil {
			t.Holds("UPSTREAM-TARGET", false, target+" at the upstream", describe(response))
			return nil
		}
		Equal(t, "UPSTREAM-TARGET", "at the upstream", target, received.RequestTarget)
	}
	return nil
}

func upstreamStatuses(ctx context.Context, t *Trial) error {
	b, err := t.upstreamSession(ctx)
	if err != nil {
		return err
	}
	for _, status := range []int{204, 301, 302, 304, 400, 403, 404, 409, 429, 500, 503} {
		script := &standin.BackendScript{Status: status, Headers: [][2]string{{"X-Upstream", "itself"}}}
		response, err := b.Do(ctx, browser.Request{URL: upstreamURL("/"), Cookies: []*http.Cookie{script.Cookie()}})
		if err != nil {
			return err
		}
		t.Holds("UPSTREAM-STATUSES", response.Status == status && response.Header.Get("X-Upstream") == "itself", fmt.Sprintf("the upstream's own %d", status), describe(response))
	}
	script := backendAnswers(401)
	response, err := b.Do(ctx, browser.Request{URL: upstreamURL("/"), Cookies: []*http.Cookie{script.Cookie()}})
	if err != nil {
		return err
	}
	after, err := b.Do(ctx, browser.Request{URL: upstreamURL("/")})
	if err != nil {
		return err
	}
	t.Holds("UPSTREAM-401-KEEPS-SESSION", response.Status == 401 && after.Status == 200, "the upstream's 401, and a session afterwards", fmt.Sprintf("%s; then %d", describe(response), after.Status))
	return nil
}

func upstreamBearer(ctx context.Context, t *Trial) error {
	token, err := t.mint(ctx, userAlice, time.Hour)
	if err != nil {
		return err
	}
	response, err := t.Browser().Do(ctx, browser.Request{URL: upstreamURL("/api"), Header: bearerHeader(token)})
	if err != nil {
		return err
	}
	received, err := parseEcho(response)
	if err != nil {
		t.Holds("UPSTREAM-BEARER", false, "the upstream's answer", describe(response))
		return nil
	}
	Equal(t, "UPSTREAM-BEARER", "X-Forwarded-Email", "alice@allowed.example", strings.Join(received.Values("X-Forwarded-Email"), ", "))
	return nil
}
