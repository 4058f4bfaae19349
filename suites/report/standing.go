// SPDX-License-Identifier: Apache-2.0

package report

import (
	"slices"
	"strings"

	"github.com/ingress-auth/conformance/suites/contract"
)

// look is how a standing is shown: never by colour alone.
type look struct {
	// Word is shown to people, Symbol on terminals and in Markdown, Colour is an ANSI SGR parameter.
	Word, Symbol, Colour string
}

func lookOf(s contract.Standing) look {
	switch s {
	case contract.StandingPass:
		return look{"pass", "✓", "32"}
	case contract.StandingFail:
		return look{"fail", "✗", "31"}
	case contract.StandingWarn:
		return look{"warn", "▲", "33"}
	case contract.StandingKnown:
		return look{"known", "◇", "36"}
	case contract.StandingStale:
		return look{"stale", "◷", "35"}
	case contract.StandingNotApplicable:
		return look{"n/a", "–", "2"}
	case contract.StandingNotScored:
		return look{"not scored", "·", "2"}
	default:
		return look{"blocked", "■", "35"}
	}
}

// red says whether a standing keeps the run from being conformant.
func red(s contract.Standing) bool {
	switch s {
	case contract.StandingPass, contract.StandingNotApplicable, contract.StandingKnown, contract.StandingWarn, contract.StandingNotScored:
		return false
	default:
		return true
	}
}

// withStanding returns the results of the given standings, grouped in that order.
func withStanding(results []Result, standings ...contract.Standing) []Result {
	var found []Result
	for _, s := range standings {
		for _, r := range results {
			if r.Standing == s {
				found = append(found, r)
			}
		}
	}
	return found
}

func redStandings() []contract.Standing {
	return slices.DeleteFunc(contract.Standings(), func(s contract.Standing) bool { return !red(s) })
}

// reason is the shortest account of why a result is not a pass: of the first finding that decided it.
func reason(r Result) string {
	if r.Standing == contract.StandingStale && len(r.Stale) > 0 {
		return "the requirement holds, yet " + r.Stale[0].Reference.Text + " is listed as a known deviation: delete the entry"
	}
	for _, unexplained := range []bool{true, false} {
		for _, f := range r.Findings {
			if f.Verdict == r.Verdict && f.Verdict != contract.Pass && (f.Known == nil || !unexplained) {
				return findingReason(f)
			}
		}
	}
	return ""
}

func findingReason(f contract.Judged) string {
	text := f.Reason
	if text == "" && (f.Expected != "" || f.Got != "") {
		text = "expected " + f.Expected + ", got " + f.Got
	}
	if f.Check != "" {
		text = f.Check + ": " + text
	}
	return strings.TrimSuffix(text, ": ")
}

// headline is the conclusion in two or three words; the sentence goes on from there.
func headline(c Conclusion) string {
	switch {
	case c.Conformant && c.ExitCode == contract.ExitConformant:
		return "Conformant"
	case c.ExitCode == contract.ExitNotConformant:
		return "Not conformant"
	case c.ExitCode == contract.ExitNothingSelected:
		return "Nothing was judged"
	case c.ExitCode == contract.ExitInterrupted:
		return "Interrupted"
	default:
		return "Could not judge"
	}
}

// plural joins a number to the word that fits it.
func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// Red says whether the result keeps its run from being conformant.
func (r Result) Red() bool { return red(r.Standing) }
