// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/ingress-auth/conformance/suites/contract"
)

// summaryProblems is how many results a terminal tells in full.
const summaryProblems = 25

// WriteSummary writes the document for a terminal: a table by area, what needs attention with its reason and how to run
// just it again, and last the one sentence. color adds ANSI colours; the words say the same without.
func WriteSummary(w io.Writer, doc Document, color bool) error {
	s := summary{doc: cleaned(doc), color: color}
	s.table()
	s.problems()
	s.others()
	style := "1;32"
	if !s.doc.Conclusion.Conformant {
		style = "1;31"
	}
	fmt.Fprintf(&s.b, "%s\n", s.paint(style, oneLine(s.doc.Conclusion.Sentence)))
	_, err := io.WriteString(w, s.b.String())
	return err
}

type summary struct {
	doc   Document
	color bool
	b     strings.Builder
}

func (s *summary) paint(style, text string) string {
	if !s.color {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

func (s *summary) table() {
	c := s.doc.Conclusion
	if len(c.ByArea) == 0 {
		return
	}
	width := len("all")
	for _, g := range c.ByArea {
		width = max(width, utf8.RuneCountInString(g.Name))
	}
	fmt.Fprintf(&s.b, "  %s", pad("area", width))
	for _, standing := range columns(c.Counts) {
		fmt.Fprintf(&s.b, "  %7s", lookOf(standing).Word)
	}
	s.b.WriteString("\n")
	for _, g := range c.ByArea {
		s.row(g, width)
	}
	s.row(contract.GroupCounts{Name: "all", Counts: c.Counts}, width)
	s.b.WriteString("\n")
}

func (s *summary) row(g contract.GroupCounts, width int) {
	fmt.Fprintf(&s.b, "  %s", pad(oneLine(g.Name), width))
	for _, standing := range columns(s.doc.Conclusion.Counts) {
		cell := fmt.Sprintf("%7s", blankZero(g.Of(standing)))
		if g.Of(standing) > 0 {
			cell = s.paint(lookOf(standing).Colour, cell)
		}
		s.b.WriteString("  " + cell)
	}
	s.b.WriteString("\n")
}

func (s *summary) problems() {
	problems := withStanding(s.doc.Results, redStandings()...)
	for i, r := range problems {
		if i == summaryProblems {
			fmt.Fprintf(&s.b, "  … and %d more, in the report\n\n", len(problems)-i)
			return
		}
		s.title(r)
		fmt.Fprintf(&s.b, "    %s\n", oneLine(r.Sentence))
		if why := oneLine(reason(r)); why != "" {
			fmt.Fprintf(&s.b, "    why:   %s\n", why)
		}
		if r.Rerun != "" {
			fmt.Fprintf(&s.b, "    again: %s\n", oneLine(r.Rerun))
		}
		s.b.WriteString("\n")
	}
}

// others lists, in a line each, what does not decide but should be seen.
func (s *summary) others() {
	others := withStanding(s.doc.Results, contract.StandingWarn, contract.StandingKnown)
	for i, r := range others {
		if i == summaryProblems {
			fmt.Fprintf(&s.b, "  … and %d more, in the report\n", len(others)-i)
			break
		}
		s.title(r)
		why := reason(r)
		if r.Standing == contract.StandingKnown {
			why = knownReferences(r.Known)
		}
		fmt.Fprintf(&s.b, "    %s\n", oneLine(why))
	}
	if len(others) > 0 {
		s.b.WriteString("\n")
	}
}

func (s *summary) title(r Result) {
	look := lookOf(r.Standing)
	fmt.Fprintf(&s.b, "  %s  %s  (%s)\n", s.paint(look.Colour, look.Symbol+" "+look.Word), s.paint("1", oneLine(r.ID)), oneLine(string(r.Level)))
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}
