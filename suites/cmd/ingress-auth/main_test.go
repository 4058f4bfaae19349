// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingress-auth/conformance/suites/contract"
	"github.com/ingress-auth/conformance/suites/platform"
	"github.com/ingress-auth/conformance/suites/platform/images"
	"github.com/ingress-auth/conformance/suites/report"
)

func TestMistakesEndWithTheirExitCodeAndOneSentence(t *testing.T) {
	for name, row := range map[string]struct {
		args []string
		want contract.ExitCode
		says string
	}{
		"a command that does not exist":     {[]string{"judge"}, contract.ExitUsage, `no command "judge"`},
		"a flag that does not exist":        {[]string{"run", "--fast"}, contract.ExitUsage, "unknown flag: --fast"},
		"a value that a flag does not take": {[]string{"run", "--workers", "many"}, contract.ExitUsage, "many"},
		"a platform that does not exist":    {[]string{"run", "--platform", "moon"}, contract.ExitUsage, "choose kind, local or existing"},
		"an engine that does not exist":     {[]string{"run", "--engine", "steam"}, contract.ExitUsage, "choose auto, host or private"},
		"a way to images that does not exist": {[]string{"images", "--images", "magic"}, contract.ExitUsage,
			"choose registry, source or auto"},
		"a mirror that cannot be read":        {[]string{"run", "--registry-mirror", "nonsense"}, contract.ExitUsage, "nonsense"},
		"a requirement that does not exist":   {[]string{"run", "PASSTHROUGH-SIGNON"}, contract.ExitUsage, "PASSTHROUGH-SIGNIN"},
		"an area that does not exist":         {[]string{"list", "--area", "nowhere"}, contract.ExitUsage, "nowhere"},
		"an explanation of nothing":           {[]string{"explain"}, contract.ExitUsage, "one requirement ID"},
		"an explanation of what is not there": {[]string{"explain", "A-B"}, contract.ExitUsage, "A-B"},
		"a selection of nothing": {[]string{"run", "--area", "admission", "--profile", "oauth2-proxy"}, contract.ExitNothingSelected,
			"nothing selected"},
		"words after a command that takes none": {[]string{"down", "now"}, contract.ExitUsage, "takes no arguments"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := execute(t.Context(), row.args, &stdout, &stderr)
			if code != row.want || !strings.Contains(stderr.String(), row.says) {
				t.Errorf("exit %d, want %d; it said %q, want … %s …", code, row.want, stderr.String(), row.says)
			}
			if lines := strings.Count(stderr.String(), "\n"); lines != 1 {
				t.Errorf("it took %d lines to say so: %q", lines, stderr.String())
			}
		})
	}
}

func TestADeadEngineIsAnEnvironmentThatIsNotReady(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(t.TempDir(), "docker.sock"))
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	var stdout, stderr bytes.Buffer
	dir := t.TempDir()
	code := execute(t.Context(), []string{"run", "--report-dir", dir, "PASSTHROUGH-SIGNIN"}, &stdout, &stderr)
	if code != contract.ExitEnvironmentNotReady {
		t.Errorf("exit %d, want %d: %s", code, contract.ExitEnvironmentNotReady, stderr.String())
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", report.JSONFile))
	if err != nil || len(files) != 1 {
		t.Fatalf("a run that could not start leaves a report all the same; found %v (%v)", files, err)
	}
	f, err := os.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	document, err := report.ReadJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	if document.Conclusion.Conformant || document.Conclusion.ExitCode != contract.ExitEnvironmentNotReady {
		t.Errorf("the report concludes %+v", document.Conclusion)
	}
}

// A run by an older revision judges by the levels that it had.
func TestARevisionIsChosenWithItsLevels(t *testing.T) {
	for name, row := range map[string]struct {
		args []string
		want string
	}{
		"the newest":        {[]string{"list", "PASSTHROUGH-GRPC"}, "PASSTHROUGH-GRPC  SHOULD"},
		"an older one":      {[]string{"list", "--revision", "2026-11", "PASSTHROUGH-GRPC"}, "PASSTHROUGH-GRPC  MUST"},
		"selected by it":    {[]string{"run", "--dry-run", "--revision", "2026-11", "--level", "MUST", "PASSTHROUGH-GRPC"}, "PASSTHROUGH-GRPC"},
		"what explain says": {[]string{"explain", "PASSTHROUGH-GRPC"}, "2026-11: MUST"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := execute(t.Context(), row.args, &stdout, &stderr); code != contract.ExitConformant || !strings.Contains(stdout.String(), row.want) {
				t.Errorf("exit %d, %q not in %s%s", code, row.want, stdout.String(), stderr.String())
			}
		})
	}
	var stdout, stderr bytes.Buffer
	if code := execute(t.Context(), []string{"list", "--level", "MUST", "PASSTHROUGH-GRPC"}, &stdout, &stderr); code != contract.ExitNothingSelected {
		t.Errorf("by the newest revision it is selected as a MUST: exit %d, %s", code, stdout.String())
	}
}

func TestErrorsMapToExitCodes(t *testing.T) {
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for name, row := range map[string]struct {
		ctx  context.Context
		err  error
		want contract.ExitCode
	}{
		"no error":       {t.Context(), nil, contract.ExitConformant},
		"a verdict":      {t.Context(), verdict{contract.ExitNotConformant}, contract.ExitNotConformant},
		"an environment": {t.Context(), &platform.NotReadyError{What: "no disk"}, contract.ExitEnvironmentNotReady},
		"an image that cannot be had": {t.Context(), fmt.Errorf("up: %w", &images.BuildError{Image: "node", Err: errors.New("no such host")}),
			contract.ExitEnvironmentNotReady},
		"anything else":            {t.Context(), errors.New("a bug"), contract.ExitHarnessError},
		"anything while stopped":   {canceled, errors.New("killed"), contract.ExitInterrupted},
		"usage keeps its own code": {t.Context(), usage(errors.New("what?")), contract.ExitUsage},
	} {
		t.Run(name, func(t *testing.T) {
			if got := exitCode(row.ctx, row.err); got != row.want {
				t.Errorf("got %d, want %d", got, row.want)
			}
		})
	}
}

func TestARunOnLoopbackEndsConformantAndAnInterruptedOneDoesNot(t *testing.T) {
	if testing.Short() {
		t.Skip("starts nginx")
	}
	var stdout, stderr bytes.Buffer
	dir := t.TempDir()
	args := []string{"run", "--platform", "local", "--report-dir", dir, "STATUS-AUTH-401-DENIES", "PASSTHROUGH-SIGNIN"}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if code := execute(canceled, args, &stdout, &stderr); code != contract.ExitInterrupted {
		t.Errorf("interrupted: exit %d, want %d: %s", code, contract.ExitInterrupted, stderr.String())
	}
	stdout.Reset()
	if code := execute(t.Context(), args, &stdout, &stderr); code != contract.ExitConformant {
		t.Fatalf("exit %d: %s%s", code, stdout.String(), stderr.String())
	}
	if lines := strings.Split(strings.TrimSpace(stdout.String()), "\n"); !strings.HasPrefix(lines[len(lines)-1], "Conformant: ") {
		t.Errorf("the summary ends in %q, not in the verdict", lines[len(lines)-1])
	}
}
