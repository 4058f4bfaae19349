// SPDX-License-Identifier: Apache-2.0

package exchange_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingress-auth/conformance/suites/exchange"
)

const jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"

// secrets that must not survive any of the texts below.
const (
	s1 = "Zx9-first_secret~41"
	s2 = "Qw7-second_secret~42"
)

func TestRedactsURLsAtAnyDepthOfEncoding(t *testing.T) {
	inner := "https://app.example.test/cb?a=1&code=" + s1 + "&state=" + s2
	once := url.QueryEscape(inner)
	twice := url.QueryEscape("/oauth2/start?rd=" + once)
	nginx := strings.NewReplacer("/", "%2F", "?", "%3F", "=", "%3D", "&", "%26").Replace("/cb?code=" + s1 + ",tail&state=" + s2)
	for name, raw := range map[string]string{
		"plain":                      inner,
		"rd unescaped":               "https://h/oauth2/start?rd=" + inner,
		"rd escaped":                 "https://h/oauth2/start?rd=" + once + "&keep=1",
		"rd escaped twice":           "https://h/x?next=" + twice,
		"as nginx escapes":           "https://h/start?rd=http://h" + nginx,
		"fragment":                   "https://h/#access_token=" + s1 + "&id_token=" + s2,
		"upper case name":            "https://h/?CODE=" + s1 + "&State=" + s2,
		"escaped name":               "https://h/?c%6Fde=" + s1 + "&%73tate=" + s2,
		"in the path":                "https://h/start/" + url.PathEscape(inner),
		"reference":                  "/?code_verifier=" + s1 + "&code_challenge=" + s2 + "&code_challenge_method=S256",
		"HTML escaped":               "/?code=" + s1 + "&amp;state=" + s2,
		"value with a question mark": "/?code=a?" + s1 + "&state=b=" + s2,
		"value with a space":         "/?code=a " + s1 + "&state=b%20" + s2,
		"matrix parameter":           "/a;code=" + s1 + "?state=x&nonce=" + s2,
	} {
		t.Run(name, func(t *testing.T) {
			r := exchange.NewRedactor()
			got := r.URL(raw)
			mustHide(t, got)
			if _, err := url.Parse(got); err != nil {
				t.Errorf("not a URL any more: %v", err)
			}
			if strings.Count(got, "REDACTED-") < 2 {
				t.Errorf("expected two markers: %s", got)
			}
			if again := r.URL(got); again != got {
				t.Errorf("redacting twice changes the text:\n%s\n%s", got, again)
			}
		})
	}
}

func TestKeepsWhatIsNotSecret(t *testing.T) {
	for _, raw := range []string{
		"https://h/a%2Fb/c%20d?q=1&rd=https%3A%2F%2Fa.example.test%2F%3Fx%3D1&u=%C3%A9&p=a+b",
		"https://h//a/./b?x=1&x=2#frag",
		"upstream answered status=502 code=401 after 3 tries",
		`{"response_types_supported":["code","id_token"],"scopes":["openid"]}`,
		`Bearer realm="standin", error="invalid_token"`,
		"Basic authentication is not offered here",
		"REDACTED-cookie-0a1b2c3d",
	} {
		if got := exchange.NewRedactor().Text(raw); got != raw {
			t.Errorf("changed:\n%s\n%s", raw, got)
		}
	}
}

func TestRedactsHeaders(t *testing.T) {
	h := http.Header{
		"Cookie":                      {"_oauth2_proxy=" + s1 + "; theme=" + s2 + "; standin-auth=eyJzdGF0dXMiOjQwMX0; flag"},
		"Set-Cookie":                  {"_oauth2_proxy=" + s1 + "; Path=/; Domain=example.test; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Max-Age=60; HttpOnly; Secure; SameSite=Lax", "gone=; Max-Age=0", "a=" + s1 + "; Path=/, b=" + s2 + "; Path=/"},
		"Authorization":               {"Bearer " + s1, s2},
		"Proxy-Authorization":         {"Basic " + s1},
		"X-Auth-Request-Access-Token": {s1},
		"Location":                    {"/start?rd=" + url.QueryEscape("/cb?state="+s2)},
		"X-Original-Url":              {"https://h/?id_token_hint=" + s1},
		"Referer":                     {"https://h/?nonce=" + s1},
		"X-Id":                        {jwt},
		"Www-Authenticate":            {`Digest realm="x", nonce="` + s1 + `"`},
		"Accept":                      {"text/html"},
	}
	r := exchange.NewRedactor()
	got := r.Header(h)
	all, _ := json.Marshal(got)
	mustHide(t, string(all))
	for header, want := range map[string][]string{
		"Cookie": {
			"_oauth2_proxy=" + r.Mark("cookie", s1) + "; theme=" + r.Mark("cookie", s2) +
				"; standin-auth=eyJzdGF0dXMiOjQwMX0; " + r.Mark("cookie", "flag"),
		},
		"Set-Cookie": {
			"_oauth2_proxy=" + r.Mark("cookie", s1) + "; Path=/; Domain=example.test; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Max-Age=60; HttpOnly; Secure; SameSite=Lax",
			"gone=; Max-Age=0",
			"a=" + r.Mark("cookie", s1) + "; Path=/, b=" + r.Mark("cookie", s2) + "; Path=/",
		},
		"Authorization": {"Bearer " + r.Mark("credential", s1), r.Mark("credential", s2)},
		"Accept":        {"text/html"},
	} {
		if strings.Join(got[header], "\n") != strings.Join(want, "\n") {
			t.Errorf("%s:\n got %q\nwant %q", header, got[header], want)
		}
	}
	if h.Get("X-Id") != jwt {
		t.Error("the original header was changed")
	}
}

