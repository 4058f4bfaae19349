// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ingress-auth/conformance/suites/contract"
)

// ComparisonKind and ComparisonVersion identify the JSON form of a Comparison.
const (
	ComparisonKind    = "IngressAuthConformanceComparison"
	ComparisonVersion = 1
)

// Change is what became of a requirement from one report to the other.
type Change string

// The changes. All but Same count as differences.
const (
	Worse  Change = "worse"
	Lost   Change = "lost" // was judged, does not apply any more
	Better Change = "better"
	Gained Change = "gained" // did not apply, is judged now
	OnlyA  Change = "only-a"
	OnlyB  Change = "only-b"
	Same   Change = "same"
)

// Changes lists the changes, the one that most needs a reader first.
func Changes() []Change { return []Change{Worse, Lost, Better, Gained, OnlyA, OnlyB, Same} }

// Comparison is what differs between two runs, or between two subjects: the report of a migration from A to B.
type Comparison struct {
	SchemaVersion int            `json:"schemaVersion"`
	Kind          string         `json:"kind"`
	A             Compared       `json:"a"`
	B             Compared       `json:"b"`
	Counts        map[Change]int `json:"counts"`
	// Differences are grouped by change in the order of Changes, sorted by ID. What is the same is only counted.
	Differences []Difference `json:"differences"`
}

// Compared is one of the two reports.
type Compared struct {
	Run        Run        `json:"run"`
	Platform   Platform   `json:"platform"`
	Subject    Subject    `json:"subject"`
	Conclusion Conclusion `json:"conclusion"`
}

// Difference is one requirement that stands differently.
type Difference struct {
	ID       string           `json:"id"`
	Level    contract.Level   `json:"level"`
	Area     string           `json:"area"`
	Profile  contract.Profile `json:"profile"`
	Sentence string           `json:"sentence"`
	Change   Change           `json:"change"`
	// A and B are nil where the report has no such requirement.
	A *Judgement `json:"a,omitempty"`
	B *Judgement `json:"b,omitempty"`
}

// Judgement is what one report says of one requirement.
type Judgement struct {
	Verdict  contract.Verdict  `json:"verdict"`
	Standing contract.Standing `json:"standing"`
	Reason   string            `json:"reason,omitempty"`
}

// Compare says what changed from a to b, by requirement and standing.
func Compare(a, b Document) Comparison {
	c := Comparison{
		SchemaVersion: ComparisonVersion, Kind: ComparisonKind, A: compared(a), B: compared(b), Counts: map[Change]int{}, Differences: []Difference{},
	}
	in := map[string][2]*Result{}
	for side, results := range [2][]Result{a.Results, b.Results} {
		for i := range results {
			pair := in[results[i].ID]
			pair[side] = &results[i]
			in[results[i].ID] = pair
		}
	}
	for _, pair := range in {
		d := difference(pair[0], pair[1])
		c.Counts[d.Change]++
		if d.Change != Same {
			c.Differences = append(c.Differences, d)
		}
	}
	slices.SortFunc(c.Differences, func(x, y Difference) int {
		return cmp.Or(cmp.Compare(slices.Index(Changes(), x.Change), slices.Index(Changes(), y.Change)), cmp.Compare(x.ID, y.ID))
	})
	return c
}

func compared(doc Document) Compared {
	return Compared{Run: doc.Run, Platform: doc.Platform, Subject: doc.Subject, Conclusion: doc.Conclusion}
}

// label names a subject: its gateway, or what else it has.
func label(s Subject, p Platform) string {
	for _, part := range []Part{s.Gateway, s.AuthService, s.IdP} {
		if name := strings.TrimSpace(part.Name + " " + part.Version); name != "" {
			return name + " on " + cmp.Or(p.Name, "an unknown platform")
		}
	}
	return "no subject on " + cmp.Or(p.Name, "an unknown platform")
}

// labelsOf names the subjects of several reports. Where the gateway alone does not tell them apart the auth service does, if
// it can.
func labelsOf(documents []Document) []string {
	labels := make([]string, len(documents))
	seen := map[string]int{}
	for i, d := range documents {
		labels[i] = printable(label(d.Subject, d.Platform))
		seen[labels[i]]++
	}
	for i, d := range documents {
		if with := strings.TrimSpace(d.Subject.AuthService.Name + " " + d.Subject.AuthService.Version); seen[labels[i]] > 1 && with != "" {
			labels[i] += ", " + printable(with)
		}
	}
	return labels
}

func difference(a, b *Result) Difference {
	newer := b
	if b == nil {
		newer = a
	}
	return Difference{
		ID: newer.ID, Level: newer.Level, Area: newer.Area, Profile: newer.Profile, Sentence: newer.Sentence,
		Change: changeOf(a, b), A: judgement(a), B: judgement(b),
	}
}

