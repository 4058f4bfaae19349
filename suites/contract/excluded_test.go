// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"errors"
	"strings"
	"testing"
)

func TestAnExcludedRequirementIsStatedAndExplainedButNeverSelected(t *testing.T) {
	source := []Source{{Text: "RFC 9110", URL: "https://www.rfc-editor.org/rfc/rfc9110"}}
	out := Requirement{ID: "OUT-ONE", Level: Must, Area: "a", Profile: Core, Sentence: "It holds.", Sources: source, Excluded: "nobody can see it"}
	in := out
	in.ID, in.Excluded = "IN-ONE", ""
	c, err := New([]Requirement{in, out})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Excluded(); len(got) != 1 || got[0].ID != "OUT-ONE" {
		t.Errorf("excluded: %v", got)
	}
	selected, err := c.Select(Selection{})
	if err != nil || len(selected) != 1 || selected[0].ID != "IN-ONE" {
		t.Errorf("selected %v, %v", selected, err)
	}
	if _, err := c.Select(Selection{IDs: []string{"OUT-ONE"}}); !errors.Is(err, ErrNothingSelected) {
		t.Errorf("selecting it by name: %v", err)
	}
	var text strings.Builder
	if err := Explain(&text, out, nil); err != nil || !strings.Contains(text.String(), "nobody can see it") {
		t.Errorf("%v: %s", err, text.String())
	}
}
