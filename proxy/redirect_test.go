// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	whatwg "github.com/nlnwa/whatwg-url/url"
)

func testRedirects(t testing.TB, entries ...string) redirectValidator {
	t.Helper()
	v := redirectValidator{prefix: "/oauth2"}
	for _, e := range entries {
		a, err := parseAllowedHost(e)
		if err != nil {
			t.Fatal(err)
		}
		v.allowed = append(v.allowed, a)
	}
	return v
}

func acceptedRedirects() []string {
	return []string{
		"/", "/a", "/a/b?c=d&e=f", "/a?next=https://other.test/x", "/a?next=//other.test", `/a?q=\\x`, "/a#//x", "/a/../b", "/a/./b", "/%2e%2e/b", "/%2F/a", "/%",
		"/a b", "/café", "/oauth2x", "/x/oauth2/start", "/?x=/oauth2/start", "/@x", "/a:80", "/" + strings.Repeat("x", maxRedirectBytes-1),
		"https://app.example.com", "https://app.example.com/", "https://APP.example.com/x", "http://app.example.com/a//b?c", "https://app.example.com:443/", "http://app.example.com:80/", "https://app.example.com?x", "https://app.example.com#x",
		"https://sub.example.com/", "https://a.b.sub.example.com/", "https://port.test:8443/", "https://any.test/", "http://any.test:1234/x", "http://[::1]:8080/",
	}
}

func refusedRedirects() []string {
	return []string{
		"", "a", "//x", "///x", `/\x`, `\/x`, `\\x`, `/a\..\\x`, "/\t/x", "/ /x//y", "/\n/x", "/\r/x", "/\v/x", "/\x00x", "/a\x7f", " /a", "/a ", "\t/a", "/a//b", "/..//x", "/.//x", "/%2e//x", "/%2E%2e//x", "/%00", "/a%0d%0aSet-Cookie:x", "/" + strings.Repeat("x", maxRedirectBytes),
		"/oauth2", "/oauth2/", "/oauth2/sign_out", "/oauth2/start?rd=/x", "/x/../oauth2/start", "/x/%2e%2e/oauth2/start", "/%6fauth2/start", "/oauth2%2fsign_out", "https://app.example.com/oauth2/sign_out",
		"https://evil.test", "https://app.example.com.evil.test/", "https://evilsub.example.com/", "https://example.com/", "https://app.example.com:8443/", "http://app.example.com:443/", "https://app.example.com:/x?", "https://app.example.com:0/", "https://app.example.com:99999/",
		"https://port.test/", "https://port.test:8444/", "https://x.any.test/", "https://app.example.com./", "https://[::1]/", "https://[::2]:8080/",
		"https://app.example.com@evil.test/", "https://u:p@app.example.com/", `https://evil.test\@app.example.com/`, `https://app.example.com\@evil.test`, `https://app.example.com\.evil.test`, "https://evil.test#@app.example.com/", "https://evil.test?@app.example.com/", "https://app.example.com%2eevil.test/", "https://app%2eexample.com/", "https://app.example.com%00.evil.test/", "https:///app.example.com/", "https:/app.example.com", "https:app.example.com", `https:\\app.example.com`, "https://", "HTTPS://app.example.com/", "https:// app.example.com/", "https://app.example.com\t/", "https://app。example.com/", "https://ａpp.example.com/",
		"javascript:alert(1)", "JavaScript://app.example.com/%0aalert(1)", "data:text/html,x", "ftp://app.example.com/", "app.example.com/x", "file:///etc/passwd",
	}
}

func TestRedirectIsAcceptedOrRefused(t *testing.T) {
	v := testRedirects(t, "app.example.com", ".sub.example.com", "port.test:8443", "any.test:*", "[::1]:8080")
	for _, rd := range acceptedRedirects() {
		if err := v.check(rd); err != nil {
			t.Errorf("%.80q is refused: %v", rd, err)
		}
	}
	for _, rd := range refusedRedirects() {
		if v.check(rd) == nil {
			t.Errorf("%.80q is accepted", rd)
		}
	}
}

func TestWhitelistEntries(t *testing.T) {
	for _, entry := range []string{"app.test", ".test", "*.test", "app.test:8443", ".test:*", "127.0.0.1:8080", "[::1]:8080", "[::1]", "localhost", "a_b.test"} {
		if _, err := parseAllowedHost(entry); err != nil {
			t.Errorf("%q is refused: %v", entry, err)
		}
	}
	for _, entry := range []string{"", ".", "*", "https://app.test", "app.test/", "app.test:", "app.test:x", "app.test:0", "app.test:70000", "u@app.test", ".0.0.1", ".1", "bücher.test", "a..b", "app.test.", "-a.test", "::1", "[x]"} {
		if _, err := parseAllowedHost(entry); err == nil {
			t.Errorf("%q is accepted", entry)
		}
	}
}

func TestARefusedRedirectBecomesTheRoot(t *testing.T) {
	f := newFixture(t, nil)
	for _, tc := range []struct{ name, query, header, want string }{
		{"refused rd", "?rd=https://evil.test/", "", "/"},
		{"refused rd does not fall back to the header", "?rd=//evil.test/", "/page", "/"},
		{"empty rd falls back to the header", "?rd=", "/page?a=b", "/page?a=b"},
		{"no rd falls back to the header", "", "/page", "/page"},
		{"refused header", "", "//evil.test", "/"},
		{"neither", "", "", "/"},
		{"the first rd counts", "?rd=/one&rd=/two", "", "/one"},
		{"a semicolon does not separate", "?rd=/a;b", "", "/a;b"},
		{"an unescaped rd loses what follows its &", "?rd=/p?a=1&b=2", "", "/p?a=1"},
		{"a plus is a plus", "?rd=/a+b", "", "/a+b"},
		{"a bad escape", "?rd=/%zz", "", "/"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			header := []string{}
			if tc.header != "" {
				header = []string{"X-Auth-Request-Redirect", tc.header}
			}
			resp := f.get("/oauth2/start"+tc.query, header...)
			wantHeader(t, f.finish(resp.Header.Get("Location")), "Location", tc.want)
		})
	}
	resp := f.do("POST", "/oauth2/start?rd=/query", "Content-Type", "application/x-www-form-urlencoded")
	wantHeader(t, f.finish(resp.Header.Get("Location")), "Location", "/query")
}

