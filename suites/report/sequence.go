// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ingress-auth/conformance/suites/exchange"
)

// sequence is a sequence diagram in the units of its view box: who asked whom for what, in the order of the clock, and
// what came back. An answer is drawn where it happened, after everything that was asked to get it.
type sequence struct {
	// ID is unique on the page; it begins the IDs of title and description.
	ID            string
	Title, Desc   string
	Width, Height int
	Lifelines     []lifeline
	Spans         []span
	Arrows        []arrow
	// More is how many exchanges are left out, since nobody reads a drawing of seventy.
	More int
}

// lifeline is one party from top to bottom.
type lifeline struct {
	key        string
	X          int
	Name, Note string
	// Idle is true for a party that was not asked.
	Idle bool
}

// span is the time in which a party is busy with a request.
type span struct{ X, Y, Height int }

// arrow is a request, or the answer to one.
type arrow struct {
	// Hop is the place of the exchange in the list.
	Hop int
	// From and To are where the line begins and where its head is.
	From, To, Y int
	Answer      bool
	// Strong, Soft and Text are the label, in this order.
	Strong, Soft, Text string
	LabelX             int
	// Class is the class of the status, such as 3xx.
	Class string
	// Tip is the whole of what the label shortens.
	Tip string
}

// Head is the path of the arrow's head.
func (a arrow) Head() string {
	back := -7
	if a.To < a.From {
		back = 7
	}
	return fmt.Sprintf("M%d %dl%d -4v8z", a.To, a.Y, back)
}

// The measures of the drawing. glyph is the width of a character of the labels.
const (
	sequenceWidth = 960
	sequenceHops  = 40
	firstX        = 64
	lastX         = sequenceWidth - 72
	topY          = 58
	rowHeight     = 27
	glyph         = 7.3
)

// draw makes the diagram of a story; nil when there is nothing to draw.
func draw(id string, hops []exchange.Exchange) *sequence {
	if len(hops) == 0 {
		return nil
	}
	d := drawing{sequence: &sequence{ID: id, Width: sequenceWidth}, hops: hops}
	if len(hops) > sequenceHops {
		d.hops, d.More = hops[:sequenceHops], len(hops)-sequenceHops
	}
	d.Lifelines = lifelinesOf(d.hops)
	d.Title = "Sequence diagram: " + strings.Join(namesOf(d.Lifelines), ", ")
	d.Desc = fmt.Sprintf("%d of %d %s drawn in order. The list that follows says the same in words, with all headers.",
		len(d.hops), len(hops), plural(len(hops), "exchange", "exchanges"))
	d.Y = topY
	for i := range d.hops {
		d.open(i)
	}
	d.closeTo(0)
	d.Height = d.Y - rowHeight/2 + 8
	return d.sequence
}

// drawing is a sequence on its way down.
type drawing struct {
	*sequence
	hops []exchange.Exchange
	// Y is where the next arrow goes; pending are the requests that have not been answered yet.
	Y       int
	pending []pending
	host    string
}

type pending struct{ hop, y int }

// open draws a request, after the answers to those that are over by then.
func (d *drawing) open(i int) {
	e := d.hops[i]
	d.closeTo(d.depth(e))
	a := d.arrow(i, false)
	a.Strong, a.Text = e.Method, e.URL
	if u, err := url.Parse(e.URL); err == nil && u.Host != "" {
		a.Text = u.RequestURI()
		// Inside the subject addresses are those of the platform; only the browser's hosts tell something.
		if e.From == exchange.Browser && u.Host != d.host {
			a.Soft, d.host = u.Host, u.Host
		}
	}
	a.Tip = strings.TrimSpace(fmt.Sprintf("%s → %s: %s %s", e.From, e.To, e.Method, e.URL))
	d.place(a)
	d.pending = append(d.pending, pending{hop: i, y: a.Y})
}

// depth is how many of the pending requests a new one belongs to: those that its sender is still busy with.
func (d *drawing) depth(e exchange.Exchange) int {
	for i := len(d.pending) - 1; i >= 0; i-- {
		if p := d.hops[d.pending[i].hop]; p.To == e.From && (p.RequestID == e.RequestID || p.RequestID == "" || e.RequestID == "") {
			return i + 1
		}
	}
	for i, p := range d.pending {
		if d.hops[p.hop].From == e.From {
			return i
		}
	}
	return len(d.pending)
}

// closeTo draws the answers to all pending requests but the first n.
func (d *drawing) closeTo(n int) {
	for len(d.pending) > n {
		p := d.pending[len(d.pending)-1]
		d.pending = d.pending[:len(d.pending)-1]
		e := d.hops[p.hop]
		a := d.arrow(p.hop, true)
		a.Strong, a.Text = strings.TrimSpace(fmt.Sprintf("%s %s", hopStatus(e), http.StatusText(e.Status))), answerText(e.ResponseHeader)
		a.Tip = strings.TrimSpace(fmt.Sprintf("%s → %s: %s %s", e.To, e.From, a.Strong, a.Text))
		d.place(a)
		d.Spans = append(d.Spans, span{X: a.From, Y: p.y, Height: a.Y - p.y})
	}
}

