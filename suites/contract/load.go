// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Contract is a validated set of requirements with unique IDs, sorted by ID.
type Contract struct {
	requirements []Requirement
	index        map[string]int
}

// requirementsFile is one file of fixtures/contract: a topic with its requirements. Area and profile of the file serve
// the requirements that state none.
type requirementsFile struct {
	Area         string        `yaml:"area"`
	Profile      Profile       `yaml:"profile"`
	Requirements []Requirement `yaml:"requirements"`
}

// Load reads every .yaml file that stands in dir (folders below it are other revisions and are left alone) and returns
// the contract. It reports all mistakes at once, each with its file and line.
func Load(fsys fs.FS, dir string) (*Contract, error) {
	names, err := yamlFiles(fsys, dir)
	if err != nil {
		return nil, fmt.Errorf("reading the contract: %w", err)
	}
	var all []Requirement
	var faults []error
	for _, name := range names {
		found, err := loadRequirements(fsys, name)
		all, faults = append(all, found...), append(faults, err)
	}
	contract, err := New(all)
	if err := errors.Join(append(faults, err)...); err != nil {
		return nil, fmt.Errorf("the contract in %s is not valid:\n%w", dir, err)
	}
	return contract, nil
}

// New makes a contract of requirements; each must be valid and every ID unique.
func New(requirements []Requirement) (*Contract, error) {
	c := &Contract{requirements: slices.Clone(requirements), index: make(map[string]int, len(requirements))}
	// Stable: of two equal IDs the one read first counts as the original.
	slices.SortStableFunc(c.requirements, func(a, b Requirement) int { return cmp.Compare(a.ID, b.ID) })
	var faults []error
	for i, r := range c.requirements {
		if err := r.validate(); err != nil {
			faults = append(faults, at(r.DeclaredAt, err))
			continue
		}
		if first, taken := c.index[r.ID]; taken {
			faults = append(faults, at(r.DeclaredAt, fmt.Errorf("the id %s is already taken%s", r.ID, declared(c.requirements[first]))))
			continue
		}
		c.index[r.ID] = i
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return c, nil
}

// All returns the requirements, sorted by ID.
func (c *Contract) All() []Requirement { return slices.Clone(c.requirements) }

// Judged returns the requirements that are not excluded, sorted by ID.
func (c *Contract) Judged() []Requirement {
	return slices.DeleteFunc(c.All(), func(r Requirement) bool { return r.Excluded != "" })
}

// Excluded returns the requirements that are stated and not judged, sorted by ID.
func (c *Contract) Excluded() []Requirement {
	return slices.DeleteFunc(c.All(), func(r Requirement) bool { return r.Excluded == "" })
}

// Lookup returns the requirement with this ID, or an UnknownError that suggests the nearest one.
func (c *Contract) Lookup(id string) (Requirement, error) {
	if i, ok := c.index[strings.ToUpper(id)]; ok {
		return c.requirements[i], nil
	}
	return Requirement{}, &UnknownError{What: "requirement", Name: id, Suggestion: nearest(id, c.ids())}
}

func (c *Contract) ids() []string {
	ids := make([]string, len(c.requirements))
	for i, r := range c.requirements {
		ids[i] = r.ID
	}
	return ids
}

func loadRequirements(fsys fs.FS, name string) ([]Requirement, error) {
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	var file requirementsFile
	root, err := decodeStrict(name, data, &file)
	if err != nil {
		return nil, err
	}
	if len(file.Requirements) == 0 {
		return nil, fmt.Errorf("%s: lists no requirements", name)
	}
	nodes := items(root, "requirements")
	for i := range file.Requirements {
		r := &file.Requirements[i]
		r.DeclaredAt = position(name, nodes, i)
		r.Area, r.Profile = cmp.Or(r.Area, file.Area), cmp.Or(r.Profile, file.Profile)
		r.tidy()
	}
	return file.Requirements, nil
}

// yamlFiles returns the paths of the .yaml files in dir, sorted. A .yml file is an error, since it would be overlooked.
func yamlFiles(fsys fs.FS, dir string) ([]string, error) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		switch name := path.Join(dir, entry.Name()); {
		case entry.IsDir():
		case path.Ext(name) == ".yml":
			return nil, fmt.Errorf("%s: rename it to end in .yaml, the one ending that is read", name)
		case path.Ext(name) == ".yaml":
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s holds no .yaml file", dir)
	}
	return names, nil
}

func at(position string, err error) error {
	if position == "" {
		return err
	}
	return fmt.Errorf("%s: %w", position, err)
}

func declared(r Requirement) string {
	if r.DeclaredAt == "" {
		return ""
	}
	return " by " + r.DeclaredAt
}
