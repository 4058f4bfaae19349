// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"

	"github.com/ingress-auth/conformance/mockidp"
)

// runFaults is "mockidp faults": it lists the catalogue, explains one fault, or writes docs/faults.md.
func runFaults(args []string, stdout io.Writer) error {
	switch {
	case len(args) == 0:
		return mockidp.ListFaults(stdout)
	case len(args) > 1:
		return fmt.Errorf("usage: mockidp faults [ID | --markdown], or mockidp faults run --help")
	case args[0] == "--markdown":
		return mockidp.WriteFaultDocs(stdout)
	default:
		return mockidp.ExplainFault(stdout, args[0])
	}
}