func (d *drawing) arrow(i int, answer bool) arrow {
	e := d.hops[i]
	a := arrow{Hop: i, From: d.x(partyOf(string(e.From), "")), To: d.x(partyOf(string(e.To), e.Instance)), Y: d.Y, Answer: answer, Class: statusClass(e.Status)}
	if answer {
		a.From, a.To = a.To, a.From
	}
	d.Y += rowHeight
	return a
}

// place puts the label above the line, as much of it as there is room for.
func (d *drawing) place(a arrow) {
	a.LabelX = min(a.From, a.To) + 12
	room := int(float64(d.Width-a.LabelX) / glyph)
	a.Strong = shorten(a.Strong, room)
	a.Soft = shorten(a.Soft, max(8, room/2))
	a.Text = shorten(a.Text, max(8, room-len([]rune(a.Strong))-len([]rune(a.Soft))-2))
	d.Arrows = append(d.Arrows, a)
}

func (d *drawing) x(key string) int {
	return d.Lifelines[slices.IndexFunc(d.Lifelines, func(l lifeline) bool { return l.key == key })].X
}

// answerText is what beside the status decides where the client goes or what it keeps.
func answerText(h http.Header) string {
	var parts []string
	if v := h.Get("Location"); v != "" {
		parts = append(parts, "Location: "+shorten(v, 56))
	}
	if v := h.Get("Www-Authenticate"); v != "" {
		parts = append(parts, "WWW-Authenticate: "+shorten(v, 24))
	}
	var cookies []string
	for _, v := range h["Set-Cookie"] {
		name, _, _ := strings.Cut(v, "=")
		cookies = append(cookies, name)
	}
	if len(cookies) > 0 {
		parts = append(parts, "Set-Cookie: "+shorten(strings.Join(cookies, ", "), 32))
	}
	return strings.Join(parts, " · ")
}

// shorten cuts the middle out of text that is longer than n characters: both ends of an address tell something.
func shorten(text string, n int) string {
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	if n < 2 {
		return "…"
	}
	tail := (n - 1) / 3
	return string(runes[:n-1-tail]) + "…" + string(runes[len(runes)-tail:])
}

// partyOf tells parts in one role apart where they differ in what they are: error pages are a server of their own.
func partyOf(party, instance string) string {
	if strings.HasPrefix(instance, "error-pages") {
		return instance
	}
	return party
}

// lifelinesOf lists the parties of a story from left to right. Where a part inside was recorded, the backend stands there
// even if nobody asked it: that is often the point of the story, and a backend keeps a record of all that reaches it.
func lifelinesOf(hops []exchange.Exchange) []lifeline {
	order := []string{string(exchange.Browser), string(exchange.Gateway), string(exchange.AuthService), string(exchange.IdP), string(exchange.Backend)}
	seen, inside := map[string]bool{}, false
	var others []string
	for _, e := range hops {
		for _, key := range []string{partyOf(string(e.From), ""), partyOf(string(e.To), e.Instance)} {
			if !seen[key] && !slices.Contains(order, key) {
				others = append(others, key)
			}
			seen[key] = true
		}
		inside = inside || e.From != exchange.Browser
	}
	var list []lifeline
	for _, key := range append(order, others...) {
		if seen[key] || (inside && key == string(exchange.Backend)) {
			name, note := titleOf(key)
			list = append(list, lifeline{key: key, Name: name, Note: note, Idle: !seen[key]})
		}
	}
	spread(list)
	return list
}

// spread gives the first two parties more room, since the browser's addresses are the long ones.
func spread(list []lifeline) {
	width := lastX - firstX
	if len(list) == 2 {
		width = width * 3 / 5
	}
	weight := float64(len(list)) - 0.25
	for i := range list {
		at := 0.0
		if i > 0 {
			at = (float64(i) + 0.75) / weight
		}
		if len(list) == 1 {
			at = 0
		}
		list[i].X = firstX + int(at*float64(width))
	}
}

func titleOf(key string) (name, note string) {
	switch exchange.Party(key) {
	case exchange.Browser:
		return "Browser", ""
	case exchange.Gateway:
		return "Gateway", ""
	case exchange.AuthService:
		return "Auth service", ""
	case exchange.IdP:
		return "Identity provider", ""
	case exchange.Backend:
		return "Backend", ""
	}
	if mode, ok := strings.CutPrefix(key, "error-pages-"); ok {
		return "Error pages", mode
	}
	return shorten(key, 18), ""
}

func namesOf(list []lifeline) []string {
	var names []string
	for _, l := range list {
		names = append(names, strings.ToLower(l.Name))
	}
	return names
}

// statusClass is the first digit of a status and xx, or none.
func statusClass(status int) string {
	if status >= 100 && status < 600 {
		return fmt.Sprintf("%dxx", status/100)
	}
	return "none"
}
