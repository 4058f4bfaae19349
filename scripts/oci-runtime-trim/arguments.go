// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"strings"
)

// target is the file of an OCI runtime call that says what the new process gets.
type target struct {
	path string
	// wholeConfig is true for config.json, false for the bare process of `exec --process`.
	wholeConfig bool
}

// flagsWithValue are the flags of runc (before and after the command) that take the next argument as their value.
var flagsWithValue = map[string]bool{
	"root": true, "log": true, "log-format": true, "criu": true, "rootless": true,
	"bundle": true, "b": true, "console-socket": true, "pidfd-socket": true, "pid-file": true, "preserve-fds": true,
	"process": true, "p": true, "cwd": true, "env": true, "e": true, "user": true, "u": true,
	"additional-gids": true, "g": true, "process-label": true, "apparmor": true, "cap": true, "c": true, "cgroup": true,
	"image-path": true, "work-path": true, "parent-path": true, "manage-cgroups-mode": true, "lsm-profile": true,
	"lsm-mount-context": true, "empty-ns": true,
}

// findTarget reads the arguments of an OCI runtime (without the program's name) in the form of runc's command line.
// It returns false where there is nothing to trim.
func findTarget(arguments []string) (target, bool) {
	command, rest := splitCommand(arguments)
	switch command {
	case "create", "run", "restore":
		bundle, _ := flagValue(rest, "bundle", "b")
		return target{path: filepath.Join(bundle, "config.json"), wholeConfig: true}, true
	case "exec":
		if process, found := flagValue(rest, "process", "p"); found {
			return target{path: process}, true
		}
	}
	return target{}, false
}

// splitCommand returns the first argument that is neither a flag nor a flag's value, and what follows it.
func splitCommand(arguments []string) (command string, rest []string) {
	for i := 0; i < len(arguments); i++ {
		name, _, hasValue := cutFlag(arguments[i])
		if name == "" {
			return arguments[i], arguments[i+1:]
		}
		if !hasValue && flagsWithValue[name] {
			i++
		}
	}
	return "", nil
}

// flagValue looks only at the flags before the first positional argument: what follows belongs to the container.
func flagValue(arguments []string, long, short string) (string, bool) {
	for i := 0; i < len(arguments); i++ {
		name, value, hasValue := cutFlag(arguments[i])
		if name == "" {
			return "", false
		}
		if !hasValue && flagsWithValue[name] && i+1 < len(arguments) {
			i++
			value, hasValue = arguments[i], true
		}
		if hasValue && (name == long || name == short) {
			return value, true
		}
	}
	return "", false
}

// cutFlag returns an empty name for an argument that is no flag; "--" ends the flags and is none.
func cutFlag(argument string) (name, value string, hasValue bool) {
	if !strings.HasPrefix(argument, "-") {
		return "", "", false
	}
	return strings.Cut(strings.TrimLeft(argument, "-"), "=")
}
