// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/ingress-auth/conformance/suites/browser"
	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/standin"
	"github.com/ingress-auth/conformance/suites/subject"
)

// authAnswer is a row of the table "the auth service answers this, the client gets that".
type authAnswer struct {
	status      int
	requirement string
	// plain and signIn are the client's status without and with a sign-in URL.
	plain, signIn int
}

func authAnswers() []authAnswer {
	return []authAnswer{
		{200, "STATUS-AUTH-2XX-PASSES", 200, 200},
		{201, "STATUS-AUTH-2XX-PASSES", 200, 200},
		{202, "STATUS-AUTH-2XX-PASSES", 200, 200},
		{204, "STATUS-AUTH-2XX-PASSES", 200, 200},
		{301, "STATUS-AUTH-REDIRECT-500", 500, 500},
		{302, "STATUS-AUTH-REDIRECT-500", 500, 500},
		{307, "STATUS-AUTH-REDIRECT-500", 500, 500},
		{400, "STATUS-AUTH-OTHER-500", 500, 500},
		{401, "STATUS-AUTH-401-DENIES", 401, 302},
		{403, "STATUS-AUTH-403-DENIES", 403, 403},
		{404, "STATUS-AUTH-OTHER-500", 500, 500},
		{429, "STATUS-AUTH-OTHER-500", 500, 500},
		{500, "STATUS-AUTH-OTHER-500", 500, 500},
		{502, "STATUS-AUTH-OTHER-500", 500, 500},
		{503, "STATUS-AUTH-OTHER-500", 500, 500},
	}
}

// statusRoutes are the two routes that every answer is asked on.
func statusRoutes() (plain, signIn subject.Route) {
	return subject.Route{Name: "status", AuthURL: "{standin}/"},
		subject.Route{Name: "status-signin", AuthURL: "{standin}/", AuthSignIn: signInURL}
}

func statusCodeChecks() []Check {
	var checks []Check
	for _, a := range authAnswers() {
		checks = append(checks, a.plainCheck(), a.signInCheck())
	}
	checks = append(checks, challengeCheck(), signInCookieCheck(), authCookieCheck(), askedEveryTimeCheck())
	return append(checks, failingAuthChecks()...)
}

func (a authAnswer) plainCheck() Check {
	route, _ := statusRoutes()
	return Check{
		ID:           fmt.Sprintf("status-codes/%d", a.status),
		Requirements: append([]string{a.requirement}, a.denial()...),
		Routes:       []subject.Route{route},
		Run:          func(ctx context.Context, t *Trial) error { return a.run(ctx, t, route, a.requirement, a.plain) },
	}
}

func (a authAnswer) signInCheck() Check {
	_, route := statusRoutes()
	requirement := a.requirement
	switch a.status {
	case http.StatusUnauthorized:
		requirement = "STATUS-AUTH-401-SIGNIN"
	case http.StatusForbidden:
		requirement = "STATUS-AUTH-403-NO-SIGNIN"
	}
	return Check{
		ID:           fmt.Sprintf("status-codes/%d-signin", a.status),
		Requirements: append([]string{requirement}, a.denial()...),
		Features:     []subject.Feature{subject.FeatureSignIn},
		Routes:       []subject.Route{route},
		Run:          func(ctx context.Context, t *Trial) error { return a.run(ctx, t, route, requirement, a.signIn) },
	}
}

func (a authAnswer) denial() []string {
	if a.status < 300 {
		return nil
	}
	return []string{"STATUS-DENIED-NEVER-REACHES-BACKEND"}
}

