// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"fmt"
	"slices"
	"strings"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"

	"github.com/ingress-auth/conformance/suites/contract"
)

// Awaiter returns the result of one check when it is there; see Judge.Start.
type Awaiter func(ctx ginkgo.SpecContext, id string) (Result, error)

// Bind declares one Ginkgo spec for each check, grouped by area and labelled with the requirements it judges. The specs
// only wait for results: the checks themselves run side by side in a Judge, which is why one process is enough.
// explained says whether a known deviation accounts for a finding that does not hold.
func Bind(checks []Check, await Awaiter, explained func(contract.Finding) bool) {
	for _, area := range areas(checks) {
		ginkgo.Describe(area, ginkgo.Label(area), func() {
			for _, check := range checks {
				if check.Area() == area {
					bindOne(check, await, explained)
				}
			}
		})
	}
}

func bindOne(check Check, await Awaiter, explained func(contract.Finding) bool) {
	_, name, _ := strings.Cut(check.ID, "/")
	text := name + ": " + strings.Join(check.Requirements, ", ")
	ginkgo.It(text, ginkgo.Label(check.Requirements...), func(ctx ginkgo.SpecContext) {
		g := gomega.NewGomega(ginkgo.Fail)
		result, err := await(ctx, check.ID)
		g.Expect(err).NotTo(gomega.HaveOccurred())
		var red []string
		notApplicable := 0
		for _, f := range result.Findings {
			line := fmt.Sprintf("%s: %s", f.Requirement, f.Reason)
			switch {
			case f.Verdict == contract.Pass:
			case f.Verdict == contract.NotApplicable:
				notApplicable++
			case f.Verdict != contract.Blocked && explained(f):
				ginkgo.AddReportEntry("known deviation", line, ginkgo.ReportEntryVisibilityNever)
			default:
				red = append(red, fmt.Sprintf("[%s] %s", f.Verdict, line))
			}
		}
		g.Expect(red).To(gomega.BeEmpty(), "what the check found not to hold")
		if notApplicable == len(result.Findings) {
			ginkgo.Skip("not applicable: " + result.Findings[0].Reason)
		}
	})
}

func areas(checks []Check) []string {
	var names []string
	for _, c := range checks {
		if !slices.Contains(names, c.Area()) {
			names = append(names, c.Area())
		}
	}
	return names
}
