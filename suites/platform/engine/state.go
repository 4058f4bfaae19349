// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// state is what another process needs to know about a running private engine.
type state struct {
	Docker     process `json:"docker"`
	Containerd process `json:"containerd"`
	Version    string  `json:"version"`
	Subnet     string  `json:"subnet"`
	// Made are the fixed paths of sharedPaths that were not there before.
	Made []string `json:"made,omitempty"`
}

// process names a process beyond doubt: numbers are used again, number and start time together are not.
type process struct {
	PID int `json:"pid"`
	// StartTicks is field 22 of /proc/<pid>/stat.
	StartTicks uint64 `json:"startTicks"`
}

// sharedPaths are what dockerd, containerd and kind's mounts make at fixed places whatever we configure, children first.
var sharedPaths = [...]string{"/etc/docker/key.json", "/etc/docker", "/run/docker/plugins", "/run/docker", "/run/containerd/s", "/run/containerd",
	"/lib/modules"}

// absent returns the paths that do not exist.
func absent(paths []string) []string {
	var missing []string
	for _, path := range paths {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, path)
		}
	}
	return missing
}

func readState(path string) (state, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return state{}, err
	}
	var s state
	if err := json.Unmarshal(content, &s); err != nil {
		return state{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return s, nil
}

func (s state) write(path string) error {
	content, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(path, content)
}

// writeFile replaces the file as a whole.
func writeFile(path string, content []byte) error {
	temporary := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	if err := os.WriteFile(temporary, content, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
