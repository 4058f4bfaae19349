// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingress-auth/conformance/suites/contract"
	"github.com/ingress-auth/conformance/suites/report"
)

// document is a report with one requirement for each of the standings.
func document(standings map[string]contract.Verdict) report.Document {
	var outcomes []contract.Outcome
	for id, v := range standings {
		f := contract.Finding{Requirement: id, Check: "area/check", Verdict: v, Reason: "expected 401,\ngot 100%: it's ::error::"}
		outcomes = append(outcomes, contract.Outcome{
			Requirement: contract.Requirement{
				ID: id, Level: contract.Must, Area: "redirects", Profile: contract.Core, Sentence: "It holds.",
				Sources: []contract.Source{{Text: "RFC 9110", URL: "https://www.rfc-editor.org/rfc/rfc9110"}},
			},
			Verdict: v, Findings: []contract.Judged{{Finding: f}},
		})
	}
	return report.New(report.Document{Run: report.Run{ID: "run"}, Tool: report.Tool{Name: "x"}, Platform: report.Platform{Name: "local"}}, outcomes, nil)
}

func write(t *testing.T, doc report.Document) string {
	t.Helper()
	dir := t.TempDir()
	if err := report.Write(dir, doc); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, report.JSONFile)
}

// command runs one command line outside of any pipeline.
func command(t *testing.T, want contract.ExitCode, args ...string) string {
	t.Helper()
	t.Setenv("GITHUB_ACTIONS", "")
	var stdout, stderr bytes.Buffer
	if code := execute(t.Context(), args, &stdout, &stderr); code != want {
		t.Errorf("%s: exit %d, want %d: %s%s", strings.Join(args, " "), code, want, stdout.String(), stderr.String())
	}
	return stdout.String()
}

func TestCompareEndsWithWhetherSomethingDiffers(t *testing.T) {
	a := write(t, document(map[string]contract.Verdict{"PASSTHROUGH-SIGNIN": contract.Pass, "REDIRECT-RETURNS-PATH": contract.Fail}))
	b := write(t, document(map[string]contract.Verdict{"PASSTHROUGH-SIGNIN": contract.Fail, "REDIRECT-RETURNS-PATH": contract.Pass}))
	command(t, contract.ExitConformant, "compare", a, a)
	text := command(t, contract.ExitNotConformant, "compare", a, b)
	for _, want := range []string{"Worse in B (1)", "Better in B (1)", "Different: 1 worse, 1 better."} {
		if !strings.Contains(text, want) {
			t.Errorf("the comparison does not say %q:\n%s", want, text)
		}
	}
	page := filepath.Join(t.TempDir(), "compare.html")
	var c report.Comparison
	if err := json.Unmarshal([]byte(command(t, contract.ExitNotConformant, "compare", "--json", "--html", page, a, b)), &c); err != nil || len(c.Differences) != 2 {
		t.Errorf("%v, %+v", err, c)
	}
	if data, err := os.ReadFile(page); err != nil || !bytes.Contains(data, []byte("From A to B")) {
		t.Errorf("the page of the comparison: %v", err)
	}
	command(t, contract.ExitUsage, "compare", a)
	command(t, contract.ExitUsage, "compare", a, filepath.Join(t.TempDir(), "absent.json"))
}

