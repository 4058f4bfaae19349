// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

func TestRenderingsMatchTheGoldenFiles(t *testing.T) {
	doc := everyStanding()
	for name, write := range map[string]func(*bytes.Buffer) error{
		"testdata/report.json": func(b *bytes.Buffer) error { return WriteJSON(b, doc) },
		"testdata/junit.xml":   func(b *bytes.Buffer) error { return WriteJUnit(b, doc) },
		"testdata/report.md":   func(b *bytes.Buffer) error { return WriteMarkdown(b, doc) },
		"testdata/summary.txt": func(b *bytes.Buffer) error { return WriteSummary(b, doc, false) },
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			if err := write(&got); err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(name, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("differs from %s; look at the difference after: go test ./suites/report -run Golden -update", name)
			}
		})
	}
}
