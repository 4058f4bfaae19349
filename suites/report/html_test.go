// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ingress-auth/conformance/suites/contract"
	"golang.org/x/net/html"
)

func renderHTML(t testing.TB, doc Document) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteHTML(&b, doc); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// walk visits every element of the page as a browser without scripts sees it, so that noscript is parsed as well.
func walk(t testing.TB, text string, visit func(*html.Node)) {
	t.Helper()
	root, err := html.ParseWithOptions(strings.NewReader(text), html.ParseOptionEnableScripting(false))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			visit(n)
		}
	}
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func TestHTMLAsksForNothingElse(t *testing.T) {
	text := renderHTML(t, everyStanding())
	walk(t, text, func(n *html.Node) {
		switch n.Data {
		case "link", "img", "iframe", "object", "embed", "base", "audio", "video":
			t.Errorf("the page has a <%s> element", n.Data)
		case "script":
			if attr(n, "src") != "" {
				t.Error("a script is loaded from elsewhere")
			}
		}
		if attr(n, "style") != "" {
			t.Errorf("<%s> has a style attribute, which the policy forbids", n.Data)
		}
	})
	for _, forbidden := range []string{"@import", "url("} {
		if strings.Contains(htmlStyle, forbidden) {
			t.Errorf("the style sheet has %s", forbidden)
		}
	}
}

func TestHTMLPolicyAdmitsExactlyItsOwnStyleAndScript(t *testing.T) {
	text := renderHTML(t, everyStanding())
	var policy string
	content := map[string]string{}
	walk(t, text, func(n *html.Node) {
		switch {
		case n.Data == "meta" && attr(n, "http-equiv") == "Content-Security-Policy":
			policy = attr(n, "content")
		case (n.Data == "style" || n.Data == "script") && n.FirstChild != nil:
			if content[n.Data] != "" {
				t.Errorf("there are two %s elements", n.Data)
			}
			content[n.Data] = n.FirstChild.Data
		}
	})
	want := "default-src 'none'; style-src '" + sourceHash(content["style"]) + "'; script-src '" + sourceHash(content["script"]) + "'; base-uri 'none'; form-action 'none'"
	if policy != want {
		t.Errorf("policy %s\nwant   %s", policy, want)
	}
}

func TestHTMLShowsEveryResultWithWordAndShape(t *testing.T) {
	doc := everyStanding()
	text := renderHTML(t, doc)
	found := map[string]bool{}
	ids := map[string]bool{}
	walk(t, text, func(n *html.Node) {
		id := attr(n, "id")
		if id != "" && ids[id] {
			t.Errorf("the id %s occurs twice", id)
		}
		ids[id] = true
		if n.Data == "details" && id != "" {
			found[id] = true
		}
	})
	for _, r := range doc.Results {
		if !found[r.ID] {
			t.Errorf("%s cannot be linked to", r.ID)
		}
	}
	for _, s := range contract.Standings() {
		if !ids["i-"+string(s)] || !strings.Contains(text, `</svg>`+lookOf(s).Word+`</span>`) {
			t.Errorf("%s has no shape or no word", s)
		}
	}
	for _, want := range []string{"ingress-nginx", "v1.11.0", "stand-in", "The hang rows use", "evidence/controller.log", rerunCommand("REDIRECTS-QUERY-WHOLE"), "auth-service"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
}

func TestHTMLTellsAStoryOnceAndSaysWhatKillsARequirement(t *testing.T) {
	doc := everyStanding()
	doc.Results = doc.Results[:3]
	shared := contract.Judged{Finding: contract.Finding{Requirement: "A-B", Check: "a/b", Verdict: contract.Pass, Exchanges: sampleExchanges()}}
	for i := range doc.Results {
		doc.Results[i].Findings = []contract.Judged{shared}
	}
	told, drawn := map[string]int{}, 0
	text := renderHTML(t, doc)
	walk(t, text, func(n *html.Node) {
		if id := attr(n, "data-story"); id != "" {
			told[id]++
		}
		if n.Data == "figure" {
			drawn++
		}
	})
	if drawn != 1 || len(told) != 1 || told["story-1"] != 3 {
		t.Errorf("%d stories are drawn, and told %v; want one, told by three", drawn, told)
	}
	for _, want := range []string{"43 of 44", "40 by controls, 3 by broken gateways", "rd-loses-query"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
}

func TestHTMLDoesNotFollowScriptAddresses(t *testing.T) {
	doc := everyStanding()
	doc.Results[0].Sources = []contract.Source{{Text: "x", URL: "javascript:alert(1)"}}
	doc.Evidence = []Evidence{{Path: "javascript:alert(1)", Description: "x"}}
	walk(t, renderHTML(t, doc), func(n *html.Node) {
		if n.Data == "a" && strings.HasPrefix(attr(n, "href"), "javascript") {
			t.Error("a link runs a script")
		}
	})
}

func TestHeadlineAndLedeSplitTheSentence(t *testing.T) {
	for code, want := range map[contract.ExitCode][2]string{
		contract.ExitConformant:          {"Conformant", "All hold."},
		contract.ExitNotConformant:       {"Not conformant", "All hold."},
		contract.ExitHarnessError:        {"Could not judge", "All hold."},
		contract.ExitEnvironmentNotReady: {"Could not judge", "All hold."},
		contract.ExitNothingSelected:     {"Nothing was judged", "All hold."},
		contract.ExitInterrupted:         {"Interrupted", "All hold."},
	} {
		c := Conclusion{Conformant: code == 0, ExitCode: code}
		c.Sentence = headline(c) + ": all hold."
		if headline(c) != want[0] || lede(c) != want[1] {
			t.Errorf("%d: %q, %q", code, headline(c), lede(c))
		}
	}
	if h := headline(Conclusion{}); h == "Conformant" {
		t.Error("an empty conclusion is shown as conformant")
	}
}

func TestCompareMarksWhatDiffers(t *testing.T) {
	for _, c := range []struct{ expected, got, marked string }{
		{"?a=1&b=2", "?a=1", "?a=1[&b=2|]"},
		{"302", "401", "[302|401]"},
		{"aba", "aa", "a[b|]a"},
		{"aa", "aaa", "aa[|a]"},
		{"", "x", "[|x]"},
		{"same", "same", "same[|]"},
		{"é1", "è1", "[é|è]1"},
	} {
		k := compare(c.expected, c.got)
		if got := k.Before + "[" + k.OnlyExpected + "|" + k.OnlyGot + "]" + k.After; got != c.marked {
			t.Errorf("compare(%q, %q) = %s, want %s", c.expected, c.got, got, c.marked)
		}
	}
}

func BenchmarkWriteHTML1000(b *testing.B) {
	doc := New(about(), sampleOutcomes(1000, "fail", "known", "warn", "blocked"), rerunCommand)
	b.ReportAllocs()
	for b.Loop() {
		var out bytes.Buffer
		if err := WriteHTML(&out, doc); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(out.Len())/1e6, "MB/page")
	}
}
