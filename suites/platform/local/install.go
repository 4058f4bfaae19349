// SPDX-License-Identifier: Apache-2.0

//go:build unix

package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
)

// policyFile decides whether Debian's maintainer scripts may start services (invoke-rc.d(8)).
const policyFile = "/usr/sbin/policy-rc.d"

// canInstall says whether packages can be installed without asking: root, on Debian or a relative.
func canInstall() bool {
	if os.Geteuid() != 0 {
		return false
	}
	if _, err := os.Stat("/etc/debian_version"); err != nil {
		return false
	}
	_, err := exec.LookPath("apt-get")
	return err == nil
}

// install installs packages and starts none of their services.
func install(ctx context.Context, packages []string) (err error) {
	restore, err := forbidServices(policyFile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, restore()) }()

	args := append([]string{"install", "--yes", "--no-install-recommends"}, packages...)
	if aptGet(ctx, args...) == nil {
		return nil
	}
	// The package lists may be missing or too old.
	if err := aptGet(ctx, "update"); err != nil {
		return err
	}
	return aptGet(ctx, args...)
}

func aptGet(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-qq", "-o", "DPkg::Lock::Timeout=60"}, args...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("apt-get %s: %w: %s", strings.Join(args, " "), err, lastLine(out))
	}
	return nil
}

// forbidServices puts a policy in place that refuses to start services, unless there is a policy already.
func forbidServices(file string) (restore func() error, err error) {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return func() error { return nil }, nil
	}
	if err != nil {
		return nil, fmt.Errorf("keep packages from starting services: %w", err)
	}
	_, err = f.WriteString("#!/bin/sh\n# Written by ingress-auth while it installs nginx; removed afterwards.\nexit 101\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, errors.Join(fmt.Errorf("keep packages from starting services: %w", err), os.Remove(file))
	}
	return func() error { return os.Remove(file) }, nil
}

func lastLine(out []byte) string {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return string(lines[len(lines)-1])
}
