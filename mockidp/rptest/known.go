// SPDX-License-Identifier: Apache-2.0

package rptest

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// KnownFailure is a fault that a relying party is known to fail, and why that stands.
type KnownFailure struct {
	Fault    string `yaml:"fault"`
	Sentence string `yaml:"sentence"`
}

// ParseKnownFailures reads a YAML list. It fails if an entry lacks its sentence or a fault stands twice.
func ParseKnownFailures(data []byte) ([]KnownFailure, error) {
	var list []KnownFailure
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&list); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading the known failures: %w", err)
	}
	seen := map[string]bool{}
	for i, known := range list {
		if known.Fault == "" || known.Sentence == "" {
			return nil, fmt.Errorf("known failure %d needs a fault and a sentence that says why it stands", i+1)
		}
		if seen[known.Fault] {
			return nil, fmt.Errorf("the known failure %s stands twice", known.Fault)
		}
		seen[known.Fault] = true
	}
	return list, nil
}

// Unexplained compares results with what is known, and returns a sentence for each fault that fails without being known,
// that is known and does not fail, or that could not be judged.
func Unexplained(results []Result, known []KnownFailure) []string {
	expected := map[string]bool{}
	for _, k := range known {
		expected[k.Fault] = true
	}
	var list []string
	for _, r := range results {
		id := r.Fault.ID
		switch {
		case r.Verdict == Blocked:
			list = append(list, fmt.Sprintf("%s could not be judged: %s %s", id, r.Reason, r.Detail))
		case r.Verdict == Fail && !expected[id]:
			list = append(list, fmt.Sprintf("%s fails and nothing explains it: %s", id, r.cell()))
		case r.Verdict != Fail && expected[id]:
			list = append(list, fmt.Sprintf("%s is known to fail, but does not: %s. Take the entry out", id, r.cell()))
		}
		delete(expected, id)
	}
	for _, k := range known {
		if expected[k.Fault] {
			list = append(list, fmt.Sprintf("%s is known to fail, but was not judged", k.Fault))
		}
	}
	return list
}
