// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// ruleArea is a part of testdata/rules.yaml.
type ruleArea struct {
	Area  string `json:"area"`
	Rules []struct {
		Section string   `json:"section"`
		Rule    string   `json:"rule"`
		Tests   []string `json:"tests"`
		Not     string   `json:"not"`
	} `json:"rules"`
}

func ruleAreas(t *testing.T) []ruleArea {
	t.Helper()
	var areas []ruleArea
	if err := yaml.UnmarshalStrict(must(os.ReadFile("testdata/rules.yaml")), &areas); err != nil {
		t.Fatal(err)
	}
	return areas
}

// TestRules_EachHasItsTest wants every rule to have a test that is there, or a reason.
func TestRules_EachHasItsTest(t *testing.T) {
	known := testNames(t)
	kept := 0
	for _, area := range ruleAreas(t) {
		for _, r := range area.Rules {
			if (len(r.Tests) == 0) == (r.Not == "") {
				t.Errorf("%s, %s: it needs tests or a reason, and not both", r.Section, r.Rule)
			}
			for _, name := range r.Tests {
				if function, sub, _ := strings.Cut(name, "/"); known[function] == nil || sub != "" && !known[function][sub] {
					t.Errorf("%s, %s: there is no test %s", r.Section, r.Rule, name)
				}
				kept++
			}
		}
	}
	if kept < 80 {
		t.Errorf("%d tests are named", kept)
	}
}

// testNames are the tests of this module's mockidp, with the texts in each: a subtest is named by one of them.
func testNames(t *testing.T) map[string]map[string]bool {
	t.Helper()
	names := map[string]map[string]bool{}
	files := must(filepath.Glob("*_test.go"))
	files = append(files, must(filepath.Glob("*/*_test.go"))...)
	files = append(files, must(filepath.Glob("cmd/*/*_test.go"))...)
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, declared := range parsed.Decls {
			function, ok := declared.(*ast.FuncDecl)
			if !ok || function.Recv != nil || !strings.HasPrefix(function.Name.Name, "Test") {
				continue
			}
			texts := map[string]bool{}
			ast.Inspect(function, func(n ast.Node) bool {
				if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
					if text, err := strconv.Unquote(literal.Value); err == nil {
						texts[text] = true
					}
				}
				return true
			})
			names[function.Name.Name] = texts
		}
	}
	return names
}

// Run "go test ./mockidp -run TestRules_DocsAreCurrent -update" when this fails.
func TestRules_DocsAreCurrent(t *testing.T) {
	var out strings.Builder
	out.WriteString("<!-- Written by a test from mockidp/testdata/rules.yaml. -->\n# Rules that mockidp keeps\n\n" +
		"What a correct OpenID Provider does, rule by rule, with the tests that turn red when mockidp does not. A rule that is not kept says why,\n" +
		"and discovery does not advertise it.\n\n")
	for _, area := range ruleAreas(t) {
		fmt.Fprintf(&out, "## %s\n\n| section | rule | tests |\n|---|---|---|\n", area.Area)
		for _, r := range area.Rules {
			said := "**not kept:** " + r.Not
			if r.Not == "" {
				said = "`" + strings.Join(r.Tests, "`<br>`") + "`"
			}
			fmt.Fprintf(&out, "| %s | %s | %s |\n", r.Section, r.Rule, said)
		}
		out.WriteString("\n")
	}
	want := strings.TrimSuffix(out.String(), "\n")
	if *update {
		if err := os.WriteFile("../docs/mockidp-rules.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile("../docs/mockidp-rules.md"); err != nil || string(got) != want {
		t.Errorf("docs/mockidp-rules.md is not what testdata/rules.yaml says: write it again (%v)", err)
	}
}
