// SPDX-License-Identifier: Apache-2.0

package rptest

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ingress-auth/conformance/mockidp"
)

// Table is what several relying parties do about the same faults, each a column. It is written as Markdown and read back,
// so that one column can be judged anew and compared. It holds nothing that differs from run to run.
type Table struct {
	// Names are those of the relying parties, in the order of the columns.
	Names []string
	cells map[string]map[string]string // by name and fault
}

// NewTable returns one with empty columns.
func NewTable(names ...string) *Table {
	t := &Table{Names: names, cells: map[string]map[string]string{}}
	for _, name := range names {
		t.cells[name] = map[string]string{}
	}
	return t
}

const (
	firstColumns = "| fault | a correct relying party |"
	cellBreak    = " | "
)

// ReadTable reads what Write wrote. Columns are found by their names; those of other names are dropped.
func ReadTable(text string, names ...string) *Table {
	t := NewTable(names...)
	var header []string
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "| "), " |"), cellBreak)
		switch {
		case strings.HasPrefix(line, firstColumns):
			header = cells
		case header != nil && len(cells) == len(header):
			for i, name := range header {
				if column := t.cells[name]; column != nil {
					column[cells[0]] = cells[i]
				}
			}
		}
	}
	return t
}

// Set puts results into a column, in place of what was there, and says fault by fault what changed.
func (t *Table) Set(name string, results []Result) (changes []string) {
	column := map[string]string{}
	for _, r := range results {
		if !r.Fault.Staged() && r.Fault.Judge == "" {
			continue // docs/faults.md says why
		}
		cell := r.cell()
		column[r.Fault.ID] = cell
		if was, ok := t.cells[name][r.Fault.ID]; !ok {
			changes = append(changes, fmt.Sprintf("%s: %s has no verdict there; it is %q", r.Fault.ID, name, cell))
		} else if was != cell {
			changes = append(changes, fmt.Sprintf("%s: %s was %q and is %q", r.Fault.ID, name, was, cell))
		}
	}
	for id := range t.cells[name] {
		if _, ok := column[id]; !ok {
			changes = append(changes, fmt.Sprintf("%s: %s was judged by it and no longer is", id, name))
		}
	}
	slices.Sort(changes)
	t.cells[name] = column
	return changes
}

// cell is the verdict, its reason, and what was observed.
func (r Result) cell() string {
	text := r.Verdict
	if r.Verdict == Fail || r.Verdict == Blocked {
		text = "**" + r.Verdict + "**"
	}
	if r.Verdict == NotApplicable {
		text = "not judged"
	}
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	switch {
	case r.Verdict == Pass && r.Fault.Outcome == mockidp.OutcomeTransient:
		// Whether a request is sent again over a connection that broke depends on which connection it was.
		text += " (works when the fault is over)"
	case r.Verdict == Pass || r.Verdict == Fail:
		text += " (" + r.Observed.String() + ")"
	}
	return strings.NewReplacer("|", "/", "\n", " ").Replace(text)
}

// Write writes the staged faults and what each relying party did about them.
func (t *Table) Write(w io.Writer, faults []mockidp.Fault) error {
	var out strings.Builder
	staged := slices.DeleteFunc(slices.Clone(faults), func(f mockidp.Fault) bool { return !f.Staged() && f.Judge == "" })
	fmt.Fprintf(&out, "%d rows.\n\n| relying party | pass | fail | not judged |\n|---|---|---|---|\n", len(staged))
	for _, name := range t.Names {
		count := map[string]int{}
		for _, f := range staged {
			verdict, _, _ := strings.Cut(t.cells[name][f.ID], " (")
			verdict, _, _ = strings.Cut(verdict, ":")
			count[verdict]++
		}
		fmt.Fprintf(&out, "| %s | %d | %d | %d |\n", name, count[Pass], count["**"+Fail+"**"], count["not judged"])
	}
	fmt.Fprintf(&out, "\n%s %s |\n|---|---|%s\n", firstColumns, strings.Join(t.Names, cellBreak), strings.Repeat("---|", len(t.Names)))
	for _, f := range staged {
		fmt.Fprintf(&out, "| %s | %s |", f.ID, f.Outcome)
		for _, name := range t.Names {
			fmt.Fprintf(&out, " %s |", t.cells[name][f.ID])
		}
		out.WriteString("\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}
