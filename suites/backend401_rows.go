// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/ingress-auth/conformance/suites/subject"
)

// backend401Checks are the rows of the truth table and the rows that need more than a table.
func backend401Checks(fixtures fs.FS) ([]Check, error) {
	data, err := fs.ReadFile(fixtures, "cases/backend-401.yaml")
	if err != nil {
		return nil, fmt.Errorf("reading the truth table: %w", err)
	}
	var table struct {
		Cases []backend401Case `json:"cases"`
	}
	if err := yaml.UnmarshalStrict(data, &table); err != nil {
		return nil, fmt.Errorf("reading the truth table cases/backend-401.yaml: %w", err)
	}
	var checks []Check
	for _, c := range table.Cases {
		checks = append(checks, c.check())
	}
	return append(checks,
		refusedDuplicate("B23", "PASSTHROUGH-LOCATION-SNIPPET-DUPLICATE", subject.Route{
			CustomHTTPErrors: []int{404}, ConfigurationSnippet: interceptOff,
		}),
		refusedDuplicate("B26", "PASSTHROUGH-SERVER-SNIPPET-DUPLICATE", subject.Route{
			Gateway: "server-snippet", ServerSnippet: interceptOff,
		}),
		refusedDuplicate("B28a", "PASSTHROUGH-GATEWAY-LOCATION-SNIPPET-DUPLICATE", subject.Route{
			Gateway: "location-snippet", CustomHTTPErrors: []int{404},
		}),
		httpSnippetCheck(),
		otherErrorsCheck("defaults", subject.Route{}),
		otherErrorsCheck("gateway-errors", subject.Route{Gateway: "errors-404"}),
		otherErrorsCheck("route-errors", subject.Route{CustomHTTPErrors: []int{404}}),
	), nil
}

const interceptOff = "proxy_intercept_errors off;"

// refusedDuplicate is a row whose configuration is invalid: the directive stands twice in one block.
func refusedDuplicate(row, requirement string, r subject.Route) Check {
	r.Name, r.AuthURL, r.AuthSignIn = strings.ToLower(row), "{standin}/", signInURL
	return Check{
		ID:           "backend-401/" + row,
		Requirements: []string{requirement},
		Versions:     testsConfiguration(),
		Run: func(ctx context.Context, t *Trial) error {
			return expectRefusal(ctx, t, requirement, r, `"proxy_intercept_errors" directive is duplicate`)
		},
	}
}

// expectRefusal applies a route that admission must refuse in words that contain phrase.
func expectRefusal(ctx context.Context, t *Trial, requirement string, r subject.Route, phrase string) error {
	err := t.Subject.Gateway.Apply(ctx, r)
	var refused *subject.AdmissionError
	switch {
	case errors.As(err, &refused):
		t.Holds(requirement, strings.Contains(refused.Message, phrase), fmt.Sprintf("a refusal that says %q", phrase), refused.Message)
		return nil
	case err != nil:
		return err
	}
	t.Holds(requirement, false, fmt.Sprintf("a refusal that says %q", phrase), "the route was accepted")
	return withdraw(ctx, t, r)
}

func withdraw(ctx context.Context, t *Trial, r subject.Route) error {
	// The trial's context may be over; what was applied goes all the same.
	return t.Subject.Gateway.Withdraw(context.WithoutCancel(ctx), r)
}

// otherErrorsCheck is about the codes beside 401: whatever is intercepted, only a 401 may lead to the sign-in.
func otherErrorsCheck(name string, r subject.Route) Check {
	r.Name, r.AuthURL, r.AuthSignIn = "other-"+name, "{standin}/", signInURL
	return Check{
		ID:           "backend-401/other-errors-" + name,
		Requirements: []string{"PASSTHROUGH-OTHER-ERRORS"},
		Routes:       []subject.Route{r},
		Run: func(ctx context.Context, t *Trial) error {
			b := t.Browser()
			for _, status := range []int{http.StatusForbidden, http.StatusInternalServerError, http.StatusServiceUnavailable} {
				response, err := t.Ask(ctx, b, r, Request{Auth: signedIn(), Backend: backendAnswers(status)})
				if err != nil {
					return err
				}
				ok := response.Status == status && response.Header.Get("Location") == ""
				t.Holds("PASSTHROUGH-OTHER-ERRORS", ok, fmt.Sprintf("a %d and no Location", status), describe(response))
			}
			return nil
		},
	}
}
