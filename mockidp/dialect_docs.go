// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// ListDialects writes one line for each dialect.
func ListDialects(w io.Writer) error {
	list, err := Dialects()
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, d := range list {
		fmt.Fprintf(table, "%s\t%s\t%s\n", d.Name, d.Path, d.About)
	}
	return table.Flush()
}

// ExplainDialect writes what is particular about one dialect.
func ExplainDialect(w io.Writer, name string) error {
	d, err := FindDialect(name)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s: %s\n\n", d.Title, d.About)
	for _, name := range slices.Sorted(maps.Keys(d.Quirks)) {
		fmt.Fprintf(w, "  %s: %s\n", name, d.Quirks[name])
	}
	for _, what := range d.Missing {
		fmt.Fprintf(w, "  not imitated: %s\n", what)
	}
	if len(d.Endpoints) > 0 {
		fmt.Fprintf(w, "\nUse it: mockidp --dialect %s, or in the configuration\n\n  tenants: [{path: %s, dialect: %s}]\n", d.Name, d.Path, d.Name)
	}
	return nil
}

// WriteDialectDocs writes docs/dialects.md.
func WriteDialectDocs(w io.Writer) error {
	list, err := Dialects()
	if err != nil {
		return err
	}
	var out strings.Builder
	out.WriteString("<!-- Written by \"mockidp dialects --markdown\" from mockidp/dialects.yaml. -->\n# Dialects of mockidp\n\n" +
		"A tenant of mockidp can be like a real provider: its URLs, claims, errors and quirks. `dialect:` in the configuration chooses one\n" +
		"(`Config.Dialect`, `Tenant.Dialect`, `mockidp --dialect`); `plain` is the default. Each quirk has a test, `TestDialect/<dialect>/<quirk>`, and a\n" +
		"test walks each discovery document and uses all that it advertises. They are imitations, made from the providers' public\n" +
		"documentation and what relying parties report: where it matters, try the real one.\n\n")
	var endpoints []string
	for _, d := range list {
		for name := range d.Endpoints {
			endpoints = append(endpoints, name)
		}
	}
	slices.Sort(endpoints)
	endpoints = slices.Compact(endpoints)
	for _, d := range list {
		fmt.Fprintf(&out, "## %s\n\n%s Name: `%s`.\n\n", d.Title, d.About, d.Name)
		if len(d.Endpoints) == 0 {
			continue
		}
		fmt.Fprintf(&out, "| | |\n|---|---|\n| usual path of the issuer | `%s` |\n", d.Path)
		for _, name := range endpoints {
			if path, ok := d.Endpoints[name]; ok {
				fmt.Fprintf(&out, "| %s | `%s` |\n", name, path)
			}
		}
		out.WriteString("\n| quirk | |\n|---|---|\n")
		for _, name := range slices.Sorted(maps.Keys(d.Quirks)) {
			fmt.Fprintf(&out, "| %s | %s |\n", name, strings.ReplaceAll(d.Quirks[name], "|", `\|`))
		}
		fmt.Fprintf(&out, "\nNot imitated: %s.\n\n", strings.Join(d.Missing, "; "))
	}
	_, err = io.WriteString(w, strings.TrimSuffix(out.String(), "\n"))
	return err
}
