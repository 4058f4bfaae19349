// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

var (
	update       = flag.Bool("update", false, "write the newest revision anew, unless it is published")
	revisionName = flag.String("revision", "", "with -update: the name of a new revision, such as 2027-03")
)

const (
	fixturesDir  = "../../fixtures"
	revisionsDir = "contract/revisions"
)

// TestRevisionsHoldTheContractFast is the freeze: what a published revision has, the contract keeps.
func TestRevisionsHoldTheContractFast(t *testing.T) {
	fixtures := os.DirFS(fixturesDir)
	c, err := Load(fixtures, "contract")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		writeRevision(t, c)
	}
	revisions, err := LoadRevisions(fixtures, revisionsDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range revisions {
		if err := r.Verify(c); err != nil {
			t.Errorf("the contract breaks what it promised:\n%v", err)
		}
	}
	if err := revisions[len(revisions)-1].VerifyLevels(c); err != nil {
		t.Error(err)
	}
	drafts := slices.DeleteFunc(slices.Clone(revisions), func(r Revision) bool { return r.Published })
	if len(drafts) > 1 || (len(drafts) == 1 && drafts[0].Name != revisions[len(revisions)-1].Name) {
		t.Errorf("%d revisions are not published; only the newest may be", len(drafts))
	}
}

// writeRevision writes the newest revision, or the one named by -revision. A published one is left alone.
func writeRevision(t *testing.T, c *Contract) {
	t.Helper()
	name := *revisionName
	present, err := LoadRevisions(os.DirFS(fixturesDir), revisionsDir)
	if err != nil && name == "" {
		t.Fatalf("name the first revision with -revision: %v", err)
	}
	if name == "" {
		name = present[len(present)-1].Name
	}
	for _, r := range present {
		if r.Name == name && r.Published {
			t.Fatalf("revision %s is published and stays as it is; name a new one with -revision", name)
		}
	}
	r, err := NewRevision(name, c)
	if err != nil {
		t.Fatal(err)
	}
	text, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(fixturesDir, RevisionFile(revisionsDir, name))
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("wrote %s with %d requirements", file, len(r.Frozen))
}

func TestAPublishedRevisionNoticesEveryChange(t *testing.T) {
	before := sample(t)
	published, err := NewRevision("2026-11", before)
	if err != nil {
		t.Fatal(err)
	}
	published.Published = true
	for rule, row := range map[string]struct {
		edit func([]Requirement) []Requirement
		says string
	}{
		"nothing changed":      {func(r []Requirement) []Requirement { return r }, ""},
		"one was added":        {func(r []Requirement) []Requirement { return append(r, like(r[0], "ZZZ-NEW")) }, ""},
		"the reason changed":   {func(r []Requirement) []Requirement { r[0].Why = "another"; return r }, ""},
		"white space changed":  {func(r []Requirement) []Requirement { r[0].Sentence = " " + r[0].Sentence + "\n"; return r }, ""},
		"one was removed":      {func(r []Requirement) []Requirement { return r[1:] }, "was removed"},
		"one was excluded":     {func(r []Requirement) []Requirement { r[0].Excluded = "a reason"; return r }, "is excluded now"},
		"one was renamed":      {func(r []Requirement) []Requirement { r[0].ID = "ZZZ-RENAMED"; return r }, "was removed"},
		"the level changed":    {func(r []Requirement) []Requirement { r[0].Level = May; return r }, ""},
		"the sentence changed": {func(r []Requirement) []Requirement { r[0].Sentence += " Or not."; return r }, "was reworded"},
	} {
		t.Run(rule, func(t *testing.T) {
			after, err := New(row.edit(before.All()))
			if err != nil {
				t.Fatal(err)
			}
			err = published.Verify(after)
			if (err == nil) != (row.says == "") || (err != nil && !strings.Contains(err.Error(), row.says)) {
				t.Errorf("got %v, want … %s …", err, row.says)
			}
			draft := published
			draft.Published = false
			if err := draft.Verify(after); err != nil {
				t.Errorf("a draft is held fast: %v", err)
			}
		})
	}
}

func TestARevisionCarriesItsLevels(t *testing.T) {
	before := sample(t)
	published, err := NewRevision("2026-11", before)
	if err != nil {
		t.Fatal(err)
	}
	published.Published = true
	changed := before.All()
	changed[0].Level = May
	after, err := New(append(changed, like(changed[0], "ZZZ-NEW")))
	if err != nil {
		t.Fatal(err)
	}
	if err := published.VerifyLevels(after); err == nil || !strings.Contains(err.Error(), changed[0].ID+" is MAY now") {
		t.Errorf("the newest revision does not notice: %v", err)
	}
	then := published.Of(after)
	for id, want := range map[string]Level{changed[0].ID: before.All()[0].Level, "ZZZ-NEW": May} {
		if r, err := then.Lookup(id); err != nil || r.Level != want {
			t.Errorf("in the revision %s is %s (%v), want %s", id, r.Level, err, want)
		}
		if r, _ := after.Lookup(id); r.Level != May {
			t.Errorf("the contract itself has %s as %s now", id, r.Level)
		}
	}
	selected, err := then.Select(Selection{Levels: []Level{before.All()[0].Level}})
	if err != nil || !slices.ContainsFunc(selected, func(r Requirement) bool { return r.ID == changed[0].ID }) {
		t.Errorf("it is not selected by the level that it had: %v", err)
	}
	published.Published = false
	if published.Of(after) != after {
		t.Error("a draft has levels of its own")
	}
}

