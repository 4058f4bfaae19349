// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/chromedp"
	whatwg "github.com/nlnwa/whatwg-url/url"
)

// browserHosts are the --whitelist-domain of the tests in a browser; allowedLanding says the same in other words.
func browserHosts() []string {
	return []string{"app.example.com", ".sub.example.com", "port.test:8443", "any.test:*"}
}

// landing is where a browser goes, in its own words: location.protocol and so on.
type landing struct{ Protocol, Host, Port, Path, Credentials string }

// astray says why a browser that began at home should not have gone there.
func (l landing) astray(home landing) error {
	sameHost := l.Protocol == home.Protocol && l.Host == home.Host && l.Port == home.Port
	switch {
	case l.Protocol != "http:" && l.Protocol != "https:":
		return fmt.Errorf("it goes to scheme %q", l.Protocol)
	case l.Credentials != "":
		return fmt.Errorf("it sends credentials %q", l.Credentials)
	case !sameHost && !allowedLanding(l):
		return fmt.Errorf("it goes to host %q, port %q", l.Host, l.Port)
	}
	for _, path := range []string{l.Path, unescaped(l.Path)} {
		if path == "/oauth2" || strings.HasPrefix(path, "/oauth2/") {
			return fmt.Errorf("it goes to the proxy's own %s", path)
		}
	}
	return nil
}

// landingAt reads a URL, against another where that is not nil, as the WHATWG says (see FuzzRedirectStaysHome).
func landingAt(raw string, base *whatwg.Url) landing {
	var u *whatwg.Url
	var err error
	if base == nil {
		u, err = whatwg.Parse(raw)
	} else {
		u, err = base.Parse(raw)
	}
	if err != nil {
		return landing{Protocol: "unreadable: " + raw}
	}
	return landing{Protocol: u.Protocol(), Host: u.Hostname(), Port: u.Port(), Path: u.Pathname(), Credentials: u.Username() + u.Password()}
}

func allowedLanding(l landing) bool {
	switch l.Host {
	case "app.example.com", "sub.example.com":
		return l.Port == ""
	case "port.test":
		return l.Port == "8443"
	case "any.test":
		return true
	}
	return l.Port == "" && strings.HasSuffix(l.Host, ".sub.example.com")
}

func unescaped(path string) string {
	if s, err := url.PathUnescape(path); err == nil {
		return s
	}
	return path
}

// naive are validators that people write. Each lets through what leads astray, and the tests have to notice.
var naive = map[string]func(rd string) bool{
	"begins with a slash":          func(rd string) bool { return strings.HasPrefix(rd, "/") },
	"begins with one slash":        func(rd string) bool { return strings.HasPrefix(rd, "/") && !strings.HasPrefix(rd, "//") },
	"begins with the allowed host": func(rd string) bool { return strings.HasPrefix(rd, "https://app.example.com") },
	"net/url finds no or the good host": func(rd string) bool {
		u, err := url.Parse(rd)
		return err == nil && (u.Host == "" || u.Hostname() == "app.example.com")
	},
}

