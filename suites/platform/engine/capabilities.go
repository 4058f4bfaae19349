// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// BoundingSet reads the capability bounding set from the text of /proc/self/status, one bit per capability number
// (capabilities(7)).
func BoundingSet(status string) (uint64, error) {
	for line := range strings.Lines(status) {
		value, found := strings.CutPrefix(line, "CapBnd:")
		if !found {
			continue
		}
		set, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err != nil {
			return 0, fmt.Errorf("reading the capability bounding set: %w", err)
		}
		return set, nil
	}
	return 0, fmt.Errorf("the process status has no CapBnd line")
}

// Restricted tells whether this process's bounding set lacks a capability that the kernel knows. Containers of the
// private engine then get less, and Kubernetes in them needs to be told so. It is false where there is no /proc.
func Restricted() bool {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	last, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		return false
	}
	return restricted(string(status), string(last))
}

func restricted(status, lastCapability string) bool {
	set, err := BoundingSet(status)
	if err != nil {
		return false
	}
	last, err := strconv.Atoi(strings.TrimSpace(lastCapability))
	if err != nil || last < 0 || last > 62 {
		return false
	}
	all := uint64(1)<<(last+1) - 1
	return set&all != all
}
