// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Revision is a list of requirements that subjects are scored by, each at its level. A published one is frozen: what joins
// the contract later is run and shown, and does not count in it; a level that is changed later stays in it what it was. One
// that is not published yet is a draft and scores the whole contract.
type Revision struct {
	// Name is the month it is of, such as 2026-11.
	Name      string   `yaml:"revision"`
	Published bool     `yaml:"published"`
	Frozen    []Frozen `yaml:"requirements"`
}

// Frozen is what a revision holds fast of one requirement.
type Frozen struct {
	ID    string `yaml:"id"`
	Level Level  `yaml:"level"`
	// Sentence is the hash of the sentence: the first 16 hexadecimal digits of its SHA-256, white space folded.
	Sentence string `yaml:"sentence"`
}

var (
	revisionForm = regexp.MustCompile(`^[0-9]{4}-(0[1-9]|1[0-2])$`)
	hashForm     = regexp.MustCompile(`^[0-9a-f]{16}$`)
)

// NewRevision drafts a revision of all requirements that the contract judges.
func NewRevision(name string, c *Contract) (Revision, error) {
	r := Revision{Name: name}
	for _, requirement := range c.Judged() {
		r.Frozen = append(r.Frozen, freeze(requirement))
	}
	return r, r.validate()
}

func freeze(r Requirement) Frozen {
	sum := sha256.Sum256([]byte(oneLine(r.Sentence)))
	return Frozen{ID: r.ID, Level: r.Level, Sentence: hex.EncodeToString(sum[:8])}
}

// Scores says whether a requirement counts in the revision.
func (r Revision) Scores(id string) bool {
	_, found := r.frozen(id)
	return found || !r.Published
}

// Of returns the contract as the revision has it: what is in it has the level that it had then.
func (r Revision) Of(c *Contract) *Contract {
	if !r.Published {
		return c
	}
	then := &Contract{requirements: c.All(), index: c.index}
	for i := range then.requirements {
		then.requirements[i].Level = r.Level(then.requirements[i])
	}
	return then
}

// Level is the level that a requirement has in the revision: the frozen one, or its own if it is not in it.
func (r Revision) Level(of Requirement) Level {
	if f, found := r.frozen(of.ID); found && r.Published {
		return f.Level
	}
	return of.Level
}

func (r Revision) frozen(id string) (Frozen, bool) {
	i, found := slices.BinarySearchFunc(r.Frozen, id, func(f Frozen, id string) int { return cmp.Compare(f.ID, id) })
	if !found {
		return Frozen{}, false
	}
	return r.Frozen[i], true
}

// VerifyLevels reports every requirement of the revision that has another level in the contract. It is for the newest
// revision: a changed level needs a new one.
func (r Revision) VerifyLevels(c *Contract) error {
	if !r.Published {
		return nil
	}
	var faults []error
	for _, now := range c.Judged() {
		if then, found := r.frozen(now.ID); found && then.Level != now.Level {
			faults = append(faults, fmt.Errorf("%s is %s now; revision %s, the newest, has it as %s: publish another", now.ID, now.Level, r.Name, then.Level))
		}
	}
	return errors.Join(faults...)
}

// Verify reports every requirement of the revision that the contract has changed: removed, excluded, reworded. Levels may
// change, since a revision carries its own (see Of). A draft may be changed.
func (r Revision) Verify(c *Contract) error {
	if !r.Published {
		return nil
	}
	var faults []error
	for _, frozen := range r.Frozen {
		i, exists := c.index[frozen.ID]
		if !exists {
			faults = append(faults, fmt.Errorf("%s was removed; revision %s has it", frozen.ID, r.Name))
			continue
		}
		switch now := freeze(c.requirements[i]); {
		case c.requirements[i].Excluded != "":
			faults = append(faults, fmt.Errorf("%s is excluded now; revision %s scores it", frozen.ID, r.Name))
		case now.Sentence != frozen.Sentence:
			faults = append(faults, fmt.Errorf("%s was reworded since revision %s; put the sentence back, and give a changed demand an ID of its own", frozen.ID, r.Name))
		}
	}
	return errors.Join(faults...)
}