// redirectMutations are accepted and refused rd with pieces that parsers disagree about put in at random; the same each time.
func redirectMutations(n int) []string {
	pieces := []string{
		`\`, "/", "//", `/\`, `\/`, "\t", "\n", "\r", "\v", "\x00", "\x1f", "\x7f", "\x85", " ", "@", ":", ";", "?", "#", "%", ".", "..", "/./", "/../", "[", "]", "|", "^",
		"%00", "%09", "%0a", "%0d", "%20", "%23", "%2e", "%2E%2e", "%2f", "%3a", "%40", "%5c", "%6f", "%c0%af", "%e3%80%82", "%ff", "%zz", ":80", ":443", ":8443", ":00080", ":",
		"。", "．", "｡", "／", "＼", "：", "＠", "？", "＃", "\u00ad", "\u200b", "\u2028", "\u3000", "\u00a0", "\ufeff", "ａ", "ß", "İ", "K", "ⓔ", "℀", "⁄", "xn--",
		"http:", "https:", "HTTPS://", "javascript:", "data:", "file:", "blob:", "http://", "https://evil.test", "//evil.test", "@evil.test", ".evil.test", "evil.test", "app.example.com", "/oauth2/start", "127.1", "0x7f.1", "[::1]",
	}
	seeds := slices.Concat(acceptedRedirects(), refusedRedirects(), corpus())
	random := rand.New(rand.NewPCG(1, 2))
	out := make([]string, 0, n)
	for range n {
		// Half of them grow from what is accepted: most mutations of what is refused are refused.
		s := seeds[random.IntN(len(seeds))]
		if random.IntN(2) == 0 {
			s = acceptedRedirects()[random.IntN(len(acceptedRedirects()))]
		}
		s = s[:min(len(s), 200)]
		for range 1 + random.IntN(3) {
			at := random.IntN(len(s) + 1)
			end := min(len(s), at+random.IntN(2))
			s = s[:at] + pieces[random.IntN(len(pieces))] + s[end:]
		}
		out = append(out, s)
	}
	return out
}

// What the validator lets through leads a real browser to an allowed host, whether a page or a Location header names it.
func TestABrowserStaysAtHome(t *testing.T) {
	b := openRedirectBrowser(t)
	candidates := slices.Concat(acceptedRedirects(), refusedRedirects(), corpus(), redirectMutations(20_000))
	validator := testRedirects(t, browserHosts()...)
	through := func(lets func(string) bool) []string {
		var out []string
		for _, rd := range candidates {
			if lets(rd) {
				out = append(out, rd)
			}
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	accepted := through(func(rd string) bool { return validator.check(rd) == nil })
	if len(accepted) < 1000 {
		t.Fatalf("only %d of %d are let through: the mutations are not what they were", len(accepted), len(candidates))
	}

	t.Run("new URL", func(t *testing.T) {
		for rd, err := range b.parsedAstray(t, accepted) {
			t.Errorf("%q is accepted, but %v", rd, err)
		}
	})
	t.Run("Location", func(t *testing.T) {
		sample := spreadOver(oneOfEachShape(accepted), 200)
		t.Logf("%d of %d are let through; %d of them are followed", len(accepted), len(candidates), len(sample))
		for rd, err := range b.redirectedAstray(t, "/redirect", sample) {
			t.Errorf("%q is accepted, but %v", rd, err)
		}
	})
	t.Run("the page that goes on by itself", func(t *testing.T) {
		for rd, err := range b.redirectedAstray(t, "/continue", spreadOver(oneOfEachShape(accepted), 50)) {
			t.Errorf("%q is accepted, but %v", rd, err)
		}
	})
	for name, lets := range naive {
		t.Run("control: "+name, func(t *testing.T) {
			astray := b.parsedAstray(t, through(lets))
			if len(astray) == 0 {
				t.Fatal("the page notices nothing")
			}
			var followed []string
			for rd, err := range astray {
				if strings.Contains(err.Error(), "goes to host") {
					followed = append(followed, rd)
				}
			}
			slices.Sort(followed)
			sample := spreadOver(oneOfEachShape(followed), 20)
			got := b.redirectedAstray(t, "/redirect", sample)
			t.Logf("%d lead astray in a page; of %d followed by a Location header, %d", len(astray), len(sample), len(got))
			if len(got) == 0 {
				t.Error("nothing is noticed of a Location header")
			}
		})
	}
}

var wordPattern = regexp.MustCompile(`[A-Za-z0-9_-]+`)

// oneOfEachShape keeps one of those that differ in their words only.
func oneOfEachShape(list []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(list), func(rd string) bool {
		shape := wordPattern.ReplaceAllStringFunc(rd, func(word string) string {
			if word == "http" || word == "https" {
				return word
			}
			return "w"
		})
		if seen[shape] {
			return true
		}
		seen[shape] = true
		return false
	})
}

// spreadOver keeps n of a list, at equal distances.
func spreadOver(list []string, n int) []string {
	if len(list) <= n {
		return list
	}
	out := make([]string, n)
	for i := range out {
		out[i] = list[i*len(list)/n]
	}
	return out
}

// redirectBrowser is Chromium, and a server at whose pages it begins.
type redirectBrowser struct {
	context.Context
	server *httptest.Server
	home   landing

	list   []string // what the server redirects to, by index
	landed chan landed
}

type landed struct {
	index int
	at    landing
}

func openRedirectBrowser(t *testing.T) *redirectBrowser {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	if !browserInstalled() {
		t.Skip("no Chromium found: what a browser makes of rd is not seen")
	}
	b := &redirectBrowser{landed: make(chan landed, 1000)}
	p := &Proxy{}
	index := func(r *http.Request) string {
		i, err := strconv.Atoi(r.URL.Query().Get("i"))
		if err != nil {
			t.Error(err)
		}
		return b.list[i]
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>page</title>")
	})
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) { redirectTo(w, index(r)) })
	mux.HandleFunc("/continue", func(w http.ResponseWriter, r *http.Request) {
		p.continuePage(w, r, index(r))
	})
	// The page that goes on does not let itself be framed, which is how many of them are seen at once.
	b.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { mux.ServeHTTP(unframed{w}, r) }))
	t.Cleanup(b.server.Close)
	u, err := url.Parse(b.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	b.home = landing{Protocol: "http:", Host: u.Hostname(), Port: u.Port()}

	allocated, cancel := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox)...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocated)
	t.Cleanup(cancel)
	b.Context, cancel = context.WithTimeout(ctx, time.Minute)
	t.Cleanup(cancel)
	chromedp.ListenTarget(b, b.intercept(t))
	if err := chromedp.Run(b, fetch.Enable(), chromedp.Navigate(b.server.URL+"/page")); err != nil {
		t.Fatal(err)
	}
	return b
}

// unframed drops what forbids to frame a page.
type unframed struct{ http.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w unframed) WriteHeader(status int) {
	w.Header().Del("X-Frame-Options")
	w.Header().Set("Content-Security-Policy", strings.ReplaceAll(w.Header().Get("Content-Security-Policy"), "frame-ancestors 'none'", ""))
	w.ResponseWriter.WriteHeader(status)
}

func browserInstalled() bool {
	return slices.ContainsFunc([]string{"headless-shell", "headless_shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"}, func(name string) bool {
		_, err := exec.LookPath(name)
		return err == nil
	})
}

// intercept lets the browser fetch the pages of the test and nothing else. Whatever else a frame asks for, after a redirect
// or by itself, is where that frame went.
func (b *redirectBrowser) intercept(t *testing.T) func(event any) {
	began := map[string]int{} // frame → index; touched by the listener only
	return func(event any) {
		e, ok := event.(*fetch.EventRequestPaused)
		if !ok {
			return
		}
		frame := e.FrameID.String()
		if index, fromTest := strings.CutPrefix(e.Request.URL, b.server.URL+"/"); fromTest && e.RedirectedRequestID == "" {
			page, query, _ := strings.Cut(index, "?i=")
			if i, err := strconv.Atoi(query); err == nil && (page == "redirect" || page == "continue") {
				began[frame] = i
			}
			if page == "page" || query != "" {
				go b.command(t, fetch.ContinueRequest(e.RequestID))
				return
			}
		}
		if i, ok := began[frame]; ok {
			delete(began, frame)
			b.landed <- landed{i, landingAt(e.Request.URL, nil)}
		}
		go b.command(t, fetch.FulfillRequest(e.RequestID, http.StatusOK))
	}
}

func (b *redirectBrowser) command(t *testing.T, action chromedp.Action) {
	if err := chromedp.Run(b, action); err != nil && b.Err() == nil {
		t.Errorf("tell the browser: %v", err)
	}
}

// parsedAstray has a page resolve each rd, raw and as a Location header carries it, and returns those that lead astray.
func (b *redirectBrowser) parsedAstray(t *testing.T, list []string) map[string]error {
	t.Helper()
	forms := slices.Clone(list)
	for _, rd := range list {
		forms = append(forms, escapeLocation(rd))
	}
	astray := map[string]error{}
	for _, home := range []landing{{Protocol: "https:", Host: "home.test"}, {Protocol: "http:", Host: "home.test"}} {
		arguments, err := json.Marshal([]any{forms, home.Protocol + "//home.test/oauth2/callback?code=x"})
		if err != nil {
			t.Fatal(err)
		}
		var got []*landing
		const script = `(([list, base]) => list.map(rd => { try {
			const u = new URL(rd, base); return {Protocol: u.protocol, Host: u.hostname, Port: u.port, Path: u.pathname, Credentials: u.username + u.password};
		} catch { return null } }))`
		if err := chromedp.Run(b, chromedp.Evaluate(script+"("+string(arguments)+")", &got)); err != nil {
			t.Fatal(err)
		}
		if len(got) != len(forms) {
			t.Fatalf("%d answers to %d questions", len(got), len(forms))
		}
		for i, at := range got {
			rd := list[i%len(list)]
			if at == nil {
				astray[rd] = fmt.Errorf("a page cannot resolve %q", forms[i])
			} else if err := at.astray(home); err != nil {
				astray[rd] = fmt.Errorf("from a page at %s, as %q, %w", home.Protocol, forms[i], err)
			}
		}
	}
	return astray
}

// redirectedAstray has frames follow the redirects of a page of the server, and returns those that lead astray.
func (b *redirectBrowser) redirectedAstray(t *testing.T, page string, list []string) map[string]error {
	t.Helper()
	b.list = list
	astray := map[string]error{}
	for begin := 0; begin < len(list); begin += 50 {
		end := min(begin+50, len(list))
		script := fmt.Sprintf(`document.body.replaceChildren(...Array.from({length: %d}, (_, i) => Object.assign(document.createElement("iframe"), {src: "%s?i=" + (%d + i)})))`, end-begin, page, begin)
		if err := chromedp.Run(b, chromedp.Evaluate(script+"; 0", nil)); err != nil {
			t.Fatal(err)
		}
		missing := map[int]bool{}
		for i := begin; i < end; i++ {
			missing[i] = true
		}
		for len(missing) > 0 {
			select {
			case l := <-b.landed:
				delete(missing, l.index)
				if err := l.at.astray(b.home); err != nil {
					astray[list[l.index]] = fmt.Errorf("from %s %w", page, err)
				}
			case <-time.After(10 * time.Second):
				for i := range missing {
					astray[list[i]] = fmt.Errorf("from %s it arrives nowhere", page)
				}
				return astray
			}
		}
	}
	return astray
}
