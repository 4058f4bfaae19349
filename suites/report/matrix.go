// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/ingress-auth/conformance/suites/contract"
)

// matrixPage is what the matrix template shows.
type matrixPage struct {
	Style  template.CSS
	Script template.JS
	Policy string
	// Lede says how many requirements and subjects there are; of two subjects, what changed.
	Lede     string
	Subjects []matrixSubject
	Profiles []matrixProfile
	Areas    []matrixArea
	Stories  []storyView
	Levels   []contract.Level
	// Changes are there when two reports are compared.
	Changes []changeGroup
	// Standings occur in a cell; Differing counts the rows whose cells are not alike.
	Standings       []contract.Standing
	Rows, Differing int
}

type matrixSubject struct {
	Document
	// Letter tells subjects apart that have the same label.
	Letter, Label, Headline string
	Standing                contract.Standing
	Bar                     []segment
}

type matrixProfile struct {
	Name  string
	Cells []profileView
}

type matrixArea struct {
	Name string
	Rows []matrixRow
}

// matrixRow is one requirement with a cell for each subject.
type matrixRow struct {
	Result
	Cells   []matrixCell
	Differs bool
	// Change is empty unless two reports are compared.
	Change Change
}

// Tokens are what the filters ask a row for: the standings of its cells, and what changed.
func (r matrixRow) Tokens() string {
	var tokens []string
	for _, c := range r.Cells {
		if c.Standing != "" && !slices.Contains(tokens, string(c.Standing)) {
			tokens = append(tokens, string(c.Standing))
		}
	}
	if r.Differs {
		tokens = append(tokens, "differs")
	}
	if r.Change != "" {
		tokens = append(tokens, string(r.Change))
	}
	return strings.Join(tokens, " ")
}

// matrixCell is empty, with no standing, where the subject was not judged by the requirement.
type matrixCell struct {
	resultView
	Letter, Label string
	Why           string
}

type changeGroup struct {
	Change      Change
	Title       string
	Differences []Difference
}

// WriteMatrix writes several documents as one page: a row for each requirement, a column for each subject, and behind
// each row the stories. Of exactly two documents it also says what changed from the first to the second. Like the page of
// WriteHTML it asks for nothing else.
func WriteMatrix(w io.Writer, documents []Document) error {
	t, err := template.New("matrix").Funcs(htmlFunctions()).Parse(sharedTemplate + matrixTemplate)
	if err != nil {
		return fmt.Errorf("reading the page template: %w", err)
	}
	return t.Execute(w, newMatrix(documents))
}

func newMatrix(documents []Document) matrixPage {
	p := matrixPage{Style: template.CSS(htmlStyle), Script: template.JS(htmlScript), Policy: policy(htmlStyle, htmlScript), Levels: contract.Levels()}
	labels := labelsOf(documents)
	for i, d := range documents {
		doc := cleaned(d)
		p.Subjects = append(p.Subjects, matrixSubject{
			Document: doc, Letter: letter(i), Label: labels[i], Headline: headline(doc.Conclusion),
			Standing: overall(doc.Conclusion), Bar: bar(doc.Conclusion.Counts),
		})
	}
	book := &storyBook{}
	rows := matrixRows(p.Subjects, book)
	p.Stories = book.views
	p.Rows = len(rows)
	for _, r := range rows {
		if r.Differs {
			p.Differing++
		}
	}
	for _, standing := range contract.Standings() {
		if slices.ContainsFunc(p.Subjects, func(s matrixSubject) bool { return s.Conclusion.Counts.Of(standing) > 0 }) {
			p.Standings = append(p.Standings, standing)
		}
	}
	p.Lede = "Every requirement stands alike."
	if p.Differing > 0 {
		p.Lede = fmt.Sprintf("%d %s not stand alike.", p.Differing, plural(p.Differing, "requirement does", "requirements do"))
	}
	if len(p.Subjects) == 2 {
		c := Compare(p.Subjects[0].Document, p.Subjects[1].Document)
		p.Lede = c.Sentence()
		mark(rows, c)
		for _, change := range Changes() {
			if group := c.Of(change); len(group) > 0 {
				p.Changes = append(p.Changes, changeGroup{Change: change, Title: changeTitle(change), Differences: group})
			}
		}
	}
	p.Areas, p.Profiles = rowsByArea(rows), matrixProfiles(p.Subjects)
	return p
}

// letter names a column: A to Z, then by number.
func letter(i int) string {
	if i < 26 {
		return string(rune('A' + i))
	}
	return fmt.Sprint(i + 1)
}

func matrixRows(subjects []matrixSubject, book *storyBook) []matrixRow {
	index := map[string]int{}
	var rows []matrixRow
	for column, s := range subjects {
		for _, r := range s.Results {
			i, seen := index[r.ID]
			if !seen {
				i = len(rows)
				index[r.ID], rows = i, append(rows, matrixRow{Result: r, Cells: make([]matrixCell, len(subjects))})
			}
			rows[i].Cells[column] = matrixCell{resultView: newResultView(r, nil, book, s.Letter), Letter: s.Letter, Label: s.Label, Why: reason(r)}
		}
	}
	for i := range rows {
		rows[i].Differs = slices.ContainsFunc(rows[i].Cells, func(c matrixCell) bool { return c.Standing != rows[i].Cells[0].Standing })
	}
	slices.SortFunc(rows, func(a, b matrixRow) int { return cmp.Or(cmp.Compare(a.Area, b.Area), cmp.Compare(a.ID, b.ID)) })
	return rows
}

func mark(rows []matrixRow, c Comparison) {
	changes := map[string]Change{}
	for _, d := range c.Differences {
		changes[d.ID] = d.Change
	}
	for i := range rows {
		rows[i].Change = cmp.Or(changes[rows[i].ID], Same)
	}
}

func rowsByArea(rows []matrixRow) []matrixArea {
	var areas []matrixArea
	for _, r := range rows {
		if len(areas) == 0 || areas[len(areas)-1].Name != r.Area {
			areas = append(areas, matrixArea{Name: r.Area})
		}
		areas[len(areas)-1].Rows = append(areas[len(areas)-1].Rows, r)
	}
	return areas
}

func matrixProfiles(subjects []matrixSubject) []matrixProfile {
	var names []string
	for _, s := range subjects {
		for _, g := range s.Conclusion.ByProfile {
			if !slices.Contains(names, g.Name) {
				names = append(names, g.Name)
			}
		}
	}
	slices.Sort(names)
	var profiles []matrixProfile
	for _, name := range names {
		p := matrixProfile{Name: name}
		for _, s := range subjects {
			views := profileViews(s.Conclusion.ByProfile)
			i := slices.IndexFunc(views, func(v profileView) bool { return v.Name == name })
			if i < 0 {
				p.Cells = append(p.Cells, profileView{})
				continue
			}
			p.Cells = append(p.Cells, views[i])
		}
		profiles = append(profiles, p)
	}
	return profiles
}
