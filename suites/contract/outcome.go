// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"fmt"
	"slices"
)

// Standing is what an outcome means for conformance: its verdict, weighed against the known deviations.
type Standing string

// The standings. From StandingFail to StandingBlocked they are red.
const (
	StandingPass          Standing = "pass"
	StandingNotApplicable Standing = "not-applicable"
	// StandingKnown: does not hold, as a known deviation says.
	StandingKnown Standing = "known"
	StandingWarn  Standing = "warn"
	StandingFail  Standing = "fail"
	// StandingStale: holds, although a known deviation says that it does not.
	StandingStale   Standing = "stale"
	StandingBlocked Standing = "blocked"
	// StandingNotScored: added after the revision that the subject is scored by. The verdict says what was found.
	StandingNotScored Standing = "not-scored"
)

// Standings lists the standings, the one that most needs a reader first.
func Standings() []Standing {
	return []Standing{StandingBlocked, StandingFail, StandingStale, StandingWarn, StandingKnown, StandingNotApplicable, StandingNotScored, StandingPass}
}

// Outcome is the judgement on one selected requirement with all that was found about it.
type Outcome struct {
	Requirement Requirement
	// Verdict merges the findings after the requirement's level was applied. A known deviation leaves it as it is.
	Verdict Verdict
	// Findings is never empty.
	Findings []Judged
	// Known are the deviations that explain findings; Stale are those whose findings hold after all.
	Known []Known
	Stale []Known
	// Unscored is true for a requirement that was added after the revision in force; see Revision.Score.
	Unscored bool
}

// Standing weighs the verdict against the known deviations: what is listed and fails is expected, what is listed and
// passes is stale, what is not listed and fails stays a failure.
func (o Outcome) Standing() Standing {
	unlisted := slices.ContainsFunc(o.Findings, func(j Judged) bool { return j.deviates() && j.Known == nil })
	switch {
	case o.Unscored:
		return StandingNotScored
	case o.Verdict == Blocked:
		return StandingBlocked
	case o.Verdict == Fail && unlisted:
		return StandingFail
	case len(o.Stale) > 0:
		return StandingStale
	case o.Verdict == Warn && unlisted:
		return StandingWarn
	case o.Verdict == Fail || o.Verdict == Warn:
		return StandingKnown
	case o.Verdict == NotApplicable:
		return StandingNotApplicable
	case o.Verdict == Pass:
		return StandingPass
	default:
		return StandingBlocked
	}
}

// Apply judges the selected requirements by what the checks found and by the known deviations of the subject's parts,
// and returns one outcome for each, in the order of selected. A selected requirement without a finding is blocked.
// Findings about requirements that were not selected are left out. A finding or a deviation that names a requirement
// outside the contract is an error. strict turns a SHOULD that does not hold into a failure.
func Apply(c *Contract, selected []Requirement, findings []Finding, known []Known, strict bool) ([]Outcome, error) {
	byRequirement := map[string][]Finding{}
	for _, f := range findings {
		if _, exists := c.index[f.Requirement]; !exists {
			_, err := c.Lookup(f.Requirement)
			return nil, fmt.Errorf("the check %q reports on a requirement outside the contract: %w", f.Check, asHarnessError(err))
		}
		byRequirement[f.Requirement] = append(byRequirement[f.Requirement], f)
	}
	for _, k := range known {
		if _, exists := c.index[k.Requirement]; !exists {
			_, err := c.Lookup(k.Requirement)
			return nil, fmt.Errorf("a known deviation of %s %s: %w", k.Part, k.Version, asHarnessError(err))
		}
	}
	outcomes := make([]Outcome, len(selected))
	for i, r := range selected {
		outcomes[i] = judge(r, byRequirement[r.ID], known, strict)
	}
	return outcomes, nil
}

// asHarnessError keeps a mistake inside the harness from being reported as a mistake on the command line.
func asHarnessError(err error) error { return WithExitCode(err, ExitHarnessError) }

func judge(r Requirement, findings []Finding, known []Known, strict bool) Outcome {
	if len(findings) == 0 {
		findings = []Finding{{Requirement: r.ID, Check: "none", Verdict: Blocked, Reason: "no check reported on this requirement"}}
	}
	outcome := Outcome{Requirement: r}
	var verdicts []Verdict
	for _, f := range findings {
		f.Verdict = Judge(r.Level, f.Verdict, strict)
		verdicts = append(verdicts, f.Verdict)
		outcome.Findings = append(outcome.Findings, Judged{Finding: f})
	}
	outcome.Verdict = Merge(verdicts...)
	for _, k := range known {
		outcome.weigh(k)
	}
	sortJudged(outcome.Findings)
	return outcome
}

// weigh marks the findings that k explains. When all findings it speaks of hold, k is stale; when none of them was judged
// to hold or not, it is neither.
func (o *Outcome) weigh(k Known) {
	explained, held := false, false
	for i := range o.Findings {
		switch f := &o.Findings[i]; {
		case !k.Explains(f.Finding):
		case f.deviates():
			explained = true
			// The narrower entry, the one with a case, is the better explanation.
			if f.Known == nil || f.Known.Case == "" {
				f.Known = &k
			}
		case f.Verdict == Pass:
			held = true
		}
	}
	switch {
	case explained:
		o.Known = append(o.Known, k)
	case held:
		o.Stale = append(o.Stale, k)
	}
}
