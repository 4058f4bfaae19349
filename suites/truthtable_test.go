// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/ingress-auth/conformance/fixtures"
	"github.com/ingress-auth/conformance/suites/contract"
	"github.com/ingress-auth/conformance/suites/subject"
)

const truthTables = "../docs/truth-tables.md"

func TestTheTruthTablesInTheDocsAreThoseThatAreJudged(t *testing.T) {
	want := renderTruthTables(t)
	if *update {
		if err := os.WriteFile(truthTables, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(truthTables)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is out of date; run go test ./suites -run TruthTables -update", truthTables)
	}
}

var update = flag.Bool("update", false, "write docs/truth-tables.md")

func renderTruthTables(t *testing.T) string {
	t.Helper()
	catalogue, err := NewCatalogue(fixtures.FS())
	if err != nil {
		t.Fatal(err)
	}
	data, err := fs.ReadFile(fixtures.FS(), "cases/backend-401.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var table struct {
		Cases []backend401Case `json:"cases"`
	}
	if err := yaml.Unmarshal(data, &table); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString(`# Truth tables

Written from the fixtures by ` + "`go test ./suites -run TruthTables -update`" + `; a test fails when this page is out of date. Every row is
judged in a run; on ingress-nginx 1.11.0 each of them holds, but for the known deviations that the report
names and the rows about later versions, which do not apply.

## A backend's own 401

The client has a session, and the backend answers 401 with WWW-Authenticate, Set-Cookie and a JSON body, to GET and to POST.

- pass: the backend's answer, untouched
- signin: a redirect to the sign-in URL
- denied: the gateway's own 401
- page: the custom error page
- no-page: a 404, as nothing renders the page

| row | requirement | sign-in URL | gateway | route | backend 401 | no session | backend 404 |
|---|---|---|---|---|---|---|---|
`)
	for _, c := range table.Cases {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", c.Row, c.Requirement, yesNo(c.SignIn), orDash(c.Gateway, "main"), describeRoute(c.Route),
			orDash(string(c.Expect.Backend401), ""), orDash(string(c.Expect.NoSession), ""), orDash(string(c.Expect.Backend404), ""))
	}
	b.WriteString("\n## The gateways\n\n| gateway | settings |\n|---|---|\n")
	for _, g := range catalogue.Gateways {
		fmt.Fprintf(&b, "| %s | %s |\n", g.Name, g.Purpose)
	}
	b.WriteString("\n## Other rows\n\n| row | requirement | |\n|---|---|---|\n")
	for _, r := range catalogue.Contract.All() {
		if r.Row != "" && !inTable(table.Cases, r) {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", r.Row, r.ID, r.Sentence)
		}
	}
	b.WriteString("\n## The auth service answers, the client gets\n\n| auth service | without sign-in URL | with sign-in URL |\n|---|---|---|\n")
	for _, a := range authAnswers() {
		fmt.Fprintf(&b, "| %d | %d | %d |\n", a.status, a.plain, a.signIn)
	}
	return b.String()
}

func inTable(cases []backend401Case, r contract.Requirement) bool {
	for _, c := range cases {
		if c.Requirement == r.ID {
			return true
		}
	}
	return false
}

func describeRoute(r subject.Route) string {
	var parts []string
	if len(r.CustomHTTPErrors) > 0 {
		parts = append(parts, fmt.Sprintf("custom-http-errors %s", strings.Trim(strings.ReplaceAll(fmt.Sprint(r.CustomHTTPErrors), " ", ","), "[]")))
	}
	if r.DisableInterceptErrors {
		parts = append(parts, "disable-proxy-intercept-errors")
	}
	if r.ServerSnippet != "" {
		parts = append(parts, "server-snippet `"+r.ServerSnippet+"`")
	}
	if r.ConfigurationSnippet != "" {
		parts = append(parts, "configuration-snippet `"+r.ConfigurationSnippet+"`")
	}
	for _, name := range []string{"backend-protocol", "auth-tls-error-page"} {
		if r.Annotations[name] != "" {
			parts = append(parts, name)
		}
	}
	return orDash(strings.Join(parts, ", "), "")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func orDash(s, otherwise string) string {
	switch {
	case s != "":
		return s
	case otherwise != "":
		return otherwise
	default:
		return "–"
	}
}