func TestReportRendersAgain(t *testing.T) {
	a := write(t, document(map[string]contract.Verdict{"PASSTHROUGH-SIGNIN": contract.Pass}))
	dir := filepath.Join(t.TempDir(), "out")
	command(t, contract.ExitConformant, "report", a, "--format", "html,json,junit,markdown,sarif,summary", "-o", dir)
	for _, f := range report.Formats() {
		if info, err := os.Stat(filepath.Join(dir, f.File)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
	if text := command(t, contract.ExitConformant, "report", a, "--format", "summary"); !strings.Contains(text, "Conformant") {
		t.Errorf("the summary is %q", text)
	}
	if text := command(t, contract.ExitConformant, "report", a, a); !strings.Contains(text, "2 subjects, 1 requirements") {
		t.Error("two reports do not make a matrix")
	}
	command(t, contract.ExitUsage, "report", a, "--format", "pdf")
	command(t, contract.ExitUsage, "report", a, a, "--format", "sarif")
	command(t, contract.ExitUsage, "report", a, "--format", "sarif,html")
}

func TestTheFailedOfAReportAreSelected(t *testing.T) {
	some := write(t, document(map[string]contract.Verdict{"PASSTHROUGH-SIGNIN": contract.Fail, "REDIRECT-RETURNS-PATH": contract.Pass, "OF-EARLIER-TIMES": contract.Blocked}))
	none := write(t, document(map[string]contract.Verdict{"REDIRECT-RETURNS-PATH": contract.Pass}))
	if text := command(t, contract.ExitConformant, "list", "--failed-of", some); !strings.HasPrefix(text, "PASSTHROUGH-SIGNIN ") || strings.Count(text, "\n") != 1 {
		t.Errorf("selected:\n%s", text)
	}
	command(t, contract.ExitNothingSelected, "run", "--platform", "local", "--failed-of", none)
	command(t, contract.ExitUsage, "run", "--platform", "local", "--failed-of", none+".absent")
}

func TestLabelsAndFeaturesNarrowTheSelection(t *testing.T) {
	all := strings.Count(command(t, contract.ExitConformant, "list"), "\n")
	for _, args := range [][]string{{"--label", "B19"}, {"--label", "redirects"}, {"--feature", "signin"}} {
		if n := strings.Count(command(t, contract.ExitConformant, append([]string{"list"}, args...)...), "\n"); n == 0 || n >= all {
			t.Errorf("%v selects %d of %d", args, n, all)
		}
	}
	command(t, contract.ExitUsage, "list", "--label", "nowhere")
}

func TestADryRunStartsNothing(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // neither nginx nor docker is found
	dir := t.TempDir()
	text := command(t, contract.ExitConformant, "run", "--dry-run", "--report-dir", dir, "PASSTHROUGH-SIGNIN")
	if !strings.Contains(text, "A run would judge 1 requirements by") {
		t.Errorf("it says %q", text)
	}
	var p planned
	if err := json.Unmarshal([]byte(command(t, contract.ExitConformant, "run", "--dry-run", "--json", "PASSTHROUGH-SIGNIN")), &p); err != nil || len(p.Checks) == 0 {
		t.Errorf("%v, %+v", err, p)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("it left %v (%v)", entries, err)
	}
}

func TestExplainNamesControlsAndKnownDeviations(t *testing.T) {
	text := command(t, contract.ExitConformant, "explain", "STATUS-AUTH-401-CHALLENGE")
	for _, want := range []string{"Judged by", "Turned red by", "Known deviations", "nginx 1.22.1"} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
}

func TestGitHubIsToldInItsOwnWords(t *testing.T) {
	summary := filepath.Join(t.TempDir(), "summary.md")
	t.Setenv("GITHUB_ACTIONS", "true")
	t.Setenv("GITHUB_STEP_SUMMARY", summary)
	doc := document(map[string]contract.Verdict{"PASSTHROUGH-SIGNIN": contract.Fail})
	for range 2 {
		var stdout, stderr bytes.Buffer
		if err := announce(&stdout, &stderr, doc, "reports/run", false); err != nil {
			t.Fatal(err)
		}
		const want = "\n::error title=PASSTHROUGH-SIGNIN (fail%2C MUST)::It holds.%0Aarea/check: expected 401,%0Agot 100%25: it's ::error::\n"
		if !strings.Contains(stdout.String(), want) || strings.Count(stdout.String(), "\n::") != 1 {
			t.Errorf("it says\n%s\nwant%s", stdout.String(), want)
		}
	}
	if data, err := os.ReadFile(summary); err != nil || bytes.Count(data, []byte("## Not conformant")) != 2 {
		t.Errorf("the summary of the job is not added to: %v\n%s", err, data)
	}
	var stdout, stderr bytes.Buffer
	if err := announce(&stdout, &stderr, doc, "reports/run", true); err != nil || !json.Valid(stdout.Bytes()) {
		t.Errorf("--json: %v\n%s", err, stdout.String())
	}
}

func TestACountOnATerminalIsOneLine(t *testing.T) {
	for _, live := range []bool{true, false} {
		var b bytes.Buffer
		c := newConsole(&b)
		c.live = live
		c.again("suites", "1 of 3")
		c.again("suites", "2 of 3")
		c.step("suites", "3 of 3")
		if live && (strings.Count(b.String(), "\n") != 1 || strings.Count(b.String(), eraseLine) != 2) || !live && strings.Count(b.String(), "\n") != 3 {
			t.Errorf("live %t: %q", live, b.String())
		}
	}
}
