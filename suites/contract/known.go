// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
)

// Known is a deviation of one version of one part that its own advisories or issues admit. It keeps a failing requirement
// from turning the subject non-conformant, and turns it red once the requirement holds after all.
type Known struct {
	// Part and Version come from the file's name: ingress-nginx-v1.11.0.yaml.
	Part    string `json:"part" yaml:"-"`
	Version string `json:"version" yaml:"-"`
	// Requirement is the ID; Case limits the deviation to findings of the check of that name. Empty: all its findings.
	Requirement string `json:"requirement" yaml:"requirement"`
	Case        string `json:"case,omitempty" yaml:"case"`
	// Reference is the advisory or issue; Sentence says what goes wrong.
	Reference Source `json:"reference" yaml:"reference"`
	Sentence  string `json:"sentence" yaml:"sentence"`
	// DeclaredAt is the file and line of the entry.
	DeclaredAt string `json:"-" yaml:"-"`
}

// Explains says whether the deviation is about this finding.
func (k Known) Explains(f Finding) bool {
	return k.Requirement == f.Requirement && (k.Case == "" || k.Case == f.Check)
}

// KnownFile is the path of the file that holds the known deviations of a version of a part.
func KnownFile(dir, part, version string) string { return path.Join(dir, part+"-"+version+".yaml") }

// LoadKnown reads the known deviations of a version of a part from dir. A part without a file has none. An entry that
// names a requirement which the contract does not have, or stands twice, is an error with file and line.
func LoadKnown(fsys fs.FS, dir, part, version string, c *Contract) ([]Known, error) {
	name := KnownFile(dir, part, version)
	data, err := fs.ReadFile(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the known deviations of %s %s: %w", part, version, err)
	}
	known, err := parseKnown(name, data, c)
	if err != nil {
		return nil, fmt.Errorf("the known deviations of %s %s are not valid:\n%w", part, version, err)
	}
	for i := range known {
		known[i].Part, known[i].Version = part, version
	}
	return known, nil
}

// CheckKnownFiles reads every known-deviations file in dir and reports all mistakes: a guard for a unit test, since a run
// reads only the files of its own parts.
func CheckKnownFiles(fsys fs.FS, dir string, c *Contract) error {
	names, err := yamlFiles(fsys, dir)
	if err != nil {
		return fmt.Errorf("reading the known deviations: %w", err)
	}
	var faults []error
	for _, name := range names {
		data, err := fs.ReadFile(fsys, name)
		if err == nil {
			_, err = parseKnown(name, data, c)
		}
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

func parseKnown(name string, data []byte, c *Contract) ([]Known, error) {
	var known []Known
	root, err := decodeStrict(name, data, &known)
	if err != nil {
		return nil, err
	}
	nodes := items(root, "")
	seen := map[[2]string]string{}
	var faults []error
	for i := range known {
		k := &known[i]
		k.DeclaredAt = position(name, nodes, i)
		k.Sentence, k.Reference.Text = oneLine(k.Sentence), oneLine(k.Reference.Text)
		if err := k.validate(c); err != nil {
			faults = append(faults, at(k.DeclaredAt, err))
			continue
		}
		key := [2]string{k.Requirement, k.Case}
		if first, taken := seen[key]; taken {
			faults = append(faults, at(k.DeclaredAt, fmt.Errorf("%s is already listed at %s", k.Requirement, first)))
			continue
		}
		seen[key] = k.DeclaredAt
	}
	return known, errors.Join(faults...)
}

func (k Known) validate(c *Contract) error {
	if k.Requirement == "" {
		return errors.New("the entry names no requirement")
	}
	r, err := c.Lookup(k.Requirement)
	switch {
	case err != nil:
		return err
	case r.ID != k.Requirement:
		return fmt.Errorf("write the requirement as %s", r.ID)
	case k.Sentence == "":
		return fmt.Errorf("%s has no sentence: say what goes wrong", k.Requirement)
	}
	if err := k.Reference.validate(); err != nil {
		return fmt.Errorf("%s needs a reference, the advisory or issue that admits the deviation: %w", k.Requirement, err)
	}
	return nil
}