func TestRedactsTextAndBodies(t *testing.T) {
	escaped, _ := json.Marshal(`{"access_token":"` + s1 + `","state":"` + s2 + `"}`)
	for name, raw := range map[string]string{
		"JSON":                    `{"access_token":"` + s1 + `", "n":1, "refresh_token" : "` + s2 + `"}`,
		"JSON list value":         `{"code":["` + s1 + `"],"state":["x","` + s2 + `"]}`,
		"JSON inside JSON":        `{"msg":` + string(escaped) + `}`,
		"JSON cut off":            `{"id_token":"` + s1 + `","state":"` + s2,
		"JSON with escaped &":     `{"url":"https://h/?code=` + s1 + `\u0026state=` + s2 + `\u0026x=1"}`,
		"echoed header pairs":     `{"headers":[["Accept","*/*"],["Cookie","a=` + s1 + `"],["Authorization","Bearer ` + s2 + `"]]}`,
		"echoed header map":       `{"Cookie":["a=` + s1 + `","b=` + s2 + `"],"X":"y"}`,
		"HAR":                     `[{"name":"Cookie","value":"a=` + s1 + `"},{"name":"Set-Cookie","value":"b=` + s2 + `; Path=/"}]`,
		"form":                    "grant_type=authorization_code&code=" + s1 + "&client_secret=" + s2 + "&x=1",
		"HTML inputs":             `<form><input type="hidden" name="code" value="` + s1 + `"><input value='` + s2 + `' name=state></form>`,
		"HTML input cut off":      `<p>` + s2x() + `</p><input name="code" value="` + s1,
		"access log":              `1.2.3.4 "GET /cb?code=` + s1 + `&state=` + s2 + ` HTTP/1.1" 302 "-"`,
		"Go header map":           `map[Cookie:[a=` + s1 + `; b=` + s2 + `] X:[y]]`,
		"header dump":             "> GET / HTTP/1.1\r\n> Cookie: a=" + s1 + "\r\n< Set-Cookie: b=" + s2 + "; Path=/\r\n",
		"slog text":               `level=INFO msg="call" state=` + s1 + ` nonce="` + s2 + `" url="https://h/?a=1"`,
		"single quotes":           `{'code': '` + s1 + `', 'state': '` + s2 + `'}`,
		"bearer in a sentence":    "sent Bearer " + s1 + " and bearer " + s2,
		"JWTs":                    "a " + jwt + " b " + jwt[:len(jwt)-5],
		"percent-encoded JSON":    "/x?ctx=" + url.QueryEscape(`{"code":"`+s1+`","state":"`+s2+`"}`),
		"escaped quotes in a log": `msg="body {\"code\":\"` + s1 + `\",\"state\":\"` + s2 + `\"}" n=1`,
	} {
		t.Run(name, func(t *testing.T) {
			r := exchange.NewRedactor()
			got := r.Text(raw)
			mustHide(t, got)
			if !strings.Contains(got, "REDACTED-") {
				t.Errorf("no marker in %s", got)
			}
			if json.Valid([]byte(raw)) && !json.Valid([]byte(got)) {
				t.Errorf("not JSON any more: %s", got)
			}
			if again := r.Text(got); again != got {
				t.Errorf("redacting twice changes the text:\n%s\n%s", got, again)
			}
		})
	}
}

func s2x() string { return "Bearer " + s2 }

func mustHide(t *testing.T, got string) {
	t.Helper()
	for _, secret := range []string{s1, s2, jwt, jwt[20:40]} {
		if strings.Contains(got, secret) {
			t.Errorf("secret %q survives in %s", secret, got)
		}
	}
}

