// SPDX-License-Identifier: Apache-2.0

package browser

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestCookiesAreRefusedAsABrowserDoes(t *testing.T) {
	const https, http = "https://app.example.test/dir/page", "http://app.example.test/"
	for _, c := range []struct{ url, header, refusal string }{
		{https, "a=1", ""},
		{https, "a=1; Secure; HttpOnly; SameSite=None; Path=/; Domain=example.test", ""},
		{https, "a=1; SameSite=None", "without Secure"},
		{http, "a=1; Secure", "over http"},
		{https, "__Secure-a=1; Secure", ""},
		{https, "__Secure-a=1", "__Secure-"},
		{https, "__secure-a=1", "__Secure-"},
		{https, "__Host-a=1; Secure; Path=/", ""},
		{https, "__Host-a=1; Secure", "__Host-"},
		{https, "__Host-a=1; Secure; Path=/x", "__Host-"},
		{https, "__Host-a=1; Path=/", "__Host-"},
		{https, "__Host-a=1; Secure; Path=/; Domain=app.example.test", "__Host-"},
		{https, "=__Host-a=1; Secure", "pretends"},
		{https, "a=1; Domain=other.test", "does not cover"},
		{https, "a=1; Domain=sub.app.example.test", "does not cover"},
		{https, "a=1; Domain=ample.test", "does not cover"},
		{https, "a=1; Domain=.EXAMPLE.test", ""},
		{https, "a=1; Domain=test", "public suffix"},
		{"https://x.co.uk/", "a=1; Domain=co.uk", "public suffix"},
		{"https://localhost/", "a=1; Domain=localhost", ""},
		{"https://127.0.0.1/", "a=1; Domain=127.0.0.1", ""},
		{"https://127.0.0.1/", "a=1; Domain=0.0.1", "does not cover"},
		{https, "a=" + strings.Repeat("x", 4095), ""},
		{https, "a=" + strings.Repeat("x", 4096), "4096"},
		{https, "a=\x01", "control"},
		{https, "; Secure", "neither"},
		{https, "valueonly", ""},
	} {
		_, err := ParseSetCookie(c.url, c.header, noon)
		if (err == nil) != (c.refusal == "") || err != nil && !strings.Contains(err.Error(), c.refusal) {
			t.Errorf("%.60s from %s: %v, want %q", c.header, c.url, err, c.refusal)
		}
	}
}

func TestCookieAttributesAreReadAsABrowserDoes(t *testing.T) {
	for header, want := range map[string]string{
		"a=1":                        "a=…; Path=/dir",
		" a = b c ;secure; HTTPONLY": "a=…; Path=/dir; Secure; HttpOnly",
		"a=1; Path=x":                "a=…; Path=/dir",
		"a=1; Path=/x; path=/y":      "a=…; Path=/y",
		"a=1; Max-Age=60":            "a=…; Path=/dir; Expires=Sun, 01 Mar 2026 12:01:00 UTC",
		"a=1; Max-Age=60; Expires=Wed, 21 Oct 2015 07:28:00 GMT": "a=…; Path=/dir; Expires=Sun, 01 Mar 2026 12:01:00 UTC",
		"a=1; Max-Age=x; Expires=Wed, 21-Oct-26 07:28:00 GMT":    "a=…; Path=/dir; Expires=Wed, 21 Oct 2026 07:28:00 UTC",
		"a=1; Expires=Thu Apr 2 01:02:03 2026":                   "a=…; Path=/dir; Expires=Thu, 02 Apr 2026 01:02:03 UTC",
		"a=1; Expires=31 Feb 2026 00:00:00":                      "a=…; Path=/dir",
		"a=1; Max-Age=99999999999999999999":                      "a=…; Path=/dir; Expires=Mon, 05 Apr 2027 12:00:00 UTC",
		"a=1; SameSite=lax; Domain=.example.test":                "a=…; Path=/dir; Domain=example.test; SameSite=Lax",
		"a=1; SameSite=odd":                                      "a=…; Path=/dir",
	} {
		c, err := ParseSetCookie("https://app.example.test/dir/page", header, noon)
		if err != nil || fmt.Sprint(c) != want {
			t.Errorf("%q: got %v, %v, want %s", header, c, err, want)
		}
	}
}

func TestPrintingACookieHidesItsValue(t *testing.T) {
	c := Cookie{Name: "a", Value: "secret"}
	if s := fmt.Sprintf("%v %+v %#v %s", c, c, c, c); strings.Contains(s, "secret") {
		t.Error(s)
	}
}

func TestCookiesGoWhereABrowserSendsThem(t *testing.T) {
	b := New(Options{Now: func() time.Time { return noon }})
	from, _ := parseAddress("https://app.example.test/dir/page")
	b.jar.receive(from, []string{
		"host=1; Path=/", "domain=1; Path=/; Domain=example.test", "dir=1", "secure=1; Path=/; Secure",
		"gone=1; Path=/; Max-Age=0", "session=1; Path=/; Max-Age=10",
	}, noon)
	for url, want := range map[string]string{
		"https://app.example.test/":       "host=1; domain=1; secure=1; session=1",
		"https://app.example.test/dir/x":  "dir=1; host=1; domain=1; secure=1; session=1",
		"https://app.example.test/dirx":   "host=1; domain=1; secure=1; session=1",
		"http://app.example.test/":        "host=1; domain=1; session=1",
		"https://other.example.test/":     "domain=1",
		"https://sub.app.example.test/":   "domain=1",
		"https://example.test/":           "domain=1",
		"https://badexample.test/":        "",
		"https://app.example.test:8443/":  "host=1; domain=1; secure=1; session=1",
		"https://app.example.test/dir?a/": "dir=1; host=1; domain=1; secure=1; session=1",
	} {
		got, err := b.Cookies(url)
		if err != nil || cookieHeader(got) != want {
			t.Errorf("%s: got %q, %v, want %q", url, cookieHeader(got), err, want)
		}
	}
}

