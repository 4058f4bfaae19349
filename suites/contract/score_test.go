// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// outcomeOf makes an outcome of the given standing.
func outcomeOf(id string, s Standing) Outcome {
	o := Outcome{Requirement: requirement(id, Must), Verdict: Pass, Findings: []Judged{{Finding: Finding{Check: "a", Verdict: Pass}}}}
	known := listed(id, "")
	set := func(v Verdict) { o.Verdict, o.Findings[0].Verdict = v, v }
	switch s {
	case StandingKnown:
		set(Fail)
		o.Known, o.Findings[0].Known = []Known{known}, &known
	case StandingStale:
		o.Stale = []Known{known}
	case StandingPass:
	default:
		set(Verdict(s))
	}
	return o
}

func TestScoreDrawsTheConclusion(t *testing.T) {
	for name, c := range map[string]struct {
		standings string
		code      ExitCode
		sentence  string
	}{
		"all hold":            {"pass pass", 0, "Conformant: all 2 requirements hold."},
		"one holds":           {"pass", 0, "Conformant: the one judged requirement holds."},
		"known":               {"pass known known", 0, "Conformant: 1 of 3 requirements hold; 2 deviations are known for gw v1 (issue 1)."},
		"warning":             {"pass warn", 0, "Conformant: 1 of 2 requirements hold; 1 recommendation (SHOULD) does not hold."},
		"some do not apply":   {"pass not-applicable", 0, "Conformant: the one judged requirement holds; 1 does not apply."},
		"fails":               {"pass fail fail", 1, "Not conformant: 2 of 3 requirements do not hold (first: R-1)."},
		"fails, with extras":  {"fail known warn", 1, "Not conformant: 1 of 3 requirements do not hold (first: R-0); 1 deviation is known for gw v1 (issue 1); 1 recommendation (SHOULD) does not hold."},
		"stale":               {"pass stale", 1, "Not conformant: 1 known deviation is out of date (first: R-1 holds now)."},
		"fails and stale":     {"fail stale", 1, "Not conformant: 1 of 2 requirements do not hold (first: R-0); 1 known deviation is out of date (first: R-1 holds now)."},
		"blocked":             {"pass blocked blocked", 4, "Could not judge: 2 requirements are blocked (first: R-1)."},
		"blocked and fails":   {"blocked fail", 4, "Could not judge: 1 requirement is blocked (first: R-0); of the rest, 1 of 2 requirements do not hold (first: R-1)."},
		"nothing":             {"", 5, "Nothing was judged: no requirement was selected."},
		"nothing that counts": {"not-applicable not-applicable", 5, "Nothing was judged: 2 selected requirements do not apply to this subject."},
	} {
		t.Run(name, func(t *testing.T) {
			var outcomes []Outcome
			for i, s := range strings.Fields(c.standings) {
				o := outcomeOf(fmt.Sprintf("R-%d", i), Standing(s))
				if o.Standing() != Standing(s) {
					t.Fatalf("the test made %s instead of %s", o.Standing(), s)
				}
				outcomes = append(outcomes, o)
			}
			got := Score(outcomes)
			if got.Sentence != c.sentence {
				t.Errorf("sentence %q\nwant     %q", got.Sentence, c.sentence)
			}
			if got.ExitCode != c.code || got.Conformant != (c.code == 0) {
				t.Errorf("exit code %d, conformant %v; want exit code %d", got.ExitCode, got.Conformant, c.code)
			}
			sum := 0
			for _, s := range Standings() {
				sum += got.Counts.Of(s)
			}
			if sum != len(outcomes) || got.Counts.Total != len(outcomes) {
				t.Errorf("the counts add up to %d and say %d of %d outcomes", sum, got.Counts.Total, len(outcomes))
			}
		})
	}
}

func TestScoreNamesPartsAndAtMostThreeReferences(t *testing.T) {
	a, b := outcomeOf("R-A", StandingKnown), outcomeOf("R-B", StandingKnown)
	for i := range 4 {
		k := listed("R-A", "")
		k.Reference.Text = fmt.Sprintf("CVE-%d", i)
		a.Known = append(a.Known, k)
	}
	b.Known[0].Part, b.Known[0].Version = "oauth2-proxy", "v7.8.1"
	want := "Conformant: 0 of 2 requirements hold; 1 deviation is known for gw v1 (issue 1; CVE-0; CVE-1 and 2 more) and 1 deviation is known for oauth2-proxy v7.8.1 (issue 1)."
	if got := Score([]Outcome{a, b}).Sentence; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestScoreGroupsByAreaAndProfileInOrder(t *testing.T) {
	x, y := outcomeOf("R-X", StandingPass), outcomeOf("R-Y", StandingFail)
	x.Requirement.Area, x.Requirement.Profile = "z", Security
	c := Score([]Outcome{x, y})
	if len(c.ByArea) != 2 || c.ByArea[0].Name != "area" || c.ByArea[0].Fail != 1 || c.ByArea[1].Pass != 1 {
		t.Errorf("by area: %+v", c.ByArea)
	}
	if len(c.ByProfile) != 2 || c.ByProfile[0].Name != "core" || c.ByProfile[1].Name != "security" {
		t.Errorf("by profile: %+v", c.ByProfile)
	}
}

func TestExitCodeOfNeverCallsAnErrorConformant(t *testing.T) {
	plain := errors.New("x")
	for name, c := range map[string]struct {
		err  error
		want ExitCode
	}{
		"no error":            {nil, ExitConformant},
		"any error":           {plain, ExitHarnessError},
		"attached":            {fmt.Errorf("up: %w", WithExitCode(plain, ExitEnvironmentNotReady)), ExitEnvironmentNotReady},
		"attached zero":       {WithExitCode(plain, ExitConformant), ExitHarnessError},
		"outer code wins":     {WithExitCode(WithExitCode(plain, ExitUsage), ExitEnvironmentNotReady), ExitEnvironmentNotReady},
		"nothing selected":    {fmt.Errorf("run: %w", ErrNothingSelected), ExitNothingSelected},
		"unknown name":        {errors.Join(plain, &UnknownError{}), ExitUsage},
		"interrupted":         {fmt.Errorf("up: %w", context.Canceled), ExitInterrupted},
		"deadline is no stop": {context.DeadlineExceeded, ExitHarnessError},
	} {
		if got := ExitCodeOf(c.err); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if WithExitCode(nil, ExitUsage) != nil {
		t.Error("WithExitCode makes an error of nil")
	}
	if !errors.Is(WithExitCode(plain, ExitUsage), plain) {
		t.Error("WithExitCode hides the error")
	}
}

func TestExplainSaysAllThereIsToKnow(t *testing.T) {
	r, err := sample(t).Lookup("STATUS-AUTH-CUSTOM-ERRORS-NO-BYPASS")
	if err != nil {
		t.Fatal(err)
	}
	k := listed(r.ID, "F3")
	var b strings.Builder
	if err := Explain(&b, r, []Known{k, listed("OTHER-ONE", "")}); err != nil {
		t.Fatal(err)
	}
	want := `STATUS-AUTH-CUSTOM-ERRORS-NO-BYPASS
MUST · area status-codes · profile security

An error page for the answer of the auth service never turns a refusal into
access to the backend.

Why
  An auth request that fails must close the door, not open it.

Source
  CVE-2026-24513
    https://nvd.nist.gov/vuln/detail/CVE-2026-24513

Needs
  auth-url, custom-http-errors

Truth table
  row F3

Known deviations
  gw v1, case F3: It does not.
  issue 1
    https://example.com/1

Declared in
  contract/status-codes.yaml:15
`
	if b.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", b.String(), want)
	}
}
