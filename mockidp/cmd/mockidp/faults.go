// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"

	"github.com/ingress-auth/conformance/mockidp"
)

// runFaults is "mockidp faults": it lists the catalogue, explains one fault, or writes docs/faults.md.
func runFaults(args []string, stdout, stderr io.Writer) int {
	var err error
	switch {
	case len(args) == 0:
		err = mockidp.ListFaults(stdout)
	case len(args) > 1:
		err = fmt.Errorf("usage: mockidp faults [ID | --markdown]")
	case args[0] == "--markdown":
		err = mockidp.WriteFaultDocs(stdout)
	default:
		err = mockidp.ExplainFault(stdout, args[0])
	}
	if err != nil {
		complain(stderr, err)
		return exitUsage
	}
	return exitOK
}