func TestCookiesExpireByTheClock(t *testing.T) {
	now := noon
	b := New(Options{Now: func() time.Time { return now }})
	if err := b.SetCookie("https://a.test/", &http.Cookie{Name: "a", Value: "1", MaxAge: 10}); err != nil {
		t.Fatal(err)
	}
	if now = noon.Add(9 * time.Second); len(b.AllCookies()) != 1 {
		t.Error("expired too early")
	}
	if now = noon.Add(10 * time.Second); len(b.AllCookies()) != 0 {
		t.Error("did not expire")
	}
}

func TestACookieIsReplacedOnlyByItsOwnNameDomainAndPath(t *testing.T) {
	j := &jar{}
	from, _ := parseAddress("https://app.example.test/")
	insecure, _ := parseAddress("http://app.example.test/")
	j.receive(from, []string{"a=1", "b=1"}, noon)
	j.receive(from, []string{"a=2", "a=3; Path=/x", "a=4; Domain=example.test"}, noon.Add(time.Second))
	if got := cookieHeader(j.all(noon)); got != "a=2; b=1; a=3; a=4" {
		t.Errorf("got %s", got)
	}
	if got := cookieHeader(j.sent(from, situation{}, noon)); got != "a=2; b=1; a=4" {
		t.Errorf("replacing a cookie changes its place: %s", got)
	}
	j.receive(from, []string{"s=1; Secure"}, noon)
	if refused := j.receive(insecure, []string{"s=evil"}, noon); len(refused) != 1 {
		t.Error("a cookie from http takes the place of a Secure one")
	}
}

func TestSameSiteDecidesOnCrossSiteRequests(t *testing.T) {
	b := New(Options{Now: func() time.Time { return noon }})
	for _, c := range []string{"strict=1; SameSite=Strict", "lax=1; SameSite=Lax", "default=1", "none=1; SameSite=None; Secure"} {
		from, _ := parseAddress("https://app.example.test/")
		b.jar.receive(from, []string{c}, noon)
	}
	to, _ := parseAddress("https://app.example.test/")
	for _, c := range []struct{ method, initiator, want string }{
		{"GET", "", "strict=1; lax=1; default=1; none=1"},
		{"POST", "https://login.example.test/x", "strict=1; lax=1; default=1; none=1"},
		{"GET", "https://idp.other.test/", "lax=1; default=1; none=1"},
		{"POST", "https://idp.other.test/", "none=1"},
		{"GET", "http://app.example.test/", "lax=1; default=1; none=1"},
	} {
		got, err := b.cookiesFor(Request{Method: c.method, Initiator: c.initiator}, to, noon)
		if err != nil || cookieHeader(got) != c.want {
			t.Errorf("%s from %q: %q, %v, want %q", c.method, c.initiator, cookieHeader(got), err, c.want)
		}
	}
}

func TestCloneHasItsOwnCookies(t *testing.T) {
	b := New(Options{})
	set := func(b *Browser, name string) {
		if err := b.SetCookie("https://a.test/", &http.Cookie{Name: name, Value: "1"}); err != nil {
			t.Fatal(err)
		}
	}
	set(b, "a")
	c := b.Clone()
	set(c, "b")
	b.Clear()
	if len(b.AllCookies()) != 0 || cookieHeader(c.AllCookies()) != "a=1; b=1" {
		t.Errorf("%v and %v", b.AllCookies(), c.AllCookies())
	}
	c.RemoveCookies(func(c Cookie) bool { return c.Name == "a" })
	if cookieHeader(c.AllCookies()) != "b=1" {
		t.Errorf("%v", c.AllCookies())
	}
}

func FuzzSetCookie(f *testing.F) {
	for _, s := range []string{"a=1; Path=/; Secure", "=;;;", "a=b=c; Expires=Wed, 21 Oct 2015 07:28:00 GMT", "__Host-a=1", "a=1, b=2", "é=ü; Domain=.."} {
		f.Add(s)
	}
	from, _ := parseAddress("https://app.example.test/dir/page")
	f.Fuzz(func(t *testing.T, header string) {
		j := &jar{}
		j.receive(from, []string{header}, noon)
		stored := j.all(noon)
		if line := cookieHeader(stored); strings.ContainsAny(line, "\r\n\x00;") {
			t.Fatalf("%q is sent back as %q", header, line)
		}
		for _, c := range stored {
			if !domainMatch("app.example.test", c.Domain) || c.Domain == "test" || !strings.HasPrefix(c.Path, "/") {
				t.Fatalf("%q is stored for %s%s", header, c.Domain, c.Path)
			}
		}
	})
}
