// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"

	"github.com/ingress-auth/conformance/mockidp"
)

// runDialects is "mockidp dialects": it lists them, explains one, or writes docs/dialects.md.
func runDialects(args []string, stdout io.Writer) error {
	switch {
	case len(args) == 0:
		return mockidp.ListDialects(stdout)
	case len(args) > 1:
		return fmt.Errorf("usage: mockidp dialects [NAME | --markdown]")
	case args[0] == "--markdown":
		return mockidp.WriteDialectDocs(stdout)
	default:
		return mockidp.ExplainDialect(stdout, args[0])
	}
}
