// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

type action struct {
	Inputs  map[string]struct{ Description, Default string } `json:"inputs"`
	Outputs map[string]struct{ Description, Value string }   `json:"outputs"`
	Runs    struct {
		Using string       `json:"using"`
		Steps []actionStep `json:"steps"`
	} `json:"runs"`
}

type actionStep struct {
	ID    string            `json:"id"`
	If    string            `json:"if"`
	Uses  string            `json:"uses"`
	Shell string            `json:"shell"`
	Run   string            `json:"run"`
	Env   map[string]string `json:"env"`
	With  map[string]string `json:"with"`
}

func loadAction(t *testing.T) action {
	t.Helper()
	text, err := os.ReadFile("../../../action.yml")
	if err != nil {
		t.Fatal(err)
	}
	var a action
	if err := yaml.Unmarshal(text, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

var usedInput = regexp.MustCompile(`inputs\.([a-z-]+)`)

func TestTheActionUsesEachInputAndNeverAsTextOfAScript(t *testing.T) {
	a := loadAction(t)
	used := map[string]bool{}
	for _, step := range a.Runs.Steps {
		if step.Run != "" && step.Shell == "" {
			t.Error("a step of a composite action needs a shell")
		}
		if strings.Contains(step.Run, "${{") {
			t.Errorf("the script of the step %q is put together from values", step.ID)
		}
		for _, m := range usedInput.FindAllStringSubmatch(step.If+fmt.Sprint(step.Env, step.With), -1) {
			used[m[1]] = true
			if _, declared := a.Inputs[m[1]]; !declared {
				t.Errorf("the input %s is used and not declared", m[1])
			}
		}
	}
	for name, input := range a.Inputs {
		if !used[name] {
			t.Errorf("the input %s is not used", name)
		}
		if input.Description == "" {
			t.Errorf("the input %s has no description", name)
		}
	}
	for name, output := range a.Outputs {
		if output.Value != "${{ steps.run.outputs."+name+" }}" {
			t.Errorf("the output %s is %s", name, output.Value)
		}
	}
}

// runScript runs the script of the action with a go command that builds the given program.
func runScript(t *testing.T, program string, env ...string) (exit int, outputs, arguments string) {
	t.Helper()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("no bash found")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"bin/go":  "#!/bin/sh\nprintf '%s' \"$PROGRAM\" >\"$3\"\nchmod +x \"$3\"\n",
		"outputs": "",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var script string
	for _, step := range loadAction(t).Runs.Steps {
		if step.ID == "run" {
			script = step.Run
		}
	}
	// As GitHub runs a step with shell: bash.
	cmd := exec.CommandContext(t.Context(), "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script)
	cmd.Dir = dir
	cmd.Env = append([]string{
		"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH"), "PROGRAM=" + program, "GITHUB_OUTPUT=" + filepath.Join(dir, "outputs"),
		"RUNNER_TEMP=" + dir, "ACTION_PATH=" + dir, "REPORT_DIR=reports", "PLATFORM=local", "REQUIREMENTS=", "STRICT=false", "ARGS=",
	}, env...)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "outputs"))
	if err != nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), strings.ReplaceAll(string(text), dir, ""), strings.ReplaceAll(string(out), dir, "")
}

func TestTheActionEndsAsTheRunDoesAndSaysSo(t *testing.T) {
	const program = "#!/bin/sh\nmkdir -p \"$5/20261121T093000Z-local\"\necho \"$@\"\nexit %d\n"
	exit, outputs, arguments := runScript(t, fmt.Sprintf(program, 0))
	if exit != 0 || outputs != "conformant=true\nexit-code=0\nreport=/reports/20261121T093000Z-local/\n" {
		t.Errorf("exit %d, outputs %s", exit, outputs)
	}
	if arguments != "run --platform local --report-dir /reports --\n" {
		t.Errorf("it ran %s", arguments)
	}
	exit, outputs, arguments = runScript(t, fmt.Sprintf(program, 4),
		"REQUIREMENTS=PASSTHROUGH-\n  REDIRECT-RETURNS-PATH", "ARGS=--profile core  $(exit 9)", "STRICT=true")
	if exit != 4 || !strings.HasPrefix(outputs, "conformant=false\nexit-code=4\n") {
		t.Errorf("exit %d, outputs %s", exit, outputs)
	}
	if arguments != "run --platform local --report-dir /reports --profile core $(exit 9) --strict -- PASSTHROUGH- REDIRECT-RETURNS-PATH\n" {
		t.Errorf("it ran %s", arguments)
	}
}

func TestTheExamplesOfTheDocumentationAreYAMLThatFitsTheAction(t *testing.T) {
	text, err := os.ReadFile("../../../docs/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	a, blocks := loadAction(t), 0
	for _, m := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		blocks++
		var workflow struct {
			Jobs map[string]struct{ Steps []actionStep } `json:"jobs"`
		}
		if err := yaml.Unmarshal([]byte(m[1]), &workflow); err != nil {
			t.Errorf("%v in\n%s", err, m[1])
		}
		for _, job := range workflow.Jobs {
			for _, step := range job.Steps {
				if !strings.HasPrefix(step.Uses, "ingress-auth/conformance@") {
					continue
				}
				for name := range step.With {
					if _, declared := a.Inputs[name]; !declared {
						t.Errorf("the example gives the input %s, which the action does not have", name)
					}
				}
			}
		}
	}
	if blocks < 2 {
		t.Errorf("%d examples", blocks)
	}
	for name := range a.Inputs {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("the documentation does not tell of the input %s", name)
		}
	}
}
