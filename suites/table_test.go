// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"slices"
	"testing"

	"github.com/ingress-auth/conformance/fixtures"
	"github.com/ingress-auth/conformance/suites/contract"
	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/subject"
)

// What plain nginx lacks is judged on a cluster only. A gateway that answers every request with a teapot, and takes every
// route, proves that each of these checks can turn red.
func TestRowsThatOnlyAClusterJudgesTurnRed(t *testing.T) {
	catalogue, err := NewCatalogue(fixtures.FS())
	if err != nil {
		t.Fatal(err)
	}
	clusterOnly := []subject.Feature{
		subject.FeatureAnnotations, subject.FeatureConfigMap, subject.FeatureGRPC, subject.FeatureCanary,
	}
	judge := &Judge{Subject: teapot(t), Redactor: exchange.NewRedactor()}
	proven := 0
	for _, c := range catalogue.Checks {
		if !slices.Contains(tableAreas(), c.Area()) || !slices.ContainsFunc(c.Features, func(f subject.Feature) bool { return slices.Contains(clusterOnly, f) }) {
			continue
		}
		proven++
		for _, f := range judge.Run(t.Context(), []Check{c})[0].Findings {
			if f.Verdict != contract.Fail {
				t.Errorf("%s, %s: %s (%s), want fail", c.ID, f.Requirement, f.Verdict, f.Reason)
			}
		}
	}
	if proven < 30 {
		t.Errorf("only %d checks were tried", proven)
	}
}

func tableAreas() []string {
	return []string{"auth-request", "headers", "cookies", "redirects", "cors", "caching", "paths", "annotations", "global-auth", "satisfy", "buffers", "upgrades", "keepalive"}
}

// A gateway answers these by itself, so that no control behind the front of the platform local can.
func TestChecksOfBadHostsTurnRedForAGatewayThatTakesThem(t *testing.T) {
	judge := &Judge{Subject: teapot(t), Redactor: exchange.NewRedactor()}
	for _, id := range []string{"paths/host-twice", "paths/host-invalid"} {
		if f := judge.Run(t.Context(), []Check{catalogueCheck(t, id)})[0].Findings[0]; f.Verdict != contract.Fail {
			t.Errorf("%s: %s (%s), want fail", id, f.Verdict, f.Reason)
		}
	}
}

func TestAdmissionOfProtectedRoutesTurnsRedForAGatewayThatTakesThem(t *testing.T) {
	for id, phrase := range map[string]string{
		"annotations/duplicate-path":     `host "twin" and path "/" is already defined in ingress`,
		"annotations/unknown-variable":   `unknown "no_such_variable" variable`,
		"annotations/buffers-number":     `"proxy_busy_buffers_size" must be less than`,
		"annotations/validated-auth-url": "annotation auth-url contains invalid value",
	} {
		t.Run(id, func(t *testing.T) {
			check := catalogueCheck(t, id)
			check.Versions = VersionRange{}
			if f := judgeOne(t, &fakeGateway{}, check)[0]; f.Verdict != contract.Fail {
				t.Errorf("with a gateway that takes everything: %s (%s), want fail", f.Verdict, f.Reason)
			}
			if f := judgeOne(t, &fakeGateway{applyErr: &subject.AdmissionError{Message: "because"}}, check)[0]; f.Verdict != contract.Fail {
				t.Errorf("with a gateway that refuses for another reason: %s (%s), want fail", f.Verdict, f.Reason)
			}
			if f := judgeOne(t, &fakeGateway{applyErr: &subject.AdmissionError{Message: phrase}}, check)[0]; f.Verdict != contract.Pass {
				t.Errorf("with a good gateway: %s (%s), want pass", f.Verdict, f.Reason)
			}
		})
	}
}

// The ledger: what is stated is judged, or says why not.
func TestExcludedRequirementsSayWhyAndAreFew(t *testing.T) {
	catalogue, err := NewCatalogue(fixtures.FS())
	if err != nil {
		t.Fatal(err)
	}
	excluded := catalogue.Contract.Excluded()
	for _, r := range excluded {
		if len(r.Excluded) < 20 {
			t.Errorf("%s is excluded because %q: say why", r.ID, r.Excluded)
		}
		if checks := catalogue.ChecksOf(r.ID); len(checks) > 0 {
			t.Errorf("%s is excluded and judged by %v", r.ID, checks)
		}
	}
	selected, err := catalogue.Contract.Select(contract.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(selected, func(r contract.Requirement) bool { return r.Excluded != "" }) {
		t.Error("an excluded requirement was selected")
	}
	if n := len(catalogue.Contract.All()); len(excluded) == 0 || len(excluded)*10 > n {
		t.Errorf("%d of %d requirements are excluded", len(excluded), n)
	}
	t.Logf("%d requirements: %d judged, %d excluded", len(catalogue.Contract.All()), len(selected), len(excluded))
}
