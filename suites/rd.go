// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ingress-auth/conformance/suites/browser"
	"github.com/ingress-auth/conformance/suites/subject"
)

// rdClass is a way to write a foreign address that some validator and some browser disagree about.
type rdClass struct {
	requirement string
	rds         []string
}

// The host of an attacker, and one that the auth service may lead to.
const foreignHost = "evil.example"

func ownHost() string { return "auth." + subject.Domain }

// product joins every combination of one word of each list.
func product(lists ...[]string) []string {
	words := []string{""}
	for _, list := range lists {
		var longer []string
		for _, begin := range words {
			for _, word := range list {
				longer = append(longer, begin+word)
			}
		}
		words = longer
	}
	return words
}

// rdClasses are the known open redirects of oauth2-proxy's own test data and of other validators, as rules.
func rdClasses() []rdClass {
	e, own := foreignHost, ownHost()
	return []rdClass{
		{"RD-SCHEME-RELATIVE", product([]string{"//", "///", "////", "/////"}, []string{e, own + "@" + e, "https:" + e}, []string{"", "/", "//", "/%2e%2e"})},
		{"RD-BACKSLASH", product([]string{`\`, `/\`, `\/`, `/\/\`, `\/\/`, `//\`, `\\`, `/;\`}, []string{e, ";@" + e}, []string{"", "/"})},
		{"RD-WHITESPACE", product([]string{"/"}, []string{"\t", "\n", "\r", "\v", "\f", " ", "\r\n", "\x00"}, []string{"/", `\`}, []string{e})},
		{"RD-WHITESPACE", product([]string{" ", "\t", "\n", "\x01"}, []string{"//", "https://"}, []string{e})},
		{"RD-DOT-SEGMENTS", product([]string{"/./", "/../", "/.././", "/x/../"}, []string{"/", `\`, `\\`, "//"}, []string{e})},
		{"RD-USERINFO", product([]string{"https://", "http://", "//"}, []string{own, "a:b", ":", own + ":80", "a@" + own, own + `\`}, []string{"@"}, []string{e}, []string{"", "/"})},
		{"RD-USERINFO", []string{"https://" + e + "#@" + own, "https://" + e + "?@" + own, `https://` + e + `\@` + own, "//" + e + ":80#@" + own + "/", "https://:@" + e + `\@` + own}},
		{"RD-LOOKALIKE-HOST", []string{
			"https://" + subject.Domain + "." + e + "/", "https://evil" + subject.Domain + "/", "https://" + own + "." + e, "https://" + own + "-" + e, "https://" + subject.Domain + "evil.example/",
			"https://" + e + "/" + own, "https://" + e + "?" + own, "https://" + e + "#." + subject.Domain, "https://" + e + "%23." + subject.Domain, "https://" + e + "%2f." + subject.Domain,
			"https://" + e + "%5c." + subject.Domain, "https://" + e + "%00." + subject.Domain, "https://" + e + "\t." + subject.Domain, "https://" + e + ";." + subject.Domain,
		}},
		{"RD-SCHEME", []string{
			"javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", "java\r\nscript:alert(1)", "javascript://" + own + "/%0aalert(1)", "data:text/html,x", "data:" + own + ";text/html,x",
			"vbscript:x", "file:///etc/passwd", "ftp://" + e + "/", "https:" + e, "https:/" + e, "https:///" + e, "http:" + e, "HTTPS://" + e + "/", "hTTp://" + e, "\x01https://" + e, "blob:https://" + e + "/x",
			`";alert(0);//`, "ws://" + e,
		}},
		{"RD-NUMERIC-HOST", product([]string{"http://", "https://", "//", "http:"}, []string{
			"3221226219", "0xc0000201", "0300.00.02.01", "0xc0.0x00.0x02.0x01", "192.513", "448.256.258.257", "[::ffff:192.0.2.1]", "[::192.0.2.1]", "192.0.2.1",
		})},
		{"RD-UNICODE", []string{
			"https://evil。example/", "//evil。example", "https://evil．example/", "https://ｅvil.example/", "〱//" + e, "/〱" + "/" + e, "ゝ//" + e, "https://evil.example\u2028", "//evil.example\u202e",
			"https://" + own + "\uff0f@" + e, "https://" + e + "\uff03." + subject.Domain, "https://evil\u00ad.example/",
		}},
		{"RD-ENCODED", []string{
			"%2f%2f" + e, "/%2f" + e, "/%2f%2f" + e, "/%5c" + e, "%5c%5c" + e, "/%09/" + e, "/%0d/" + e, "/%0a/" + e, "%68%74%74%70%3a%2f%2f" + e, "https%3a//" + e, "/%252f" + e, "//%65vil.example",
			"/https://" + e, "/http:/" + e, "https://%65vil.example/", "https://%09/" + e, "https://%5c" + e, "/%2e%2e//" + e, "/%2e/%2f" + e,
		}},
	}
}

func rdCorpusChecks() []Check {
	byRequirement := map[string][]string{}
	var order []string
	for _, class := range rdClasses() {
		if byRequirement[class.requirement] == nil {
			order = append(order, class.requirement)
		}
		byRequirement[class.requirement] = append(byRequirement[class.requirement], class.rds...)
	}
	var checks []Check
	for _, requirement := range order {
		name := "redirects/" + strings.ToLower(requirement)
		checks = append(checks, authCheck(name, func(ctx context.Context, t *Trial) error {
			return refusesRds(ctx, t, requirement, byRequirement[requirement])
		}, requirement))
	}
	return append(checks,
		authCheck("redirects/rd-refused", rdRefused, "RD-FALLBACK-ROOT", "RD-TWICE", "RD-FOREIGN-PORT", "RD-HEADER-INJECTION"),
		authCheck("redirects/rd-kept", rdKept, "RD-QUERY-WITH-URL", "RD-FRAGMENT", "RD-HEADER-USED", "RD-BEFORE-HEADER"),
		authCheck("redirects/rd-headers", rdHeaders, "RD-HEADER-FOREIGN", "RD-FORWARDED-HOST"),
	)
}

// fullLogins is how many addresses of a class are followed through a whole login; the sign-out, which asks the same
// validator in one request, is asked about all.
const fullLogins = 6

func refusesRds(ctx context.Context, t *Trial, requirement string, rds []string) error {
	b := t.Browser()
	for _, rd := range rds {
		response, err := b.Do(ctx, browser.Request{URL: authURL("/oauth2/sign_out?rd=" + url.QueryEscape(rd))})
		if err != nil {
			return fmt.Errorf("with rd %q: %w", rd, err)
		}
		t.Holds(requirement, staysInside(response), fmt.Sprintf("for rd %q a sign-out within %s", rd, subject.Domain), describe(response))
	}
	for i := 0; i < len(rds); i += max(1, len(rds)/fullLogins) {
		response, err := t.returns(ctx, b, "?rd="+url.QueryEscape(rds[i]), nil)
		if err != nil {
			return fmt.Errorf("with rd %q: %w", rds[i], err)
		}
		t.Holds(requirement, staysInside(response), fmt.Sprintf("for rd %q a way back within %s", rds[i], subject.Domain), describe(response))
	}
	return nil
}

// returns walks a login through and returns the auth service's answer to the identity provider's redirect.
func (t *Trial) returns(ctx context.Context, b *browser.Browser, query string, header http.Header) (*browser.Response, error) {
	first, err := b.Do(ctx, browser.Request{URL: authURL("/oauth2/start" + query), Header: header})
	if err != nil {
		return nil, err
	}
	at, err := first.Location()
	if err != nil || !first.IsRedirect() {
		return first, err
	}
	return stop(ctx, b, at, userAlice, isCallback)
}

func rdRefused(ctx context.Context, t *Trial) error {
	b := t.Browser()
	for _, row := range []struct {
		requirement, query, expected string
		holds                        func(r *browser.Response) bool
	}{
		{"RD-FALLBACK-ROOT", "?rd=" + url.QueryEscape("https://"+foreignHost+"/x"), "Location /", func(r *browser.Response) bool { return r.Header.Get("Location") == "/" }},
		{"RD-TWICE", "?rd=%2Fhere&rd=" + url.QueryEscape("//"+foreignHost), "a way back within " + subject.Domain, staysInside},
		{"RD-TWICE", "?rd=" + url.QueryEscape("//"+foreignHost) + "&rd=%2Fhere", "a way back within " + subject.Domain, staysInside},
		{"RD-FOREIGN-PORT", "?rd=" + url.QueryEscape("https://"+ownHost()+":8443/x"), "not the port 8443", func(r *browser.Response) bool {
			return !strings.Contains(r.Header.Get("Location"), ":8443")
		}},
		{"RD-HEADER-INJECTION", "?rd=" + url.QueryEscape("/x\r\nX-Injected: 1\r\nSet-Cookie: injected=1"), "no field of the link's making", func(r *browser.Response) bool {
			return r.Header.Get("X-Injected") == "" && !slices.ContainsFunc(r.SetCookies(), func(c browser.Cookie) bool { return c.Name == "injected" })
		}},
	} {
		response, err := t.returns(ctx, b, row.query, nil)
		if err != nil {
			return fmt.Errorf("with %s: %w", row.query, err)
		}
		t.Holds(row.requirement, row.holds(response), fmt.Sprintf("for %s %s", row.query, row.expected), describe(response))
	}
	return nil
}

func rdKept(ctx context.Context, t *Trial) error {
	b := t.Browser()
	for _, row := range []struct {
		requirement, query string
		header             http.Header
		want               string
	}{
		{"RD-QUERY-WITH-URL", "?rd=" + url.QueryEscape("/open?url=https://elsewhere.example/a//b&x=/./y"), nil, "/open?url=https://elsewhere.example/a//b&x=/./y"},
		{"RD-FRAGMENT", "?rd=" + url.QueryEscape("/page?a=1#part"), nil, "/page?a=1#part"},
		{"RD-HEADER-USED", "", http.Header{"X-Auth-Request-Redirect": {"/from-header?a=1"}}, "/from-header?a=1"},
		{"RD-BEFORE-HEADER", "?rd=%2Ffrom-rd", http.Header{"X-Auth-Request-Redirect": {"/from-header"}}, "/from-rd"},
	} {
		response, err := t.returns(ctx, b, row.query, row.header)
		if err != nil {
			return fmt.Errorf("with %s: %w", row.query, err)
		}
		Equal(t, row.requirement, "Location", row.want, response.Header.Get("Location"))
	}
	return nil
}

func rdHeaders(ctx context.Context, t *Trial) error {
	b := t.Browser()
	for _, value := range []string{"https://" + foreignHost + "/", "//" + foreignHost, `/\` + foreignHost} {
		response, err := t.returns(ctx, b, "", http.Header{"X-Auth-Request-Redirect": {value}})
		if err != nil {
			return err
		}
		t.Holds("RD-HEADER-FOREIGN", staysInside(response), fmt.Sprintf("for X-Auth-Request-Redirect %q a way back within %s", value, subject.Domain), describe(response))
	}
	spoofed := http.Header{
		"X-Forwarded-Host": {foreignHost}, "X-Forwarded-Uri": {"//" + foreignHost}, "X-Forwarded-Proto": {"http"}, "X-Original-Host": {foreignHost},
		"Forwarded": {"host=" + foreignHost}, "X-Host": {foreignHost}, "X-Forwarded-Server": {foreignHost},
	}
	first, err := b.Do(ctx, browser.Request{URL: authURL("/oauth2/start"), Header: spoofed})
	if err != nil {
		return err
	}
	t.Holds("RD-FORWARDED-HOST", !strings.Contains(first.Header.Get("Location"), foreignHost), "nothing of the client's own X-Forwarded-Host in the authorization request", describe(first))
	response, err := t.returns(ctx, b, "", spoofed)
	if err != nil {
		return err
	}
	t.Holds("RD-FORWARDED-HOST", staysInside(response), "a way back within "+subject.Domain, describe(response))
	return nil
}
