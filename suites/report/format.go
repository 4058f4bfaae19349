// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"strings"
)

// Format is one rendering of a document.
type Format struct {
	// Name is what a user asks for; File is its usual name in a folder of reports.
	Name, File string
	Write      func(io.Writer, Document) error
}

// Formats lists the renderings.
func Formats() []Format {
	return []Format{
		{"html", HTMLFile, WriteHTML},
		{"json", JSONFile, WriteJSON},
		{"junit", JUnitFile, WriteJUnit},
		{"markdown", MarkdownFile, WriteMarkdown},
		{"sarif", SARIFFile, WriteSARIF},
		{"summary", "summary.txt", func(w io.Writer, doc Document) error { return WriteSummary(w, doc, false) }},
	}
}

// ParseFormats finds the renderings by name.
func ParseFormats(names []string) ([]Format, error) {
	var chosen []Format
	for _, name := range names {
		found := false
		for _, f := range Formats() {
			if f.Name == name {
				chosen, found = append(chosen, f), true
			}
		}
		if !found {
			return nil, fmt.Errorf("unknown format %q: choose from %s", name, formatNames())
		}
	}
	return chosen, nil
}

func formatNames() string {
	var names []string
	for _, f := range Formats() {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}
