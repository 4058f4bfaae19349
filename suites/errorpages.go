// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/standin"
	"github.com/ingress-auth/conformance/suites/subject"
)

// errorPageCase is a row of the table "custom error pages meet the auth request".
type errorPageCase struct {
	name, requirement, gateway string
	auth                       *standin.AuthScript
	authURL                    string
	serverSnippet              string
	// plain and signIn are the client's status without and with a sign-in URL; 0 judges only that the backend is not reached.
	plain, signIn int
}

// onlySignIn leaves out the route without a sign-in URL.
const onlySignIn = -1

func errorPageChecks() []Check {
	answer := func(status int) *standin.AuthScript { return &standin.AuthScript{Status: status} }
	rows := []errorPageCase{
		{"F1", "ERRORPAGES-DENIED-STATUS", "errors-401", answer(401), "{standin}/", "", 401, 302},
		{"F2", "ERRORPAGES-MISSING-PAGE", "errors-no-page", answer(401), "{standin}/", "", onlySignIn, 302},
		{"F3", "ERRORPAGES-NO-BYPASS-401", "errors-always-200", answer(401), "{standin}/", "", 0, 0},
		{"F3a", "ERRORPAGES-NO-BYPASS-403", "errors-always-200", answer(403), "{standin}/", "", 0, 0},
		{"F4", "ERRORPAGES-NO-BYPASS-ERROR", "errors-always-200", answer(404), "{standin}/", "", 0, 0},
		{"F4a", "ERRORPAGES-NO-BYPASS-ERROR", "errors-always-200", answer(500), "{standin}/", "", 0, 0},
		{"F5", "ERRORPAGES-SNIPPET-MITIGATES", "errors-always-200", answer(401), "{standin}/", interceptOff, 0, 302},
		{"F6", "ERRORPAGES-NO-BYPASS-UNREACHABLE", "errors-always-200", nil, "{refused}/", "", 0, 0},
		{"F7", "ERRORPAGES-UNREACHABLE-STATUS", "errors-401", nil, "{refused}/", "", 500, 500},
		{"F7a", "ERRORPAGES-UNREACHABLE-STATUS", "errors-no-page", nil, "{refused}/", "", 500, 500},
	}
	var checks []Check
	for _, row := range rows {
		checks = append(checks, row.check(signInURL, row.signIn))
		if row.plain != onlySignIn {
			checks = append(checks, row.check("", row.plain))
		}
	}
	return checks
}

func (c errorPageCase) check(signIn string, want int) Check {
	name := "error-pages-" + strings.ToLower(c.name)
	var features []subject.Feature
	if signIn != "" {
		name += "-signin"
		features = []subject.Feature{subject.FeatureSignIn}
	}
	if c.serverSnippet != "" {
		features = append(features, subject.FeatureSnippets)
	}
	r := subject.Route{Name: name, Gateway: c.gateway, AuthURL: c.authURL, AuthSignIn: signIn, ServerSnippet: c.serverSnippet}
	return Check{
		ID: "status-codes/" + name, Requirements: []string{c.requirement}, Routes: []subject.Route{r},
		Features: append(features, subject.FeatureCustomHTTPErrors, subject.FeatureDefaultBackend),
		Run:      func(ctx context.Context, t *Trial) error { return c.run(ctx, t, r, want) },
	}
}

func (c errorPageCase) run(ctx context.Context, t *Trial, r subject.Route, want int) error {
	response, err := t.Ask(ctx, t.Browser(), r, Request{Auth: c.auth})
	if err != nil {
		return err
	}
	reached, err := t.Received(ctx, response, exchange.Backend)
	if err != nil {
		return err
	}
	t.Holds(c.requirement, !reachedEcho(reached) && !isEcho(response), "no request at the backend", fmt.Sprintf("the backend was reached; the client got %s", describe(response)))
	if want != 0 {
		t.Holds(c.requirement, response.Status == want, fmt.Sprintf("a %d", want), describe(response))
	}
	if want == http.StatusFound {
		t.Holds(c.requirement, strings.HasPrefix(response.Header.Get("Location"), publicURL("auth")), "a redirect to the sign-in URL", describe(response))
	}
	return nil
}

// reachedEcho tells the echo backend from the error pages, which are backends too.
func reachedEcho(reached []exchange.Exchange) bool {
	for _, e := range reached {
		if !strings.HasPrefix(e.Instance, "error-pages-") {
			return true
		}
	}
	return false
}
