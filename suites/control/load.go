// SPDX-License-Identifier: Apache-2.0

package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"slices"

	"golang.org/x/net/http/httpguts"
	"sigs.k8s.io/yaml"
)

// Set is everything that stands in a folder of controls.
type Set struct {
	Controls []Control `json:"controls"`
	// Causes explain what else turns red.
	Causes []Cause `json:"causes"`
	// Gateways are broken gateways that a test builds.
	Gateways []BrokenGateway `json:"gateways"`
}

// Load reads every *.yaml file of a folder. IDs are unique over all of them, and no two controls say the same.
func Load(fsys fs.FS, dir string) (Set, error) {
	files, err := fs.Glob(fsys, path.Join(dir, "*.yaml"))
	if err != nil {
		return Set{}, fmt.Errorf("look for controls in %s: %w", dir, err)
	}
	var all Set
	for _, file := range files {
		text, err := fs.ReadFile(fsys, file)
		if err != nil {
			return Set{}, fmt.Errorf("read the controls of %s: %w", file, err)
		}
		s, err := Parse(text)
		if err != nil {
			return Set{}, fmt.Errorf("%s: %w", file, err)
		}
		all.Controls, all.Causes, all.Gateways = append(all.Controls, s.Controls...), append(all.Causes, s.Causes...), append(all.Gateways, s.Gateways...)
	}
	if len(all.Controls) == 0 {
		return Set{}, fmt.Errorf("there are no controls in %s", dir)
	}
	if err := all.verify(); err != nil {
		return Set{}, fmt.Errorf("the controls in %s: %w", dir, err)
	}
	return all, nil
}

// Parse reads one file, strictly: a key that it does not know is an error.
func Parse(text []byte) (Set, error) {
	var file Set
	if err := yaml.UnmarshalStrict(text, &file); err != nil {
		return Set{}, fmt.Errorf("the controls cannot be read: %w", err)
	}
	for i, c := range file.Controls {
		if err := c.Validate(); err != nil {
			return Set{}, fmt.Errorf("control %d (%q): %w", i+1, c.ID, err)
		}
	}
	for i, c := range file.Causes {
		if err := c.validate(); err != nil {
			return Set{}, fmt.Errorf("cause %d (%q): %w", i+1, c.ID, err)
		}
	}
	for i, g := range file.Gateways {
		if err := g.validate(); err != nil {
			return Set{}, fmt.Errorf("gateway %d (%q): %w", i+1, g.ID, err)
		}
	}
	return file, nil
}

// verify looks at what one entry alone does not tell.
func (s Set) verify() error {
	ids, same, causes := map[string]bool{}, map[string]string{}, map[string]bool{}
	for _, c := range s.Causes {
		if causes[c.ID] {
			return fmt.Errorf("the cause %q is there twice", c.ID)
		}
		causes[c.ID] = true
	}
	for _, g := range s.Gateways {
		ids[g.ID] = true
	}
	for _, c := range s.Controls {
		if ids[c.ID] {
			return fmt.Errorf("the control %q is there twice", c.ID)
		}
		ids[c.ID] = true
		deviation, err := json.Marshal(Control{Part: c.Part, When: c.When, Then: c.Then})
		if err != nil {
			return fmt.Errorf("the control %q: %w", c.ID, err)
		}
		if other, taken := same[string(deviation)]; taken {
			return fmt.Errorf("the control %q breaks what %q breaks: make them one", c.ID, other)
		}
		same[string(deviation)] = c.ID
		for _, e := range c.AlsoRed {
			if e.Cause != "" && !causes[e.Cause] {
				return fmt.Errorf("the control %q: there is no cause %q", c.ID, e.Cause)
			}
		}
	}
	return nil
}

var (
	idForm          = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	requirementForm = regexp.MustCompile(`^[A-Z0-9]+(-[A-Z0-9]+)*$`)
)

// Validate says what is wrong with the control.
func (c Control) Validate() error {
	if !idForm.MatchString(c.ID) {
		return errors.New("the ID is not lower-case words joined by hyphens")
	}
	if c.Sentence == "" {
		return errors.New("there is no sentence that says what is broken")
	}
	if err := c.Part.validate(); err != nil {
		return err
	}
	if err := requirementIDs(c.TurnsRed); err != nil {
		return fmt.Errorf("turnsRed: %w", err)
	}
	for _, e := range c.AlsoRed {
		if err := e.validate(); err != nil {
			return fmt.Errorf("alsoRed: %w", err)
		}
	}
	if err := c.When.validate(); err != nil {
		return fmt.Errorf("when: %w", err)
	}
	if err := c.Then.validate(); err != nil {
		return fmt.Errorf("then: %w", err)
	}
	if c.When.looksAtAnswer() && !c.Then.changesAnswer() {
		return errors.New("when looks at the answer, but then changes the request, which is over by that time")
	}
	if c.Then.Bypass && c.Part != Gateway {
		return errors.New("then: bypass is for the gateway")
	}
	if c.Then.LeakRequestHeader != "" && c.Part == Gateway {
		return errors.New("then: leakRequestHeader is for parts behind the gateway")
	}
	return nil
}

