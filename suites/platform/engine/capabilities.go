// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"fmt"
	"os"

	"github.com/ingress-auth/conformance/scripts/capability"
)

// MissingCapabilities names the capabilities that the kernel knows and this process's bounding set lacks. Containers of
// the private engine then get less, and Kubernetes in them needs to be told so.
func MissingCapabilities() ([]string, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil, fmt.Errorf("reading this process's capabilities: %w", err)
	}
	last, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		return nil, fmt.Errorf("reading the kernel's capabilities: %w", err)
	}
	missing, err := capability.Missing(bytes.NewReader(status))
	if err != nil {
		return nil, err
	}
	return capability.Known(missing, string(last))
}
