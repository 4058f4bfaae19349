// SPDX-License-Identifier: Apache-2.0

package report

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var (
	screenshots = flag.String("screenshots", "", "folder for pictures of the report that -report names")
	reportFile  = flag.String("report", "", "report.json to take pictures of")
	storyOf     = flag.String("story", "", "requirement whose story is pictured")
)

// tab is a page of a real browser with everything it complains about and asks for.
type tab struct {
	context.Context
	mu       sync.Mutex
	problems []string
	requests []string
}

// openBrowser starts Chromium, or skips the test where there is none.
func openBrowser(t *testing.T) *tab {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	if !browserInstalled() {
		t.Skip("no Chromium found: the report is not looked at in a browser")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.WindowSize(1280, 900), chromedp.Flag("hide-scrollbars", true))
	allocated, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocated)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, time.Minute)
	t.Cleanup(cancel)
	b := &tab{Context: ctx}
	chromedp.ListenTarget(ctx, b.listen)
	if err := chromedp.Run(ctx, network.Enable(), log.Enable()); err != nil {
		t.Fatal(err)
	}
	return b
}

func browserInstalled() bool {
	for _, name := range []string{"headless-shell", "headless_shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"} {
		if _, err := exec.LookPath(name); err == nil {
			return true
		}
	}
	return false
}

func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		b.problems = append(b.problems, e.Entry.Level.String()+": "+e.Entry.Text)
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, "exception: "+e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		b.problems = append(b.problems, "console: "+e.Type.String())
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	}
}

// do runs actions and fails the test when one of them does.
func (b *tab) do(t *testing.T, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(b, actions...); err != nil {
		t.Fatal(err)
	}
}

// eval returns what an expression is in the page.
func eval[T any](t *testing.T, b *tab, expression string) T {
	t.Helper()
	var value T
	b.do(t, chromedp.Evaluate(expression, &value))
	return value
}

// requireQuiet fails the test when the page complained or asked for anything but itself.
func (b *tab) requireQuiet(t *testing.T) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.problems {
		t.Errorf("the page complains: %s", p)
	}
	for _, r := range b.requests {
		if !strings.HasPrefix(r, "file://") && !strings.HasPrefix(r, "data:") {
			t.Errorf("the page asks for %s", r)
		}
	}
	if len(b.requests) == 0 {
		t.Error("no request was seen, not even for the page: the test cannot tell")
	}
}

// pageFile writes the page of a document and returns its address.
func pageFile(t *testing.T, write func(f *os.File) error) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), HTMLFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := write(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return "file://" + f.Name()
}

const visibleResults = `document.querySelectorAll("details.result:not([hidden])").length`

