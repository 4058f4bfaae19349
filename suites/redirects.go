// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/ingress-auth/conformance/suites/browser"
	"github.com/ingress-auth/conformance/suites/subject"
)

// startURL is the sign-in URL in the form that names rd itself.
func startURL(rd string) string { return "{auth}/oauth2/start?rd=" + rd }

// Request targets that must survive the way to the identity provider and back, by the requirement that they are about.
func returnTargets() []struct{ requirement, target string } {
	return []struct{ requirement, target string }{
		{"REDIRECT-RETURNS-PATH", "/deep/path/page.html"},
		{"REDIRECT-RETURNS-QUERY", "/search?a=1&b=2&a=3&empty=&flag"},
		{"REDIRECT-RETURNS-ESCAPES", "/a%20b/c%2Fd/100%25?x=%26%3D%23&y=%2525"},
		{"REDIRECT-RETURNS-UTF8", "/caf%C3%A9/%E6%97%A5?q=%E6%9C%AC%20%F0%9F%94%91"},
		{"REDIRECT-RETURNS-PLUS", "/a+b?q=a+b&r=a%2Bb"},
		{"REDIRECT-RETURNS-LONG", "/long?q=" + strings.Repeat("0123456789", 149)},
	}
}

func redirectChecks() []Check {
	appended := appRoute("rd-appended")
	escaped := appRoute("rd-escaped")
	escaped.AuthSignIn = startURL("$scheme://$host$escaped_request_uri")
	checks := []Check{locationCheck(appended), joinedCheck(), keptCheck(escaped), escapedCheck(escaped), unescapedCheck()}
	for _, target := range returnTargets() {
		name := strings.ToLower(strings.TrimPrefix(target.requirement, "REDIRECT-RETURNS-"))
		checks = append(checks,
			returnCheck("returns-"+name, target.requirement, target.target, appended, subject.FeatureSignInAppendsRd),
			returnCheck("returns-"+name+"-escaped", target.requirement, target.target, escaped, subject.FeatureSignIn),
		)
	}
	return checks
}

// returnCheck signs in from a request target and compares what the backend then receives, byte for byte.
func returnCheck(name, requirement, target string, r subject.Route, feature subject.Feature) Check {
	return Check{
		ID: "redirects/" + name, Requirements: []string{requirement}, Features: []subject.Feature{subject.FeatureSignIn, feature}, Routes: []subject.Route{r},
		Run: func(ctx context.Context, t *Trial) error {
			last, err := visit(ctx, t.Browser(), browser.Request{URL: URL(r, target)}, userAlice)
			if err != nil {
				return err
			}
			t.Holds(requirement, last.URL == URL(r, target), "the browser back at "+URL(r, target), last.URL)
			received, err := parseEcho(last)
			if err != nil {
				t.Holds(requirement, false, "the backend's answer", describe(last))
				return nil
			}
			Equal(t, requirement, "the backend to receive", target, received.RequestTarget)
			return nil
		},
	}
}

// locationCheck compares the first redirect with what the gateway promises, byte for byte.
func locationCheck(r subject.Route) Check {
	return Check{
		ID: "redirects/location", Requirements: []string{"REDIRECT-SIGNIN-RD-APPENDED"}, Routes: []subject.Route{r},
		Features: []subject.Feature{subject.FeatureSignIn, subject.FeatureSignInAppendsRd},
		Run: func(ctx context.Context, t *Trial) error {
			response, err := t.Ask(ctx, t.Browser(), r, Request{Target: "/a/b%20c?x=1&y=a+b"})
			if err != nil {
				return err
			}
			want := publicURL("auth") + "/oauth2/sign_in?rd=" + URL(r, "%2Fa%2Fb%2520c%3Fx%3D1%26y%3Da%2Bb")
			t.Holds("REDIRECT-SIGNIN-RD-APPENDED", response.Status == http.StatusFound && response.Header.Get("Location") == want, "a 302 to "+want, describe(response))
			return nil
		},
	}
}

func joinedCheck() Check {
	r := appRoute("rd-joined")
	r.AuthSignIn = "{auth}/oauth2/sign_in?lang=en"
	return Check{
		ID: "redirects/joined", Requirements: []string{"REDIRECT-SIGNIN-RD-JOINED"}, Routes: []subject.Route{r},
		Features: []subject.Feature{subject.FeatureSignIn, subject.FeatureSignInAppendsRd},
		Run: func(ctx context.Context, t *Trial) error {
			response, err := t.Ask(ctx, t.Browser(), r, Request{})
			if err != nil {
				return err
			}
			Equal(t, "REDIRECT-SIGNIN-RD-JOINED", "Location", publicURL("auth")+"/oauth2/sign_in?lang=en&rd="+URL(r, "%2F"), response.Header.Get("Location"))
			return nil
		},
	}
}

func keptCheck(r subject.Route) Check {
	return Check{
		ID: "redirects/kept", Requirements: []string{"REDIRECT-SIGNIN-RD-KEPT"}, Routes: []subject.Route{r},
		Features: []subject.Feature{subject.FeatureSignIn},
		Run: func(ctx context.Context, t *Trial) error {
			response, err := t.Ask(ctx, t.Browser(), r, Request{Target: "/p?a=1&b=2"})
			if err != nil {
				return err
			}
			Equal(t, "REDIRECT-SIGNIN-RD-KEPT", "Location", publicURL("auth")+"/oauth2/start?rd="+URL(r, "%2Fp%3Fa%3D1%26b%3D2"), response.Header.Get("Location"))
			return nil
		},
	}
}