func judgement(r *Result) *Judgement {
	if r == nil {
		return nil
	}
	return &Judgement{Verdict: r.Verdict, Standing: r.Standing, Reason: reason(*r)}
}

func changeOf(a, b *Result) Change {
	switch {
	case a == nil:
		return OnlyB
	case b == nil:
		return OnlyA
	case a.Standing == b.Standing:
		return Same
	case unjudged(b.Standing):
		return Lost
	case unjudged(a.Standing):
		return Gained
	case worth(b.Standing) < worth(a.Standing):
		return Worse
	default:
		return Better
	}
}

// unjudged says whether a requirement stands for nothing in a run.
func unjudged(s contract.Standing) bool {
	return s == contract.StandingNotApplicable || s == contract.StandingNotScored
}

// worth orders the standings by what a user has of them. A known deviation is one all the same.
func worth(s contract.Standing) int {
	return slices.Index([]contract.Standing{
		contract.StandingBlocked, contract.StandingFail, contract.StandingStale, contract.StandingKnown, contract.StandingWarn, contract.StandingPass,
	}, s)
}

// Alike says whether no requirement stands differently.
func (c Comparison) Alike() bool { return len(c.Differences) == 0 }

// Sentence says it for a reader.
func (c Comparison) Sentence() string {
	if c.Alike() {
		return fmt.Sprintf("No difference: %d %s alike.", c.Counts[Same], plural(c.Counts[Same], "requirement stands", "requirements stand"))
	}
	words := map[Change]string{
		Worse: "worse", Lost: "no longer applicable", Better: "better", Gained: "newly applicable", OnlyA: "only in A", OnlyB: "only in B", Same: "the same",
	}
	var parts []string
	for _, change := range Changes() {
		if n := c.Counts[change]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, words[change]))
		}
	}
	return "Different: " + strings.Join(parts, ", ") + "."
}

// Of returns the differences of one kind.
func (c Comparison) Of(change Change) []Difference {
	var found []Difference
	for _, d := range c.Differences {
		if d.Change == change {
			found = append(found, d)
		}
	}
	return found
}

// changeTitle heads the group of a change.
func changeTitle(change Change) string {
	switch change {
	case Worse:
		return "Worse in B"
	case Lost:
		return "Judged in A, does not apply to B"
	case Better:
		return "Better in B"
	case Gained:
		return "Did not apply to A, judged in B"
	case OnlyA:
		return "Only in A"
	case OnlyB:
		return "Only in B"
	default:
		return "The same"
	}
}

// WriteComparisonJSON writes the comparison for programs.
func WriteComparisonJSON(w io.Writer, c Comparison) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(c)
}

// WriteComparison writes the comparison for a terminal; color adds ANSI colours.
func WriteComparison(w io.Writer, a, b Document, color bool) error {
	c := Compare(cleaned(a), cleaned(b))
	s := summary{color: color}
	labels := labelsOf([]Document{a, b})
	s.compared("A", labels[0], c.A)
	s.compared("B", labels[1], c.B)
	s.b.WriteString("\n")
	for _, change := range Changes() {
		group := c.Of(change)
		if len(group) == 0 {
			continue
		}
		fmt.Fprintf(&s.b, "%s (%d)\n", s.paint("1", changeTitle(change)), len(group))
		for _, d := range group {
			s.difference(d)
		}
		s.b.WriteString("\n")
	}
	fmt.Fprintf(&s.b, "%s\n", s.paint("1", c.Sentence()))
	_, err := io.WriteString(w, s.b.String())
	return err
}

func (s *summary) compared(name, label string, c Compared) {
	fmt.Fprintf(&s.b, "%s  %s, run %s\n   %s\n", s.paint("1", name), oneLine(label), oneLine(c.Run.ID), oneLine(c.Conclusion.Sentence))
}

func (s *summary) difference(d Difference) {
	fmt.Fprintf(&s.b, "  %s → %s  %s  (%s, %s)\n", s.standing(d.A), s.standing(d.B), s.paint("1", oneLine(d.ID)), d.Level, d.Profile)
	fmt.Fprintf(&s.b, "      %s\n", oneLine(d.Sentence))
	if d.A != nil && d.A.Reason != "" && d.Change != Worse && d.Change != Lost {
		fmt.Fprintf(&s.b, "      A: %s\n", oneLine(d.A.Reason))
	}
	if d.B != nil && d.B.Reason != "" {
		fmt.Fprintf(&s.b, "      B: %s\n", oneLine(d.B.Reason))
	}
}

func (s *summary) standing(j *Judgement) string {
	if j == nil {
		return pad("absent", 9)
	}
	look := lookOf(j.Standing)
	return s.paint(look.Colour, pad(look.Symbol+" "+look.Word, 9))
}
