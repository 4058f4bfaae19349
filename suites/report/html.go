// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ingress-auth/conformance/suites/contract"
	"github.com/ingress-auth/conformance/suites/exchange"
)

var (
	//go:embed html/report.html.tmpl
	htmlTemplate string
	//go:embed html/matrix.html.tmpl
	matrixTemplate string
	//go:embed html/shared.html.tmpl
	sharedTemplate string
	//go:embed html/report.css
	htmlStyle string
	//go:embed html/report.js
	htmlScript string
)

// opened is how many of the results that need attention stand open when the page is shown.
const opened = 12

// page is what the template shows.
type page struct {
	Document
	Style    template.CSS
	Script   template.JS
	Policy   string
	Headline string
	// Lede is the sentence without the headline that it starts with.
	Lede     string
	Standing contract.Standing
	Bar      []segment
	Problems []Result
	Others   []Result
	Areas    []areaView
	Stories  []storyView
	Profiles []profileView
	Roles    []rolePart
	Levels   []contract.Level
}

type areaView struct {
	contract.GroupCounts
	Bar     []segment
	Results []resultView
}

// Judged counts the requirements of the area that apply.
func (v areaView) Judged() int { return v.Total - v.NotApplicable - v.NotScored }

// profileView is what a run says of one profile.
type profileView struct {
	contract.GroupCounts
	// Standing is the worst that decides: one requirement that does not hold, and the profile does not.
	Standing contract.Standing
	Bar      []segment
}

// Judged counts the requirements of the profile that apply.
func (v profileView) Judged() int { return v.Total - v.NotApplicable - v.NotScored }

func profileViews(groups []contract.GroupCounts) []profileView {
	var views []profileView
	for _, g := range groups {
		view := profileView{GroupCounts: g, Standing: contract.StandingPass, Bar: bar(g.Counts)}
		switch {
		case g.Blocked > 0:
			view.Standing = contract.StandingBlocked
		case g.Fail > 0:
			view.Standing = contract.StandingFail
		case g.Stale > 0:
			view.Standing = contract.StandingStale
		case view.Judged() == 0:
			view.Standing = contract.StandingNotApplicable
		}
		views = append(views, view)
	}
	return views
}

// segment is a stretch of a bar, in per cent of its width.
type segment struct {
	Standing contract.Standing
	N        int
	X, Width float64
}

type resultView struct {
	Result
	Open     bool
	Findings []findingView
	Evidence []Evidence
}

type findingView struct {
	contract.Judged
	comparison
	// Story is the ID of the storyView behind the finding; empty when nothing was exchanged.
	Story string
}

// storyView is what one check exchanged. It stands once on the page, however many findings rest on it.
type storyView struct {
	ID, Check string
	*sequence
	Hops []hop
}

// storyBook collects the stories of a page.
type storyBook struct {
	told  stories
	ids   map[string]string
	views []storyView
}

// add returns the ID of a finding's story, or "".
func (b *storyBook) add(f contract.Judged, of string) string {
	f.Check = strings.TrimSpace(of + " " + f.Check)
	name := b.told.name(f)
	if name == "" {
		return ""
	}
	if id, seen := b.ids[name]; seen {
		return id
	}
	id := fmt.Sprintf("story-%d", len(b.views)+1)
	if b.ids == nil {
		b.ids = map[string]string{}
	}
	b.ids[name] = id
	b.views = append(b.views, storyView{ID: id, Check: f.Check, sequence: draw(id, f.Exchanges), Hops: hops(f.Exchanges)})
	return id
}

// comparison splits expected and got into what they share at both ends and what is between.
type comparison struct {
	Before, OnlyExpected, OnlyGot, After string
}

// hop is one exchange as it is read: who asked whom for what, and what came back.
type hop struct {
	From, To, Method, URL, Status, Offset, Took string
	// Class is the first digit of the status and x, such as 3xx, or none.
	Class             string
	Request, Response string
}

// WriteHTML writes the document for people: one file that asks for nothing else, works without a server and, but for
// filters and copying, without scripts. Its policy admits exactly its own style and script.
func WriteHTML(w io.Writer, doc Document) error {
	t, err := template.New("report").Funcs(htmlFunctions()).Parse(sharedTemplate + htmlTemplate)
	if err != nil {
		return fmt.Errorf("reading the page template: %w", err)
	}
	return t.Execute(w, newPage(cleaned(doc)))
}

func htmlFunctions() template.FuncMap {
	return template.FuncMap{
		"look":     lookOf,
		"red":      red,
		"reason":   reason,
		"plural":   plural,
		"duration": duration,
		"utc":      func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
		"rfc3339":  func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"verdict":  func(v contract.Verdict) contract.Standing { return contract.Standing(v) },
		"standing": contract.Standings,
		"lower":    func(s contract.Level) string { return strings.ToLower(string(s)) },
	}
}

// policy admits exactly one style and one script.
func policy(style, script string) string {
	return fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'", sourceHash(style), sourceHash(script))
}

