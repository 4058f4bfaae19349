// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Command oci-runtime-trim is an OCI runtime for hosts whose own privileges are limited. It removes from the container
// configuration exactly the capabilities that are missing from this host's bounding set and the resource limits that may
// not be raised, then becomes runc with the same arguments. Privileged containers, such as the nodes of kind, start
// where runc alone says "unable to apply caps: operation not permitted".
//
// dockerd runs it with --add-runtime and --default-runtime. It and package capability need nothing but the standard
// library, so that they can be built anywhere from these few files.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/ingress-auth/conformance/scripts/capability"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "oci-runtime-trim: %v\n", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if found, ok := findTarget(arguments); ok {
		if err := rewrite(found); err != nil {
			return err
		}
	}
	runc, err := findRunc()
	if err != nil {
		return err
	}
	return fmt.Errorf("starting %s: %w", runc, syscall.Exec(runc, append([]string{runc}, arguments...), os.Environ()))
}

// rewrite replaces the file as a whole, so that nobody reads half of it.
func rewrite(found target) error {
	status, err := os.Open("/proc/self/status")
	if err != nil {
		return err
	}
	defer status.Close()
	names, err := capability.Missing(status)
	if err != nil {
		return err
	}
	missing := make(map[string]bool, len(names))
	for _, name := range names {
		missing[name] = true
	}
	content, err := os.ReadFile(found.path)
	if err != nil {
		return err
	}
	trim := host{missing: missing, hardLimit: hardLimit}.trimProcess
	if found.wholeConfig {
		trim = host{missing: missing, hardLimit: hardLimit}.trimConfig
	}
	trimmed, err := trim(content)
	if err != nil {
		return fmt.Errorf("%s: %w", found.path, err)
	}
	temporary := found.path + ".trimmed"
	if err := os.WriteFile(temporary, trimmed, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, found.path)
}

// findRunc also looks where Debian keeps it, for callers with a short PATH.
func findRunc() (string, error) {
	if path, err := exec.LookPath("runc"); err == nil {
		return path, nil
	}
	for _, folder := range []string{"/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"} {
		if path, err := exec.LookPath(filepath.Join(folder, "runc")); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("runc is neither in PATH nor in its usual folders; install the package runc")
}

// rlimitNumbers are the resources of setrlimit(2) on Linux, by OCI name. (The package syscall has only some of them.)
var rlimitNumbers = map[string]int{
	"RLIMIT_CPU": 0, "RLIMIT_FSIZE": 1, "RLIMIT_DATA": 2, "RLIMIT_STACK": 3, "RLIMIT_CORE": 4, "RLIMIT_RSS": 5,
	"RLIMIT_NPROC": 6, "RLIMIT_NOFILE": 7, "RLIMIT_MEMLOCK": 8, "RLIMIT_AS": 9, "RLIMIT_LOCKS": 10,
	"RLIMIT_SIGPENDING": 11, "RLIMIT_MSGQUEUE": 12, "RLIMIT_NICE": 13, "RLIMIT_RTPRIO": 14, "RLIMIT_RTTIME": 15,
}

func hardLimit(kind string) (uint64, bool) {
	number, known := rlimitNumbers[kind]
	if !known {
		return 0, false
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(number, &limit); err != nil {
		return 0, false
	}
	return limit.Max, true
}
