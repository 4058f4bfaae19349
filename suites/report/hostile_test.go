// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/ingress-auth/conformance/suites/contract"
	"github.com/ingress-auth/conformance/suites/exchange"
	"golang.org/x/net/html"
)

// hostile puts the same text wherever a part under test, or a careless author, can put text.
func hostile(text string) Document {
	outcome := func(id string, s contract.Standing) contract.Outcome {
		o := sampleOutcome(contract.Requirement{ID: id, Level: contract.Must, Area: "a-" + text, Profile: contract.Core, Sentence: text, Why: text,
			Sources: []contract.Source{{Text: text, URL: text}}, Features: []string{text}, Row: text}, s)
		for i := range o.Findings {
			f := &o.Findings[i]
			f.Check, f.Reason, f.Expected, f.Got = text, text, text, text
			f.Exchanges = []exchange.Exchange{{From: exchange.Party(text), To: exchange.Party(text), RequestID: text, Method: text, URL: text, Error: text,
				RequestHeader: http.Header{text: {text, text}}, ResponseHeader: http.Header{"X": {text}}, Body: text}}
			if f.Known != nil {
				f.Known.Sentence = text
			}
		}
		for _, list := range [][]contract.Known{o.Known, o.Stale} {
			for i := range list {
				list[i] = contract.Known{Part: text, Version: text, Requirement: id, Case: text, Reference: contract.Source{Text: text, URL: text}, Sentence: text}
			}
		}
		return o
	}
	doc := about()
	doc.Run.ID, doc.Run.Command, doc.Tool = text, text, Tool{Name: text, Version: text, Commit: text}
	doc.Platform = Platform{Name: text, OS: text, Arch: text, Detail: text}
	doc.Subject.Gateway = Part{Name: text, Version: text, Origin: text, StandIn: true}
	doc.Parts = []Part{{Name: text, Version: text, Origin: text}}
	doc.Notes = []string{text}
	doc.Evidence = []Evidence{{Path: text, Description: text}, {Path: text, Description: text, Requirement: "X-0"}}
	var outcomes []contract.Outcome
	for i, s := range contract.Standings() {
		outcomes = append(outcomes, outcome("X-"+string(rune('0'+i)), s))
	}
	return New(doc, outcomes, func(string) string { return text })
}

func hostileTexts() []string {
	return []string{
		"plain", "", "<script>alert(1)</script>", "</script><script>alert(1)</script>", "</noscript><script>alert(1)</script>",
		"</style><img src=x onerror=alert(1)>", `" onmouseover="alert(1)`, "'`{{.}}", "]]>", "<![CDATA[", "&lt;&amp;&#0;", "<!-- -->", "--><svg onload=alert(1)>",
		"\x00\x01\x08\x0b\x1b[31mred\x1b[0m\x7f\u0085", "\xff\xfe\xc3\x28\xed\xa0\x80", "\u202egnp.exe\u2066\u200b\ufeff\ufffe\uffff", "line\nbreak\r\nand\ttab\u2028",
		"| a | b |\n|---|", "[x](javascript:alert(1)) ![x](https://evil.example/p.png) <https://evil.example> https://evil.example `` ``` @all #1 $x$ ~~s~~",
		"javascript:alert(1)", "../../etc/passwd", strings.Repeat("long ", 2000), "🙂é漢字",
	}
}

func FuzzWritersStayWellFormed(f *testing.F) {
	for _, text := range hostileTexts() {
		f.Add(text)
	}
	f.Fuzz(checkHostile)
}

func checkHostile(t *testing.T, text string) {
	doc := hostile(text)
	checkJSON(t, doc)
	checkXML(t, doc)
	checkHTML(t, doc)
	for name, write := range map[string]func(io.Writer, Document) error{
		"Markdown": WriteMarkdown,
		"terminal": func(w io.Writer, d Document) error { return WriteSummary(w, d, false) },
	} {
		var b bytes.Buffer
		if err := write(&b, doc); err != nil {
			t.Fatal(err)
		}
		checkPrintable(t, name, b.String())
		if name == "Markdown" {
			checkMarkdown(t, b.String())
		}
	}
}

func checkPrintable(t *testing.T, name, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%s is not UTF-8", name)
	}
	if i := strings.IndexFunc(text, func(r rune) bool {
		return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r))
	}); i >= 0 {
		t.Errorf("%s holds the control character %U", name, []rune(text[i:])[0])
	}
}

