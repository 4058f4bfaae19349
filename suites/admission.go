// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ingress-auth/conformance/suites/browser"
	"github.com/ingress-auth/conformance/suites/standin"
	"github.com/ingress-auth/conformance/suites/subject"
)

const ingressNginx = "ingress-nginx"

// testsConfiguration are the versions whose admission runs nginx on the configuration that would result. It ended with
// the fix of CVE-2025-1974.
func testsConfiguration() VersionRange {
	return VersionRange{ingressNginx, "<1.11.5 || =1.12.0"}
}

// riskLevel are the versions that refuse an annotation by its risk level when nothing is configured.
func riskLevel() VersionRange { return VersionRange{ingressNginx, ">=1.12.0"} }

func admissionChecks() []Check {
	accepts := func(row, requirement string, versions VersionRange, r subject.Route, features ...subject.Feature) Check {
		return admissionCheck(row, requirement, versions, features, func(ctx context.Context, t *Trial) error {
			return expectAcceptance(ctx, t, requirement, r)
		})
	}
	refuses := func(row, requirement string, versions VersionRange, r subject.Route, phrase string, features ...subject.Feature) Check {
		return admissionCheck(row, requirement, versions, features, func(ctx context.Context, t *Trial) error {
			return expectRefusal(ctx, t, requirement, r, phrase)
		})
	}
	snippet := func(name, gateway string) subject.Route {
		return subject.Route{Name: name, Gateway: gateway, ServerSnippet: "# nothing"}
	}
	return []Check{
		refuses("W1", "ADMISSION-SNIPPET-FORBIDDEN", VersionRange{}, snippet("w1", "no-snippets"), "Snippet directives are disabled", subject.FeatureSnippets),
		droppedSnippetCheck(),
		accepts("W3", "ADMISSION-SNIPPET-ALLOWED", VersionRange{}, snippet("w3", changingGateway), subject.FeatureSnippets),
		refuses("W4", "ADMISSION-SNIPPET-RISK", riskLevel(), snippet("w4", "default-risk"), "contains risky annotation", subject.FeatureSnippets),
		skippedRouteCheck(),
		accepts("W6", "ADMISSION-SNIPPET-CRITICAL", riskLevel(), snippet("w6", changingGateway), subject.FeatureSnippets),
		refuses("W7", "ADMISSION-TESTS-CONFIGURATION", testsConfiguration(), subject.Route{Name: "w7", Gateway: changingGateway, ServerSnippet: "no_such_directive on;"}, "unknown directive", subject.FeatureSnippets),
		frozenGatewayCheck(),
		accepts("W9", "ADMISSION-PATH-TYPE", VersionRange{ingressNginx, "<1.12.0"}, subject.Route{Name: "w9", Gateway: changingGateway, Path: "/x(.*)"}, subject.FeatureManifests),
		refuses("W10", "ADMISSION-BLOCKED-WORD", VersionRange{}, subject.Route{Name: "w10", Gateway: "no-snippets", Annotations: map[string]string{"proxy-body-size": "forbidden-word"}}, "forbidden-word"),
		refuses("W11", "ADMISSION-DEEP-INSPECTION", VersionRange{}, subject.Route{Name: "w11", Gateway: changingGateway, Path: "/etc/nginx/nginx.conf"}, "invalid"),
	}
}

func admissionCheck(row, requirement string, versions VersionRange, features []subject.Feature, run func(context.Context, *Trial) error) Check {
	return Check{
		ID: "admission/" + row, Requirements: []string{requirement}, Versions: versions, Slow: true,
		Features: append(features, subject.FeatureAdmission), Run: run,
	}
}

// expectAcceptance applies a route that admission must take, and removes it.
func expectAcceptance(ctx context.Context, t *Trial, requirement string, r subject.Route) error {
	err := t.Subject.Gateway.Apply(ctx, r)
	var refused *subject.AdmissionError
	if errors.As(err, &refused) {
		t.Holds(requirement, false, "the route accepted", refused.Message)
		return nil
	}
	if err != nil {
		return err
	}
	t.Holds(requirement, true, "the route accepted", "accepted")
	return withdraw(ctx, t, r)
}

// droppedSnippetCheck: the snippet would answer 418; without it the backend answers.
func droppedSnippetCheck() Check {
	const requirement = "ADMISSION-SNIPPET-DROPPED"
	r := subject.Route{Name: "w2", Gateway: "no-snippets", SkipAdmission: true, ServerSnippet: "return 418;"}
	c := admissionCheck("W2", requirement, VersionRange{}, []subject.Feature{subject.FeatureSnippets}, func(ctx context.Context, t *Trial) error {
		response, err := t.Ask(ctx, t.Browser(), r, Request{})
		if err != nil {
			return err
		}
		t.Holds(requirement, response.Status == http.StatusOK, "the backend's 200", describe(response))
		return nil
	})
	c.Routes = []subject.Route{r}
	return c
}

func skippedRouteCheck() Check {
	const requirement = "ADMISSION-SNIPPET-RISK-SKIPPED"
	r := subject.Route{Name: "w5", Gateway: "default-risk", SkipAdmission: true, ServerSnippet: "# nothing"}
	return admissionCheck("W5", requirement, riskLevel(), []subject.Feature{subject.FeatureSnippets}, func(ctx context.Context, t *Trial) error {
		if err := t.Subject.Gateway.Apply(ctx, r); err != nil {
			return err
		}
		// A route that follows it is served; this one is not.
		after := subject.Route{Name: "w5-after", Gateway: "default-risk"}
		if err := t.Subject.Gateway.Expose(ctx, []subject.Route{after}); err != nil {
			return errors.Join(err, withdraw(ctx, t, r))
		}
		response, err := t.Ask(ctx, t.Browser(), r, Request{})
		if err == nil {
			t.Holds(requirement, response.Status == http.StatusNotFound, "the gateway's 404 for an unknown host", describe(response))
		}
		return errors.Join(err, withdraw(ctx, t, r), withdraw(ctx, t, after))
	})
}

