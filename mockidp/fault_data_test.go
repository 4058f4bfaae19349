// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestFaults_EveryRowIsWhole(t *testing.T) {
	faults, err := Faults()
	if err != nil {
		t.Fatal(err)
	}
	seen, staged := map[string]bool{}, 0
	for _, f := range faults {
		if seen[f.ID] {
			t.Errorf("%s is there twice", f.ID)
		}
		seen[f.ID] = true
		if f.Outcome.Sentence() == "" || !strings.HasSuffix(f.Effect, ".") || (f.Note != "" && !strings.HasSuffix(f.Note, ".")) {
			t.Errorf("%s: outcome %q, effect %q, note %q", f.ID, f.Outcome, f.Effect, f.Note)
		}
		for _, never := range f.Never {
			if neverSentence(never) == "" {
				t.Errorf("%s: never: %q is not known", f.ID, never)
			}
		}
		if f.Judge != "" && (f.Staged() || f.Spec == "" || !slices.Contains(judgeStagings(), f.Judge)) {
			t.Errorf("%s: judge %q, with a deviation or without a specification", f.ID, f.Judge)
		}
		if f.Endpoint != AnyEndpoint && !slices.Contains(FaultEndpoints(), f.Endpoint) {
			t.Errorf("%s: there is no endpoint %q", f.ID, f.Endpoint)
		}
		if !f.Staged() {
			if f.Deviation != nil || !strings.HasSuffix(f.Excluded, ".") {
				t.Errorf("%s is excluded (%q) and has a deviation, or no sentence", f.ID, f.Excluded)
			}
			continue
		}
		staged++
		if err := errors.Join(f.Deviation.validate(), f.Deviation.fits(f.endpoint())); err != nil {
			t.Errorf("%s: %v", f.ID, err)
		}
		if text := string(must(json.Marshal(f.Deviation))); strings.Contains(text, `"true":`) || strings.Contains(text, `"false":`) {
			t.Errorf("%s: a bare y or n is a boolean in YAML, so the row does not say what it means: %s", f.ID, text)
		}
		if f.Spec == "" {
			t.Errorf("%s names no specification", f.ID)
		}
	}
	if staged < 370 {
		t.Errorf("%d faults can be staged, want 370 or more", staged)
	}
	t.Logf("%d rows, %d staged, %d excluded", len(faults), staged, len(faults)-staged)
}

// Run "go run ./mockidp/cmd/mockidp faults --markdown > docs/faults.md" when this fails.
func TestFaultDocs_AreCurrent(t *testing.T) {
	var want strings.Builder
	if err := WriteFaultDocs(&want); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want.String() {
		t.Error("docs/faults.md is not what the catalogue says: write it again")
	}
	for _, f := range must(Faults()) {
		if !strings.Contains(want.String(), "| "+f.ID+" |") {
			t.Errorf("%s is in no area", f.ID)
		}
	}
}

func TestExplainFault_NamesTheDeviation(t *testing.T) {
	var out strings.Builder
	if err := ExplainFault(&out, "c-aud"); err != nil || !strings.Contains(out.String(), "append") {
		t.Errorf("%s, %v", out.String(), err)
	}
	if err := ExplainFault(&out, "C-NOPE"); err == nil {
		t.Error("it explains a fault that does not exist")
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
