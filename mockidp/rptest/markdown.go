// SPDX-License-Identifier: Apache-2.0

package rptest

import (
	"fmt"
	"io"
	"strings"
)

// WriteMarkdown writes the verdicts on one relying party. It holds nothing that differs from run to run.
func WriteMarkdown(w io.Writer, name string, results []Result) error {
	count := map[string]int{}
	for _, r := range results {
		count[r.Verdict]++
	}
	var out strings.Builder
	fmt.Fprintf(&out, "# The fault catalogue against %s\n\nWritten by a test: do not edit. docs/faults.md explains the faults.\n\n%d pass, %d fail, %d not applicable, %d blocked.\n\n"+
		"| fault | a correct relying party | verdict | reason |\n|---|---|---|---|\n", name, count[Pass], count[Fail], count[NotApplicable], count[Blocked])
	for _, r := range results {
		fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", r.Fault.ID, r.Fault.Outcome, r.Verdict, strings.NewReplacer("|", `\|`, "\n", " ").Replace(r.Reason))
	}
	_, err := io.WriteString(w, out.String())
	return err
}
