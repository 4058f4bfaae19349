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

func signInChecks() []Check {
	route := appRoute("signin")
	check := func(name string, run func(ctx context.Context, t *Trial, r subject.Route) error, requirements ...string) Check {
		return Check{
			ID: "redirects/" + name, Requirements: requirements, Routes: []subject.Route{route}, Features: []subject.Feature{subject.FeatureSignIn},
			Run: func(ctx context.Context, t *Trial) error { return run(ctx, t, route) },
		}
	}
	return []Check{
		check("already", signedInAlready, "SIGNIN-ALREADY"),
		check("authorization-request", authorizationRequest, "SIGNIN-PKCE", "SIGNIN-STATE-NONCE"),
		check("state-bound", stateBound, "SIGNIN-STATE-BOUND"),
		check("code-once", codeOnce, "SIGNIN-CODE-ONCE"),
		check("sign-out", signOut, "SIGNOUT-ENDS-SESSION"),
		check("sign-out-rd", signOutRd, "SIGNOUT-RD"),
		check("host-header", hostHeader, "REDIRECT-HOST-HEADER"),
	}
}

func signedInAlready(ctx context.Context, t *Trial, r subject.Route) error {
	b := t.Browser()
	if err := t.signIn(ctx, b, r, userAlice); err != nil {
		return err
	}
	response, err := t.Ask(ctx, b, r, Request{Target: "/again"})
	if err != nil {
		return err
	}
	t.Holds("SIGNIN-ALREADY", response.Status == http.StatusOK, "the backend's 200", describe(response))
	return nil
}

// authorize starts a sign-in and returns the parameters of the authorization request.
func authorize(ctx context.Context, b *browser.Browser) (url.Values, error) {
	response, err := b.Do(ctx, browser.Request{URL: publicURL("auth") + "/oauth2/start?rd=%2F"})
	if err != nil {
		return nil, err
	}
	location, err := url.Parse(response.Header.Get("Location"))
	if err != nil || location.Hostname() != "idp."+subject.Domain {
		return nil, fmt.Errorf("the auth service did not lead to the identity provider: %s", describe(response))
	}
	return location.Query(), nil
}

func authorizationRequest(ctx context.Context, t *Trial, _ subject.Route) error {
	first, err := authorize(ctx, t.Browser())
	if err != nil {
		return err
	}
	second, err := authorize(ctx, t.Browser())
	if err != nil {
		return err
	}
	judgeAuthorizationRequests(t, first, second)
	return nil
}

// judgeAuthorizationRequests looks at the parameters of two authorization requests.
func judgeAuthorizationRequests(t *Trial, first, second url.Values) {
	t.Holds("SIGNIN-PKCE", first.Get("code_challenge") != "" && first.Get("code_challenge_method") == "S256", "a code_challenge with method S256",
		fmt.Sprintf("code_challenge present: %t, method %q", first.Has("code_challenge"), first.Get("code_challenge_method")))
	fresh := func(name string) bool { return first.Get(name) != "" && first.Get(name) != second.Get(name) }
	t.Holds("SIGNIN-STATE-NONCE", fresh("state") && fresh("nonce"), "a state and a nonce, other ones each time",
		fmt.Sprintf("state fresh: %t, nonce fresh: %t", fresh("state"), fresh("nonce")))
}

// hasSession asks the auth service whether it knows the browser.
func hasSession(ctx context.Context, b *browser.Browser) (*browser.Response, bool, error) {
	response, err := b.Do(ctx, browser.Request{URL: publicURL("auth") + "/oauth2/auth"})
	if err != nil {
		return nil, false, err
	}
	return response, response.Status < 300, nil
}

