// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Package peers gets programs that nobody here wrote: the mock providers that mockidp is measured beside, and the runtime
// of a client that logs in through it. What it gets is pinned, by nested Go modules and by an npm lockfile.
package peers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Root finds the folder of this package in the checkout around the working directory.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		found := filepath.Join(dir, "mockidp", "peers")
		if _, err := os.Stat(filepath.Join(found, "node", "package-lock.json")); err == nil {
			return found, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("the working directory is not in a checkout of the repository")
		}
		dir = parent
	}
}

// Node is a Node.js and the folder of the scripts it runs.
type Node struct{ Path, Dir string }

// Version returns the version of an installed npm package, from the lockfile's folder.
func (n Node) Version(ctx context.Context, name string) (string, error) {
	return Output(ctx, n.Dir, n.Path, "--input-type=module", "--eval",
		`import { readFileSync } from 'node:fs'; console.log(JSON.parse(readFileSync('node_modules/'+process.argv[1]+'/package.json')).version)`, name)
}

// InstallNode installs what the lockfile names, Node.js itself included: the one of the distribution is too old for some of
// it. It needs npm, and gets that by apt on Debian as root.
func InstallNode(ctx context.Context) (Node, error) {
	root, err := Root()
	if err != nil {
		return Node{}, err
	}
	arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	if runtime.GOOS != "linux" || arch == "" {
		return Node{}, fmt.Errorf("the npm programs run on Linux on amd64 and arm64 only, and this is %s on %s", runtime.GOOS, runtime.GOARCH)
	}
	if err := NeedPrograms(ctx, map[string]string{"npm": "npm"}); err != nil {
		return Node{}, err
	}
	n := Node{Dir: filepath.Join(root, "node")}
	n.Path = filepath.Join(n.Dir, "node_modules", "node-linux-"+arch, "bin", "node")
	if n.installed() {
		return n, nil
	}
	// No scripts: nothing here needs one, and they would run whatever a package brings along.
	if _, err := Output(ctx, n.Dir, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"); err != nil {
		return Node{}, err
	}
	return n, nil
}

// installed says whether the lockfile is no newer than what npm last installed.
func (n Node) installed() bool {
	want, err := os.Stat(filepath.Join(n.Dir, "package-lock.json"))
	if err != nil {
		return false
	}
	have, err := os.Stat(filepath.Join(n.Dir, "node_modules", ".package-lock.json"))
	if err != nil || have.ModTime().Before(want.ModTime()) {
		return false
	}
	_, err = os.Stat(n.Path)
	return err == nil
}

// NeedPrograms installs the Debian packages of programs that are not in the path, without starting a service. The map leads
// from the program, or the file if it begins with a slash, to the package.
func NeedPrograms(ctx context.Context, programs map[string]string) error {
	var missing []string
	for program, debian := range programs {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		if _, err := os.Stat(program); err == nil && strings.HasPrefix(program, "/") {
			continue
		}
		missing = append(missing, debian)
	}
	if len(missing) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return fmt.Errorf("please install %s; only on Debian as root is that done by itself", strings.Join(missing, ", "))
	}
	if _, err := Output(ctx, "", "apt-get", "-qq", "update"); err != nil {
		return err
	}
	_, err := Output(ctx, "", "apt-get", append([]string{"-qq", "install", "--yes", "--no-install-recommends"}, missing...)...)
	return err
}

// BuildGo compiles a package of the module in dir to a file.
func BuildGo(ctx context.Context, dir, pkg, file string) error {
	_, err := Output(ctx, dir, "go", "build", "-trimpath", "-o", file, pkg)
	return err
}

// Output runs a program and returns what it prints; what it complains about becomes the error.
func Output(ctx context.Context, dir, program string, args ...string) (string, error) {
	var complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Stderr = dir, &complaints
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "CGO_ENABLED=0", "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, strings.TrimSpace(complaints.String()))
	}
	return strings.TrimSpace(string(out)), nil
}
