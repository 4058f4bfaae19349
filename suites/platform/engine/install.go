// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// programs the private engine consists of, and the command line that kind calls.
var programs = [...]string{"dockerd", "containerd", "runc", "docker"}

// systemFolders is where Debian keeps programs that a user's PATH may lack.
var systemFolders = [...]string{"/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"}

// lookProgram finds a program in PATH or where Debian keeps it.
func lookProgram(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, folder := range systemFolders {
		if path, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed", name)
}

func missingPrograms(look func(string) (string, error)) []string {
	var missing []string
	for _, program := range programs {
		if _, err := look(program); err != nil {
			missing = append(missing, program)
		}
	}
	return missing
}

// installer brings Docker onto a Debian or Ubuntu host.
type installer struct {
	runner   runner
	look     func(string) (string, error)
	progress func(string)
	// policyFile is what a package's scripts ask before they start a service: /usr/sbin/policy-rc.d.
	policyFile string
}

// ready explains why packages cannot be installed here, or returns nil.
func (i installer) ready(euid int, osRelease string) error {
	missing := missingPrograms(i.look)
	if len(missing) == 0 {
		return nil
	}
	need := strings.Join(missing, ", ") + " must be installed"
	if euid != 0 {
		return errors.New(need + ", and that needs root")
	}
	if !debianLike(osRelease) {
		return errors.New(need + ", and this is neither Debian nor Ubuntu")
	}
	if _, err := i.look("apt-get"); err != nil {
		return errors.New(need + ", and apt-get is not here")
	}
	return nil
}

// debianLike reads /etc/os-release (os-release(5), ID and ID_LIKE).
func debianLike(osRelease string) bool {
	for line := range strings.Lines(osRelease) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if key != "ID" && key != "ID_LIKE" {
			continue
		}
		for _, id := range strings.Fields(strings.Trim(value, `"'`)) {
			if id == "debian" || id == "ubuntu" {
				return true
			}
		}
	}
	return false
}

// install brings what is missing and starts nothing.
func (i installer) install(ctx context.Context) error {
	missing := missingPrograms(i.look)
	if len(missing) == 0 {
		return nil
	}
	i.progress("installing docker.io with apt-get (needed: " + strings.Join(missing, ", ") + ")")
	release, err := i.forbidServices()
	if err != nil {
		return err
	}
	defer release()
	if err := i.apt(ctx, "install", "docker.io"); err != nil {
		// The package lists may be missing or old.
		if updateErr := i.apt(ctx, "update"); updateErr != nil {
			return fmt.Errorf("installing docker.io: %w", errors.Join(err, updateErr))
		}
		if err := i.apt(ctx, "install", "docker.io"); err != nil {
			return fmt.Errorf("installing docker.io: %w", err)
		}
	}
	// Since Debian 13 the command line is a package of its own.
	if _, err := i.look("docker"); err != nil {
		if err := i.apt(ctx, "install", "docker-cli"); err != nil {
			return fmt.Errorf("installing docker-cli: %w", err)
		}
	}
	if missing := missingPrograms(i.look); len(missing) != 0 {
		return fmt.Errorf("docker.io is installed, but %s is still missing", strings.Join(missing, ", "))
	}
	return nil
}

// apt may be interrupted while it downloads, never while it changes the system: half an installation helps nobody.
func (i installer) apt(ctx context.Context, args ...string) error {
	call := command{name: "apt-get",
		args: append([]string{"--quiet", "--yes", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"}, args...),
		env:  []string{"DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8"}}
	download := call
	download.args = append(slices.Clone(call.args), "--download-only")
	if args[0] == "update" {
		download = call
	}
	if _, err := i.runner.run(ctx, download); err != nil || args[0] == "update" {
		return err
	}
	_, err := i.runner.run(context.WithoutCancel(ctx), call)
	return err
}

// forbidServices answers "not allowed" (101, invoke-rc.d's policy interface) when a package wants to start its service,
// unless the host already has an answer. The function it returns takes it back.
func (i installer) forbidServices() (release func(), err error) {
	if _, err := os.Lstat(i.policyFile); err == nil {
		return func() {}, nil
	}
	if err := os.WriteFile(i.policyFile, []byte("#!/bin/sh\nexit 101\n"), 0o755); err != nil {
		return nil, fmt.Errorf("keeping packages from starting services: %w", err)
	}
	return func() { os.Remove(i.policyFile) }, nil
}
