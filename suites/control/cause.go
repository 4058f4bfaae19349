// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
)

// Explanation says why a control turns more red than it is meant to: by a named cause, or for the requirements it lists.
type Explanation struct {
	// Cause is the ID of a Cause. It covers the requirements of every check that the cause is observed in.
	Cause string `json:"cause,omitempty"`
	// Because is a reason for the listed Requirements alone.
	Because      string   `json:"because,omitempty"`
	Requirements []string `json:"requirements,omitempty"`
	// Sometimes is for what does not turn red each time; the reason says why.
	Sometimes bool `json:"sometimes,omitempty"`
}

func (e Explanation) validate() error {
	switch {
	case e.Cause != "" && e.Sometimes:
		return fmt.Errorf("the cause %q cannot be one for sometimes: list what it is about", e.Cause)
	case e.Cause != "" && (e.Because != "" || len(e.Requirements) > 0):
		return fmt.Errorf("the cause %q speaks for itself: give a reason with requirements, or a cause", e.Cause)
	case e.Cause == "" && (e.Because == "" || len(e.Requirements) == 0):
		return errors.New("an explanation is a cause, or a reason (because) with the requirements it is for")
	}
	return requirementIDs(e.Requirements)
}

// Cause is a property of checks that makes many of them turn red together, such as that they sign in first. It is not
// claimed but observed: a check has it if, without any control, it causes such a request and answer at the part.
type Cause struct {
	ID string `json:"id"`
	// Sentence completes "turns red too, since …".
	Sentence string `json:"sentence"`
	Part     Part   `json:"part"`
	When     When   `json:"when"`
}

func (c Cause) validate() error {
	if !idForm.MatchString(c.ID) {
		return errors.New("the ID is not lower-case words joined by hyphens")
	}
	if c.Sentence == "" {
		return errors.New("there is no sentence that says why")
	}
	return errors.Join(c.Part.validate(), c.When.validate())
}

// BrokenGateway is one that a test builds in the place of a cluster: what only a cluster can judge is proven against it.
type BrokenGateway struct {
	ID string `json:"id"`
	// Sentence says what is broken.
	Sentence string `json:"sentence"`
	// TurnsRed are the requirements that no control turns red and this does.
	TurnsRed []string `json:"turnsRed"`
}

func (g BrokenGateway) validate() error {
	if !idForm.MatchString(g.ID) || g.Sentence == "" || len(g.TurnsRed) == 0 {
		return errors.New("it needs an ID of lower-case words joined by hyphens, a sentence that says what is broken, and what it turns red")
	}
	return requirementIDs(g.TurnsRed)
}

// Killer is a broken part that turns a requirement red.
type Killer struct {
	// ID is that of a control or a broken gateway.
	ID       string
	Part     Part
	Sentence string
}

// KilledBy returns what is known, and tested, to turn a requirement red: controls in their order, else broken gateways.
func (s Set) KilledBy(requirement string) []Killer {
	var killers []Killer
	for _, c := range s.Controls {
		if slices.Contains(c.TurnsRed, requirement) {
			killers = append(killers, Killer{c.ID, c.Part, c.Sentence})
		}
	}
	for _, g := range s.Gateways {
		if slices.Contains(g.TurnsRed, requirement) {
			killers = append(killers, Killer{g.ID, Gateway, g.Sentence})
		}
	}
	return killers
}

// Coverage counts, of the given requirements, those that a control kills and those that only a broken gateway does.
func (s Set) Coverage(requirements []string) (byControls, byGateways int) {
	controls := map[string]bool{}
	for _, c := range s.Controls {
		for _, id := range c.TurnsRed {
			controls[id] = true
		}
	}
	for _, id := range requirements {
		switch {
		case controls[id]:
			byControls++
		case len(s.KilledBy(id)) > 0:
			byGateways++
		}
	}
	return byControls, byGateways
}

// Observe returns what has to be wrapped around which part to learn in which requests a cause is at work; nothing is
// changed. observed may be called from several goroutines at once.
func Observe(causes []Cause, observed func(c Cause, r *http.Request)) map[Part]Middleware {
	var controls []Control
	byID := map[string]Cause{}
	for _, c := range causes {
		byID[c.ID] = c
		// A request that is never answered counts as well, unless it is the answer that matters.
		then := Then{Abort: true}
		if c.When.looksAtAnswer() {
			then = Then{ResponseBody: "another"}
		}
		controls = append(controls, Control{ID: c.ID, Part: c.Part, When: c.When, Then: then})
	}
	return Watch(controls, func(c Control, r *http.Request) { observed(byID[c.ID], r) })
}
