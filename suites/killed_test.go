// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"slices"
	"testing"

	"github.com/ingress-auth/conformance/fixtures"
	"github.com/ingress-auth/conformance/suites/contract"
	"github.com/ingress-auth/conformance/suites/control"
	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/subject"
)

// brokenGateways are those of fixtures/controls/gateways.yaml, by ID.
func brokenGateways(t *testing.T) map[string]*subject.Subject {
	t.Helper()
	takesAll, refusesAll := teapot(t), teapot(t)
	refusesAll.Gateway = &fakeGateway{applyErr: &subject.AdmissionError{Code: 400, Message: "because"}}
	return map[string]*subject.Subject{"takes-every-route": takesAll, "refuses-every-route": refusesAll}
}

// Every requirement is killed: by a control, which TestControlsTurnRed… sees at work, or, where only a cluster can judge it,
// by a broken gateway, which this test puts in place. What stands in fixtures/controls/gateways.yaml is what is seen.
func TestEveryRequirementIsKilled(t *testing.T) {
	catalogue, err := NewCatalogue(fixtures.FS())
	if err != nil {
		t.Fatal(err)
	}
	set, err := control.Load(fixtures.FS(), "controls")
	if err != nil {
		t.Fatal(err)
	}
	byControl := map[string]bool{}
	for _, c := range set.Controls {
		for _, id := range c.TurnsRed {
			byControl[id] = true
		}
	}
	left := slices.DeleteFunc(catalogue.Contract.Judged(), func(r contract.Requirement) bool { return byControl[r.ID] })
	broken := brokenGateways(t)
	for _, g := range set.Gateways {
		s := broken[g.ID]
		if s == nil {
			t.Errorf("no test builds the gateway %s", g.ID)
			continue
		}
		delete(broken, g.ID)
		red := map[string]bool{}
		for _, f := range findings((&Judge{Subject: s, Redactor: exchange.NewRedactor(), Brief: true}).Run(t.Context(), anyVersion(catalogue.ChecksFor(left)))) {
			red[f.Requirement] = red[f.Requirement] || f.Verdict == contract.Fail
		}
		var seen []string
		for _, r := range left {
			if red[r.ID] {
				seen = append(seen, r.ID)
			}
		}
		if !slices.Equal(seen, g.TurnsRed) {
			t.Errorf("%s turns red, of what no control does, %q; gateways.yaml says %q", g.ID, seen, g.TurnsRed)
		}
	}
	for id := range broken {
		t.Errorf("gateways.yaml does not have the gateway %s", id)
	}
	for _, r := range catalogue.Contract.Judged() {
		if len(set.KilledBy(r.ID)) == 0 {
			t.Errorf("nothing kills %s (%v)", r.ID, catalogue.ChecksOf(r.ID))
		}
	}
}

func anyVersion(checks []Check) []Check {
	var all []Check
	for _, c := range checks {
		c.Versions = VersionRange{}
		all = append(all, c)
	}
	return all
}
