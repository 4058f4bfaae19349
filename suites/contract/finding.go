// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"cmp"
	"slices"
	"time"

	"github.com/ingress-auth/conformance/suites/exchange"
)

// Finding is what one check observed about one requirement. A check returns as many as it has something to say about.
type Finding struct {
	// Requirement is the ID of the requirement; Check names the check, and the row of its table where it has one. A known
	// deviation can name it as its case.
	Requirement string `json:"requirement"`
	Check       string `json:"check"`
	// Verdict is what was observed; see Observed. Reason says why, in words that a stranger understands; it may be empty
	// only for Pass.
	Verdict Verdict `json:"verdict"`
	Reason  string  `json:"reason,omitempty"`
	// Expected and Got are what was compared, for a reader.
	Expected string `json:"expected,omitempty"`
	Got      string `json:"got,omitempty"`
	// Exchanges are the redacted hops behind the verdict, in the order they happened.
	Exchanges []exchange.Exchange `json:"exchanges,omitempty"`
	// Took is how long the check ran, in nanoseconds; 0 when it did not. A check may judge several requirements.
	Took time.Duration `json:"tookNanos,omitempty"`
}

// Judged is a finding after the level of its requirement was applied, with the known deviation that explains it, if any.
type Judged struct {
	Finding
	Known *Known `json:"known,omitempty"`
}

// deviates says whether the finding is one that a known deviation can explain.
func (j Judged) deviates() bool { return j.Verdict == Fail || j.Verdict == Warn }

// sortJudged puts findings in an order that does not depend on which parallel check came first.
func sortJudged(findings []Judged) {
	slices.SortStableFunc(findings, func(a, b Judged) int {
		return cmp.Or(cmp.Compare(a.Check, b.Check), cmp.Compare(a.Verdict, b.Verdict), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Got, b.Got))
	})
}
