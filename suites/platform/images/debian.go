// SPDX-License-Identifier: Apache-2.0

package images

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// debootstrap makes a root file system of Debian packages in dir.
func (t *tools) debootstrap(ctx context.Context, j *job, dir string) error {
	d := j.image.Debian
	packages := filepath.Join(t.cache, "packages")
	if err := os.MkdirAll(packages, 0o755); err != nil {
		return err
	}
	// debootstrap checks what it finds there, and expects to be alone.
	unlock, err := lockFile(ctx, filepath.Join(t.cache, "packages.lock"), nil)
	if err != nil {
		return err
	}
	defer unlock()
	if err := installDebootstrap(ctx, j); err != nil {
		return err
	}
	return j.steps.run(ctx, fmt.Sprintf("install %d packages of Debian %s", len(d.Packages), d.Suite), func(ctx context.Context, detail *detail) error {
		args := []string{"debootstrap", "--variant=minbase", "--force-check-gpg", "--keyring=" + debianKeyring, "--cache-dir=" + packages,
			"--include=" + strings.Join(d.Packages, ","), d.Suite, dir}
		if mirror := debianMirror(ctx); mirror != "" {
			args = append(args, mirror)
		}
		c := command{args: args, isolated: true, env: chrootEnv(j.work), onLine: func(line string) {
			detail.set(strings.TrimPrefix(line, "I: "))
		}}
		return c.run(ctx, j.log)
	})
}

// debianKeyring has the keys Debian signs its releases with; Ubuntu, too, installs it there.
const debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// installDebootstrap makes sure the program and Debian's keys are there, and says how to get it where it cannot be installed.
func installDebootstrap(ctx context.Context, j *job) error {
	const needs = "building this image from source needs root on Debian or Ubuntu"
	if os.Geteuid() != 0 {
		return errors.New(needs + "; run as root, or use IMAGES=registry where a registry can be reached")
	}
	_, program := exec.LookPath("debootstrap")
	_, keyring := os.Stat(debianKeyring)
	if program == nil && keyring == nil {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return errors.New(needs + ", for debootstrap; use IMAGES=registry where a registry can be reached")
	}
	return j.steps.run(ctx, "install debootstrap", func(ctx context.Context, _ *detail) error {
		install := command{args: []string{"apt-get", "install", "-y", "--no-install-recommends", "debootstrap", "debian-archive-keyring"}, env: chrootEnv(j.work)}
		if err := install.run(ctx, j.log); err == nil {
			return nil
		}
		update := command{args: []string{"apt-get", "update"}, env: chrootEnv(j.work)}
		if err := update.run(ctx, j.log); err != nil {
			return err
		}
		return install.run(ctx, j.log)
	})
}

// chrootEnv is the environment of programs that make or run in a root file system of their own.
func chrootEnv(work string) []string {
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HOME=/root",
		"DEBIAN_FRONTEND=noninteractive"}
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy"} {
		if value := os.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	if work != "" {
		env = append(env, "TMPDIR="+work)
	}
	return env
}

// debianMirror is $DEBIAN_MIRROR, or where this machine gets its own Debian packages from. Empty leaves the choice to
// debootstrap.
func debianMirror(ctx context.Context) string {
	if mirror := os.Getenv("DEBIAN_MIRROR"); mirror != "" {
		return mirror
	}
	out, err := output(ctx, "/", "apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)")
	if err != nil {
		return ""
	}
	return mirrorAmong(string(out))
}

// mirrorAmong picks the first repository that is Debian itself, not its security updates nor anyone else's.
func mirrorAmong(targets string) string {
	for line := range strings.Lines(targets) {
		fields := strings.Split(strings.TrimSpace(line), "|")
		if len(fields) == 4 && fields[0] == "Debian" && fields[1] == "Debian" && fields[2] == "main" {
			return strings.TrimSuffix(fields[3], "/")
		}
	}
	return ""
}

// installedVersion reads from a root file system which version of a package it has, as the upstream version only.
func installedVersion(root, pkg string) (string, error) {
	f, err := os.Open(filepath.Join(root, "var/lib/dpkg/status"))
	if err != nil {
		return "", err
	}
	defer f.Close()
	found := false
	for scanner := bufio.NewScanner(f); scanner.Scan(); {
		key, value, _ := strings.Cut(scanner.Text(), ": ")
		switch {
		case key == "Package":
			found = value == pkg
		case found && key == "Version":
			return upstreamVersion(value), nil
		}
	}
	return "", fmt.Errorf("package %s is not installed", pkg)
}

// upstreamVersion leaves out what Debian puts around it: "1:0.10.28-2" is 0.10.28.
func upstreamVersion(version string) string {
	if _, rest, found := strings.Cut(version, ":"); found {
		version = rest
	}
	if i := strings.LastIndex(version, "-"); i > 0 {
		version = version[:i]
	}
	version, _, _ = strings.Cut(version, "~ds")
	version, _, _ = strings.Cut(version, "+ds")
	return version
}

// debianRelease reads the number of the release a root file system was made from, such as 13.
func debianRelease(root string) string {
	data, err := os.ReadFile(filepath.Join(root, "etc/debian_version"))
	if err != nil {
		return ""
	}
	major, _, _ := strings.Cut(strings.TrimSpace(string(data)), ".")
	return major
}

// slim removes what no program reads, and what is of this machine rather than of the image.
func slim(root string) error {
	remove := []string{"usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/lintian", "var/cache/apt", "var/lib/apt/lists",
		"var/log/bootstrap.log", "var/log/dpkg.log", "var/log/alternatives.log", "var/log/apt", "etc/apt/sources.list",
		"etc/resolv.conf", "etc/hostname", "var/cache/debconf", "debootstrap"}
	for _, path := range remove {
		if err := os.RemoveAll(filepath.Join(root, path)); err != nil {
			return err
		}
	}
	return nil
}
