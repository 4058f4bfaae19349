// SPDX-License-Identifier: Apache-2.0

package contract

import "fmt"

// Verdict is the judgement on one requirement. Its values form a ladder (see Merge); any other value, the empty one
// included, counts as Blocked, so that a forgotten verdict is never green.
type Verdict string

// The verdicts, from the one that says least to the one that outweighs all others.
const (
	// NotApplicable: the subject declares that it lacks what the requirement is about; the reason is stated.
	NotApplicable Verdict = "not-applicable"
	// Pass: the requirement was observed to hold.
	Pass Verdict = "pass"
	// Warn: a SHOULD was observed not to hold.
	Warn Verdict = "warn"
	// Fail: the requirement was observed not to hold.
	Fail Verdict = "fail"
	// Blocked: the harness could not judge. Never green.
	Blocked Verdict = "blocked"
)

// Verdicts lists every verdict in the order of the ladder.
func Verdicts() []Verdict { return []Verdict{NotApplicable, Pass, Warn, Fail, Blocked} }

// Merge returns the weightiest of several verdicts on the same requirement. Of nothing it makes Blocked: what nobody
// judged is not known to hold.
func Merge(verdicts ...Verdict) Verdict {
	if len(verdicts) == 0 {
		return Blocked
	}
	merged := NotApplicable
	for _, v := range verdicts {
		if v.weight() >= merged.weight() {
			merged = v.known()
		}
	}
	return merged
}

// Observed turns what a check saw into the verdict it reports: Pass when the requirement held, else Fail. The level of the
// requirement is applied later, by Judge.
func Observed(held bool) Verdict {
	if held {
		return Pass
	}
	return Fail
}

// Judge applies the level of a requirement to what was observed: a MUST that does not hold fails; a SHOULD that does not
// hold warns, and fails when strict; a MAY that does not hold is an option not taken, hence not applicable. Pass,
// NotApplicable and Blocked stay what they are.
func Judge(level Level, observed Verdict, strict bool) Verdict {
	switch observed.known() {
	case Fail, Warn:
		switch {
		case level == May:
			return NotApplicable
		case level == Should && !strict:
			return Warn
		default:
			return Fail
		}
	default:
		return observed.known()
	}
}

// UnmarshalText accepts exactly the names of the verdicts.
func (v *Verdict) UnmarshalText(text []byte) error {
	got := Verdict(text)
	if got.known() != got {
		return fmt.Errorf("unknown verdict %q: want one of %v", text, Verdicts())
	}
	*v = got
	return nil
}

// MarshalText gives the name of the verdict; an unset or unknown one is written as blocked.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.known()), nil }

func (v Verdict) weight() int {
	for i, known := range Verdicts() {
		if v == known {
			return i
		}
	}
	return Blocked.weight()
}

func (v Verdict) known() Verdict { return Verdicts()[v.weight()] }
