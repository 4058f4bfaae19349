// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// aptRunner makes programs appear as apt-get would.
type aptRunner struct {
	fakeRunner
	have      map[string]bool
	brings    map[string][]string // package → programs
	needsList bool                // installs fail until `update` ran
	policy    string
	allowed   bool // a package found no policy file while it was installed
}

func (a *aptRunner) run(ctx context.Context, c command) (string, error) {
	if _, err := a.fakeRunner.run(ctx, c); err != nil {
		return "", err
	}
	switch {
	case slices.Contains(c.args, "update"):
		a.needsList = false
	case a.needsList:
		return "", errors.New("E: Unable to locate package docker.io")
	case !slices.Contains(c.args, "--download-only"):
		if _, err := os.Stat(a.policy); err != nil {
			a.allowed = true
		}
		for _, program := range a.brings[c.args[len(c.args)-1]] {
			a.have[program] = true
		}
	}
	return "", nil
}

func (a *aptRunner) look(name string) (string, error) {
	if a.have[name] || name == "apt-get" {
		return "/usr/bin/" + name, nil
	}
	return "", errors.New("not found")
}

func TestInstall(t *testing.T) {
	daemons := []string{"dockerd", "containerd", "runc"}
	cases := []struct {
		name      string
		have      []string
		brings    map[string][]string
		needsList bool
		want      string // error words
		wantRan   []string
		wantNot   string
	}{
		{name: "all there: apt-get is not called", have: append([]string{"docker"}, daemons...), wantNot: "apt-get"},
		{name: "one package brings all", brings: map[string][]string{"docker.io": append([]string{"docker"}, daemons...)}, wantNot: "docker-cli"},
		{name: "the command line is a package of its own", brings: map[string][]string{"docker.io": daemons, "docker-cli": {"docker"}},
			wantRan: []string{"docker-cli"}},
		{name: "missing package lists are fetched", needsList: true, brings: map[string][]string{"docker.io": append([]string{"docker"}, daemons...)},
			wantRan: []string{"update"}},
		{name: "a package without its programs is told", brings: map[string][]string{"docker.io": {"docker", "dockerd"}}, want: "containerd, runc is still missing"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			policy := filepath.Join(t.TempDir(), "policy-rc.d")
			apt := &aptRunner{have: map[string]bool{}, brings: c.brings, needsList: c.needsList, policy: policy}
			for _, program := range c.have {
				apt.have[program] = true
			}
			err := installer{runner: apt, look: apt.look, progress: func(string) {}, policyFile: policy}.install(t.Context())
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
			for _, words := range c.wantRan {
				if !apt.ran(words) {
					t.Errorf("%q did not run: %q", words, apt.seen)
				}
			}
			if c.wantNot != "" && apt.ran(c.wantNot) {
				t.Errorf("%q ran: %q", c.wantNot, apt.seen)
			}
			if apt.allowed {
				t.Error("a package could have started its service")
			}
			if _, err := os.Stat(policy); err == nil {
				t.Error("policy-rc.d stays")
			}
		})
	}
}

func TestInstallKeepsThePolicyThatIsThere(t *testing.T) {
	policy := filepath.Join(t.TempDir(), "policy-rc.d")
	if err := os.WriteFile(policy, []byte("mine"), 0o755); err != nil {
		t.Fatal(err)
	}
	release, err := installer{policyFile: policy}.forbidServices()
	if err != nil {
		t.Fatal(err)
	}
	release()
	if content, err := os.ReadFile(policy); err != nil || string(content) != "mine" {
		t.Errorf("content %q, error %v", content, err)
	}
}

func TestReadySaysWhatKeepsPackagesOut(t *testing.T) {
	nothing := func(name string) (string, error) { return "", errors.New("not found") }
	withApt := func(name string) (string, error) {
		if name == "apt-get" {
			return "/usr/bin/apt-get", nil
		}
		return "", errors.New("not found")
	}
	everything := func(name string) (string, error) { return "/usr/bin/" + name, nil }
	cases := []struct {
		name    string
		look    func(string) (string, error)
		euid    int
		release string
		want    string
	}{
		{"all installed", everything, 0, "ID=alpine", ""},
		{"Debian and root", withApt, 0, "ID=debian\n", ""},
		{"derived from Debian", withApt, 0, "ID=mint\nID_LIKE=\"ubuntu debian\"\n", ""},
		{"not root", withApt, 1000, "ID=debian\n", "needs root"},
		{"another system", withApt, 0, "ID=fedora\nID_LIKE=rhel\nPRETTY_NAME=\"not debian\"\n", "neither Debian nor Ubuntu"},
		{"no apt-get", nothing, 0, "ID=debian\n", "apt-get is not here"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := installer{look: c.look}.ready(c.euid, c.release)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