func (a authAnswer) run(ctx context.Context, t *Trial, r subject.Route, requirement string, want int) error {
	script := &standin.AuthScript{Status: a.status}
	if a.status >= 300 && a.status < 400 {
		script.Headers = [][2]string{{"Location", "https://elsewhere.example/login"}}
	}
	response, err := t.Ask(ctx, t.Browser(), r, Request{Auth: script})
	if err != nil {
		return err
	}
	ok, expected := response.Status == want, fmt.Sprintf("a %d for the auth service's %d", want, a.status)
	switch location := response.Header.Get("Location"); {
	case want == http.StatusFound:
		ok, expected = ok && strings.HasPrefix(location, publicURL("auth")+"/oauth2/sign_in"), expected+" that leads to the sign-in URL"
	case a.status >= 300:
		ok, expected = ok && location == "", expected+" and no Location"
	}
	t.Holds(requirement, ok, expected, describe(response))
	return t.judgeReached(ctx, response, a.status < 300)
}

// judgeReached compares whether the request reached the backend with whether it was let through.
func (t *Trial) judgeReached(ctx context.Context, response *browser.Response, allowed bool) error {
	reached, err := t.Received(ctx, response, exchange.Backend)
	if err != nil {
		return err
	}
	if allowed {
		if len(reached) == 0 {
			return fmt.Errorf("the backend answered but recorded nothing for request %s", response.RequestID)
		}
		return nil
	}
	t.Holds("STATUS-DENIED-NEVER-REACHES-BACKEND", len(reached) == 0 && !isEcho(response), "no request at the backend, and none of its answer",
		fmt.Sprintf("%d requests at the backend; the client got %s", len(reached), describe(response)))
	return nil
}

// isEcho says whether the client got the echo backend's answer. It finds a request that reached the backend even where the
// gateway does not pass on the request ID by which the record is searched.
func isEcho(response *browser.Response) bool {
	echo, err := standin.ParseEcho(response.Body)
	return err == nil && echo.RequestTarget != ""
}

// challengeCheck is about everything beside the status of a 401.
func challengeCheck() Check {
	route, _ := statusRoutes()
	return Check{
		ID:           "status-codes/401-challenge",
		Requirements: []string{"STATUS-AUTH-401-CHALLENGE", "STATUS-AUTH-401-BODY-HIDDEN"},
		Routes:       []subject.Route{route},
		Run: func(ctx context.Context, t *Trial) error {
			const body = "the auth service's own words"
			challenges := []string{`Bearer realm="api"`, `Basic realm="people"`}
			response, err := t.Ask(ctx, t.Browser(), route, Request{Auth: &standin.AuthScript{
				Status: http.StatusUnauthorized, Body: body,
				Headers: [][2]string{{"WWW-Authenticate", challenges[0]}, {"WWW-Authenticate", challenges[1]}},
			}})
			if err != nil {
				return err
			}
			got := strings.Join(response.Header.Values("WWW-Authenticate"), ", ")
			Equal(t, "STATUS-AUTH-401-CHALLENGE", "WWW-Authenticate", strings.Join(challenges, ", "), got)
			t.Holds("STATUS-AUTH-401-BODY-HIDDEN", response.Status == 401 && !bytes.Contains(response.Body, []byte(body)), "a 401 with the gateway's own body", describe(response))
			return nil
		},
	}
}

func signInCookieCheck() Check {
	_, route := statusRoutes()
	return Check{
		ID:           "status-codes/401-signin-cookie",
		Requirements: []string{"STATUS-AUTH-401-SIGNIN-COOKIE"},
		Features:     []subject.Feature{subject.FeatureSignIn},
		Routes:       []subject.Route{route},
		Run: func(ctx context.Context, t *Trial) error {
			response, err := t.Ask(ctx, t.Browser(), route, Request{Auth: &standin.AuthScript{
				Status: http.StatusUnauthorized, Headers: [][2]string{{"Set-Cookie", "flow=1; Path=/"}},
			}})
			if err != nil {
				return err
			}
			got := response.Header.Get("Set-Cookie")
			t.Holds("STATUS-AUTH-401-SIGNIN-COOKIE", response.Status == 302 && got == "flow=1; Path=/", "a 302 with the auth service's cookie", describe(response))
			return nil
		},
	}
}

