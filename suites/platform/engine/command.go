// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/ingress-auth/conformance/suites/platform"
)

// command is one call of another program.
type command struct {
	name  string
	args  []string
	env   []string // added to this process's environment
	stdin io.Reader
}

// runner runs a command to its end and returns what it wrote to standard output. The error carries standard error.
type runner interface {
	run(ctx context.Context, c command) (string, error)
}

// processRunner runs real processes, each in a process group of its own, so that Ctrl-C in a terminal reaches only us
// and we end the child in order.
type processRunner struct{}

func (processRunner) run(ctx context.Context, c command) (string, error) {
	cmd := exec.CommandContext(ctx, c.name, c.args...)
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Stdin = c.stdin
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	ownProcessGroup(cmd)
	cmd.WaitDelay = 2 * time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", fmt.Errorf("%s: %w", c.name, platform.Ended(ctx))
		}
		return "", &commandError{command: c.name + " " + strings.Join(c.args, " "), err: err, stderr: stderr.String()}
	}
	return stdout.String(), nil
}

// commandError is a command that ended badly, with what it said about it.
type commandError struct {
	command, stderr string
	err             error
}

func (e *commandError) Error() string {
	return fmt.Sprintf("%s: %v%s", e.command, e.err, lastLines(e.stderr, 4))
}

func (e *commandError) Unwrap() error { return e.err }

// said is what the command itself had to say, without its hints and without its command line: for messages that need no
// more.
func said(err error) error {
	var failed *commandError
	if !errors.As(err, &failed) {
		return err
	}
	var lines []string
	for line := range strings.Lines(failed.stderr) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "Run 'docker") && !strings.HasPrefix(line, "See 'docker") {
			lines = append(lines, strings.TrimPrefix(line, "docker: "))
		}
	}
	if len(lines) == 0 {
		return err
	}
	return errors.New(strings.Join(lines, " "))
}

// lastLines returns ": " and the last n lines of text, or nothing for an empty text.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) == 1 && lines[0] == "" {
		return ""
	}
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return ": " + strings.Join(lines, " | ")
}

// docker calls the docker command line against one engine.
type docker struct {
	runner runner
	host   string // empty: what the command line's own configuration says
}

func (d docker) run(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	var env []string
	if d.host != "" {
		env = []string{"DOCKER_HOST=" + d.host}
	}
	out, err := d.runner.run(ctx, command{name: "docker", args: args, env: env, stdin: stdin})
	return strings.TrimSpace(out), err
}

// server asks the engine for its version and architecture.
func (d docker) server(ctx context.Context) (version, arch string, err error) {
	out, err := d.run(ctx, nil, "version", "--format", "{{.Server.Version}} {{.Server.Arch}}")
	if err != nil {
		return "", "", said(err)
	}
	version, arch, _ = strings.Cut(out, " ")
	return version, arch, nil
}

// endpoint is the address the command line uses when DOCKER_HOST is not set: that of its current context.
func (d docker) endpoint(ctx context.Context) string {
	out, err := d.run(ctx, nil, "context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
	if err != nil || out == "" {
		return defaultDockerHost
	}
	return out
}

const defaultDockerHost = "unix:///var/run/docker.sock"
