// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Counts counts requirements by standing; every requirement is in exactly one of them.
type Counts struct {
	Pass          int `json:"pass"`
	Warn          int `json:"warn"`
	Fail          int `json:"fail"`
	Known         int `json:"known"`
	Stale         int `json:"stale"`
	NotApplicable int `json:"notApplicable"`
	Blocked       int `json:"blocked"`
	// NotScored were added after the revision in force.
	NotScored int `json:"notScored,omitempty"`
	Total     int `json:"total"`
}

// Of returns the count of one standing.
func (c Counts) Of(s Standing) int {
	if field := c.field(s); field != nil {
		return *field
	}
	return 0
}

// judged counts the requirements that apply and are scored.
func (c Counts) judged() int { return c.Total - c.NotApplicable - c.NotScored }

func (c *Counts) add(s Standing) {
	*c.field(s)++
	c.Total++
}

func (c *Counts) field(s Standing) *int {
	switch s {
	case StandingPass:
		return &c.Pass
	case StandingWarn:
		return &c.Warn
	case StandingFail:
		return &c.Fail
	case StandingKnown:
		return &c.Known
	case StandingStale:
		return &c.Stale
	case StandingNotApplicable:
		return &c.NotApplicable
	case StandingNotScored:
		return &c.NotScored
	default:
		return &c.Blocked
	}
}

// GroupCounts are the counts of one area or profile.
type GroupCounts struct {
	Name string `json:"name"`
	Counts
}

// Conclusion is the answer of a run.
type Conclusion struct {
	Conformant bool `json:"conformant"`
	// ExitCode is how the process is to end.
	ExitCode ExitCode `json:"exitCode"`
	// Sentence says it for a reader.
	Sentence string `json:"sentence"`
	Counts   Counts `json:"counts"`
	// ByArea and ByProfile are sorted by name.
	ByArea    []GroupCounts `json:"byArea"`
	ByProfile []GroupCounts `json:"byProfile"`
}

// Score draws the conclusion from the outcomes. A blocked requirement outweighs failures, since a harness that could not
// judge everything must not be read as a verdict on the subject; outcomes that are all not applicable judge nothing.
func Score(outcomes []Outcome) Conclusion {
	c := Conclusion{
		ByArea:    groupBy(outcomes, func(r Requirement) string { return r.Area }),
		ByProfile: groupBy(outcomes, func(r Requirement) string { return string(r.Profile) }),
	}
	for _, o := range outcomes {
		c.Counts.add(o.Standing())
	}
	n := c.Counts
	switch {
	case n.Blocked > 0:
		c.ExitCode = ExitHarnessError
	case n.Fail+n.Stale > 0:
		c.ExitCode = ExitNotConformant
	case n.judged() == 0:
		c.ExitCode = ExitNothingSelected
	default:
		c.Conformant, c.ExitCode = true, ExitConformant
	}
	c.Sentence = sentence(c, outcomes)
	return c
}

func groupBy(outcomes []Outcome, key func(Requirement) string) []GroupCounts {
	groups := []GroupCounts{}
	for _, o := range outcomes {
		name := key(o.Requirement)
		i := slices.IndexFunc(groups, func(g GroupCounts) bool { return g.Name == name })
		if i < 0 {
			i, groups = len(groups), append(groups, GroupCounts{Name: name})
		}
		groups[i].add(o.Standing())
	}
	slices.SortFunc(groups, func(a, b GroupCounts) int { return cmp.Compare(a.Name, b.Name) })
	return groups
}

func sentence(c Conclusion, outcomes []Outcome) string {
	n := c.Counts
	judged := n.judged()
	switch c.ExitCode {
	case ExitHarnessError:
		text := fmt.Sprintf("Could not judge: %s blocked (first: %s)", count(n.Blocked, "requirement is", "requirements are"), first(outcomes, StandingBlocked))
		if n.Fail+n.Stale > 0 {
			text += fmt.Sprintf("; of the rest, %s", broken(n, judged, outcomes))
		}
		return text + "."
	case ExitNotConformant:
		return "Not conformant: " + broken(n, judged, outcomes) + extras(n, outcomes) + "."
	case ExitNothingSelected:
		if n.Total == 0 {
			return "Nothing was judged: no requirement was selected."
		}
		if n.NotScored > 0 {
			return fmt.Sprintf("Nothing was scored: %s added after the revision.", count(n.NotScored, "selected requirement was", "selected requirements were"))
		}
		return fmt.Sprintf("Nothing was judged: %s to this subject.", count(n.Total, "selected requirement does not apply", "selected requirements do not apply"))
	}
	if n.Pass == judged {
		return fmt.Sprintf("Conformant: %s%s.", all(judged), extras(n, outcomes))
	}
	return fmt.Sprintf("Conformant: %d of %s%s.", n.Pass, count(judged, "requirement hold", "requirements hold"), extras(n, outcomes))
}

func all(judged int) string {
	if judged == 1 {
		return "the one judged requirement holds"
	}
	return fmt.Sprintf("all %d requirements hold", judged)
}

func broken(n Counts, judged int, outcomes []Outcome) string {
	var parts []string
	if n.Fail > 0 {
		parts = append(parts, fmt.Sprintf("%d of %s not hold (first: %s)", n.Fail, count(judged, "requirement does", "requirements do"), first(outcomes, StandingFail)))
	}
	if n.Stale > 0 {
		parts = append(parts, fmt.Sprintf("%s out of date (first: %s holds now)", count(n.Stale, "known deviation is", "known deviations are"), first(outcomes, StandingStale)))
	}
	return strings.Join(parts, "; ")
}

// extras tells what does not decide but should not be overlooked.
func extras(n Counts, outcomes []Outcome) string {
	var text string
	if n.Known > 0 {
		text += "; " + knownText(outcomes)
	}
	if n.Warn > 0 {
		text += fmt.Sprintf("; %s not hold", count(n.Warn, "recommendation (SHOULD) does", "recommendations (SHOULD) do"))
	}
	if n.NotApplicable > 0 {
		text += fmt.Sprintf("; %s not apply", count(n.NotApplicable, "does", "do"))
	}
	if n.NotScored > 0 {
		text += fmt.Sprintf("; %s not scored: added after the revision", count(n.NotScored, "is", "are"))
	}
	return text
}

// knownText names the parts with known deviations, how many requirements each costs and up to three references.
func knownText(outcomes []Outcome) string {
	type part struct {
		name       string
		n          int
		references []string
	}
	var parts []*part
	for _, o := range outcomes {
		if o.Standing() != StandingKnown {
			continue
		}
		name := strings.TrimSpace(o.Known[0].Part + " " + o.Known[0].Version)
		i := slices.IndexFunc(parts, func(p *part) bool { return p.name == name })
		if i < 0 {
			i, parts = len(parts), append(parts, &part{name: name})
		}
		parts[i].n++
		for _, k := range o.Known {
			if !slices.Contains(parts[i].references, k.Reference.Text) {
				parts[i].references = append(parts[i].references, k.Reference.Text)
			}
		}
	}
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = fmt.Sprintf("%s known for %s (%s)", count(p.n, "deviation is", "deviations are"), p.name, firstThree(p.references))
	}
	return strings.Join(texts, " and ")
}

func firstThree(words []string) string {
	if len(words) <= 3 {
		return strings.Join(words, "; ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(words[:3], "; "), len(words)-3)
}

func first(outcomes []Outcome, s Standing) string {
	for _, o := range outcomes {
		if o.Standing() == s {
			return o.Requirement.ID
		}
	}
	return ""
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