// Gateways of fixtures/gateways.yaml on which routes may come and go: a reload of nginx closes connections that other
// checks wait on.
const (
	changingGateway   = "changing"
	disposableGateway = "scratch"
)

// frozenGatewayCheck breaks the configuration of a gateway of its own past admission, shows that what it served stays and
// that nothing new is served, then removes the cause and sees it heal.
func frozenGatewayCheck() Check {
	const requirement = "ADMISSION-BROKEN-FREEZES"
	before := subject.Route{Name: "w8-before", Gateway: disposableGateway}
	broken := subject.Route{Name: "w8-broken", Gateway: disposableGateway, ServerSnippet: "no_such_directive on;"}
	after := subject.Route{Name: "w8-after", Gateway: disposableGateway}
	return Check{
		ID: "admission/W8", Requirements: []string{requirement}, Slow: true, Exclusive: disposableGateway,
		Features: []subject.Feature{subject.FeatureSnippets, subject.FeatureDynamic}, Routes: []subject.Route{before},
		Run: func(ctx context.Context, t *Trial) (err error) {
			b := t.Browser()
			defer func() { err = errors.Join(err, withdraw(ctx, t, broken), withdraw(ctx, t, after)) }()
			if err := t.Subject.Gateway.Apply(ctx, broken); err != nil {
				return err
			}
			if err := t.awaitReloadFailure(ctx, disposableGateway); err != nil {
				return err
			}
			if err := t.Subject.Gateway.Apply(ctx, after); err != nil {
				return err
			}
			if err := t.awaitReloadFailure(ctx, disposableGateway); err != nil {
				return err
			}
			if err := holdsFrozen(ctx, t, b, requirement, before, after); err != nil {
				return err
			}
			if err := withdraw(ctx, t, broken); err != nil {
				return err
			}
			healed, err := t.pollRoute(ctx, b, after, func(r *browser.Response) bool { return r.Status == http.StatusOK })
			if err != nil {
				return err
			}
			t.Holds(requirement, healed.Status == http.StatusOK, "the new route served once the broken one is gone", describe(healed))
			return nil
		},
	}
}

func holdsFrozen(ctx context.Context, t *Trial, b *browser.Browser, requirement string, before, after subject.Route) error {
	old, err := t.Ask(ctx, b, before, Request{})
	if err != nil {
		return err
	}
	t.Holds(requirement, old.Status == http.StatusOK, "the old route still served", describe(old))
	fresh, err := t.Ask(ctx, b, after, Request{})
	if err != nil {
		return err
	}
	t.Holds(requirement, fresh.Status == http.StatusNotFound, "the new route not served", describe(fresh))
	return nil
}

// awaitReloadFailure waits until the gateway says that it could not take a configuration.
func (t *Trial) awaitReloadFailure(ctx context.Context, gateway string) error {
	watcher, ok := t.Subject.Gateway.(subject.ReloadWatcher)
	if !ok {
		return errors.New("this gateway does not tell whether it took a configuration")
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := watcher.AwaitReloadFailure(ctx, gateway); err != nil {
		return fmt.Errorf("waiting for %s to refuse its configuration: %w", gateway, err)
	}
	return nil
}

func (t *Trial) pollRoute(ctx context.Context, b *browser.Browser, r subject.Route, fits func(*browser.Response) bool) (*browser.Response, error) {
	return pollUntil(ctx, 20*time.Second, func() (*browser.Response, error) { return t.Ask(ctx, b, r, Request{}) }, fits)
}

// httpSnippetCheck changes the settings of the disposable gateway so that its configuration is invalid, and back.
func httpSnippetCheck() Check {
	const requirement = "PASSTHROUGH-HTTP-SNIPPET-DUPLICATE"
	r := subject.Route{Name: "b27", Gateway: disposableGateway, AuthURL: "{standin}/", AuthSignIn: signInURL}
	return Check{
		ID: "backend-401/B27", Requirements: []string{requirement}, Slow: true, Exclusive: disposableGateway,
		Features: []subject.Feature{subject.FeatureSnippets, subject.FeatureDynamic, subject.FeatureSettings}, Routes: []subject.Route{r},
		Run: func(ctx context.Context, t *Trial) (err error) {
			gateway, ok := t.Subject.Gateway.(subject.Reconfigurer)
			if !ok {
				return errors.New("the settings of this gateway cannot be changed")
			}
			restore, err := gateway.Reconfigure(ctx, subject.GatewayConfig{Name: disposableGateway, CustomHTTPErrors: []int{404}, HTTPSnippet: interceptOff, NoAdmission: true, Disposable: true})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, restore(context.WithoutCancel(ctx))) }()
			if err := t.awaitReloadFailure(ctx, disposableGateway); err != nil {
				return err
			}
			script := backendAnswers(401)
			response, err := t.Ask(ctx, t.Browser(), r, Request{Auth: &standin.AuthScript{Status: 202}, Backend: script})
			if err != nil {
				return err
			}
			ok, got := compareOutcome(outcomePass, script, response)
			t.Holds(requirement, ok, "the answer of the configuration before: "+describeOutcome(outcomePass, script), got)
			return nil
		},
	}
}
