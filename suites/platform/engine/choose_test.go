// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/ingress-auth/conformance/suites/platform"
)

// fakeRunner answers docker commands by their first words.
type fakeRunner struct {
	fail   map[string]string // first words → message
	answer map[string]string
	seen   []string
}

func (f *fakeRunner) run(ctx context.Context, c command) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if c.stdin != nil {
		if _, err := io.Copy(io.Discard, c.stdin); err != nil {
			return "", err
		}
	}
	line := strings.Join(append(append([]string{}, c.env...), append([]string{c.name}, c.args...)...), " ")
	f.seen = append(f.seen, line)
	for words, message := range f.fail {
		if strings.Contains(line, words) {
			return "", &commandError{command: line, err: errors.New("exit status 1"), stderr: message}
		}
	}
	for words, answer := range f.answer {
		if strings.Contains(line, words) {
			return answer, nil
		}
	}
	return "", nil
}

func (f *fakeRunner) ran(words string) bool {
	for _, line := range f.seen {
		if strings.Contains(line, words) {
			return true
		}
	}
	return false
}

type fakeStarter struct {
	running, unready bool
	startErr         error
	started          bool
}

func (f *fakeStarter) engine() *privateEngine {
	return &privateEngine{paths: paths{cache: "/c", run: "/r"}, version: "9.9"}
}

func (f *fakeStarter) attach(context.Context) (*privateEngine, error) {
	if f.running {
		return f.engine(), nil
	}
	return nil, errNotRunning
}

func (f *fakeStarter) ready() error {
	if f.unready {
		return errors.New("that needs root")
	}
	return nil
}

func (f *fakeStarter) start(context.Context) (*privateEngine, error) {
	f.started = true
	if f.startErr != nil {
		return nil, f.startErr
	}
	return f.engine(), nil
}

const unreachable = "Cannot connect to the Docker daemon"

