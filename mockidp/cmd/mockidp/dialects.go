// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"

	"github.com/ingress-auth/conformance/mockidp"
)

// runSchema is "mockidp schema": it prints the JSON Schema of the configuration file.
func runSchema(args []string, stdout io.Writer) error {
	if len(args) > 0 {
		return fmt.Errorf("usage: mockidp schema")
	}
	_, err := stdout.Write(mockidp.ConfigSchema())
	return err
}

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