func TestASecretNamedInOneFieldIsHiddenInEveryOther(t *testing.T) {
	r := exchange.NewRedactor()
	r.Hide("secret", "the client's own secret")
	e := exchange.Exchange{
		Method: "GET", URL: "https://h/" + s1, Error: "bad cookie " + s1 + " and the client's own secret",
		RequestHeader: http.Header{"Cookie": {"a=" + s1}, "X-Echo": {"<" + s1 + ">"}},
		Body:          `{"seen":"` + s1 + `"}`,
	}
	got := r.Exchange(e)
	all, _ := json.Marshal(got)
	mustHide(t, string(all))
	if strings.Contains(got.Error, "own secret") {
		t.Errorf("a value given to Hide survives: %s", got.Error)
	}
	if e.RequestHeader.Get("Cookie") != "a="+s1 {
		t.Error("the original was changed")
	}
	if want := r.Mark("cookie", s1); got.Body != `{"seen":"`+want+`"}` {
		t.Errorf("body %s, want the marker %s", got.Body, want)
	}
}

func TestMarkersAreEqualWithinARunAndDifferBetweenRuns(t *testing.T) {
	a, b := exchange.NewRedactor(), exchange.NewRedactor()
	if a.Mark("code", s1) != a.Mark("code", s1) || a.Mark("code", s1) == a.Mark("code", s2) {
		t.Error("markers do not tell equal values from different ones")
	}
	if a.Mark("code", s1) == b.Mark("code", s1) {
		t.Error("two runs give the same marker")
	}
	if x, y := a.URL("/?state="+s1), a.URL("/?rd="+url.QueryEscape("/?state="+s1)); !strings.Contains(y, strings.TrimPrefix(x, "/?state=")) {
		t.Errorf("the marker depends on the encoding: %s, %s", x, y)
	}
}

func TestExchangesKeepsOrderAndFigures(t *testing.T) {
	in := []exchange.Exchange{{Status: 1, Took: time.Second, ResponseBodyBytes: 3}, {Status: 2}}
	out := exchange.NewRedactor().Exchanges(in)
	if len(out) != 2 || out[0].Status != 1 || out[1].Status != 2 || out[0].Took != time.Second || out[0].ResponseBodyBytes != 3 {
		t.Errorf("got %+v", out)
	}
}

func TestRedactorIsSafeForConcurrentUse(t *testing.T) {
	r := exchange.NewRedactor()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				r.Hide("secret", s2)
				mustHide(t, r.Text("Cookie: a="+s1+"\n"))
			}
		})
	}
	wg.Wait()
}

func FuzzRedactHidesTheSecret(f *testing.F) {
	for i := range 8 {
		f.Add("prefix", "suffix", uint8(i))
	}
	f.Add(`{"x":"`, `"}`, uint8(3))
	f.Add("https://h/?rd=%2F%3Fa%3D", "%26b%3Dc", uint8(1))
	f.Add(`"\`, `\"`, uint8(2))
	f.Fuzz(func(t *testing.T, before, after string, form uint8) {
		const secret = "K3y~uniQue.s3cret-value_99"
		r := exchange.NewRedactor()
		e := exchange.Exchange{URL: "https://h/", RequestHeader: http.Header{}, Body: before + secret + after}
		switch form % 8 {
		case 0:
			e.RequestHeader.Set("Cookie", "n="+secret)
		case 1:
			e.URL = "https://h/?code=" + secret
		case 2:
			e.RequestHeader.Set("Location", "https://h/?rd="+url.QueryEscape("/?state="+secret))
		case 3:
			e.Error = `{"id_token":"` + secret + `"}`
		case 4:
			e.RequestHeader.Set("Set-Cookie", "n="+secret+"; Path=/")
		case 5:
			e.RequestHeader.Set("Authorization", "Bearer "+secret)
		case 6:
			e.URL = "https://h/?rd=" + url.QueryEscape("https://a/?rd="+url.QueryEscape("/?nonce="+secret+"&x="+after)+"&b="+before)
		case 7:
			e.Error = "grant_type=x&client_secret=" + secret + "&y=" + url.QueryEscape(after)
		}
		got := r.Exchange(e)
		all, _ := json.Marshal(got)
		if strings.Contains(string(all), secret) {
			t.Errorf("secret survives: %s", all)
		}
		if json.Valid([]byte(e.Body)) && !json.Valid([]byte(got.Body)) {
			t.Errorf("body was JSON and is not any more: %q → %q", e.Body, got.Body)
		}
		if _, err := url.Parse(got.URL); err != nil {
			t.Errorf("URL was one and is not any more: %q → %q", e.URL, got.URL)
		}
	})
}

func FuzzRedactNamedParameterInAnyText(f *testing.F) {
	f.Add("GET /?", " HTTP/1.1")
	f.Add(`{"u":"https://h/?`, `"}`)
	f.Add("a%3D", "%26")
	f.Add("&amp;", "&amp;")
	f.Fuzz(func(t *testing.T, before, after string) {
		const secret = "K3yuniQues3cretvalue99"
		// The name stands at the beginning of a word, as in every real URL or form.
		raw := before + "&code=" + secret + "&" + after
		got := exchange.NewRedactor().Text(raw)
		if strings.Contains(got, secret) {
			t.Errorf("secret survives: %q → %q", raw, got)
		}
	})
}
