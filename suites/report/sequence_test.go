// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/ingress-auth/conformance/suites/exchange"
)

// told writes a diagram as words: > for a request, < for an answer, between the first letters of sender and receiver.
func told(d *sequence) string {
	at := map[int]string{}
	for _, l := range d.Lifelines {
		at[l.X] = strings.ToLower(l.Name[:1])
	}
	var words []string
	for _, a := range d.Arrows {
		sign := ">"
		if a.Answer {
			sign = "<"
		}
		words = append(words, fmt.Sprintf("%s%s%s", at[a.From], sign, at[a.To]))
	}
	return strings.Join(words, " ")
}

func TestAnswersAreDrawnAfterWhatWasAskedForThem(t *testing.T) {
	hop := func(from, to exchange.Party, id string) exchange.Exchange {
		return exchange.Exchange{From: from, To: to, RequestID: id, Method: "GET", URL: "https://app.test/", Status: 200}
	}
	const b, g, a, i, k = exchange.Browser, exchange.Gateway, exchange.AuthService, exchange.IdP, exchange.Backend
	for name, c := range map[string]struct {
		hops []exchange.Exchange
		want string
	}{
		"a request alone":      {[]exchange.Exchange{hop(b, g, "1")}, "b>g g<b"},
		"one inside":           {[]exchange.Exchange{hop(b, g, "1"), hop(g, a, "1")}, "b>g g>a a<g g<b"},
		"two inside":           {[]exchange.Exchange{hop(b, g, "1"), hop(g, a, "1"), hop(g, k, "1")}, "b>g g>a a<g g>b b<g g<b"},
		"one after the other":  {[]exchange.Exchange{hop(b, g, "1"), hop(g, a, "1"), hop(b, g, "2"), hop(g, k, "2")}, "b>g g>a a<g g<b b>g g>b b<g g<b"},
		"three deep":           {[]exchange.Exchange{hop(b, g, "1"), hop(g, a, "1"), hop(a, i, "")}, "b>g g>a a>i i<a a<g g<b"},
		"an inner one alone":   {[]exchange.Exchange{hop(g, k, "1")}, "g>b b<g"},
		"of another request":   {[]exchange.Exchange{hop(b, g, "1"), hop(g, k, "2")}, "b>g g>b b<g g<b"},
		"a part asking itself": {[]exchange.Exchange{hop(g, g, "1"), hop(g, g, "1")}, "g>g g>g g<g g<g"},
	} {
		if got := told(draw("x", c.hops)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestADiagramShowsWhatDecided(t *testing.T) {
	d := draw("x", sampleExchanges())
	var labels []string
	for _, a := range d.Arrows {
		labels = append(labels, oneLine(a.Strong+" "+a.Soft+" "+a.Text))
	}
	text := strings.Join(labels, "\n")
	for _, want := range []string{
		"GET app-7f3a.test /orders?a=1&b=2", "GET /oauth2/auth", "401 Unauthorized", "302 Found Location: https://auth.test/oauth2/start",
		"GET auth.test /oauth2/start", "connection refused",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no label says %q:\n%s", want, text)
		}
	}
	answer := answerText(http.Header{"Set-Cookie": {"a=1; Path=/", "b=2"}, "Www-Authenticate": {"Bearer"}})
	if answer != "WWW-Authenticate: Bearer · Set-Cookie: a, b" {
		t.Error(answer)
	}
}

func TestABackendThatNobodyAskedStandsInTheStory(t *testing.T) {
	refused := []exchange.Exchange{{From: exchange.Browser, To: exchange.Gateway, RequestID: "1", Status: 401}, {From: exchange.Gateway, To: exchange.AuthService, RequestID: "1", Status: 401}}
	lines := draw("x", refused).Lifelines
	if last := lines[len(lines)-1]; last.Name != "Backend" || !last.Idle {
		t.Errorf("%+v", lines)
	}
	// Where no part inside was recorded, nothing can be said of the backend.
	if lines := draw("x", refused[:1]).Lifelines; len(lines) != 2 {
		t.Errorf("%+v", lines)
	}
}

func TestALongStoryIsCutAndSaysSo(t *testing.T) {
	var hops []exchange.Exchange
	for i := range 70 {
		hops = append(hops, exchange.Exchange{From: exchange.Browser, To: exchange.Gateway, RequestID: fmt.Sprint(i), Method: "GET", URL: "https://app.test/" + strings.Repeat("long/", 100), Status: 200})
	}
	d := draw("x", hops)
	if d.More != 70-sequenceHops || len(d.Arrows) != 2*sequenceHops || !strings.Contains(d.Desc, "40 of 70") {
		t.Errorf("%d more, %d arrows, %s", d.More, len(d.Arrows), d.Desc)
	}
	for _, a := range d.Arrows {
		if width := a.LabelX + int(glyph*float64(len([]rune(a.Strong+a.Soft+a.Text))+2)); width > d.Width {
			t.Errorf("the label %q ends at %d of %d", a.Text, width, d.Width)
		}
	}
	if draw("x", nil) != nil {
		t.Error("a story of nothing is drawn")
	}
}

func TestShortenKeepsBothEnds(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int
		want string
	}{{"abcdef", 6, "abcdef"}, {"abcdefghij", 7, "abcd…ij"}, {"äöüßéè", 4, "äö…è"}, {"abc", 1, "…"}, {"", 0, ""}} {
		if got := shorten(c.text, c.n); got != c.want {
			t.Errorf("shorten(%q, %d) = %q, want %q", c.text, c.n, got, c.want)
		}
	}
}
