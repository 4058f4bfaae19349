// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"fmt"
	"io"
	"strings"
)

const explainWidth = 78

// Explain writes what there is to know about a requirement: its sentence, why it stands, where it comes from, what it needs
// and which of the given deviations are known.
func Explain(w io.Writer, r Requirement, known []Known) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s · area %s · profile %s\n\n", r.ID, r.Level, r.Area, r.Profile)
	paragraph(&b, "", r.Sentence)
	if r.Why != "" {
		b.WriteString("\nWhy\n")
		paragraph(&b, "  ", r.Why)
	}
	if r.Excluded != "" {
		b.WriteString("\nNot judged\n")
		paragraph(&b, "  ", r.Excluded)
	}
	b.WriteString("\nSource\n")
	for _, s := range r.Sources {
		writeSource(&b, s)
	}
	if len(r.Features) > 0 {
		fmt.Fprintf(&b, "\nNeeds\n  %s\n", strings.Join(r.Features, ", "))
	}
	if r.Row != "" {
		fmt.Fprintf(&b, "\nTruth table\n  row %s\n", r.Row)
	}
	explainKnown(&b, r, known)
	if r.DeclaredAt != "" {
		fmt.Fprintf(&b, "\nDeclared in\n  %s\n", r.DeclaredAt)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func explainKnown(b *strings.Builder, r Requirement, known []Known) {
	title := "\nKnown deviations\n"
	for _, k := range known {
		if k.Requirement != r.ID {
			continue
		}
		b.WriteString(title)
		title = ""
		where := strings.TrimSpace(k.Part + " " + k.Version)
		if k.Case != "" {
			where += ", case " + k.Case
		}
		paragraph(b, "  ", where+": "+k.Sentence)
		writeSource(b, k.Reference)
	}
}

func writeSource(b *strings.Builder, s Source) {
	paragraph(b, "  ", s.Text)
	fmt.Fprintf(b, "    %s\n", s.URL)
}

// paragraph wraps text at explainWidth columns; a word that is longer stands alone.
func paragraph(b *strings.Builder, indent, text string) {
	line := indent
	for _, word := range strings.Fields(text) {
		if line != indent && len([]rune(line))+1+len([]rune(word)) > explainWidth {
			b.WriteString(line + "\n")
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	b.WriteString(line + "\n")
}
