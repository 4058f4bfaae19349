// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/ingress-auth/conformance/suites/contract"
	"golang.org/x/net/html"
)

// standingAs is a document with one result of each name and standing.
func standingAs(standings map[string]contract.Standing) Document {
	var outcomes []contract.Outcome
	for id, s := range standings {
		r := sampleRequirement(0, 1)
		r.ID = id
		outcomes = append(outcomes, sampleOutcome(r, s))
	}
	return New(about(), outcomes, rerunCommand)
}

func TestCompareSaysWhatBecameOfEachRequirement(t *testing.T) {
	const pass, fail, known, warn, none, blocked = contract.StandingPass, contract.StandingFail, contract.StandingKnown, contract.StandingWarn, contract.StandingNotApplicable, contract.StandingBlocked
	rows := map[Change][][2]contract.Standing{
		Worse:  {{pass, fail}, {pass, known}, {pass, warn}, {warn, fail}, {known, fail}, {fail, blocked}, {pass, contract.StandingStale}},
		Better: {{fail, pass}, {known, pass}, {blocked, fail}, {fail, known}, {fail, warn}},
		Lost:   {{pass, none}, {fail, none}, {blocked, none}},
		Gained: {{none, pass}, {none, fail}},
		Same:   {{pass, pass}, {fail, fail}, {none, none}, {blocked, blocked}},
		OnlyA:  {{fail, ""}},
		OnlyB:  {{"", pass}},
	}
	for want, pairs := range rows {
		for _, pair := range pairs {
			sides := [2]Document{}
			for i, s := range pair {
				standings := map[string]contract.Standing{"ALWAYS-THERE": pass}
				if s != "" {
					standings["X-Y"] = s
				}
				sides[i] = standingAs(standings)
			}
			c := Compare(sides[0], sides[1])
			if c.Alike() != (want == Same) {
				t.Errorf("%s → %s: alike is %t", pair[0], pair[1], c.Alike())
			}
			if want != Same && (len(c.Differences) != 1 || c.Differences[0].Change != want || c.Counts[want] != 1 || c.Counts[Same] != 1) {
				t.Errorf("%s → %s: %+v %v, want %s", pair[0], pair[1], c.Differences, c.Counts, want)
			}
		}
	}
}

func TestTheComparisonPutsWhatGotWorseFirst(t *testing.T) {
	a := standingAs(map[string]contract.Standing{"A-BETTER": contract.StandingFail, "B-WORSE": contract.StandingPass, "C-WORSE": contract.StandingPass, "D-LOST": contract.StandingPass})
	b := standingAs(map[string]contract.Standing{"A-BETTER": contract.StandingPass, "B-WORSE": contract.StandingFail, "C-WORSE": contract.StandingKnown, "D-LOST": contract.StandingNotApplicable})
	var text bytes.Buffer
	if err := WriteComparison(&text, a, b, false); err != nil {
		t.Fatal(err)
	}
	var places []int
	for _, want := range []string{"Worse in B (2)", "✓ pass    → ✗ fail     B-WORSE", "C-WORSE", "D-LOST", "Better in B (1)", "✗ fail    → ✓ pass     A-BETTER", "Different: 2 worse, 1 no longer applicable, 1 better."} {
		places = append(places, strings.Index(text.String(), want))
	}
	if !slices.IsSorted(places) || places[0] < 0 {
		t.Errorf("places %v in\n%s", places, text.String())
	}
	var page bytes.Buffer
	if err := WriteComparisonJSON(&page, Compare(a, b)); err != nil || !json.Valid(page.Bytes()) {
		t.Errorf("JSON: %v", err)
	}
}

func TestTheMatrixHasARowForEachRequirementAndACellForEachSubject(t *testing.T) {
	third := standingAs(map[string]contract.Standing{"ONLY-HERE": contract.StandingWarn})
	documents := []Document{everyStanding(), conformant(), third}
	var b bytes.Buffer
	if err := WriteMatrix(&b, documents); err != nil {
		t.Fatal(err)
	}
	rows, ids := 0, map[string]bool{}
	walk(t, b.String(), func(n *html.Node) {
		if id := attr(n, "id"); id != "" {
			if ids[id] {
				t.Errorf("the id %s occurs twice", id)
			}
			ids[id] = true
		}
		if attr(n, "style") != "" {
			t.Errorf("<%s> has a style attribute, which the policy forbids", n.Data)
		}
		if n.Data != "details" || attr(n, "id") == "" {
			return
		}
		rows++
		cells := 0
		for c := range n.Descendants() {
			if c.Data == "span" && attr(c, "class") == "cell" {
				cells++
			}
		}
		if cells != len(documents) {
			t.Errorf("%s has %d cells, want %d", attr(n, "id"), cells, len(documents))
		}
	})
	if want := len(documents[0].Results) + 1; rows != want || !ids["ONLY-HERE"] {
		t.Errorf("%d rows, want %d", rows, want)
	}
	stories := 0
	walk(t, b.String(), func(n *html.Node) {
		if story := attr(n, "data-story"); story != "" {
			stories++
			if !ids[story] {
				t.Errorf("there is no story %s", story)
			}
		}
	})
	if stories == 0 {
		t.Error("no finding tells its story")
	}
}

func TestSubjectsBehindOneGatewayAreToldApartByTheirAuthService(t *testing.T) {
	a, b, c := conformant(), conformant(), conformant()
	b.Subject.AuthService = Part{Name: "oauth2-proxy", Version: "7.8.1"}
	c.Subject.Gateway = Part{Name: "traefik", Version: "3"}
	got := labelsOf([]Document{a, b, c})
	want := []string{"ingress-nginx v1.11.0 on kind, proxy v0.1.0", "ingress-nginx v1.11.0 on kind, oauth2-proxy 7.8.1", "traefik 3 on kind"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func FuzzMatrixStaysWellFormed(f *testing.F) {
	for _, text := range hostileTexts() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		doc := hostile(text)
		var page, words bytes.Buffer
		if err := WriteMatrix(&page, []Document{doc, everyStanding()}); err != nil {
			t.Fatal(err)
		}
		if err := WriteComparison(&words, doc, everyStanding(), false); err != nil {
			t.Fatal(err)
		}
		checkPrintable(t, "the matrix", page.String())
		checkPrintable(t, "the comparison", words.String())
		scripts := 0
		walk(t, page.String(), func(n *html.Node) {
			switch n.Data {
			case "script":
				scripts++
			case "img", "iframe", "base", "object", "link":
				t.Errorf("the text became a <%s> element", n.Data)
			}
		})
		if scripts != 1 {
			t.Errorf("%d scripts", scripts)
		}
	})
}
