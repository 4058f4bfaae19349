// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"context"
	"flag"
	"net/http"
	"net/http/httptest"
	"net/url"
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
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/ingress-auth/conformance/mockidp"
	"github.com/ingress-auth/conformance/mockidp/mockidptest"
)

var screenshots = flag.String("screenshots", "", "folder for pictures of the pages")

// tab is a page of a real browser with everything it complains about and asks for.
type tab struct {
	context.Context
	mu       sync.Mutex
	problems []string
	requests []string
}

func openBrowser(t *testing.T) *tab {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	if !browserInstalled() {
		t.Skip("no Chromium found: the pages are not looked at in a browser")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.WindowSize(1000, 900))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
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
		// A page that answers 400 with the problem in place is meant.
		if !strings.Contains(e.Entry.Text, "status of 400") {
			b.problems = append(b.problems, e.Entry.Level.String()+": "+e.Entry.Text)
		}
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, "exception: "+e.ExceptionDetails.Error())
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	}
}

func (b *tab) do(t *testing.T, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(b, actions...); err != nil {
		t.Fatal(err)
	}
}

func eval[T any](t *testing.T, b *tab, expression string) T {
	t.Helper()
	var value T
	b.do(t, chromedp.Evaluate(expression, &value))
	return value
}

// focus waits until what the browser does by itself has happened: autofocus comes with the first frame.
func (b *tab) focus(t *testing.T, expression string) {
	t.Helper()
	if err := chromedp.Run(b, chromedp.Poll(expression, nil, chromedp.WithPollingTimeout(5*time.Second))); err != nil {
		t.Fatalf("%s: %v; the focus is on %s", expression, err, eval[string](t, b, `document.activeElement.outerHTML.slice(0, 200)`))
	}
}

// picture saves what the page looks like, if pictures are wanted.
func (b *tab) picture(t *testing.T, name string) {
	t.Helper()
	if *screenshots == "" {
		return
	}
	var png []byte
	b.do(t, chromedp.FullScreenshot(&png, 100))
	if err := os.WriteFile(filepath.Join(*screenshots, name+".png"), png, 0o644); err != nil {
		t.Fatal(err)
	}
}

func (b *tab) scheme(t *testing.T, name string) {
	t.Helper()
	b.do(t, emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}))
}

// A person signs in by keyboard alone, edits claims, sees a mistake in place, agrees to less, and finds the flow in the
// debugger; the browser has nothing to complain about and asks nobody else.
func TestPages_InABrowser(t *testing.T) {
	b := openBrowser(t)
	rp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!DOCTYPE html><html lang=en><title>app</title><link rel=icon href=data:,><p id=back>back at the application"))
	}))
	t.Cleanup(rp.Close)
	cfg := mockidp.Config{Clients: []mockidp.Client{{ClientID: "app", ClientName: "Your application", ClientSecret: "s", RequireConsent: true, RedirectURIs: []string{rp.URL + "/callback"}}}}
	server := mockidptest.Start(t, cfg, mockidp.WithDebugger(), mockidp.WithSigningKeys(testKeys()...))
	query := url.Values{"client_id": {"app"}, "redirect_uri": {rp.URL + "/callback"}, "response_type": {"code"}, "scope": {"openid email groups"}, "state": {"x"}}
	b.scheme(t, "light")
	b.do(t, chromedp.Navigate(server.URL+"/authorize?"+query.Encode()))

	t.Run("the first user has the focus, and the order of the keyboard is that of the page", func(t *testing.T) {
		b.focus(t, `document.activeElement.value === "alice"`)
		b.do(t, chromedp.KeyEvent(kb.Tab))
		b.focus(t, `document.activeElement.textContent === "Claims of alice"`)
	})
	b.picture(t, "login-light")
	t.Run("claims open by keyboard; a mistake is shown in place, with the focus there", func(t *testing.T) {
		b.do(t, chromedp.KeyEvent(kb.Enter))
		b.focus(t, `document.querySelector("details").open`)
		b.do(t, chromedp.SetValue("#claims-0", "{\n  \"email\": \"x@y.example\",\n}", chromedp.ByQuery), chromedp.Click(`button[name=edited][value=alice]`, chromedp.ByQuery),
			chromedp.WaitVisible("#problem-0", chromedp.ByQuery))
		b.focus(t, `document.activeElement.id === "claims-0"`)
		if got := eval[string](t, b, `document.querySelector("#problem-0").textContent`); !strings.Contains(got, "in line 3") {
			t.Errorf("it says %q", got)
		}
		b.picture(t, "login-problem-light")
		b.scheme(t, "dark")
		b.picture(t, "login-problem-dark")
	})
	t.Run("edited claims are taken, and consent is asked for", func(t *testing.T) {
		b.do(t, chromedp.SetValue("#claims-0", `{"email": "x@y.example", "groups": ["one"]}`, chromedp.ByQuery), chromedp.Click(`button[name=edited][value=alice]`, chromedp.ByQuery),
			chromedp.WaitVisible("fieldset", chromedp.ByQuery))
		b.focus(t, `document.activeElement.value === "allow"`)
		b.picture(t, "consent-dark")
		b.do(t, chromedp.Click("#scope-2", chromedp.ByQuery), chromedp.Click(`button[value=allow]`, chromedp.ByQuery), chromedp.WaitVisible("#back", chromedp.ByQuery))
		at := mustParse(t, eval[string](t, b, `location.href`)).Query()
		form := url.Values{"grant_type": {"authorization_code"}, "code": {at.Get("code")}, "redirect_uri": {rp.URL + "/callback"}, "client_id": {"app"}, "client_secret": {"s"}}
		response, err := server.Client.PostForm(server.URL+"/token", form) //nolint:noctx
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("status %d", response.StatusCode)
		}
	})
	t.Run("the debugger shows the flow", func(t *testing.T) {
		b.scheme(t, "light")
		b.do(t, chromedp.Navigate(server.URL+"/debugger"))
		text := eval[string](t, b, `document.body.textContent`)
		for _, want := range []string{"authorization → login → login → login → token", "x@y.example"} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in %s", want, text)
			}
		}
		b.do(t, chromedp.Evaluate(`document.querySelectorAll("details").forEach(d => d.open = true)`, nil))
		b.picture(t, "debugger-light")
	})
	t.Run("the login page fits a narrow window", func(t *testing.T) {
		b.do(t, chromedp.EmulateViewport(320, 640), chromedp.Navigate(server.URL+"/authorize?"+query.Encode()+"&prompt=login"))
		if wide := eval[bool](t, b, `document.documentElement.scrollWidth > innerWidth`); wide {
			t.Error("it scrolls sideways")
		}
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.problems {
		t.Errorf("the browser complains: %s", p)
	}
	for _, r := range b.requests {
		if !strings.HasPrefix(r, server.URL) && !strings.HasPrefix(r, rp.URL) && !strings.HasPrefix(r, "data:") {
			t.Errorf("a page asks for %s", r)
		}
	}
	if len(b.requests) < 6 {
		t.Errorf("%d requests were seen: the test cannot tell", len(b.requests))
	}
}