func TestChooseEngine(t *testing.T) {
	goodEngine := map[string]string{"docker version": "27.1.0 amd64\n", "docker context inspect": "unix:///ctx.sock\n"}
	cases := []struct {
		name        string
		mode        Mode
		env         string
		fail        map[string]string
		starter     fakeStarter
		wantHost    string
		wantStarted bool
		wantErr     []string // all of these words
		wantNot     string   // a command that must not run
	}{
		{name: "the default engine that runs privileged containers is used", mode: Auto, wantHost: "unix:///ctx.sock"},
		{name: "a named engine is used", mode: Auto, env: "tcp://box:1", starter: fakeStarter{running: true}, wantHost: "tcp://box:1"},
		{name: "a named engine that does not answer is an error, not a reason to take another", mode: Auto, env: "tcp://box:1",
			fail: map[string]string{"docker version": unreachable}, wantErr: []string{"DOCKER_HOST=tcp://box:1", unreachable, "unset DOCKER_HOST"}},
		{name: "a named engine without privileged containers is an error", mode: Auto, env: "tcp://box:1",
			fail: map[string]string{"docker run": "unable to apply caps"}, wantErr: []string{"cannot run privileged containers", "unable to apply caps"}},
		{name: "a running private engine comes before the default", mode: Auto, starter: fakeStarter{running: true},
			wantHost: "unix:///r/docker.sock", wantNot: "docker version"},
		{name: "no default engine: a private one is started", mode: Auto, fail: map[string]string{"docker version": unreachable},
			wantHost: "unix:///r/docker.sock", wantStarted: true},
		{name: "a default engine without privileged containers: a private one is started", mode: Auto,
			fail: map[string]string{"docker run": "unable to apply caps"}, wantHost: "unix:///r/docker.sock", wantStarted: true},
		{name: "neither: the error tells both", mode: Auto, fail: map[string]string{"docker version": unreachable},
			starter: fakeStarter{unready: true}, wantErr: []string{"no usable Docker engine", unreachable, "needs root", "start Docker"}},
		{name: "host mode never starts a private one", mode: Host, fail: map[string]string{"docker version": unreachable},
			wantErr: []string{"no usable Docker engine", unreachable}},
		{name: "host mode ignores a running private one", mode: Host, starter: fakeStarter{running: true}, wantHost: "unix:///ctx.sock"},
		{name: "private mode ignores the default engine and DOCKER_HOST", mode: Private, env: "tcp://box:1",
			wantHost: "unix:///r/docker.sock", wantStarted: true, wantNot: "docker version"},
		{name: "a private engine that does not start is told", mode: Private, starter: fakeStarter{startErr: errors.New("no space")},
			wantErr: []string{"starting a private Docker engine", "no space"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			runner := &fakeRunner{fail: c.fail, answer: goodEngine}
			engine, err := chooser{mode: c.mode, runner: runner, private: &c.starter, progress: func(string) {},
				env: func(string) string { return c.env }}.choose(t.Context())
			if c.wantErr != nil {
				if err == nil {
					t.Fatalf("no error, but %s", engine.DockerHost())
				}
				for _, words := range c.wantErr {
					if !strings.Contains(err.Error(), words) {
						t.Errorf("%q does not say %q", err, words)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if engine.DockerHost() != c.wantHost || engine.Started() != c.wantStarted || c.starter.started != c.wantStarted {
				t.Errorf("got %s started %v, want %s started %v", engine.DockerHost(), engine.Started(), c.wantHost, c.wantStarted)
			}
			if c.wantNot != "" && runner.ran(c.wantNot) {
				t.Errorf("%q ran: %q", c.wantNot, runner.seen)
			}
		})
	}
}

func TestEnvironmentErrorsAreNotReadyErrors(t *testing.T) {
	for _, env := range []string{"", "tcp://box:1"} {
		_, err := chooser{mode: Auto, runner: &fakeRunner{fail: map[string]string{"docker": unreachable}}, private: &fakeStarter{unready: true},
			progress: func(string) {}, env: func(string) string { return env }}.choose(t.Context())
		var notReady *platform.NotReadyError
		if !errors.As(err, &notReady) {
			t.Errorf("DOCKER_HOST=%q: %T is not a NotReadyError", env, err)
		}
	}
}

func TestAnInterruptedChoiceStartsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	starter := &fakeStarter{}
	_, err := chooser{mode: Auto, runner: &fakeRunner{}, private: starter, progress: func(string) {},
		env: func(string) string { return "" }}.choose(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the cancellation", err)
	}
	if starter.started {
		t.Error("an engine was started")
	}
}

func TestFindNeverRunsContainersNorStartsAnything(t *testing.T) {
	cases := []struct {
		name     string
		fail     map[string]string
		running  bool
		wantHost string
	}{
		{"private", nil, true, "unix:///r/docker.sock"},
		{"default", nil, false, "unix:///ctx.sock"},
		{"none", map[string]string{"docker version": unreachable}, false, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			runner := &fakeRunner{fail: c.fail, answer: map[string]string{"docker version": "27 amd64", "docker context": "unix:///ctx.sock"}}
			starter := &fakeStarter{running: c.running}
			engine, err := chooser{mode: Auto, runner: runner, private: starter, env: func(string) string { return "" }}.find(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			host := ""
			if engine != nil {
				host = engine.DockerHost()
			}
			if host != c.wantHost || starter.started || runner.ran("docker run") {
				t.Errorf("host %q, started %v, commands %q", host, starter.started, runner.seen)
			}
		})
	}
}

func TestTheProbeImageIsRemovedAgain(t *testing.T) {
	for _, fail := range []map[string]string{nil, {"docker run": "no"}} {
		runner := &fakeRunner{fail: fail}
		if err := checkPrivileged(t.Context(), docker{runner: runner}, "amd64"); (err != nil) != (fail != nil) {
			t.Errorf("error %v", err)
		}
		if !runner.ran("docker rmi") {
			t.Errorf("the image stays: %q", runner.seen)
		}
	}
}

func TestWhatACommandSaidLeavesOutItsHints(t *testing.T) {
	plain := errors.New("plain")
	cases := []struct {
		err  error
		want string
	}{
		{plain, "plain"},
		{&commandError{command: "docker run", err: plain, stderr: "docker: Error: no caps.\n\nRun 'docker run --help' for more information\n"}, "Error: no caps."},
		{&commandError{command: "docker run", err: plain}, "docker run: plain"},
	}
	for _, c := range cases {
		if got := said(c.err).Error(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestUnknownModeIsRefused(t *testing.T) {
	if _, err := Ensure(t.Context(), Options{Mode: "podman"}); err == nil || !strings.Contains(err.Error(), "podman") {
		t.Errorf("got %v", err)
	}
}