func like(r Requirement, id string) Requirement {
	r.ID = id
	return r
}

func TestWhatCameAfterARevisionIsShownAndDoesNotCount(t *testing.T) {
	c := sample(t)
	r, err := NewRevision("2026-11", c)
	if err != nil {
		t.Fatal(err)
	}
	old, later := c.All()[0], like(c.All()[0], "ZZZ-LATER")
	outcomes := []Outcome{scoredAs(old, Pass), scoredAs(later, Fail)}
	if got := Score(r.Score(outcomes)); got.Conformant || got.Counts.Fail != 1 {
		t.Errorf("a draft scores everything, yet: %+v", got)
	}
	r.Published = true
	got := Score(r.Score(outcomes))
	if !got.Conformant || got.Counts.Pass != 1 || got.Counts.Total != 2 || got.Counts.NotScored != 1 {
		t.Errorf("conclusion: %+v", got)
	}
	if !strings.Contains(got.Sentence, "1 is not scored: added after the revision") {
		t.Errorf("it is not said: %s", got.Sentence)
	}
	if only := Score(r.Score(outcomes[1:])); only.Conformant || only.ExitCode != ExitNothingSelected {
		t.Errorf("a run of what is not scored concludes %+v", only)
	}
	if outcomes[1].Unscored {
		t.Error("the caller's outcomes were changed")
	}
}

func scoredAs(r Requirement, v Verdict) Outcome {
	return Outcome{Requirement: r, Verdict: v, Findings: []Judged{{Finding: Finding{Requirement: r.ID, Check: "c", Verdict: v, Reason: "r"}}}}
}

func TestARevisionIsReadBackAsItWasWritten(t *testing.T) {
	r, err := NewRevision("2026-11", sample(t))
	if err != nil {
		t.Fatal(err)
	}
	r.Published = true
	text, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := LoadRevision(fstest.MapFS{"r/2026-11.yaml": {Data: text}}, "r", "2026-11")
	if err != nil {
		t.Fatal(err)
	}
	if !got.Published || got.Name != r.Name || !slices.Equal(got.Frozen, r.Frozen) {
		t.Errorf("read back: %+v", got)
	}
}

func TestLoadRevisionTakesTheNewestUnlessOneIsNamed(t *testing.T) {
	file := func(name string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("revision: \"" + name + "\"\npublished: true\nrequirements:\n  - {id: A-B, level: MUST, sentence: 0123456789abcdef}\n")}
	}
	fixtures := fstest.MapFS{"r/2026-11.yaml": file("2026-11"), "r/2027-03.yaml": file("2027-03")}
	for name, want := range map[string]string{"": "2027-03", "2026-11": "2026-11"} {
		if r, err := LoadRevision(fixtures, "r", name); err != nil || r.Name != want {
			t.Errorf("%q: %q (%v), want %q", name, r.Name, err, want)
		}
	}
	if _, err := LoadRevision(fixtures, "r", "2026-12"); ExitCodeOf(err) != ExitUsage || !strings.Contains(err.Error(), "2026-1") {
		t.Errorf("a revision that does not exist: %v", err)
	}
}

func TestMistakesInARevisionAreNamed(t *testing.T) {
	const head = "revision: \"2026-11\"\npublished: true\nrequirements:\n"
	for text, says := range map[string]string{
		"revision: \"2026-12\"\nrequirements: []\n":                                          "named after it",
		"revision: \"2026-11\"\nrequirements: []\n":                                          "lists no requirement",
		head + "  - {id: a, level: MUST, sentence: 0123456789abcdef}\n":                      "no requirement ID",
		head + "  - {id: A-B, level: WILL, sentence: 0123456789abcdef}\n":                    "none of",
		head + "  - {id: A-B, level: MUST, sentence: The proxy answers.}\n":                  "16 hexadecimal digits",
		head + strings.Repeat("  - {id: A-B, level: MUST, sentence: 0123456789abcdef}\n", 2): "each once",
		head + "  - {id: A-B, level: MUST, hash: 0123456789abcdef}\n":                        "unknown field",
	} {
		_, err := LoadRevisions(fstest.MapFS{"r/2026-11.yaml": {Data: []byte(text)}}, "r")
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "r/2026-11.yaml") {
			t.Errorf("%q: %v, want … %s …", text, err, says)
		}
	}
}

func FuzzParseRevision(f *testing.F) {
	f.Add([]byte("revision: \"2026-11\"\npublished: true\nrequirements:\n  - {id: A-B, level: MUST, sentence: 0123456789abcdef}\n"))
	f.Add([]byte("revision: [\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parseRevision("2026-11.yaml", data)
		if err != nil {
			return
		}
		text, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parseRevision("2026-11.yaml", text); err != nil || !slices.Equal(again.Frozen, r.Frozen) {
			t.Errorf("not read back: %v", err)
		}
	})
}