func TestAThousandResultsInABrowser(t *testing.T) {
	b := openBrowser(t)
	doc := New(about(), sampleOutcomes(1000, "fail", "known", "warn", "blocked", "fail"), rerunCommand)
	address := pageFile(t, func(f *os.File) error { return WriteHTML(f, doc) })

	const id = "SESSIONS-CASE-100"
	started := time.Now()
	b.do(t, chromedp.Navigate(address+"#"+id))
	t.Logf("1,000 results are loaded, laid out and linked to after %s; the page says %.0f ms", time.Since(started).Round(time.Millisecond),
		eval[float64](t, b, `performance.getEntriesByType("navigation")[0].loadEventEnd`))
	if !eval[bool](t, b, `document.getElementById("`+id+`").open`) {
		t.Error("a link to a requirement does not open it")
	}
	if top := eval[float64](t, b, `document.getElementById("`+id+`").getBoundingClientRect().top`); top < 0 || top > 900 {
		t.Errorf("a link to a requirement leads %.0f px away from it", top)
	}
	if !eval[bool](t, b, `document.activeElement.closest("details.result")?.id === "`+id+`"`) {
		t.Error("a link to a requirement does not give it the focus")
	}
	if n := eval[int](t, b, `document.querySelectorAll("#`+id+` figure svg[role=img] g[data-hop]").length`); n == 0 {
		t.Error("the story of the requirement is not drawn")
	}

	t.Run("a story is told for each that rests on it", func(t *testing.T) {
		b.do(t, chromedp.Evaluate(`for (const r of document.querySelectorAll("details.result")) if (r.parentElement.dataset.area === "redirects") r.open = true`, nil),
			chromedp.Poll(`document.querySelectorAll('[data-area="redirects"] figure svg').length > 1`, nil))
		if n := eval[int](t, b, `(() => { const ids = [...document.querySelectorAll("[id]")].map(e => e.id); return ids.length - new Set(ids).size })()`); n != 0 {
			t.Errorf("%d ids occur twice", n)
		}
		if n := eval[int](t, b, `document.querySelectorAll("details.result[open] [data-story]").length`); n != 0 {
			t.Errorf("%d stories are not told", n)
		}
		if !eval[bool](t, b, `document.getElementById("stories").hidden`) {
			t.Error("the list of stories is shown although each is told in its place")
		}
		b.do(t, chromedp.Evaluate(`for (const r of document.querySelectorAll("details.result")) if (r.id !== "`+id+`") r.open = false`, nil))
	})
	t.Run("an arrow opens its exchange", func(t *testing.T) {
		b.do(t, chromedp.Evaluate(`document.querySelector("#`+id+` g[data-hop='1']").dispatchEvent(new MouseEvent("click", {bubbles: true}))`, nil))
		if !eval[bool](t, b, `document.querySelectorAll("#`+id+` .finding")[0].querySelectorAll(".hops > li > details")[1].open`) {
			t.Error("it stays closed")
		}
	})
	t.Run("filters", func(t *testing.T) {
		if n := eval[int](t, b, visibleResults); n != 1000 {
			t.Errorf("%d results without a filter", n)
		}
		b.do(t, chromedp.Click(`button.chip[data-standing="fail"]`, chromedp.ByQuery))
		if n := eval[int](t, b, visibleResults); n != doc.Conclusion.Counts.Fail {
			t.Errorf("%d results that fail, want %d", n, doc.Conclusion.Counts.Fail)
		}
		b.do(t, chromedp.SendKeys("#f-text", "redirects query-whole", chromedp.ByQuery))
		if n := eval[int](t, b, visibleResults); n != 1 {
			t.Errorf("%d results for words that fit one", n)
		}
		b.do(t, chromedp.SendKeys("#f-text", " nothing has this", chromedp.ByQuery))
		if !eval[bool](t, b, `!document.getElementById("none").hidden`) {
			t.Error("that nothing fits is not said")
		}
		b.do(t, chromedp.SendKeys("#f-text", kb.Escape, chromedp.ByQuery))
		if n := eval[int](t, b, visibleResults); n != 1000 {
			t.Errorf("%d results after Escape", n)
		}
		b.do(t, chromedp.SetValue("#f-level", "SHOULD", chromedp.ByQuery), chromedp.Evaluate(`document.getElementById("f-level").dispatchEvent(new Event("change"))`, nil))
		if !eval[bool](t, b, `[...document.querySelectorAll("details.result:not([hidden])")].every(r => r.dataset.level === "SHOULD")`) {
			t.Error("another level is shown")
		}
		b.do(t, chromedp.Navigate(address+"#REDIRECTS-QUERY-WHOLE"))
		if n := eval[int](t, b, visibleResults); n != 1000 {
			t.Errorf("%d results: a link to a hidden requirement does not show it", n)
		}
	})
	t.Run("keyboard", func(t *testing.T) {
		b.do(t, chromedp.Evaluate(`document.activeElement.blur()`, nil), chromedp.KeyEvent("j"))
		first := eval[string](t, b, `document.activeElement.closest("details.result")?.id ?? ""`)
		b.do(t, chromedp.KeyEvent("j"))
		second := eval[string](t, b, `document.activeElement.closest("details.result")?.id ?? ""`)
		b.do(t, chromedp.KeyEvent("k"))
		back := eval[string](t, b, `document.activeElement.closest("details.result")?.id ?? ""`)
		if first == "" || second == first || back != first {
			t.Errorf("j, j, k lead to %q, %q, %q", first, second, back)
		}
		was := eval[bool](t, b, `document.activeElement.parentElement.open`)
		b.do(t, chromedp.KeyEvent(kb.Enter))
		if eval[bool](t, b, `document.activeElement.parentElement.open`) == was {
			t.Error("Enter does not open or close")
		}
		b.do(t, chromedp.KeyEvent("/"))
		if !eval[bool](t, b, `document.activeElement.id === "f-text"`) {
			t.Error("/ does not lead to the search")
		}
	})
	t.Run("print", func(t *testing.T) {
		var pdf []byte
		b.do(t, chromedp.ActionFunc(func(ctx context.Context) (err error) {
			pdf, _, err = cdppage.PrintToPDF().Do(ctx)
			return err
		}))
		if len(pdf) < 10_000 || string(pdf[:4]) != "%PDF" {
			t.Errorf("printed %d bytes", len(pdf))
		}
	})
	b.requireQuiet(t)
}

