// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// state is what a later process needs to know about a cluster.
type state struct {
	Name       string        `json:"name"`
	DockerHost string        `json:"dockerHost"`
	NodeImage  string        `json:"nodeImage"`
	Mappings   []PortMapping `json:"mappings"`
	// MadeNetwork tells that this harness made the engine's network "kind" and takes it away again.
	MadeNetwork bool `json:"madeNetwork,omitempty"`
	// Complete is false from before the first container until the cluster is usable.
	Complete bool `json:"complete"`
}

// readState returns nil without an error when there is no state.
func readState(path string) (*state, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the cluster's state: %w", err)
	}
	var s state
	if err := json.Unmarshal(content, &s); err != nil {
		return nil, fmt.Errorf("reading the cluster's state in %s: %w", path, err)
	}
	return &s, nil
}

// write replaces the file as a whole.
func (s state) write(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("writing the cluster's state: %w", err)
	}
	content, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the cluster's state: %w", err)
	}
	temporary := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	if err := os.WriteFile(temporary, content, 0o600); err != nil {
		return fmt.Errorf("writing the cluster's state: %w", err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("writing the cluster's state: %w", err)
	}
	return nil
}