// Score marks the outcomes that do not count in the revision.
func (r Revision) Score(outcomes []Outcome) []Outcome {
	marked := slices.Clone(outcomes)
	for i := range marked {
		marked[i].Unscored = !r.Scores(marked[i].Requirement.ID)
	}
	return marked
}

// RevisionFile is the path of a revision below dir.
func RevisionFile(dir, name string) string { return path.Join(dir, name+".yaml") }

// LoadRevisions reads the revisions in dir, the oldest first.
func LoadRevisions(fsys fs.FS, dir string) ([]Revision, error) {
	names, err := yamlFiles(fsys, dir)
	if err != nil {
		return nil, fmt.Errorf("reading the revisions of the contract: %w", err)
	}
	var revisions []Revision
	for _, name := range names {
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("reading the revisions of the contract: %w", err)
		}
		r, err := parseRevision(name, data)
		if err != nil {
			return nil, err
		}
		revisions = append(revisions, r)
	}
	return revisions, nil
}

// LoadRevision reads one revision by its name, or with "" the newest.
func LoadRevision(fsys fs.FS, dir, name string) (Revision, error) {
	revisions, err := LoadRevisions(fsys, dir)
	if err != nil {
		return Revision{}, err
	}
	if name == "" {
		return revisions[len(revisions)-1], nil
	}
	var names []string
	for _, r := range revisions {
		if r.Name == name {
			return r, nil
		}
		names = append(names, r.Name)
	}
	return Revision{}, &UnknownError{What: "revision", Name: name, Suggestion: nearest(name, names)}
}

func parseRevision(name string, data []byte) (Revision, error) {
	var r Revision
	if _, err := decodeStrict(name, data, &r); err != nil {
		return Revision{}, err
	}
	if path.Base(name) != r.Name+".yaml" {
		return Revision{}, fmt.Errorf("%s: holds revision %q; a revision's file is named after it", name, r.Name)
	}
	if err := r.validate(); err != nil {
		return Revision{}, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}

func (r Revision) validate() error {
	if !revisionForm.MatchString(r.Name) {
		return fmt.Errorf("the revision %q is not named after its month, such as 2026-11", r.Name)
	}
	if len(r.Frozen) == 0 {
		return fmt.Errorf("revision %s lists no requirement", r.Name)
	}
	for i, f := range r.Frozen {
		switch {
		case !idForm.MatchString(f.ID):
			return fmt.Errorf("revision %s: %q is no requirement ID", r.Name, f.ID)
		case !slices.Contains(Levels(), f.Level):
			return fmt.Errorf("revision %s, %s: the level %q is none of %s", r.Name, f.ID, f.Level, list(Levels()))
		case !hashForm.MatchString(f.Sentence):
			return fmt.Errorf("revision %s, %s: the sentence is kept as 16 hexadecimal digits, not %q", r.Name, f.ID, f.Sentence)
		case i > 0 && r.Frozen[i-1].ID >= f.ID:
			return fmt.Errorf("revision %s: %s stands after %s; sort them by ID, each once", r.Name, f.ID, r.Frozen[i-1].ID)
		}
	}
	return nil
}

// revisionHead explains the file to who opens it.
const revisionHead = `# A revision of the contract: what subjects are scored by. Written by
#
#   go test ./suites/contract -run Revision -update
#
# and never changed by it once published is true. Each sentence is kept as a hash, so that a reworded requirement shows.
`

// Encode writes the revision as its file.
func (r Revision) Encode() ([]byte, error) {
	var b strings.Builder
	b.WriteString(revisionHead)
	fmt.Fprintf(&b, "revision: %q\npublished: %t\nrequirements:\n", r.Name, r.Published)
	for _, f := range r.Frozen {
		var line yaml.Node
		if err := line.Encode(f); err != nil {
			return nil, fmt.Errorf("writing revision %s: %w", r.Name, err)
		}
		line.Style = yaml.FlowStyle
		text, err := yaml.Marshal(&line)
		if err != nil {
			return nil, fmt.Errorf("writing revision %s: %w", r.Name, err)
		}
		b.WriteString("  - " + string(text))
	}
	return []byte(b.String()), nil
}