func escapedCheck(r subject.Route) Check {
	c := returnCheck("escaped-variable", "REDIRECT-ESCAPED-VARIABLE", "/p?a=1&b=2", r, subject.FeatureSignIn)
	return c
}

// unescapedRoute has the sign-in URL that is copied most often.
func unescapedRoute(name string) subject.Route {
	r := appRoute(name)
	r.AuthSignIn = startURL("$scheme://$host$request_uri")
	return r
}

func unescapedCheck() Check {
	return losesQueryCheck("redirects/unescaped", "REDIRECT-UNESCAPED-LOSES-QUERY", unescapedRoute("rd-unescaped"))
}

// losesQueryCheck shows where a browser ends that asked for two parameters through an unescaped rd.
func losesQueryCheck(id, requirement string, r subject.Route) Check {
	return Check{
		ID: id, Requirements: []string{requirement}, Routes: []subject.Route{r}, Features: []subject.Feature{subject.FeatureSignIn},
		Run: func(ctx context.Context, t *Trial) error {
			last, err := visit(ctx, t.Browser(), browser.Request{URL: URL(r, "/p?a=1&b=2")}, userAlice)
			if err != nil {
				return err
			}
			Equal(t, requirement, "the browser at", URL(r, "/p?a=1"), last.URL)
			return nil
		},
	}
}

// allowedHostCheck and the checks after it ask the auth service itself.
func rdChecks() []Check {
	allowed := appRoute("rd-allowed")
	return []Check{
		{
			ID: "redirects/rd-allowed-host", Requirements: []string{"REDIRECT-RD-ALLOWED-HOST"}, Routes: []subject.Route{allowed},
			Run: func(ctx context.Context, t *Trial) error {
				last, err := visit(ctx, t.Browser(), browser.Request{URL: publicURL("auth") + "/oauth2/start?rd=" + url.QueryEscape(URL(allowed, "/x?a=1&b=2"))}, userAlice)
				if err != nil {
					return err
				}
				Equal(t, "REDIRECT-RD-ALLOWED-HOST", "the browser at", URL(allowed, "/x?a=1&b=2"), last.URL)
				return nil
			},
		},
		foreignHostCheck(),
		signInPageCheck(),
	}
}

// foreignAddresses are ways to write an address that some validators take for their own and browsers do not.
func foreignAddresses() []string {
	return []string{
		"https://evil.example/", "//evil.example/", `/\evil.example/`, `\\evil.example/`, "https:evil.example", "https:/evil.example/",
		"https:///evil.example/", "/\t/evil.example/", "/\n/evil.example/", "https://" + subject.Domain + ".evil.example/",
		"https://evil" + subject.Domain + "/", "https://auth." + subject.Domain + "@evil.example/", "https://evil.example#." + subject.Domain,
		`https://evil.example\.` + subject.Domain + "/", "https://evil.example%2F." + subject.Domain + "/", "javascript:alert(1)", "data:text/html,x",
		"https://evil.example:443/", "HTTPS://EVIL.EXAMPLE/", "https://evil。example/", "/%09/evil.example/", "///evil.example/", "/./\\evil.example/",
	}
}

func foreignHostCheck() Check {
	const requirement = "REDIRECT-RD-FOREIGN-HOST"
	return Check{
		ID: "redirects/rd-foreign-host", Requirements: []string{requirement}, Slow: true,
		Run: func(ctx context.Context, t *Trial) error {
			b := t.Browser()
			for _, rd := range foreignAddresses() {
				response, err := stop(ctx, b, publicURL("auth")+"/oauth2/start?rd="+url.QueryEscape(rd), userAlice, isCallback)
				if err != nil {
					return fmt.Errorf("with rd %q: %w", rd, err)
				}
				t.Holds(requirement, staysInside(response), fmt.Sprintf("for rd %q a way back within %s", rd, subject.Domain), describe(response))
			}
			return nil
		},
	}
}

// isCallback says whether the response is the auth service's answer to the identity provider's redirect.
func isCallback(r *browser.Response) bool { return strings.Contains(r.URL, "/oauth2/callback?") }

func signInPageCheck() Check {
	route := appRoute("signin-page")
	return Check{
		ID: "redirects/signin-page", Requirements: []string{"SIGNIN-PAGE"}, Routes: []subject.Route{route},
		Run: func(ctx context.Context, t *Trial) error {
			b := t.Browser()
			page, err := b.Do(ctx, browser.Request{URL: publicURL("auth") + "/oauth2/sign_in?rd=" + url.QueryEscape(URL(route, "/x"))})
			if err != nil {
				return err
			}
			t.Holds("SIGNIN-PAGE", page.Status == http.StatusOK, "a 200", describe(page))
			last, err := visit(ctx, b, browser.Request{URL: page.URL}, userAlice)
			if err != nil {
				return err
			}
			Equal(t, "SIGNIN-PAGE", "after its button, the browser at", URL(route, "/x"), last.URL)
			return nil
		},
	}
}
