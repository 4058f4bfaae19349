// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ingress-auth/conformance/suites/control"
)

// page writes the matrix for readers.
func (m *matrix) page() string {
	var b strings.Builder
	b.WriteString(`# Controls

A control is one deliberately broken part (` + "`fixtures/controls/`" + `). Each is put in place in turn and every check is run that it
makes a difference to; all other checks cannot tell that it is there. What turns red has to be what the control is meant
for, or something that its entry explains; ` + "`make test`" + ` fails otherwise. This page is written by that test
(` + "`UPDATE_CONTROLS=1 go test ./suites -run Controls`" + `) and compared by it.

`)
	fmt.Fprintf(&b, "%d controls turn %d requirements red that they are meant for. What only a cluster can judge, %d requirements, is turned red by broken gateways in the tests.\n\n",
		len(m.set.Controls), len(m.intended()), m.byGateways())
	m.writeCauses(&b)
	m.writeControls(&b)
	m.writeGateways(&b)
	return b.String()
}

func (m *matrix) intended() map[string]bool {
	ids := map[string]bool{}
	for _, c := range m.set.Controls {
		for _, id := range c.TurnsRed {
			ids[id] = true
		}
	}
	return ids
}

func (m *matrix) byGateways() int {
	ids := map[string]bool{}
	for _, g := range m.set.Gateways {
		for _, id := range g.TurnsRed {
			ids[id] = true
		}
	}
	return len(ids)
}

func (m *matrix) writeCauses(b *strings.Builder) {
	b.WriteString("## Causes\n\nWhy much turns red together. A check has a cause if it is seen to, in a run without controls.\n\n| cause | why |\n|---|---|\n")
	for _, c := range m.set.Causes {
		fmt.Fprintf(b, "| %s | %s |\n", c.ID, cell(c.Sentence))
	}
}

func (m *matrix) writeControls(b *strings.Builder) {
	b.WriteString("\n## Controls\n\nOther requirements that turn red stand behind their reason; those in parentheses could not be judged any more.\n\n| control | what is broken | meant for | others, and why |\n|---|---|---|---|\n")
	for _, c := range m.set.Controls {
		fmt.Fprintf(b, "| %s (%s) | %s | %s | %s |\n", c.ID, c.Part, cell(c.Sentence), strings.Join(c.TurnsRed, ", "), m.otherCells(c))
	}
}

func (m *matrix) otherCells(c control.Control) string {
	others, _ := m.others(c)
	var cells []string
	for i, e := range c.AlsoRed {
		if e.Sometimes {
			cells = append(cells, strings.TrimSuffix(cell(e.Because), ".")+": "+strings.Join(e.Requirements, ", ")+" (not each time)")
			continue
		}
		var ids []string
		for _, id := range others[i] {
			if !m.red[c.ID][id].failed {
				id = "(" + id + ")"
			}
			ids = append(ids, id)
		}
		slices.SortStableFunc(ids, func(a, b string) int { return cmp.Compare(strings.Trim(a, "()"), strings.Trim(b, "()")) })
		cells = append(cells, strings.TrimSuffix(cell(cmp.Or(e.Cause, e.Because)), ".")+": "+strings.Join(ids, ", "))
	}
	return strings.Join(cells, "<br>")
}

func (m *matrix) writeGateways(b *strings.Builder) {
	b.WriteString("\n## Broken gateways\n\n| gateway | what is broken | turns red what no control does |\n|---|---|---|\n")
	for _, g := range m.set.Gateways {
		fmt.Fprintf(b, "| %s | %s | %s |\n", g.ID, cell(g.Sentence), strings.Join(g.TurnsRed, ", "))
	}
}

func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}