// stateBound gives a victim the callback that an attacker's own sign-in would have ended on.
func stateBound(ctx context.Context, t *Trial, r subject.Route) error {
	attacker, victim := t.Browser(), t.Browser()
	callback, err := stop(ctx, attacker, URL(r, "/"), userBob, leadsTo(publicURL("auth")+"/oauth2/callback?"))
	if err != nil {
		return err
	}
	answer, err := victim.Do(ctx, browser.Request{URL: callback.Header.Get("Location")})
	if err != nil {
		return err
	}
	_, signedIn, err := hasSession(ctx, victim)
	if err != nil {
		return err
	}
	t.Holds("SIGNIN-STATE-BOUND", !signedIn && answer.Status >= 400, "an error and no session", fmt.Sprintf("%s; session: %t", describe(answer), signedIn))
	return nil
}

func codeOnce(ctx context.Context, t *Trial, r subject.Route) error {
	b := t.Browser()
	callback, err := stop(ctx, b, URL(r, "/"), userAlice, leadsTo(publicURL("auth")+"/oauth2/callback?"))
	if err != nil {
		return err
	}
	request := browser.Request{URL: callback.Header.Get("Location")}
	before := b.Clone()
	if _, err := b.Do(ctx, request); err != nil {
		return err
	}
	if _, signedIn, err := hasSession(ctx, b); err != nil || !signedIn {
		return errors.Join(err, errors.New("the first callback signed nobody in, so the second proves nothing"))
	}
	// The same browser as it was before the first callback: its state cookie is still there.
	answer, err := before.Do(ctx, request)
	if err != nil {
		return err
	}
	_, signedIn, err := hasSession(ctx, before)
	if err != nil {
		return err
	}
	t.Holds("SIGNIN-CODE-ONCE", !signedIn, "no session from a code that was used", fmt.Sprintf("%s; session: %t", describe(answer), signedIn))
	return nil
}

func signOut(ctx context.Context, t *Trial, r subject.Route) error {
	b := t.Browser()
	if err := t.signIn(ctx, b, r, userAlice); err != nil {
		return err
	}
	if _, err := b.Do(ctx, browser.Request{URL: publicURL("auth") + "/oauth2/sign_out"}); err != nil {
		return err
	}
	response, err := t.Ask(ctx, b, r, Request{})
	if err != nil {
		return err
	}
	t.Holds("SIGNOUT-ENDS-SESSION", response.Status == http.StatusFound && strings.HasPrefix(response.Header.Get("Location"), publicURL("auth")), "a redirect to the sign-in URL", describe(response))
	return nil
}

func signOutRd(ctx context.Context, t *Trial, r subject.Route) error {
	b := t.Browser()
	for _, rd := range append(foreignAddresses(), URL(r, "/bye")) {
		response, err := b.Do(ctx, browser.Request{URL: publicURL("auth") + "/oauth2/sign_out?rd=" + url.QueryEscape(rd)})
		if err != nil {
			return err
		}
		t.Holds("SIGNOUT-RD", staysInside(response), fmt.Sprintf("for rd %q a redirect within %s", rd, subject.Domain), describe(response))
		if rd == URL(r, "/bye") {
			Equal(t, "SIGNOUT-RD", "Location", rd, response.Header.Get("Location"))
		}
	}
	return nil
}

// hostHeader names one host in an absolute request target, which chooses the route, and another in Host (RFC 9112
// section 3.2.2 says that the target wins).
func hostHeader(ctx context.Context, t *Trial, r subject.Route) error {
	b := t.Browser()
	response, err := b.Do(ctx, browser.Request{URL: URL(r, "/"), Target: URL(r, "/"), Header: http.Header{"Host": {"evil.example"}}})
	if err != nil {
		return err
	}
	if response.Status != http.StatusFound {
		t.Holds("REDIRECT-HOST-HEADER", response.Status >= 400, "a redirect within "+subject.Domain+" or a refusal", describe(response))
		return nil
	}
	callback, err := stop(ctx, b, response.Header.Get("Location"), userAlice, isCallback)
	if err != nil {
		return err
	}
	t.Holds("REDIRECT-HOST-HEADER", staysInside(callback), "a way back within "+subject.Domain, describe(callback))
	return nil
}