func newPage(doc Document) page {
	book := &storyBook{}
	areas := areaViews(doc, book)
	return page{
		Document: doc,
		Style:    template.CSS(htmlStyle),
		Script:   template.JS(htmlScript),
		Policy:   policy(htmlStyle, htmlScript),
		Headline: headline(doc.Conclusion),
		Lede:     lede(doc.Conclusion),
		Standing: overall(doc.Conclusion),
		Bar:      bar(doc.Conclusion.Counts),
		Problems: withStanding(doc.Results, redStandings()...),
		Others:   withStanding(doc.Results, contract.StandingWarn, contract.StandingKnown),
		Areas:    areas,
		Stories:  book.views,
		Profiles: profileViews(doc.Conclusion.ByProfile),
		Roles:    roles(doc),
		Levels:   contract.Levels(),
	}
}

// sourceHash is the source expression of Content Security Policy level 3 that admits exactly this text.
func sourceHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func lede(c Conclusion) string {
	rest, found := strings.CutPrefix(c.Sentence, headline(c)+": ")
	if !found || rest == "" {
		return c.Sentence
	}
	return strings.ToUpper(rest[:1]) + rest[1:]
}

// overall is the standing whose look the conclusion takes.
func overall(c Conclusion) contract.Standing {
	switch headline(c) {
	case "Conformant":
		return contract.StandingPass
	case "Not conformant":
		return contract.StandingFail
	default:
		return contract.StandingBlocked
	}
}

func areaViews(doc Document, book *storyBook) []areaView {
	open := opened
	var views []areaView
	for _, a := range byArea(doc.Results) {
		view := areaView{GroupCounts: contract.GroupCounts{Name: a.Name}}
		if i := slices.IndexFunc(doc.Conclusion.ByArea, func(g contract.GroupCounts) bool { return g.Name == a.Name }); i >= 0 {
			view.GroupCounts = doc.Conclusion.ByArea[i]
		}
		view.Bar = bar(view.Counts)
		for _, r := range a.Results {
			v := newResultView(r, doc.Evidence, book, "")
			v.Open = red(r.Standing) && open > 0
			if v.Open {
				open--
			}
			view.Results = append(view.Results, v)
		}
		views = append(views, view)
	}
	return views
}

// bar lays the counts of an area side by side, what holds first and what does not apply last.
func bar(c contract.Counts) []segment {
	var segments []segment
	x := 0.0
	for _, s := range []contract.Standing{
		contract.StandingPass, contract.StandingKnown, contract.StandingWarn, contract.StandingStale,
		contract.StandingFail, contract.StandingBlocked, contract.StandingNotApplicable, contract.StandingNotScored,
	} {
		if n := c.Of(s); n > 0 && c.Total > 0 {
			width := 100 * float64(n) / float64(c.Total)
			segments = append(segments, segment{Standing: s, N: n, X: x, Width: width})
			x += width
		}
	}
	return segments
}

// newResultView puts the stories of the result into the book; of names the subject where there are several.
func newResultView(r Result, evidence []Evidence, book *storyBook, of string) resultView {
	view := resultView{Result: r}
	for _, f := range r.Findings {
		view.Findings = append(view.Findings, findingView{Judged: f, comparison: compare(f.Expected, f.Got), Story: book.add(f, of)})
	}
	// What decided the verdict comes first.
	slices.SortStableFunc(view.Findings, func(a, b findingView) int {
		ladder := contract.Verdicts()
		return cmp.Compare(slices.Index(ladder, b.Verdict), slices.Index(ladder, a.Verdict))
	})
	for _, e := range evidence {
		if e.Requirement == r.ID {
			view.Evidence = append(view.Evidence, e)
		}
	}
	return view
}

func compare(expected, got string) comparison {
	e, g := []rune(expected), []rune(got)
	from := 0
	for from < min(len(e), len(g)) && e[from] == g[from] {
		from++
	}
	tail := 0
	for tail < min(len(e), len(g))-from && e[len(e)-1-tail] == g[len(g)-1-tail] {
		tail++
	}
	return comparison{
		Before: string(e[:from]), After: string(e[len(e)-tail:]),
		OnlyExpected: string(e[from : len(e)-tail]), OnlyGot: string(g[from : len(g)-tail]),
	}
}

func hops(exchanges []exchange.Exchange) []hop {
	var list []hop
	for _, e := range exchanges {
		h := hop{
			From: string(e.From), To: cmp.Or(e.Instance, string(e.To)), Method: e.Method, URL: e.URL, Status: hopStatus(e), Class: statusClass(e.Status),
			Offset: fmt.Sprintf("%+.3f s", e.Time.Sub(exchanges[0].Time).Seconds()), Took: tookText(e.Took),
			Request:  message(e.Method+" "+e.URL, e.RequestHeader, e.RequestBodyBytes, ""),
			Response: message(strings.TrimSpace(fmt.Sprintf("%s %s", hopStatus(e), http.StatusText(e.Status))), e.ResponseHeader, e.ResponseBodyBytes, e.Body),
		}
		list = append(list, h)
	}
	return list
}

func tookText(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return duration(d)
}

// message writes a request or response as it is read on the wire: first line, headers in order, body.
func message(first string, header http.Header, bodyBytes int64, body string) string {
	var b strings.Builder
	b.WriteString(first + "\n")
	names := make([]string, 0, len(header))
	for name := range header {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(strings.ToLower(a), strings.ToLower(b)) })
	for _, name := range names {
		for _, value := range header[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	if bodyBytes > 0 {
		fmt.Fprintf(&b, "\n[%d %s]", bodyBytes, plural(int(bodyBytes), "byte", "bytes"))
	}
	if body != "" {
		b.WriteString("\n" + body)
	}
	return strings.TrimRight(b.String(), "\n")
}
