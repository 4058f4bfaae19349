// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	testMention        = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`")
	requirementMention = regexp.MustCompile("`([A-Z][A-Z0-9]*(?:-[A-Z0-9]+)+)`")
	requirementID      = regexp.MustCompile(`(?m)^\s*-? *\{?id: *"?([A-Z][A-Z0-9-]+)`)
)

// testNames are the tests of this package, its parts and the suites.
func testNames(t testing.TB) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, pattern := range []string{"*_test.go", "*/*_test.go", "cmd/*/*_test.go", "../suites/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range parsed.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
					names[f.Name.Name] = true
				}
			}
		}
	}
	return names
}

// requirementIDs are those that are judged: of the contract, and of the fault catalogue.
func requirementIDs(t testing.TB) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("../fixtures/contract/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, file := range append(files, "../mockidp/faults.yaml") {
		if strings.HasSuffix(file, "not-judged.yaml") {
			continue // nothing holds them
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range requirementID.FindAllStringSubmatch(string(content), -1) {
			ids[m[1]] = true
		}
	}
	return ids
}

// What the documents lean on exists under the name they give.
func TestDocumentsNameTestsAndRequirementsThatExist(t *testing.T) {
	tests, requirements := testNames(t), requirementIDs(t)
	if len(tests) < 100 || len(requirements) < 300 {
		t.Fatalf("only %d tests and %d requirements were found", len(tests), len(requirements))
	}
	for _, file := range []string{differencesFile, "../docs/threat-model.md"} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// The tables of flags name neither.
		prose, _, _ := strings.Cut(string(content), tablesBegin)
		mentioned := testMention.FindAllStringSubmatch(prose, -1)
		if len(mentioned) < 10 {
			t.Errorf("%s names only %d tests", file, len(mentioned))
		}
		for _, m := range mentioned {
			if !tests[m[1]] {
				t.Errorf("%s: there is no test %s", file, m[1])
			}
		}
		for _, m := range requirementMention.FindAllStringSubmatch(prose, -1) {
			if !requirements[m[1]] {
				t.Errorf("%s: there is no requirement or fault %s", file, m[1])
			}
		}
	}
}

// In the threat model each threat stands with what keeps it off.
func TestEachThreatHasARequirementOrATest(t *testing.T) {
	content, err := os.ReadFile("../docs/threat-model.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(content)) {
		if !strings.HasPrefix(line, "| T") {
			continue
		}
		rows++
		if cells := strings.Split(line, "|"); len(cells) != 7 || !testMention.MatchString(cells[5]) {
			t.Errorf("this threat names no test: %s", line)
		}
	}
	if rows < 20 {
		t.Errorf("only %d threats were found", rows)
	}
}
