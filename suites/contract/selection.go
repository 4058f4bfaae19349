// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrNothingSelected says that a selection holds no requirement. A run of nothing would be green, so it is an error
// (ExitNothingSelected).
var ErrNothingSelected = errors.New("nothing selected: no requirement fits all the given conditions")

// Selection says which requirements to judge. A requirement is selected when it fits every field that is set; within one
// field any value will do. The zero Selection takes the whole contract.
type Selection struct {
	// IDs are exact IDs, or prefixes that end in a hyphen (STATUS-). Nil sets no condition; empty but not nil selects
	// nothing, so that a list of failures that turns out empty does not run everything.
	IDs      []string  `json:"ids,omitempty"`
	Profiles []Profile `json:"profiles,omitempty"`
	Levels   []Level   `json:"levels,omitempty"`
	Areas    []string  `json:"areas,omitempty"`
	// Features selects requirements that need at least one of them.
	Features []string `json:"features,omitempty"`
}

// Select returns the selected requirements, sorted by ID. Excluded ones are never among them. A value that no requirement of the contract has is an
// UnknownError; conditions that no requirement fits together are ErrNothingSelected.
func (c *Contract) Select(s Selection) ([]Requirement, error) {
	if err := c.checkNames(s); err != nil {
		return nil, err
	}
	var selected []Requirement
	for _, r := range c.requirements {
		if r.Excluded == "" && s.fits(r) {
			selected = append(selected, r)
		}
	}
	if len(selected) == 0 {
		return nil, ErrNothingSelected
	}
	return selected, nil
}

func (s Selection) fits(r Requirement) bool {
	anyOf := func(n int, hit bool) bool { return n == 0 || hit }
	fitsID := s.IDs == nil || slices.ContainsFunc(s.IDs, func(id string) bool { return matchesID(id, r.ID) })
	return fitsID &&
		anyOf(len(s.Profiles), slices.Contains(s.Profiles, r.Profile)) &&
		anyOf(len(s.Levels), slices.Contains(s.Levels, r.Level)) &&
		anyOf(len(s.Areas), slices.Contains(s.Areas, r.Area)) &&
		anyOf(len(s.Features), slices.ContainsFunc(s.Features, func(f string) bool { return slices.Contains(r.Features, f) }))
}

func matchesID(pattern, id string) bool {
	pattern = strings.ToUpper(pattern)
	return pattern == id || (strings.HasSuffix(pattern, "-") && strings.HasPrefix(id, pattern))
}

// checkNames refuses values that the contract does not know, since they would silently narrow the selection.
func (c *Contract) checkNames(s Selection) error {
	var faults []error
	for _, id := range s.IDs {
		if !slices.ContainsFunc(c.requirements, func(r Requirement) bool { return matchesID(id, r.ID) }) {
			faults = append(faults, &UnknownError{What: "requirement", Name: id, Suggestion: nearest(id, c.ids())})
		}
	}
	faults = append(faults, unknown("profile", s.Profiles, Profiles())...)
	faults = append(faults, unknown("level", s.Levels, Levels())...)
	faults = append(faults, unknown("area", s.Areas, c.Areas())...)
	faults = append(faults, unknown("feature", s.Features, c.Features())...)
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("selecting requirements: %w", err)
	}
	return nil
}

// Areas lists the areas of the contract, sorted.
func (c *Contract) Areas() []string {
	var areas []string
	for _, r := range c.requirements {
		areas = append(areas, r.Area)
	}
	slices.Sort(areas)
	return slices.Compact(areas)
}

// Features lists the features that the contract's requirements need, sorted.
func (c *Contract) Features() []string {
	var features []string
	for _, r := range c.requirements {
		features = append(features, r.Features...)
	}
	slices.Sort(features)
	return slices.Compact(features)
}

func unknown[T ~string](what string, given, known []T) []error {
	var faults []error
	for _, name := range given {
		if !slices.Contains(known, name) {
			faults = append(faults, &UnknownError{What: what, Name: string(name), Suggestion: nearest(string(name), strings.Split(list(known), ", "))})
		}
	}
	return faults
}
