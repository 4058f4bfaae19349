// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"testing"

	"github.com/ingress-auth/conformance/fixtures"
	"github.com/ingress-auth/conformance/suites/contract"
	"github.com/ingress-auth/conformance/suites/control"
	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/subject"
)

// Every requirement is killed: by a control of fixtures/controls, which TestEveryCheckTurnsRedForAControl… sees at work, or,
// where only a cluster can judge it, by one of two broken gateways: one that takes every route and answers every request
// with a teapot, and one that refuses every route.
func TestEveryRequirementIsKilledByAControl(t *testing.T) {
	catalogue, err := NewCatalogue(fixtures.FS())
	if err != nil {
		t.Fatal(err)
	}
	controls, err := control.Load(fixtures.FS(), "controls")
	if err != nil {
		t.Fatal(err)
	}
	killed := map[string]bool{}
	for _, c := range controls {
		for _, id := range c.TurnsRed {
			killed[id] = true
		}
	}
	var left []contract.Requirement
	for _, r := range catalogue.Contract.Judged() {
		if !killed[r.ID] {
			left = append(left, r)
		}
	}
	takesAll, refusesAll := teapot(t), teapot(t)
	refusesAll.Gateway = &fakeGateway{applyErr: &subject.AdmissionError{Code: 400, Message: "because"}}
	for _, broken := range []*subject.Subject{takesAll, refusesAll} {
		for _, f := range findings((&Judge{Subject: broken, Redactor: exchange.NewRedactor()}).Run(t.Context(), anyVersion(catalogue.ChecksFor(left)))) {
			killed[f.Requirement] = killed[f.Requirement] || f.Verdict == contract.Fail
		}
	}
	for _, r := range left {
		if !killed[r.ID] {
			t.Errorf("nothing kills %s (%v)", r.ID, catalogue.ChecksOf(r.ID))
		}
	}
	t.Logf("%d requirements: %d killed by %d controls, %d by a broken gateway", len(catalogue.Contract.Judged()), len(catalogue.Contract.Judged())-len(left), len(controls), len(left))
}

func anyVersion(checks []Check) []Check {
	var all []Check
	for _, c := range checks {
		c.Versions = VersionRange{}
		all = append(all, c)
	}
	return all
}
