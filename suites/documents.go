// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/ingress-auth/conformance/suites/browser"
	"github.com/ingress-auth/conformance/suites/subject"
)

// documentChecks judge the Ingresses of two documents that many copy from; see docs/findings.md.
func documentChecks(fixtures fs.FS) []Check {
	checks := []Check{
		documentAppCheck(), plainHTTPCheck(),
		gistClaimCheck("claim", "DOCUMENT-GIST-CLAIM", ""),
		gistClaimCheck("fix", "DOCUMENT-GIST-FIX", interceptOff),
		gistScopeCheck(),
		losesQueryCheck("documents/gist-rd", "DOCUMENT-GIST-RD", unescapedRoute("gist-rd")),
	}
	for _, row := range []struct {
		name, requirement string
		judge             func(ctx context.Context, t *Trial, apply func(dryRun bool) error) error
	}{
		{"joined", "DOCUMENT-DASHBOARD-YAML", judgeNotYAML},
		{"no-path-type", "DOCUMENT-DASHBOARD-PATHTYPE", judgeRefusedByAPI},
		{"prometheus-port", "DOCUMENT-DASHBOARD-PORT", judgeNothingBehind},
		{"no-class", "DOCUMENT-NO-CLASS", judgeLeftAlone},
		{"other-class", "ADMISSION-OTHER-CLASS", judgeNotValidated},
	} {
		checks = append(checks, Check{
			ID: "documents/" + row.name, Requirements: []string{row.requirement}, Slow: true,
			Features: []subject.Feature{subject.FeatureManifests},
			Run: func(ctx context.Context, t *Trial) error {
				applier, ok := t.Subject.Gateway.(subject.ManifestApplier)
				if !ok {
					return errors.New("this gateway takes no manifests")
				}
				manifest, err := fs.ReadFile(fixtures, path.Join("manifests/documents", row.name+".yaml"))
				if err != nil {
					return fmt.Errorf("reading the document's manifest: %w", err)
				}
				return row.judge(ctx, t, func(dryRun bool) error { return applier.ApplyManifest(ctx, manifest, dryRun) })
			},
		})
	}
	return checks
}

func judgeNotYAML(_ context.Context, t *Trial, apply func(bool) error) error {
	err := apply(true)
	var refused *subject.AdmissionError
	t.Holds("DOCUMENT-DASHBOARD-YAML", err != nil && !errors.As(err, &refused), "text that does not parse as YAML", fmt.Sprint(err))
	return nil
}

func judgeRefusedByAPI(_ context.Context, t *Trial, apply func(bool) error) error {
	err := apply(true)
	var refused *subject.AdmissionError
	t.Holds("DOCUMENT-DASHBOARD-PATHTYPE", errors.As(err, &refused) && strings.Contains(refused.Message, "pathType"), "a refusal that names pathType", fmt.Sprint(err))
	return nil
}

func judgeNothingBehind(ctx context.Context, t *Trial, apply func(bool) error) error {
	if err := apply(false); err != nil {
		return err
	}
	b := t.Browser()
	response, err := t.pollRoute(ctx, b, subject.Route{Name: "document-prometheus", Gateway: changingGateway}, func(r *browser.Response) bool { return r.Status != http.StatusNotFound })
	if err != nil {
		return err
	}
	t.Holds("DOCUMENT-DASHBOARD-PORT", response.Status == http.StatusServiceUnavailable, "a 503", describe(response))
	return nil
}

func judgeLeftAlone(ctx context.Context, t *Trial, apply func(bool) error) error {
	if err := apply(false); err != nil {
		return err
	}
	// A route that came later is served: the controller has seen both.
	after := subject.Route{Name: "document-after", Gateway: changingGateway}
	if err := t.Subject.Gateway.Expose(ctx, []subject.Route{after}); err != nil {
		return err
	}
	// No gateway serves the name, so the request goes to the address of the other one.
	left := subject.Route{Name: "document-no-class"}
	response, err := t.Ask(ctx, t.Browser(), after, Request{Header: http.Header{"Host": {Host(left)}}})
	if err != nil {
		return err
	}
	t.Holds("DOCUMENT-NO-CLASS", response.Status == http.StatusNotFound, "the gateway's 404 for an unknown host", describe(response))
	return nil
}

func judgeNotValidated(_ context.Context, t *Trial, apply func(bool) error) error {
	err := apply(true)
	t.Holds("ADMISSION-OTHER-CLASS", err == nil, "the manifest accepted", fmt.Sprint(err))
	return nil
}

