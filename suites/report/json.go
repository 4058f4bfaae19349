// SPDX-License-Identifier: Apache-2.0

package report

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
)

//go:embed schema/report-v1.schema.json
var schemaV1 []byte

// Schema returns the JSON Schema (draft 2020-12) that every document written by WriteJSON fits.
func Schema() []byte { return append([]byte(nil), schemaV1...) }

// WriteJSON writes the document for programs, indented, with a stable order of everything.
func WriteJSON(w io.Writer, doc Document) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(complete(doc))
}

// ReadJSON reads a document that WriteJSON wrote. Another kind or a newer schema version is an error; fields that this
// version does not know are left out.
func ReadJSON(r io.Reader) (Document, error) {
	var doc Document
	if err := json.NewDecoder(r).Decode(&doc); err != nil {
		return Document{}, fmt.Errorf("reading a report: %w", err)
	}
	if doc.Kind != Kind {
		return Document{}, fmt.Errorf("reading a report: its kind is %q, not %q", doc.Kind, Kind)
	}
	if doc.SchemaVersion != SchemaVersion {
		return Document{}, fmt.Errorf("reading a report: it has schema version %d, and this program reads version %d", doc.SchemaVersion, SchemaVersion)
	}
	return complete(doc), nil
}