func (p Part) validate() error {
	if !slices.Contains([]Part{Gateway, AuthRequest, AuthService, Backend, IdP}, p) {
		return fmt.Errorf("the part %q is none of gateway, auth-request, auth-service, backend and idp", p)
	}
	return nil
}

func requirementIDs(ids []string) error {
	for _, id := range ids {
		if !requirementForm.MatchString(id) {
			return fmt.Errorf("%q is not a requirement ID", id)
		}
	}
	return nil
}

func (w When) validate() error {
	for _, status := range w.Status {
		if err := validStatus(status); err != nil {
			return err
		}
	}
	for _, patterns := range []map[string]Pattern{w.Header, w.Answer} {
		for name := range patterns {
			if err := validName(name); err != nil {
				return err
			}
		}
	}
	if w.Method != "" {
		return validMethod(w.Method)
	}
	return nil
}

func (w When) looksAtAnswer() bool { return len(w.Status) > 0 || len(w.Answer) > 0 }

// changesAnswer says whether the deviation happens when the part has answered.
func (t Then) changesAnswer() bool {
	return t.Status != 0 || t.Redirect != "" || t.ResponseBody != "" || t.DropResponseHeader != "" ||
		t.AddResponseHeader != nil || t.EditResponseHeader != nil
}

func (t Then) validate() error {
	set := 0
	for _, given := range []bool{
		t.Status != 0, t.Redirect != "", t.ResponseBody != "", t.DropResponseHeader != "", t.AddResponseHeader != nil, t.EditResponseHeader != nil,
		t.Instead != nil, t.Abort, t.Bypass, t.Method != "", t.RequestBody != "", t.DropRequestHeader != "", t.SetRequestHeader != nil, t.EditRequestHeader != nil,
		t.LeakRequestHeader != "",
	} {
		if given {
			set++
		}
	}
	if set != 1 {
		return fmt.Errorf("there must be one deviation, not %d", set)
	}
	switch {
	case t.Status != 0:
		return validStatus(t.Status)
	case t.Redirect != "":
		return validValue(t.Redirect)
	case t.DropResponseHeader != "":
		return validName(t.DropResponseHeader)
	case t.DropRequestHeader != "":
		return validName(t.DropRequestHeader)
	case t.LeakRequestHeader != "":
		return validName(t.LeakRequestHeader)
	case t.AddResponseHeader != nil:
		return t.AddResponseHeader.validate()
	case t.SetRequestHeader != nil:
		return t.SetRequestHeader.validate()
	case t.EditResponseHeader != nil:
		return t.EditResponseHeader.validate()
	case t.EditRequestHeader != nil:
		return t.EditRequestHeader.validate()
	case t.Method != "":
		return validMethod(t.Method)
	case t.Instead != nil:
		return t.Instead.validate()
	}
	return nil
}

func (f Field) validate() error { return errors.Join(validName(f.Name), validValue(f.Value)) }

func (e Edit) validate() error {
	if e.Match.text == "" {
		return errors.New("there is nothing to match")
	}
	return errors.Join(validName(e.Name), validValue(e.Replacement))
}

func (a Answer) validate() error {
	err := validStatus(a.Status)
	for _, f := range a.Header {
		err = errors.Join(err, f.validate())
	}
	return err
}

// validStatus accepts final statuses (RFC 9110, section 15).
func validStatus(status int) error {
	if status < http.StatusOK || status > 599 {
		return fmt.Errorf("%d is not the status of an answer", status)
	}
	return nil
}

func validName(name string) error {
	if !httpguts.ValidHeaderFieldName(name) {
		return fmt.Errorf("%q is not a header name", name)
	}
	return nil
}

func validValue(value string) error {
	if !httpguts.ValidHeaderFieldValue(value) {
		return fmt.Errorf("%q is not a header value", value)
	}
	return nil
}

func validMethod(method string) error {
	if !httpguts.ValidHeaderFieldName(method) { // a method is a token too (RFC 9110, section 9.1)
		return fmt.Errorf("%q is not a method", method)
	}
	return nil
}
