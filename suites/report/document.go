// SPDX-License-Identifier: Apache-2.0

// Package report holds the document that a run leaves behind and its renderings.
//
//	[]contract.Outcome ──New──▶ Document ──Write──▶ report.json  for programs (schema/report-v2.schema.json)
//	set-up died ──SetUpFailed──▶    │               report.html  for people, one self-contained file
//	                                │               junit.xml    for pipelines
//	                                │               report.md    for job summaries
//	                                └─WriteSummary─▶ the terminal
//
// Findings arrive redacted. Their text is still hostile, since parts under test wrote it: every writer escapes it for its
// format and shows control characters instead of passing them on.
package report

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/ingress-auth/conformance/suites/contract"
)

// SchemaVersion and Kind identify the document. The version rises when a reader of the old one would misread the new one.
const (
	SchemaVersion = 2
	Kind          = "IngressAuthConformanceReport"
)

// Document is everything that a run says.
type Document struct {
	SchemaVersion int        `json:"schemaVersion"`
	Kind          string     `json:"kind"`
	Run           Run        `json:"run"`
	Tool          Tool       `json:"tool"`
	Platform      Platform   `json:"platform"`
	Subject       Subject    `json:"subject"`
	Parts         []Part     `json:"parts"`
	Selection     Selection  `json:"selection"`
	Conclusion    Conclusion `json:"conclusion"`
	// Coverage says for how much of the contract it is proven that its checks can fail; nil where that is not known.
	Coverage *Coverage `json:"coverage,omitempty"`
	// Results are sorted by requirement ID.
	Results []Result `json:"results"`
	// Notes tell a reader what to know about the run, such as "the hang rows use a 2 s auth timeout".
	Notes []string `json:"notes"`
	// Evidence lists the files that were kept beside the report.
	Evidence []Evidence `json:"evidence"`
}

// Conclusion is the answer with its counts; see contract.Conclusion.
type Conclusion = contract.Conclusion

// Coverage counts the requirements of the contract that some deliberately broken part turns red. It is a property of the
// program that judged, and kept so by its tests; this run has not proven it again.
type Coverage struct {
	Requirements int `json:"requirements"`
	Killed       int `json:"killed"`
	// ByControls are killed by a control, ByGateways only by a broken gateway that a test builds.
	ByControls int `json:"byControls"`
	ByGateways int `json:"byGateways"`
}

// Sentence says it for a reader.
func (c Coverage) Sentence() string {
	return fmt.Sprintf("%d of %d requirements are killed: a deliberately broken part turns each of them red; %d by controls, %d by broken gateways in the tests.",
		c.Killed, c.Requirements, c.ByControls, c.ByGateways)
}

// Killer is a deliberately broken part that turns a requirement red.
type Killer struct {
	ID       string `json:"id"`
	Sentence string `json:"sentence"`
}

// Run identifies one run.
type Run struct {
	// ID is unique for the run and is the name of its folder below reports/.
	ID       string    `json:"id"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	// Command is the command line that started it; Rerun of a result is its like.
	Command string `json:"command,omitempty"`
}

// Took is how long the run lasted; zero for one that has not said when it finished.
func (r Run) Took() time.Duration { return max(0, r.Finished.Sub(r.Started)) }

// Tool is the program that judged.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
}

// Platform is where the subject ran.
type Platform struct {
	// Name is kind, local or existing.
	Name string `json:"name"`
	// OS and Arch are in the terms of Go; Detail adds what else matters, such as the Kubernetes version.
	OS     string `json:"os,omitempty"`
	Arch   string `json:"arch,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// Subject is the thing under test. A member that the run did not have is empty.
type Subject struct {
	Gateway     Part `json:"gateway"`
	AuthService Part `json:"authService"`
	IdP         Part `json:"idp"`
	Backend     Part `json:"backend"`
}

// Part is one piece of software that took part.
type Part struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	// Origin says where it comes from, such as "the Go module k8s.io/ingress-nginx" or "Debian 12".
	Origin string `json:"origin,omitempty"`
	// StandIn is true when it takes the place of the real thing.
	StandIn bool `json:"standIn,omitempty"`
}

// Selection is what was asked to be judged.
type Selection struct {
	contract.Selection
	Strict bool `json:"strict"`
	// Revision is the revision of the contract that the subject is scored by, such as 2026-11.
	Revision string `json:"revision,omitempty"`
}

// Evidence is a file that was kept.
type Evidence struct {
	// Path is relative to the folder of the report, with forward slashes.
	Path        string `json:"path"`
	Description string `json:"description"`
	// Requirement is the ID of the requirement that the file is about; empty when it is about the run.
	Requirement string `json:"requirement,omitempty"`
}

