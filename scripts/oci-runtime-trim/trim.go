// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
)

// host is what this process may hand to a container.
type host struct {
	// missing holds the names of the capabilities outside the bounding set.
	missing map[string]bool
	// hardLimit returns the hard limit for an OCI rlimit type such as RLIMIT_NOFILE, false for an unknown type.
	hardLimit func(rlimit string) (uint64, bool)
}

// trimConfig takes an OCI runtime configuration (config.json, runtime-spec "Configuration") and returns it without what
// the host cannot give. Fields it does not know stay as they are.
func (h host) trimConfig(config []byte) ([]byte, error) {
	document, err := decodeObject(config)
	if err != nil {
		return nil, err
	}
	if process, ok := document["process"].(map[string]any); ok {
		h.trim(process)
	}
	return json.Marshal(document)
}

// trimProcess does the same for the file given to `exec --process` (runtime-spec "Process").
func (h host) trimProcess(config []byte) ([]byte, error) {
	process, err := decodeObject(config)
	if err != nil {
		return nil, err
	}
	h.trim(process)
	return json.Marshal(process)
}

func (h host) trim(process map[string]any) {
	if sets, ok := process["capabilities"].(map[string]any); ok {
		for name, set := range sets {
			if list, ok := set.([]any); ok {
				sets[name] = keep(list, func(item any) bool {
					capability, ok := item.(string)
					return !ok || !h.missing[capability]
				})
			}
		}
	}
	// Without CAP_SYS_RESOURCE no process raises a hard limit (setrlimit(2)); with it there is nothing to drop.
	if limits, ok := process["rlimits"].([]any); ok && h.missing["CAP_SYS_RESOURCE"] {
		process["rlimits"] = keep(limits, func(item any) bool { return !h.raises(item) })
	}
}

// raises tells whether the OCI rlimit entry asks for more than this process may have.
func (h host) raises(item any) bool {
	limit, ok := item.(map[string]any)
	if !ok {
		return false
	}
	kind, _ := limit["type"].(string)
	current, known := h.hardLimit(kind)
	if !known {
		return false
	}
	number, ok := limit["hard"].(json.Number)
	if !ok {
		return false
	}
	var wanted uint64
	if err := json.Unmarshal([]byte(number), &wanted); err != nil {
		wanted = math.MaxUint64
	}
	return wanted > current
}

func keep(list []any, wanted func(any) bool) []any {
	kept := make([]any, 0, len(list))
	for _, item := range list {
		if wanted(item) {
			kept = append(kept, item)
		}
	}
	return kept
}

// decodeObject keeps numbers as written, so that 64-bit limits survive the round trip.
func decodeObject(data []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		return nil, fmt.Errorf("reading the OCI configuration: %w", err)
	}
	if object == nil {
		return nil, fmt.Errorf("reading the OCI configuration: it is not a JSON object")
	}
	return object, nil
}