func checkJSON(t *testing.T, doc Document) {
	t.Helper()
	var b bytes.Buffer
	if err := WriteJSON(&b, doc); err != nil {
		t.Fatal(err)
	}
	if !json.Valid(b.Bytes()) || !utf8.Valid(b.Bytes()) {
		t.Error("the JSON is not well-formed")
	}
	if _, err := ReadJSON(&b); err != nil {
		t.Error(err)
	}
}

func checkXML(t *testing.T, doc Document) {
	t.Helper()
	var b bytes.Buffer
	if err := WriteJUnit(&b, doc); err != nil {
		t.Fatal(err)
	}
	checkPrintable(t, "JUnit", b.String())
	counts := map[string]int{}
	decoder := xml.NewDecoder(&b)
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the JUnit file is not well-formed: %v", err)
		}
		if start, ok := token.(xml.StartElement); ok {
			counts[start.Name.Local]++
		}
	}
	n := doc.Conclusion.Counts
	if counts["testcase"] != n.Total || counts["failure"] != n.Fail+n.Stale || counts["error"] != n.Blocked || counts["skipped"] != n.NotApplicable+n.Known+n.NotScored {
		t.Errorf("elements %v for counts %+v", counts, n)
	}
}

func checkHTML(t *testing.T, doc Document) {
	t.Helper()
	text := renderHTML(t, doc)
	checkPrintable(t, "HTML", text)
	scripts, details := 0, 0
	walk(t, text, func(n *html.Node) {
		switch n.Data {
		case "script":
			scripts++
		case "img", "iframe", "base", "object", "link":
			t.Errorf("the text became a <%s> element", n.Data)
		case "details":
			if attr(n, "id") != "" {
				details++
			}
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || (a.Key == "href" && strings.HasPrefix(strings.ToLower(strings.TrimSpace(a.Val)), "javascript:")) {
				t.Errorf("the text became the attribute %s=%q", a.Key, a.Val)
			}
		}
	})
	if scripts != 1 || details != len(doc.Results) {
		t.Errorf("%d scripts, %d results for %d", scripts, details, len(doc.Results))
	}
	// As a browser with scripts reads it, where noscript holds raw text.
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.Data == "script" {
			scripts--
		}
	}
	if scripts != 0 {
		t.Error("the number of scripts depends on whether scripts are on")
	}
}

// checkMarkdown allows the elements and the table that the writer itself makes, and nothing else.
func checkMarkdown(t *testing.T, text string) {
	t.Helper()
	for _, own := range []string{"<br>", "<code>", "</code>", "<details>", "</details>", "<summary>", "</summary>"} {
		text = strings.ReplaceAll(text, own, "")
	}
	for _, bad := range []string{"<", "![", "](", "`", "https://evil"} {
		if strings.Contains(text, bad) {
			t.Errorf("the Markdown holds %q", bad)
		}
	}
}

func TestPrintableShowsWhatHides(t *testing.T) {
	for in, want := range map[string]string{
		"plain é 漢":       "plain é 漢",
		"a\r\nb\tc":       "a\nb\tc",
		"\x1b[31m":        `\x1b[31m`,
		"\x00":            `\x00`,
		"\u0085\x7f":      `\x85\x7f`,
		"\u202eabc":       `\u202eabc`,
		"bad \xff utf":    "bad \uFFFD utf",
		"zero\u200bwidth": `zero\u200bwidth`,
	} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCleanedLeavesTheOriginalAlone(t *testing.T) {
	doc := hostile("\x1b")
	if cleaned(doc).Results[0].Sentence != `\x1b` || doc.Results[0].Sentence != "\x1b" {
		t.Error("cleaned changes the document it was given, or not its copy")
	}
}

func FuzzReadJSON(f *testing.F) {
	var b bytes.Buffer
	if err := WriteJSON(&b, New(about(), sampleOutcomes(2, "fail"), rerunCommand)); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(`{"kind":"` + Kind + `","schemaVersion":1,"results":[{}]}`))
	f.Add([]byte(`{"kind":"` + Kind + `","schemaVersion":2,"results":[{"findings":[{"story":"a"}]}],"stories":[{"id":"a","exchanges":[{}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := ReadJSON(bytes.NewReader(data))
		if err != nil {
			return
		}
		// Whatever is read can be shown.
		if err := errors.Join(WriteHTML(io.Discard, doc), WriteJUnit(io.Discard, doc), WriteMarkdown(io.Discard, doc), WriteSummary(io.Discard, doc, true)); err != nil {
			t.Error(err)
		}
	})
}