// Result is the judgement on one requirement.
type Result struct {
	ID       string            `json:"id"`
	Level    contract.Level    `json:"level"`
	Area     string            `json:"area"`
	Profile  contract.Profile  `json:"profile"`
	Sentence string            `json:"sentence"`
	Why      string            `json:"why,omitempty"`
	Sources  []contract.Source `json:"sources"`
	Features []string          `json:"features,omitempty"`
	Row      string            `json:"row,omitempty"`
	// DeclaredAt is the file and line of the requirement, such as fixtures/contract/redirects.yaml:12.
	DeclaredAt string `json:"declaredAt,omitempty"`
	// Verdict is what was found; Standing is what it means for conformance.
	Verdict  contract.Verdict  `json:"verdict"`
	Standing contract.Standing `json:"standing"`
	// Scored is false for a requirement that was added after the revision in force: it is shown and does not count.
	Scored bool `json:"scored"`
	// Known are the deviations that explain the verdict; Stale are those that it contradicts.
	Known    []contract.Known  `json:"known,omitempty"`
	Stale    []contract.Known  `json:"stale,omitempty"`
	Findings []contract.Judged `json:"findings"`
	// KilledBy are the broken parts that turn the requirement red in the tests of the program that judged.
	KilledBy []Killer `json:"killedBy,omitempty"`
	// Rerun is the command that judges this requirement again and nothing else.
	Rerun string `json:"rerun,omitempty"`
}

// New completes a document that already says where and what was judged: it adds the results, sorted, and the conclusion.
// rerun gives the command that judges one requirement again; it may be nil.
func New(about Document, outcomes []contract.Outcome, rerun func(id string) string) Document {
	doc := about
	doc.SchemaVersion, doc.Kind = SchemaVersion, Kind
	doc.Conclusion = contract.Score(outcomes)
	doc.Results = make([]Result, 0, len(outcomes))
	for _, o := range outcomes {
		doc.Results = append(doc.Results, newResult(o, rerun))
	}
	slices.SortStableFunc(doc.Results, func(a, b Result) int { return cmp.Compare(a.ID, b.ID) })
	doc.Parts = slices.Clone(about.Parts)
	slices.SortStableFunc(doc.Parts, func(a, b Part) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
	})
	doc.Evidence = slices.Clone(about.Evidence)
	slices.SortStableFunc(doc.Evidence, func(a, b Evidence) int { return cmp.Compare(a.Path, b.Path) })
	return complete(doc)
}

// SetUpFailed makes the document of a run that ended before it could judge: one blocked result with the reason, so that
// no reader mistakes an absent report for a good one. The exit code is the one that err carries.
func SetUpFailed(about Document, err error) Document {
	const id = "HARNESS-SET-UP"
	reason := "the set-up ended without a reason"
	if err != nil {
		reason = err.Error()
	}
	doc := New(about, []contract.Outcome{{
		Requirement: contract.Requirement{
			ID: id, Level: contract.Must, Area: "harness", Profile: contract.Core,
			Sentence: "The harness brings the subject up before it judges it.",
			Why:      "Nothing was judged in this run; it says nothing about the subject.",
			Sources:  []contract.Source{{Text: "ingress-auth-conformance", URL: "https://github.com/ingress-auth/conformance"}},
		},
		Verdict:  contract.Blocked,
		Findings: []contract.Judged{{Finding: contract.Finding{Requirement: id, Check: "set-up", Verdict: contract.Blocked, Reason: reason}}},
	}}, nil)
	if code := contract.ExitCodeOf(err); code != contract.ExitConformant {
		doc.Conclusion.ExitCode = code
	}
	doc.Conclusion.Sentence = fmt.Sprintf("%s: %s", headline(doc.Conclusion), reason)
	return doc
}

func newResult(o contract.Outcome, rerun func(string) string) Result {
	r := o.Requirement
	result := Result{
		ID: r.ID, Level: r.Level, Area: r.Area, Profile: r.Profile, Sentence: r.Sentence, Why: r.Why,
		Sources: r.Sources, Features: r.Features, Row: r.Row,
		DeclaredAt: declaredAt(r),
		Verdict:    o.Verdict, Standing: o.Standing(), Scored: !o.Unscored, Known: o.Known, Stale: o.Stale, Findings: o.Findings,
	}
	if rerun != nil {
		result.Rerun = rerun(r.ID)
	}
	return result
}

// declaredAt is where a requirement stands, as seen from the root of the harness.
func declaredAt(r contract.Requirement) string {
	if r.DeclaredAt == "" {
		return ""
	}
	return path.Join("fixtures", r.DeclaredAt)
}

// complete puts an empty list where a required one is missing, so that the JSON never says null.
func complete(doc Document) Document {
	doc.Parts = orEmpty(doc.Parts)
	doc.Results = orEmpty(doc.Results)
	doc.Notes = orEmpty(doc.Notes)
	doc.Evidence = orEmpty(doc.Evidence)
	doc.Conclusion.ByArea = orEmpty(doc.Conclusion.ByArea)
	doc.Conclusion.ByProfile = orEmpty(doc.Conclusion.ByProfile)
	doc.Results = slices.Clone(doc.Results)
	for i := range doc.Results {
		doc.Results[i].Sources = orEmpty(doc.Results[i].Sources)
		doc.Results[i].Findings = orEmpty(doc.Results[i].Findings)
	}
	return doc
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
