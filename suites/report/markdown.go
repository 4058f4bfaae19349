// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ingress-auth/conformance/suites/contract"
)

// markdownProblems is how many results the Markdown tells in full: a job summary has a limit of 1 MiB.
const markdownProblems = 50

// WriteMarkdown writes the document for the summary of a pipeline job: the conclusion, the counts by area, what needs
// attention and the parts.
func WriteMarkdown(w io.Writer, doc Document) error {
	doc = cleaned(doc)
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n%s\n\n", md(headline(doc.Conclusion)), md(doc.Conclusion.Sentence))
	markdownAreas(&b, doc.Conclusion)
	markdownProblemsOf(&b, doc.Results)
	markdownOthers(&b, doc.Results)
	markdownParts(&b, doc)
	_, err := io.WriteString(w, b.String())
	return err
}

func markdownAreas(b *strings.Builder, c Conclusion) {
	if len(c.ByArea) == 0 {
		return
	}
	b.WriteString("| area |")
	for _, s := range columns(c.Counts) {
		fmt.Fprintf(b, " %s %s |", lookOf(s).Symbol, lookOf(s).Word)
	}
	b.WriteString("\n|---|" + strings.Repeat("--:|", len(columns(c.Counts))) + "\n")
	for _, g := range append(append([]contract.GroupCounts{}, c.ByArea...), contract.GroupCounts{Name: "all", Counts: c.Counts}) {
		fmt.Fprintf(b, "| %s |", md(g.Name))
		for _, s := range columns(c.Counts) {
			fmt.Fprintf(b, " %s |", blankZero(g.Of(s)))
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
}

func markdownProblemsOf(b *strings.Builder, results []Result) {
	problems := withStanding(results, redStandings()...)
	if len(problems) == 0 {
		return
	}
	b.WriteString("### Needs attention\n\n")
	for i, r := range problems {
		if i == markdownProblems {
			fmt.Fprintf(b, "… and %d more, in report.html and report.json.\n", len(problems)-i)
			break
		}
		fmt.Fprintf(b, "- %s **%s** <code>%s</code> (%s): %s<br>%s\n", lookOf(r.Standing).Symbol, lookOf(r.Standing).Word, md(r.ID), md(string(r.Level)), md(r.Sentence), md(reason(r)))
		if r.Rerun != "" {
			fmt.Fprintf(b, "  <br>again: <code>%s</code>\n", md(r.Rerun))
		}
	}
	b.WriteString("\n")
}

func markdownOthers(b *strings.Builder, results []Result) {
	others := withStanding(results, contract.StandingWarn, contract.StandingKnown)
	if len(others) == 0 {
		return
	}
	fmt.Fprintf(b, "<details><summary>%d %s</summary>\n\n", len(others), plural(len(others), "warning or known deviation", "warnings and known deviations"))
	for i, r := range others {
		if i == markdownProblems {
			fmt.Fprintf(b, "- … and %d more\n", len(others)-i)
			break
		}
		why := reason(r)
		if len(r.Known) > 0 {
			why = knownReferences(r.Known) + ": " + r.Known[0].Sentence
		}
		fmt.Fprintf(b, "- %s **%s** <code>%s</code>: %s\n", lookOf(r.Standing).Symbol, lookOf(r.Standing).Word, md(r.ID), md(why))
	}
	b.WriteString("\n</details>\n\n")
}

func markdownParts(b *strings.Builder, doc Document) {
	b.WriteString("<details><summary>Parts</summary>\n\n| role | part | version | origin |\n|---|---|---|---|\n")
	for _, p := range roles(doc) {
		name := p.Name
		if p.StandIn {
			name += " (stand-in)"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", md(p.Role), md(name), md(p.Version), md(p.Origin))
	}
	b.WriteString("\n</details>\n\n")
	if doc.Coverage != nil {
		fmt.Fprintf(b, "%s\n\n", md(doc.Coverage.Sentence()))
	}
	fmt.Fprintf(b, "Run %s on %s, %s, took %s.\n", md(doc.Run.ID), md(doc.Platform.Name), doc.Run.Started.UTC().Format(time.RFC3339), duration(doc.Run.Took()))
}

// md makes text that Markdown shows as it is, on one line: every character with a meaning becomes an entity, which
// CommonMark never reads as structure.
func md(s string) string {
	var b strings.Builder
	s = oneLine(s)
	for i, r := range s {
		if strings.ContainsRune("\\`*_[]<>&|~#@$", r) || strings.HasPrefix(s[i:], "://") {
			fmt.Fprintf(&b, "&#%d;", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// columns are the standings worth a column: the usual ones always, the others when there is something to count.
func columns(c contract.Counts) []contract.Standing {
	standings := []contract.Standing{contract.StandingPass, contract.StandingFail, contract.StandingWarn, contract.StandingKnown}
	if c.Stale > 0 {
		standings = append(standings, contract.StandingStale)
	}
	standings = append(standings, contract.StandingNotApplicable, contract.StandingBlocked)
	if c.NotScored > 0 {
		standings = append(standings, contract.StandingNotScored)
	}
	return standings
}

func blankZero(n int) string {
	if n == 0 {
		return "·"
	}
	return fmt.Sprint(n)
}

// rolePart is a part with what it does in the run.
type rolePart struct {
	Role string
	Part
}

// roles lists the members of the subject, then the other parts.
func roles(doc Document) []rolePart {
	s := doc.Subject
	var list []rolePart
	for _, p := range []rolePart{{"gateway", s.Gateway}, {"auth service", s.AuthService}, {"identity provider", s.IdP}, {"backend", s.Backend}} {
		if p.Name != "" {
			list = append(list, p)
		}
	}
	for _, p := range doc.Parts {
		list = append(list, rolePart{"", p})
	}
	return list
}