func authCookieCheck() Check {
	route, _ := statusRoutes()
	return Check{
		ID:           "status-codes/2xx-cookie",
		Requirements: []string{"STATUS-AUTH-COOKIE-TO-CLIENT"},
		Routes:       []subject.Route{route},
		Run: func(ctx context.Context, t *Trial) error {
			const fromAuth, fromBackend = "refreshed=1; Path=/", "page=2; Path=/"
			response, err := t.Ask(ctx, t.Browser(), route, Request{
				Auth:    &standin.AuthScript{Status: 202, Headers: [][2]string{{"Set-Cookie", fromAuth}}},
				Backend: &standin.BackendScript{Status: 200, Headers: [][2]string{{"Set-Cookie", fromBackend}}},
			})
			if err != nil {
				return err
			}
			got := strings.Join(response.Header.Values("Set-Cookie"), " | ")
			ok := strings.Contains(got, fromAuth) && strings.Contains(got, fromBackend)
			t.Holds("STATUS-AUTH-COOKIE-TO-CLIENT", ok, "both cookies, the auth service's and the backend's", got)
			return nil
		},
	}
}

func askedEveryTimeCheck() Check {
	route, _ := statusRoutes()
	return Check{
		ID:           "status-codes/asked-every-time",
		Requirements: []string{"STATUS-AUTH-ASKED-EVERY-TIME"},
		Routes:       []subject.Route{route},
		Run: func(ctx context.Context, t *Trial) error {
			b := t.Browser()
			if _, err := t.Ask(ctx, b, route, Request{Auth: signedIn()}); err != nil {
				return err
			}
			response, err := t.Ask(ctx, b, route, Request{Auth: &standin.AuthScript{Status: 401}})
			if err != nil {
				return err
			}
			asked, err := t.Received(ctx, response, exchange.AuthService)
			if err != nil {
				return err
			}
			t.Holds("STATUS-AUTH-ASKED-EVERY-TIME", len(asked) == 1 && response.Status == 401, "a second request to the auth service, and its 401", fmt.Sprintf("%d requests; client got %s", len(asked), describe(response)))
			return nil
		},
	}
}

// failingAuthChecks are about an auth service that gives no answer at all.
func failingAuthChecks() []Check {
	rows := []struct {
		name, requirement, authURL, snippet string
		auth                                *standin.AuthScript
		features                            []subject.Feature
	}{
		{"refused", "STATUS-AUTH-REFUSED-500", "{refused}/", "", nil, nil},
		{"unresolvable", "STATUS-AUTH-UNRESOLVABLE-500", "{unresolvable}/", "", nil, nil},
		{"closed", "STATUS-AUTH-CLOSED-500", "{standin}/", "", &standin.AuthScript{Close: true}, nil},
		// The default is a minute; the snippet shortens it for this one route.
		{"hang", "STATUS-AUTH-HANG-500", "{standin}/", "proxy_read_timeout 1s;", &standin.AuthScript{Hang: true}, []subject.Feature{subject.FeatureSnippets}},
	}
	var checks []Check
	for _, row := range rows {
		for _, signIn := range []string{"", signInURL} {
			name := "failing-" + row.name
			features := row.features
			if signIn != "" {
				name += "-signin"
				features = append([]subject.Feature{subject.FeatureSignIn}, features...)
			}
			r := subject.Route{Name: name, AuthURL: row.authURL, AuthSignIn: signIn, AuthSnippet: row.snippet}
			checks = append(checks, Check{
				ID: "status-codes/" + name, Requirements: []string{row.requirement, "STATUS-DENIED-NEVER-REACHES-BACKEND"},
				Features: features, Routes: []subject.Route{r}, Slow: row.name == "hang",
				Run: func(ctx context.Context, t *Trial) error {
					response, err := t.Ask(ctx, t.Browser(), r, Request{Auth: row.auth})
					if err != nil {
						return err
					}
					t.Holds(row.requirement, response.Status == 500 && response.Header.Get("Location") == "", "a 500 and no Location", describe(response))
					return t.judgeReached(ctx, response, false)
				},
			})
		}
	}
	return checks
}

// publicURL is the address of a host as the browser knows it, over TLS.
func publicURL(label string) string { return "https://" + label + "." + subject.Domain }
