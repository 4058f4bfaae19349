// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"reflect"

	"github.com/ingress-auth/conformance/suites/contract"
	"github.com/ingress-auth/conformance/suites/exchange"
)

//go:embed schema/report-v2.schema.json
var schemaV2 []byte

// Schema returns the JSON Schema (draft 2020-12) that every document written by WriteJSON fits.
func Schema() []byte { return append([]byte(nil), schemaV2...) }

// written is a document as its JSON has it: what a check exchanged stands once, under stories, and findings refer to it.
type written struct {
	Document
	Results []writtenResult `json:"results"`
	Stories []story         `json:"stories,omitempty"`
}

type writtenResult struct {
	Result
	Findings []writtenFinding `json:"findings"`
}

type writtenFinding struct {
	contract.Judged
	// Story names the exchanges. Version 1 had them in each finding.
	Story     string              `json:"story,omitempty"`
	Exchanges []exchange.Exchange `json:"exchanges,omitempty"`
}

// story is what one check exchanged.
type story struct {
	ID        string              `json:"id"`
	Exchanges []exchange.Exchange `json:"exchanges"`
}

// stories gives equal exchanges of one check one name.
type stories struct {
	all     []story
	byCheck map[string][]int
}

// name returns the name of a finding's story, or "" when nothing was exchanged.
func (s *stories) name(f contract.Judged) string {
	if len(f.Exchanges) == 0 {
		return ""
	}
	for _, i := range s.byCheck[f.Check] {
		if reflect.DeepEqual(s.all[i].Exchanges, f.Exchanges) {
			return s.all[i].ID
		}
	}
	id := f.Check
	if n := len(s.byCheck[f.Check]); n > 0 {
		id = fmt.Sprintf("%s#%d", f.Check, n+1)
	}
	if s.byCheck == nil {
		s.byCheck = map[string][]int{}
	}
	s.byCheck[f.Check] = append(s.byCheck[f.Check], len(s.all))
	s.all = append(s.all, story{id, f.Exchanges})
	return id
}

// WriteJSON writes the document for programs, indented, with a stable order of everything. The stories come last, an
// exchange on a line.
func WriteJSON(w io.Writer, doc Document) error {
	doc = complete(doc)
	told := &stories{}
	out := written{Document: doc, Results: []writtenResult{}}
	for _, r := range doc.Results {
		result := writtenResult{Result: r, Findings: []writtenFinding{}}
		for _, f := range r.Findings {
			result.Findings = append(result.Findings, writtenFinding{Judged: f, Story: told.name(f)})
		}
		out.Results = append(out.Results, result)
	}
	head, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return fmt.Errorf("writing a report: %w", err)
	}
	text := bytes.NewBuffer(bytes.TrimSuffix(head, []byte("\n}")))
	if err := writeStories(text, told.all); err != nil {
		return fmt.Errorf("writing a report: %w", err)
	}
	_, err = text.WriteTo(w)
	return err
}

func writeStories(b *bytes.Buffer, all []story) error {
	b.WriteString(",\n  \"stories\": [")
	for i, s := range all {
		if i > 0 {
			b.WriteString(",")
		}
		id, err := json.Marshal(s.ID)
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "\n    {\"id\": %s, \"exchanges\": [", id)
		for j, e := range s.Exchanges {
			if j > 0 {
				b.WriteString(",")
			}
			line, err := json.Marshal(e)
			if err != nil {
				return err
			}
			b.WriteString("\n      ")
			b.Write(line)
		}
		b.WriteString("\n    ]}")
	}
	b.WriteString("\n  ]\n}\n")
	return nil
}

// ReadJSON reads a document that WriteJSON wrote, also one of version 1. Another kind or a newer version is an error;
// fields that this version does not know are left out.
func ReadJSON(r io.Reader) (Document, error) {
	var in written
	if err := json.NewDecoder(r).Decode(&in); err != nil {
		return Document{}, fmt.Errorf("reading a report: %w", err)
	}
	doc := in.Document
	if doc.Kind != Kind {
		return Document{}, fmt.Errorf("reading a report: its kind is %q, not %q", doc.Kind, Kind)
	}
	if doc.SchemaVersion < 1 || doc.SchemaVersion > SchemaVersion {
		return Document{}, fmt.Errorf("reading a report: it has schema version %d, and this program reads versions 1 to %d: use the program that wrote it, or a newer one",
			doc.SchemaVersion, SchemaVersion)
	}
	doc.SchemaVersion = SchemaVersion
	told := map[string][]exchange.Exchange{}
	for _, s := range in.Stories {
		told[s.ID] = s.Exchanges
	}
	for _, r := range in.Results {
		result := r.Result
		for _, f := range r.Findings {
			finding := f.Judged
			finding.Exchanges = f.Exchanges
			if f.Story != "" {
				exchanges, found := told[f.Story]
				if !found {
					return Document{}, fmt.Errorf("reading a report: %s refers to the story %q, which it does not have", r.ID, f.Story)
				}
				finding.Exchanges = exchanges
			}
			result.Findings = append(result.Findings, finding)
		}
		doc.Results = append(doc.Results, result)
	}
	return complete(doc), nil
}
