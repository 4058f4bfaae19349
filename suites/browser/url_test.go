// SPDX-License-Identifier: Apache-2.0

package browser

import (
	"strings"
	"testing"
)

func TestGivenURLsKeepEveryByte(t *testing.T) {
	for _, target := range []string{
		"/", "//a", "/./a/../b", "/%2e%2E/%zz%", "/\xc3\xa9\xff", "/a+b?c=+&&d", "/a?b?c", `/\a`, "/;x=1,2", "/a?rd=https://b/?c#",
	} {
		a, err := parseAddress("HTTPS://App.Example.test:443" + target)
		want := "https://app.example.test" + target
		if err != nil || a.String() != want {
			t.Errorf("%q: got %q, %v, want %q", target, a.String(), err, want)
		}
	}
}

func TestGivenURLsThatCannotBeSentAreRefused(t *testing.T) {
	for _, raw := range []string{
		"", "/x", "ftp://a/", "https:///x", "https://a/b c", "https://a/\r\nX: y", "https://a b/", "https://a:x/", "javascript:alert(1)",
	} {
		if a, err := parseAddress(raw); err == nil {
			t.Errorf("%q is accepted as %q", raw, a)
		}
	}
}

func TestLocationsResolveAsInABrowser(t *testing.T) {
	const base = "https://app.example.test/dir/page?q=1#frag"
	for location, want := range map[string]string{
		"/x":                         "https://app.example.test/x#frag",
		"x?y":                        "https://app.example.test/dir/x?y#frag",
		"?y":                         "https://app.example.test/dir/page?y#frag",
		"":                           "https://app.example.test/dir/page?q=1#frag",
		"#other":                     "https://app.example.test/dir/page?q=1#other",
		"/x#":                        "https://app.example.test/x#",
		"//b.example.test/x":         "https://b.example.test/x#frag",
		`/\b.example.test/x`:         "https://b.example.test/x#frag",
		`\\b.example.test\x`:         "https://b.example.test/x#frag",
		"///b.example.test/x":        "https://b.example.test/x#frag",
		"https:/x":                   "https://x/#frag",
		"https:x":                    "https://app.example.test/dir/x#frag",
		"http:x":                     "http://x/#frag",
		"HTTP://B.example.test:80":   "http://b.example.test/#frag",
		"https://b:8443?x":           "https://b:8443/?x#frag",
		"https://u:p@b.example.test": "https://b.example.test/#frag",
		"https://a@b@c/":             "https://c/#frag",
		" /x\t\n ":                   "https://app.example.test/x#frag",
		"/\tx":                       "https://app.example.test/x#frag",
		"/a b?c d#e f":               "https://app.example.test/a%20b?c%20d#e%20f",
		"/\xc3\xa9?\xc3\xa9":         "https://app.example.test/%C3%A9?%C3%A9#frag",
		"/%c3%a9%2F+'?%c3+'%zz":      "https://app.example.test/%c3%a9%2F+'?%c3+%27%zz#frag",
		"/a//b/./c/../d/%2e/%2E%2e/": "https://app.example.test/a//b/#frag",
		"/../../x":                   "https://app.example.test/x#frag",
		"..":                         "https://app.example.test/#frag",
		`/a\b?c\d`:                   `https://app.example.test/a/b?c\d#frag`,
		"/oauth2/start?rd=https%3A%2F%2Fa%3Fb%3D1%26c": "https://app.example.test/oauth2/start?rd=https%3A%2F%2Fa%3Fb%3D1%26c#frag",
		"https://b\u00fccher.example.test/":            "https://xn--bcher-kva.example.test/#frag",
	} {
		from, err := parseAddress(base)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := from.resolve(location); err != nil || got.String() != want {
			t.Errorf("%q:\n got %s, %v\nwant %s", location, got, err, want)
		}
	}
}

func TestLocationsABrowserDoesNotFollow(t *testing.T) {
	from, _ := parseAddress("https://a/")
	for _, location := range []string{"javascript:alert(1)", "data:text/html,x", "https://", "//", "https://a b/", "http://a:99999999/"} {
		if got, err := from.resolve(location); err == nil {
			t.Errorf("%q resolves to %s", location, got)
		}
	}
}

func TestMessagesHaveNoParameterValues(t *testing.T) {
	got := withoutValues("https://a/cb?code=secret&state=secret2&flag&" + strings.Repeat("v", 40) + "#access_token=secret3")
	if want := "https://a/cb?code=…&state=…&flag&…"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzResolve(f *testing.F) {
	for _, s := range []string{"/x", "//b/..", `\\b`, "?%zz", "#", "https:x", "http://[::1]:80/", "https://\xc3\xa9/", "a:b"} {
		f.Add(s)
	}
	from, _ := parseAddress("https://app.example.test/dir/page?q=1#frag")
	f.Fuzz(func(t *testing.T, location string) {
		got, err := from.resolve(location)
		if err != nil {
			return
		}
		again, err := parseAddress(got.String())
		if err != nil || again != got {
			t.Fatalf("%q resolves to %q, which reads as %q, %v", location, got, again, err)
		}
		twice, err := from.resolve(got.String())
		if err != nil || twice != got {
			t.Fatalf("%q resolves to %q and that to %q, %v", location, got, twice, err)
		}
	})
}