// documentAppCheck is the note's application: sign_in with rd appended, and large buffers.
func documentAppCheck() Check {
	r := appRoute("document-app")
	r.Annotations = map[string]string{"proxy-buffer-size": "512k"}
	return Check{
		ID: "documents/app", Requirements: []string{"DOCUMENT-APP-SIGNIN", "DOCUMENT-APP-BUFFER"}, Routes: []subject.Route{r},
		Features: []subject.Feature{subject.FeatureSignIn, subject.FeatureSignInAppendsRd, subject.FeatureManifests},
		Run: func(ctx context.Context, t *Trial) error {
			b := t.Browser()
			first, err := t.Ask(ctx, b, r, Request{Target: "/page"})
			if err != nil {
				return err
			}
			t.Holds("DOCUMENT-APP-SIGNIN", first.Status == http.StatusFound, "a redirect without a session", describe(first))
			last, err := visit(ctx, b, browser.Request{URL: URL(r, "/page")}, userAlice)
			if err != nil {
				return err
			}
			t.Holds("DOCUMENT-APP-SIGNIN", last.Status == 200 && last.URL == URL(r, "/page"), "the page after signing in", last.URL+": "+describe(last))
			t.Holds("DOCUMENT-APP-BUFFER", last.Status == 200, "the route served", describe(last))
			return nil
		},
	}
}

// plainHTTPCheck signs in from a route that is served over plain http only.
func plainHTTPCheck() Check {
	const requirement = "DOCUMENT-HTTP-LOSES-SESSION"
	r := appRoute("document-http")
	r.TLS = false
	r.AuthSignIn = "http://auth.{domain}/oauth2/sign_in"
	return Check{
		ID: "documents/plain-http", Requirements: []string{requirement}, Routes: []subject.Route{r},
		Features: []subject.Feature{subject.FeatureSignIn, subject.FeatureSignInAppendsRd},
		Run: func(ctx context.Context, t *Trial) error {
			b := t.Browser()
			callback, err := stop(ctx, b, URL(r, "/page"), userAlice, isCallback)
			if err != nil {
				return err
			}
			t.Holds(requirement, callback.Header.Get("Location") == URL(r, "/page"), "the way back to "+URL(r, "/page"), describe(callback))
			_, known, err := hasSession(ctx, b)
			if err != nil || !known {
				return errors.Join(err, errors.New("the sign-in gave no session over https, so plain http proves nothing"))
			}
			response, err := t.Ask(ctx, b, r, Request{Target: "/page"})
			if err != nil {
				return err
			}
			t.Holds(requirement, response.Status == http.StatusFound && leadsTo("http://auth.")(response), "the sign-in redirect again", describe(response))
			return nil
		},
	}
}

// gistClaimCheck is the gist's situation with the real auth service: a session, and a backend that answers 401.
func gistClaimCheck(name, requirement, serverSnippet string) Check {
	r := unescapedRoute("gist-" + name)
	r.ServerSnippet = serverSnippet
	features := []subject.Feature{subject.FeatureSignIn}
	if serverSnippet != "" {
		features = append(features, subject.FeatureSnippets)
	}
	return Check{
		ID: "documents/gist-" + name, Requirements: []string{requirement}, Routes: []subject.Route{r}, Features: features,
		Run: func(ctx context.Context, t *Trial) error {
			b := t.Browser()
			if err := t.signIn(ctx, b, r, userAlice); err != nil {
				return err
			}
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				script := backendAnswers(401)
				response, err := t.Ask(ctx, b, r, Request{Method: method, Backend: script})
				if err != nil {
					return err
				}
				ok, got := compareOutcome(outcomePass, script, response)
				t.Holds(requirement, ok, method+": "+describeOutcome(outcomePass, script), got)
			}
			return nil
		},
	}
}

// gistScopeCheck has the snippet on one route of a host and looks at another.
func gistScopeCheck() Check {
	const requirement = "DOCUMENT-GIST-FIX-SCOPE"
	fixed := subject.Route{Name: "gist-scope", Gateway: "errors-404", Path: "/fixed", Probe: "/fixed", AuthURL: "{standin}/", AuthSignIn: signInURL, ServerSnippet: interceptOff}
	neighbour := subject.Route{Name: "gist-scope-neighbour", Host: "gist-scope", Gateway: "errors-404", Path: "/neighbour", Probe: "/neighbour"}
	elsewhere := subject.Route{Name: "gist-elsewhere", Gateway: "errors-404", Path: "/neighbour", Probe: "/neighbour"}
	return Check{
		ID: "documents/gist-scope", Requirements: []string{requirement}, Routes: []subject.Route{fixed, neighbour, elsewhere},
		Features: []subject.Feature{subject.FeatureSnippets, subject.FeatureCustomHTTPErrors, subject.FeatureDefaultBackend},
		Run: func(ctx context.Context, t *Trial) error {
			script := backendAnswers(404)
			for _, row := range []struct {
				route subject.Route
				want  outcome
			}{{elsewhere, outcomePage}, {neighbour, outcomePass}} {
				response, err := t.Ask(ctx, t.Browser(), row.route, Request{Target: "/neighbour", Backend: script})
				if err != nil {
					return err
				}
				ok, got := compareOutcome(row.want, script, response)
				t.Holds(requirement, ok, Host(row.route)+": "+describeOutcome(row.want, script), got)
			}
			return nil
		},
	}
}