// corpus builds the open redirects that oauth2-proxy and others have been caught by, from their grammar.
func corpus() []string {
	const evil, good = "evil.test", "app.example.com"
	var out []string
	hosts := []string{evil, good + "@" + evil, evil + "@" + good, evil + "@" + evil, ";@" + evil, `\;@` + evil, "." + evil, evil + ":80#@" + good, evil + ":80?@" + good, evil + `\@` + good, evil + "\t" + good, good + ":80%40" + evil, "[::ffff:216.58.214.206]", "3627734734", "0xd83ad6ce", "0330.072.0326.0316", "00330.3856078", "google。com", "google\x00.com"}
	leads := []string{"/", "//", "///", "////", "/////", `/\`, `\/`, `\\`, `/\/\`, `\/\/`, `//\`, "/\t/", "/\n/", "/\r/", "/\v/", "/ /", "\t//", "/<>//", "<>//", "/x:1/:///\x01", "//;", "/.//", "/..//", "/./../", `/./\`, `/../\`, "/%5c", "/%2f", "/%2f%2f", "/%2f%5c", "/%09/", "/%2e%2e//", "//%09/", "http:", "https:", "http:/", "https:///", "http://", "https://", `http:/\`, `http:\\`, "https://\t/", `https://\`, "HtTp://", "ht\ntp://", "javascript:", "javascript://", "java\tscript:", "data:", "//https:///", "//https://", "/https://", "/http:///", "", "@", ".", "〱", "ｰ", "/〱"}
	for _, lead := range leads {
		for _, host := range hosts {
			for _, tail := range []string{"", "/", "//", "/%2e%2e", "/%2f..", "/%2e%2e%2f", "/..//" + evil} {
				out = append(out, lead+host+tail)
			}
		}
	}
	for _, host := range []string{"http://" + evil + "%23." + good + "/", "http://" + evil + "%3F." + good, "http://" + evil + "%2f%2f." + good, "http://" + evil + "%5c%5c." + good, "http://" + evil + `\.` + good, "https://:@" + evil + `\@` + good, "http://" + good + "+&@" + evil + "#+@" + good + "/", "http://" + good + "%2e" + evil, "http://XY>.7d8T\x85pZM@" + good + "@" + evil + "/", "https://" + good + ":@" + evil, "https://" + good + "." + evil, "https://" + evil + "/https://" + good, `";alert(0);//`, "%68%74%74%70%3a%2f%2f" + evil, "/%68%74%74%70%3a%2f%2f" + evil} {
		out = append(out, host)
	}
	return out
}

func TestOpenRedirectCorpusStaysAtHome(t *testing.T) {
	v := testRedirects(t, browserHosts()...)
	refused := 0
	for _, rd := range corpus() {
		if v.check(rd) != nil {
			refused++
			continue
		}
		if err := staysHome(t, rd); err != nil {
			t.Errorf("%q is accepted, but %v", rd, err)
		}
	}
	t.Logf("%d of %d refused, the rest stay on the host", refused, len(corpus()))
	if refused < len(corpus())*3/4 {
		t.Errorf("only %d of %d refused: the corpus is not what it was", refused, len(corpus()))
	}
}

// What the validator accepts, a browser resolves to the proxy's own host or an allowed one, and so does its escaped form.
func FuzzRedirectStaysHome(f *testing.F) {
	for _, rd := range slices.Concat(acceptedRedirects(), refusedRedirects(), spreadOver(corpus(), 200)) {
		f.Add(rd)
	}
	v := testRedirects(f, browserHosts()...)
	f.Fuzz(func(t *testing.T, rd string) {
		if v.check(rd) != nil {
			return
		}
		for _, form := range []string{rd, escapeLocation(rd)} {
			if err := staysHome(t, form); err != nil {
				t.Errorf("%q is accepted, but %v", form, err)
			}
		}
		for i := range len(escapeLocation(rd)) {
			if c := escapeLocation(rd)[i]; c <= ' ' || c >= 0x7f {
				t.Errorf("Location would carry byte %#x", c)
			}
		}
		// What is accepted survives the trip through a query and the state.
		if got, ok := queryValue("x=1&rd="+url.QueryEscape(strings.ReplaceAll(rd, " ", "%20"))+"&y=2", "rd"); !ok || got != strings.ReplaceAll(rd, " ", "%20") {
			t.Errorf("%q became %q in a query", rd, got)
		}
	})
}

// staysHome resolves rd against https://home.test/ by the WHATWG URL Standard and says where it leads astray.
// TestABrowserStaysAtHome asks a browser.
func staysHome(t testing.TB, rd string) error {
	t.Helper()
	base, err := whatwg.Parse("https://home.test/oauth2/callback?code=x")
	if err != nil {
		t.Fatal(err)
	}
	return landingAt(rd, base).astray(landing{Protocol: "https:", Host: "home.test"})
}
