// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"

	"github.com/ingress-auth/conformance/suites/subject"
)

// gatewayAdmissionChecks are about routes that admission refuses for how they authenticate.
func gatewayAdmissionChecks() []Check {
	refuses := func(name, requirement string, versions VersionRange, r subject.Route, phrase string, before ...subject.Route) Check {
		return Check{
			ID: "annotations/" + name, Requirements: []string{requirement}, Versions: versions, Slow: true, Routes: before,
			Features: []subject.Feature{subject.FeatureAdmission},
			Run:      func(ctx context.Context, t *Trial) error { return expectRefusal(ctx, t, requirement, r, phrase) },
		}
	}
	protected := subject.Route{Name: "twin-protected", Host: "twin", Gateway: changingGateway, AuthURL: "{standin}/"}
	return []Check{
		refuses("duplicate-path", "ANNOTATION-DUPLICATE-PATH", VersionRange{},
			subject.Route{Name: "twin-open", Host: "twin", Gateway: changingGateway}, "already defined", protected),
		refuses("unknown-variable", "ANNOTATION-UNKNOWN-VARIABLE", testsConfiguration(),
			subject.Route{Name: "unknown-variable", Gateway: changingGateway, AuthURL: "{standin}/", AuthSignIn: signInURL + "?e=$no_such_variable"}, `unknown "no_such_variable" variable`),
		refuses("buffers-number", "ANNOTATION-BUFFERS-NUMBER", testsConfiguration(),
			subject.Route{Name: "buffers-number", Gateway: changingGateway, Annotations: map[string]string{"proxy-buffers-number": "2", "proxy-buffer-size": "8k"}}, "proxy_busy_buffers_size"),
		refuses("validated-auth-url", "ANNOTATION-VALIDATED-AUTH-URL", riskLevel(),
			subject.Route{Name: "validated-auth-url", Gateway: changingGateway, AuthURL: "{standin}/?a={b}#;"}, "contains invalid value"),
	}
}
