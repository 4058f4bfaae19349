// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/ingress-auth/conformance/suites/contract"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func schema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("report.json", parsed); err != nil {
		t.Fatal(err)
	}
	s, err := compiler.Compile("report.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t testing.TB, s *jsonschema.Schema, doc Document) error {
	t.Helper()
	var b bytes.Buffer
	if err := WriteJSON(&b, doc); err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(&b)
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(value)
}

func TestDocumentsFitThePublishedSchema(t *testing.T) {
	s := schema(t)
	strict := everyStanding()
	strict.Selection = Selection{Selection: contract.Selection{IDs: []string{"REDIRECTS-"}, Profiles: []contract.Profile{contract.Core}, Levels: []contract.Level{contract.Must}, Areas: []string{"redirects"}, Features: []string{"auth-url"}}, Strict: true}
	for name, doc := range map[string]Document{
		"every standing":        everyStanding(),
		"conformant":            conformant(),
		"with a selection":      strict,
		"set-up failed":         SetUpFailed(about(), errors.New("no engine")),
		"set-up failed at once": SetUpFailed(Document{}, nil),
		"nothing selected":      New(about(), nil, nil),
	} {
		if err := validate(t, s, doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSchemaRefusesWhatIsNotAReport(t *testing.T) {
	s := schema(t)
	for name, spoil := range map[string]func(*Document){
		"another version":   func(d *Document) { d.SchemaVersion = 1 },
		"another kind":      func(d *Document) { d.Kind = "x" },
		"unknown level":     func(d *Document) { d.Results[0].Level = "must" },
		"unknown standing":  func(d *Document) { d.Results[0].Standing = "green" },
		"result unjudged":   func(d *Document) { d.Results[0].Findings = nil },
		"unknown exit code": func(d *Document) { d.Conclusion.ExitCode = 7 },
	} {
		doc := everyStanding()
		spoil(&doc)
		if validate(t, s, doc) == nil {
			t.Errorf("%s: the schema accepts it", name)
		}
	}
}

func TestReadJSONGivesBackWhatWasWritten(t *testing.T) {
	var b bytes.Buffer
	want := everyStanding()
	if err := WriteJSON(&b, want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadJSON(&b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Error("the document changed on the way")
	}
}

// What version 1 had under each finding is what version 2 has once.
func TestReadJSONReadsVersion1(t *testing.T) {
	old, err := os.Open("testdata/report-v1.json")
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	got, err := ReadJSON(old)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range got.Results {
		for _, f := range r.Findings {
			if f.Verdict != contract.NotApplicable && len(f.Exchanges) == 0 {
				t.Errorf("%s: the story of %s is lost", r.ID, f.Check)
			}
		}
	}
	var b bytes.Buffer
	if err := WriteJSON(&b, got); err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(&b)
	if err != nil {
		t.Fatal(err)
	}
	if err := schema(t).Validate(value); err != nil {
		t.Errorf("read and written again it does not fit the schema: %v", err)
	}
	if c := Compare(got, everyStanding()); c.Counts[Same] != len(got.Results) {
		t.Errorf("%s", c.Sentence())
	}
}

func TestAStoryStandsOnceInTheJSON(t *testing.T) {
	doc := conformant()
	first := contract.Judged{Finding: contract.Finding{Requirement: "A-B", Check: "a/b", Verdict: contract.Pass, Exchanges: sampleExchanges()}}
	again, other := first, first
	again.Exchanges, other.Exchanges = sampleExchanges(), first.Exchanges[:1]
	doc.Results = doc.Results[:3]
	for i, f := range []contract.Judged{first, again, other} {
		doc.Results[i].Findings = []contract.Judged{f}
	}
	var b bytes.Buffer
	if err := WriteJSON(&b, doc); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Stories []struct{ ID string }
		Results []struct{ Findings []struct{ Story string } }
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	same, different := got.Results[1].Findings[0].Story, got.Results[2].Findings[0].Story
	if same != got.Results[0].Findings[0].Story || different == same || different == "" {
		t.Errorf("stories %v, findings %v", got.Stories, got.Results)
	}
	ids := map[string]bool{}
	for _, s := range got.Stories {
		if ids[s.ID] {
			t.Errorf("the story %s stands twice", s.ID)
		}
		ids[s.ID] = true
	}
	if !ids[same] || !ids[different] {
		t.Errorf("a story is missing of %v", got.Stories)
	}
}

func TestReadJSONRefusesOtherDocuments(t *testing.T) {
	for _, text := range []string{"", "{}", "[]", `{"kind":"x","schemaVersion":1}`, `{"kind":"` + Kind + `","schemaVersion":3}`, `{"kind":"` + Kind + `"}`, `{"kind":"` + Kind + `","schemaVersion":2,"results":[{"findings":[{"story":"x"}]}]}`} {
		if _, err := ReadJSON(strings.NewReader(text)); err == nil {
			t.Errorf("%q is read as a report", text)
		}
	}
}

func TestDocumentDoesNotDependOnTheOrderOfOutcomes(t *testing.T) {
	outcomes := sampleOutcomes(20, "fail", "known")
	var forward, backward bytes.Buffer
	if err := WriteJSON(&forward, New(about(), outcomes, rerunCommand)); err != nil {
		t.Fatal(err)
	}
	for i, j := 2, len(outcomes)-1; i < j; i, j = i+1, j-1 {
		outcomes[i], outcomes[j] = outcomes[j], outcomes[i]
	}
	if err := WriteJSON(&backward, New(about(), outcomes, rerunCommand)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(forward.Bytes(), backward.Bytes()) {
		t.Error("the order of the outcomes shows in the document")
	}
}

func TestSetUpFailedIsBlockedAndKeepsTheExitCode(t *testing.T) {
	err := contract.WithExitCode(errors.New("the engine cannot be reached: start docker"), contract.ExitEnvironmentNotReady)
	doc := SetUpFailed(about(), err)
	if doc.Conclusion.Conformant || doc.Conclusion.ExitCode != contract.ExitEnvironmentNotReady || doc.Conclusion.Counts.Blocked != 1 {
		t.Errorf("%+v", doc.Conclusion)
	}
	if doc.Conclusion.Sentence != "Could not judge: the engine cannot be reached: start docker" {
		t.Error(doc.Conclusion.Sentence)
	}
	var b bytes.Buffer
	if err := WriteJUnit(&b, doc); err != nil || !strings.Contains(b.String(), `<error message="set-up: the engine cannot be reached`) {
		t.Errorf("%v\n%s", err, b.String())
	}
	if code := SetUpFailed(about(), nil).Conclusion.ExitCode; code == contract.ExitConformant {
		t.Error("a set-up that failed without a reason ends conformant")
	}
}

func TestWriteLeavesWholeReadableFilesAndNothingElse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "reports", "run")
	for range 2 { // the second replaces the first
		if err := Write(dir, everyStanding()); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || info.Mode().Perm() != 0o644 || info.Size() == 0 {
			t.Errorf("%s: %v, %v", e.Name(), info, err)
		}
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); got != "junit.xml report.html report.json report.md report.sarif" {
		t.Error(got)
	}
}

func TestWriteGoesOnAfterOneFileFails(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, JUnitFile, "in-the-way"), 0o755); err != nil {
		t.Fatal(err)
	}
	err := Write(dir, everyStanding())
	if err == nil || !strings.Contains(err.Error(), "writing junit.xml") {
		t.Error(err)
	}
	for _, name := range []string{JSONFile, HTMLFile, MarkdownFile} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	left, _ := filepath.Glob(filepath.Join(dir, ".*"))
	if len(left) != 0 {
		t.Errorf("temporary files are left: %v", left)
	}
}

func TestJSONCountsAgreeWithResults(t *testing.T) {
	var doc struct {
		Conclusion struct{ Counts map[string]int }
		Results    []struct{ Standing string }
	}
	var b bytes.Buffer
	if err := WriteJSON(&b, everyStanding()); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	counted := map[string]int{"total": len(doc.Results)}
	for _, r := range doc.Results {
		counted[strings.NewReplacer("not-applicable", "notApplicable", "not-scored", "notScored").Replace(r.Standing)]++
	}
	if !reflect.DeepEqual(counted, doc.Conclusion.Counts) {
		t.Errorf("counted %v, the document says %v", counted, doc.Conclusion.Counts)
	}
}