func TestTheMatrixInABrowser(t *testing.T) {
	b := openBrowser(t)
	documents := []Document{everyStanding(), conformant()}
	b.do(t, chromedp.Navigate(pageFile(t, func(f *os.File) error { return WriteMatrix(f, documents) })+"#REDIRECTS-QUERY-WHOLE"))
	if n := eval[int](t, b, `document.querySelectorAll("#REDIRECTS-QUERY-WHOLE .cellstory").length`); n != 2 {
		t.Errorf("%d stories behind a row of two cells", n)
	}
	b.do(t, chromedp.Click(`button.chip[data-standing="differs"]`, chromedp.ByQuery))
	c := Compare(documents[0], documents[1])
	if n := eval[int](t, b, visibleResults); n != len(c.Differences) {
		t.Errorf("%d rows are not alike, want %d", n, len(c.Differences))
	}
	b.requireQuiet(t)
}

// TestPictures takes the pictures of docs/images; see -screenshots.
func TestPictures(t *testing.T) {
	if *screenshots == "" {
		t.Skip("no -screenshots given")
	}
	f, err := os.Open(*reportFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := ReadJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	b := openBrowser(t)
	address := pageFile(t, func(f *os.File) error { return WriteHTML(f, doc) })
	b.do(t, chromedp.Navigate(address), emulation.SetDeviceMetricsOverride(1280, 1180, 1.25, false))
	t.Logf("loaded after %.0f ms", eval[float64](t, b, `performance.getEntriesByType("navigation")[0].loadEventEnd`))
	b.picture(t, "report.png", nil)
	if *storyOf != "" {
		b.do(t, chromedp.Navigate(address+"#"+*storyOf))
		b.picture(t, "story.png", box(t, b, `document.getElementById("`+*storyOf+`")`))
		b.do(t, emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}))
		b.picture(t, "story-dark.png", box(t, b, `document.getElementById("`+*storyOf+`")`))
	}
}

func (b *tab) picture(t *testing.T, name string, clip *cdppage.Viewport) {
	t.Helper()
	var png []byte
	b.do(t, chromedp.ActionFunc(func(ctx context.Context) (err error) {
		shot := cdppage.CaptureScreenshot().WithCaptureBeyondViewport(clip != nil)
		if clip != nil {
			shot = shot.WithClip(clip)
		}
		png, err = shot.Do(ctx)
		return err
	}))
	if err := os.WriteFile(filepath.Join(*screenshots, name), png, 0o644); err != nil {
		t.Fatal(err)
	}
}

func box(t *testing.T, b *tab, element string) *cdppage.Viewport {
	t.Helper()
	r := eval[map[string]float64](t, b, `(() => { const r = `+element+`.getBoundingClientRect(); return {x: r.x + scrollX, y: r.y + scrollY, width: r.width, height: r.height}; })()`)
	const margin = 16
	return &cdppage.Viewport{X: r["x"] - margin, Y: r["y"] - margin, Width: r["width"] + 2*margin, Height: r["height"] + 2*margin, Scale: 1}
}
