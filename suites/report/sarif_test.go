// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/ingress-auth/conformance/suites/contract"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func sarifOf(t testing.TB, doc Document) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteSARIF(&b, doc); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSARIFHasTheStructureThatItsSchemaAsks(t *testing.T) {
	f, err := os.Open("testdata/sarif-essentials.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	parsed, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("sarif.json", parsed); err != nil {
		t.Fatal(err)
	}
	s, err := compiler.Compile("sarif.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, doc := range map[string]Document{"every standing": everyStanding(), "conformant": conformant(), "set-up failed": SetUpFailed(about(), errors.New("no engine"))} {
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(sarifOf(t, doc)))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(value); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSARIFHasAResultForWhatDoesNotHold(t *testing.T) {
	doc := everyStanding()
	doc.Results[0].DeclaredAt = "fixtures/contract/redirects.yaml:12"
	var l sarifLog
	if err := json.Unmarshal(sarifOf(t, doc), &l); err != nil {
		t.Fatal(err)
	}
	run, n := l.Runs[0], doc.Conclusion.Counts
	if len(run.Tool.Driver.Rules) != n.Total || len(run.Results) != n.Fail+n.Stale+n.Blocked+n.Warn+n.Known {
		t.Errorf("%d rules and %d results for %+v", len(run.Tool.Driver.Rules), len(run.Results), n)
	}
	suppressed := 0
	for _, r := range run.Results {
		if rule := run.Tool.Driver.Rules[r.RuleIndex].ID; rule != r.RuleID {
			t.Errorf("%s points at the rule %s", r.RuleID, rule)
		}
		if len(r.Suppressions) > 0 {
			suppressed++
		}
	}
	if suppressed != n.Known {
		t.Errorf("%d results are suppressed, %d deviations are known", suppressed, n.Known)
	}
	if p := sarifPhysicalOf("fixtures/contract/redirects.yaml:12"); p.Artifact.URI != "fixtures/contract/redirects.yaml" || p.Region == nil || p.Region.StartLine != 12 {
		t.Errorf("%+v", p)
	}
}

func TestAnnotationsAreAsManyAsAreShown(t *testing.T) {
	standings := make([]contract.Standing, 40)
	for i := range standings {
		standings[i] = contract.StandingFail
	}
	var b bytes.Buffer
	if err := WriteAnnotations(&b, New(about(), sampleOutcomes(40, standings...), nil)); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != annotationsShown || !strings.Contains(lines[len(lines)-1], "and 31 more") {
		t.Errorf("%d annotations, the last %q", len(lines), lines[len(lines)-1])
	}
}

func FuzzAnnotationsStayOneLineEach(f *testing.F) {
	for _, text := range hostileTexts() {
		f.Add(text)
	}
	f.Add("::error::x\n::set-output name=a::b\r::stop-commands::x%0A")
	f.Fuzz(func(t *testing.T, text string) {
		doc := hostile(text)
		var b bytes.Buffer
		if err := WriteAnnotations(&b, doc); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if !strings.HasPrefix(line, "::error title=") && !strings.HasPrefix(line, "::warning title=") {
				t.Errorf("a line of its own: %q", line)
			}
		}
		if !json.Valid(sarifOf(t, doc)) {
			t.Error("the SARIF is not JSON")
		}
	})
}
