// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

func requirement(id string, level Level) Requirement {
	return Requirement{ID: id, Level: level, Area: "area", Profile: Core, Sentence: "It holds.",
		Sources: []Source{{Text: "RFC 9110", URL: "https://www.rfc-editor.org/rfc/rfc9110"}}}
}

func testContract(t *testing.T) *Contract {
	t.Helper()
	c, err := New([]Requirement{requirement("R-MUST", Must), requirement("R-SHOULD", Should), requirement("R-MAY", May)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func listed(id, kase string) Known {
	return Known{Part: "gw", Version: "v1", Requirement: id, Case: kase, Sentence: "It does not.", Reference: Source{Text: "issue 1", URL: "https://example.com/1"}}
}

func TestApplyWeighsFindingsAgainstKnownDeviations(t *testing.T) {
	f := func(check string, v Verdict) Finding { return Finding{Check: check, Verdict: v} }
	for name, c := range map[string]struct {
		id       string
		findings []Finding
		known    []Known
		strict   bool
		verdict  Verdict
		want     Standing
	}{
		"holds":                                     {"R-MUST", []Finding{f("a", Pass)}, nil, false, Pass, StandingPass},
		"unlisted and fails is red":                 {"R-MUST", []Finding{f("a", Pass), f("b", Fail)}, nil, false, Fail, StandingFail},
		"listed and fails is expected":              {"R-MUST", []Finding{f("a", Fail)}, []Known{listed("R-MUST", "")}, false, Fail, StandingKnown},
		"listed and passes is stale":                {"R-MUST", []Finding{f("a", Pass)}, []Known{listed("R-MUST", "")}, false, Pass, StandingStale},
		"no finding is blocked":                     {"R-MUST", nil, nil, false, Blocked, StandingBlocked},
		"no finding is blocked even when listed":    {"R-MUST", nil, []Known{listed("R-MUST", "")}, false, Blocked, StandingBlocked},
		"an unset verdict is blocked":               {"R-MUST", []Finding{f("a", "")}, nil, false, Blocked, StandingBlocked},
		"blocked outweighs a listed failure":        {"R-MUST", []Finding{f("a", Fail), f("b", Blocked)}, []Known{listed("R-MUST", "")}, false, Blocked, StandingBlocked},
		"not applicable is not stale":               {"R-MUST", []Finding{f("a", NotApplicable)}, []Known{listed("R-MUST", "")}, false, NotApplicable, StandingNotApplicable},
		"listed case fails, others hold":            {"R-MUST", []Finding{f("a", Fail), f("b", Pass)}, []Known{listed("R-MUST", "a")}, false, Fail, StandingKnown},
		"another case than the listed one fails":    {"R-MUST", []Finding{f("a", Fail), f("b", Fail)}, []Known{listed("R-MUST", "a")}, false, Fail, StandingFail},
		"listed case holds, another fails unlisted": {"R-MUST", []Finding{f("a", Pass), f("b", Fail)}, []Known{listed("R-MUST", "a")}, false, Fail, StandingFail},
		"listed case holds":                         {"R-MUST", []Finding{f("a", Pass), f("b", Pass)}, []Known{listed("R-MUST", "a")}, false, Pass, StandingStale},
		"one listed case holds, one fails":          {"R-MUST", []Finding{f("a", Pass), f("b", Fail)}, []Known{listed("R-MUST", "a"), listed("R-MUST", "b")}, false, Fail, StandingStale},
		"listed case did not run":                   {"R-MUST", []Finding{f("b", Pass)}, []Known{listed("R-MUST", "a")}, false, Pass, StandingPass},
		"listed without case, some hold":            {"R-MUST", []Finding{f("a", Pass), f("b", Fail)}, []Known{listed("R-MUST", "")}, false, Fail, StandingKnown},
		"listed twice, narrow and wide":             {"R-MUST", []Finding{f("a", Fail)}, []Known{listed("R-MUST", ""), listed("R-MUST", "a")}, false, Fail, StandingKnown},
		"SHOULD fails":                              {"R-SHOULD", []Finding{f("a", Fail)}, nil, false, Warn, StandingWarn},
		"SHOULD fails, strict":                      {"R-SHOULD", []Finding{f("a", Fail)}, nil, true, Fail, StandingFail},
		"SHOULD fails and is listed":                {"R-SHOULD", []Finding{f("a", Fail)}, []Known{listed("R-SHOULD", "")}, false, Warn, StandingKnown},
		"SHOULD fails and is listed, strict":        {"R-SHOULD", []Finding{f("a", Fail)}, []Known{listed("R-SHOULD", "")}, true, Fail, StandingKnown},
		"SHOULD holds and is listed":                {"R-SHOULD", []Finding{f("a", Pass)}, []Known{listed("R-SHOULD", "")}, false, Pass, StandingStale},
		"SHOULD: one case stale, another warns":     {"R-SHOULD", []Finding{f("a", Pass), f("b", Fail)}, []Known{listed("R-SHOULD", "a")}, false, Warn, StandingStale},
		"MAY not taken":                             {"R-MAY", []Finding{f("a", Fail)}, nil, true, NotApplicable, StandingNotApplicable},
		"a deviation of another requirement":        {"R-MUST", []Finding{f("a", Fail)}, []Known{listed("R-SHOULD", "a")}, false, Fail, StandingFail},
	} {
		t.Run(name, func(t *testing.T) {
			contract := testContract(t)
			r, err := contract.Lookup(c.id)
			if err != nil {
				t.Fatal(err)
			}
			for i := range c.findings {
				c.findings[i].Requirement = c.id
			}
			outcomes, err := Apply(contract, []Requirement{r}, c.findings, c.known, c.strict)
			if err != nil {
				t.Fatal(err)
			}
			o := outcomes[0]
			if o.Verdict != c.verdict || o.Standing() != c.want {
				t.Errorf("verdict %s, standing %s; want %s, %s", o.Verdict, o.Standing(), c.verdict, c.want)
			}
			if len(o.Findings) == 0 {
				t.Error("an outcome without findings says nothing")
			}
		})
	}
}

func TestApplyLeavesOutWhatWasNotSelected(t *testing.T) {
	c := testContract(t)
	selected, _ := c.Select(Selection{IDs: []string{"R-MUST"}})
	findings := []Finding{{Requirement: "R-MUST", Check: "a", Verdict: Pass}, {Requirement: "R-SHOULD", Check: "a", Verdict: Fail}}
	// The deviation of R-SHOULD was not judged in this run: neither used nor stale.
	outcomes, err := Apply(c, selected, findings, []Known{listed("R-SHOULD", "")}, true)
	if err != nil || len(outcomes) != 1 || outcomes[0].Standing() != StandingPass {
		t.Errorf("%+v, %v", outcomes, err)
	}
}

func TestApplyRefusesUnknownRequirements(t *testing.T) {
	c := testContract(t)
	if _, err := Apply(c, c.All(), []Finding{{Requirement: "R-MUSS", Check: "a"}}, nil, false); err == nil ||
		!strings.Contains(err.Error(), `did you mean "R-MUST"`) || ExitCodeOf(err) != ExitHarnessError {
		t.Errorf("finding: %v, exit code %d", err, ExitCodeOf(err))
	}
	if _, err := Apply(c, c.All(), nil, []Known{listed("R-GONE", "")}, false); err == nil || ExitCodeOf(err) != ExitHarnessError {
		t.Errorf("deviation: %v", err)
	}
}

func TestApplyOrdersFindingsWhateverTheOrderOfTheChecks(t *testing.T) {
	c := testContract(t)
	selected, _ := c.Select(Selection{IDs: []string{"R-MUST"}})
	a, b := Finding{Requirement: "R-MUST", Check: "a", Verdict: Pass}, Finding{Requirement: "R-MUST", Check: "b", Verdict: Pass}
	for _, findings := range [][]Finding{{a, b}, {b, a}} {
		outcomes, err := Apply(c, selected, findings, nil, false)
		if err != nil || outcomes[0].Findings[0].Check != "a" {
			t.Errorf("%+v, %v", outcomes, err)
		}
	}
}

func TestLoadKnown(t *testing.T) {
	c := sample(t)
	known, err := LoadKnown(os.DirFS("testdata"), "known", "ingress-nginx", "v1.11.0", c)
	if err != nil || len(known) != 2 {
		t.Fatal(known, err)
	}
	if k := known[0]; k.Part != "ingress-nginx" || k.Version != "v1.11.0" || k.Case != "F3" || k.DeclaredAt != "known/ingress-nginx-v1.11.0.yaml:2" {
		t.Errorf("%+v", k)
	}
	if known, err := LoadKnown(os.DirFS("testdata"), "known", "ingress-nginx", "v9", c); err != nil || known != nil {
		t.Errorf("a part without a file has no known deviations, got %v, %v", known, err)
	}
	if err := CheckKnownFiles(os.DirFS("testdata"), "known", c); err != nil {
		t.Error(err)
	}
}

func TestLoadKnownRefusesMistakesWithFileAndLine(t *testing.T) {
	c := sample(t)
	const entry = `- requirement: BACKEND-401-PASS
  reference: {text: issue 1, url: "https://example.com/1"}
  sentence: It does not.
`
	for name, k := range map[string]struct{ yaml, want string }{
		"unknown requirement": {strings.Replace(entry, "PASS", "PAS", 1), `k/p-1.yaml:1: there is no requirement "BACKEND-401-PAS"; did you mean`},
		"lower case":          {strings.Replace(entry, "BACKEND-401-PASS", "backend-401-pass", 1), `k/p-1.yaml:1: write the requirement as BACKEND-401-PASS`},
		"listed twice":        {entry + entry, `k/p-1.yaml:4: BACKEND-401-PASS is already listed at k/p-1.yaml:1`},
		"no reference":        {strings.Replace(entry, "reference: {text: issue 1, url: \"https://example.com/1\"}", "case: a", 1), `needs a reference`},
		"no sentence":         {strings.Replace(entry, "It does not.", "", 1), `has no sentence`},
		"no requirement":      {entry + "- sentence: x\n", `k/p-1.yaml:4: the entry names no requirement`},
		"unknown field":       {entry + "  row: B1\n", `k/p-1.yaml:4: unknown field "row"`},
		"not a list":          {"known: []\n", `k/p-1.yaml:1: cannot unmarshal`},
	} {
		t.Run(name, func(t *testing.T) {
			fsys := fstest.MapFS{"k/p-1.yaml": {Data: []byte(k.yaml)}}
			_, err := LoadKnown(fsys, "k", "p", "1", c)
			if err == nil || !strings.Contains(err.Error(), k.want) {
				t.Errorf("error = %v\nwant it to hold: %s", err, k.want)
			}
			if CheckKnownFiles(fsys, "k", c) == nil {
				t.Error("CheckKnownFiles finds nothing wrong")
			}
		})
	}
}
