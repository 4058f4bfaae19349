// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/ingress-auth/conformance/suites/contract"
)

// annotationsShown is how many annotations of one kind GitHub shows for a step.
const annotationsShown = 10

// WriteAnnotations writes workflow commands of GitHub Actions: an error for each result that keeps the run from being
// conformant, a warning for each recommendation that does not hold, as many as GitHub shows.
func WriteAnnotations(w io.Writer, doc Document) error {
	doc = cleaned(doc)
	var b strings.Builder
	annotate(&b, "error", withStanding(doc.Results, redStandings()...))
	annotate(&b, "warning", withStanding(doc.Results, contract.StandingWarn))
	_, err := io.WriteString(w, b.String())
	return err
}

func annotate(b *strings.Builder, command string, results []Result) {
	for i, r := range results {
		// The last place says how many are left out.
		if i == annotationsShown-1 && len(results) > annotationsShown {
			fmt.Fprintf(b, "::%s title=%s::%s\n", command, commandProperty("ingress-auth"), commandData(fmt.Sprintf("and %d more: see the report", len(results)-i)))
			return
		}
		title := fmt.Sprintf("%s (%s, %s)", r.ID, lookOf(r.Standing).Word, r.Level)
		fmt.Fprintf(b, "::%s title=%s::%s\n", command, commandProperty(title), commandData(r.Sentence+"\n"+reason(r)))
	}
}

// commandData escapes the message of a workflow command: everything that would end the line.
func commandData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

// commandProperty escapes a property of a workflow command, which also ends at a colon or a comma.
func commandProperty(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}
