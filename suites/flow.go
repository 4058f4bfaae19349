// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/ingress-auth/conformance/suites/browser"
	"github.com/ingress-auth/conformance/suites/subject"
)

// The users of fixtures/manifests/idp.yaml that the checks sign in as.
const (
	userAlice = "alice" // groups users and admins, alice@allowed.example
	userBob   = "bob"   // group users, bob@other.example
	userCarol = "carol" // a hundred groups beside users, carol@allowed.example
	userEve   = "eve"   // group users, eve@evil.example@allowed.example
)

// maxHops bounds a sign-in: two redirects to the login page, four back, and some to spare.
const maxHops = 12

// appRoute is a TLS route behind the reference proxy, with the sign-in URL that gets rd appended.
func appRoute(name string) subject.Route {
	return subject.Route{
		Name: name, TLS: true, AuthURL: "{proxy}/oauth2/auth", AuthSignIn: signInURL,
		AuthResponseHeaders: []string{"X-Auth-Request-User", "X-Auth-Request-Email", "X-Auth-Request-Groups", "X-Auth-Request-Preferred-Username"},
	}
}

// visit opens an address as a person would: it follows redirects, presses the sign-in button and signs in as user when
// the identity provider asks, until a page comes that asks nothing. The last response is that page.
func visit(ctx context.Context, b *browser.Browser, request browser.Request, user string) (*browser.Response, error) {
	for range 4 {
		responses, err := b.Follow(ctx, request, maxHops)
		if err != nil {
			return nil, err
		}
		last := responses[len(responses)-1]
		next, err := answerForm(last, user)
		if err != nil {
			return nil, err
		}
		if next == nil {
			return last, nil
		}
		request = *next
	}
	return nil, fmt.Errorf("signing in at %s led from form to form without an end", request.URL)
}

// answerForm returns the request that answers the page's form, or nil when the page is none of the sign-in flow. The form of
// the auth service leads to its start endpoint; oauth2-proxy shows it with a 200, or with a 403 in place of an upstream.
func answerForm(page *browser.Response, user string) (*browser.Request, error) {
	at, err := url.Parse(page.URL)
	if err != nil {
		return nil, fmt.Errorf("reading the page's address: %w", err)
	}
	isLogin := page.Status == http.StatusOK && at.Hostname() == "idp."+subject.Domain
	if !isLogin && page.Status != http.StatusOK && page.Status != http.StatusForbidden {
		return nil, nil
	}
	form, err := page.Form()
	switch {
	case err != nil && isLogin:
		return nil, fmt.Errorf("the login page has no form to sign in with: %w", err)
	case err != nil:
		return nil, nil
	case isLogin:
		form.Set("user", user)
	case !strings.Contains(form.Action, "/oauth2/start") || isCallback(page):
		return nil, nil
	}
	request := form.Request()
	return &request, nil
}

// signIn signs a browser in through a route and fails unless the backend answers.
func (t *Trial) signIn(ctx context.Context, b *browser.Browser, r subject.Route, user string) error {
	last, err := visit(ctx, b, browser.Request{URL: URL(r, "/")}, user)
	if err != nil {
		return fmt.Errorf("signing in as %s: %w", user, err)
	}
	if last.Status != http.StatusOK || !strings.HasPrefix(last.URL, URL(r, "/")) {
		return fmt.Errorf("signing in as %s ended at %s with %s", user, last.URL, describe(last))
	}
	return nil
}

// stop follows redirects until a response whose request or Location fits the predicate, and returns it.
func stop(ctx context.Context, b *browser.Browser, start, user string, fits func(*browser.Response) bool) (*browser.Response, error) {
	request := browser.Request{URL: start}
	for range maxHops {
		response, err := b.Do(ctx, request)
		if err != nil {
			return nil, err
		}
		if fits(response) {
			return response, nil
		}
		if form, err := answerForm(response, user); err != nil {
			return nil, err
		} else if form != nil {
			request = *form
			continue
		}
		next, err := response.Location()
		if err != nil || !response.IsRedirect() {
			return nil, errors.Join(err, fmt.Errorf("the chain from %s ended at %s with %s", start, response.URL, describe(response)))
		}
		request = browser.Request{URL: next}
	}
	return nil, fmt.Errorf("the chain from %s did not end within %d hops", start, maxHops)
}

// leadsTo says whether a response redirects to an address with this prefix.
func leadsTo(prefix string) func(*browser.Response) bool {
	return func(r *browser.Response) bool { return strings.HasPrefix(r.Header.Get("Location"), prefix) }
}

// staysInside says whether a browser that gets this response stays on the hosts of the run. A Location that no browser
// follows leads nowhere.
func staysInside(r *browser.Response) bool {
	location, err := r.Location()
	if err != nil || location == "" {
		return true
	}
	to, err := url.Parse(location)
	return err == nil && (to.Hostname() == subject.Domain || strings.HasSuffix(to.Hostname(), "."+subject.Domain))
}
