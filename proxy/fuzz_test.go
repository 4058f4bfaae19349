// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http/httpguts"
)

// requestOf is a request with those header fields, unless a server would refuse to read one of them.
func requestOf(path, query string, fields map[string]string) (*http.Request, bool) {
	r := httptest.NewRequest(http.MethodGet, "https://auth.example.com", nil)
	r.URL.Path, r.URL.RawQuery = path, query
	for name, value := range fields {
		if !httpguts.ValidHeaderFieldValue(value) {
			return nil, false
		}
		if value != "" {
			r.Header[name] = []string{value}
		}
	}
	return r, true
}

// requireValid fails the test when the answer could not be sent as it is.
func requireValid(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	for name, values := range w.Header() {
		for _, v := range values {
			if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(v) {
				t.Errorf("the answer has the field %q: %q", name, v)
			}
		}
	}
}

// Whatever a request says, /auth allows it for a genuine cookie or token only, never redirects, and logs neither.
func FuzzAuthReadsHeaders(f *testing.F) {
	fx := newFixture(f, func(c *Config) { c.SetXAuthRequest, c.SkipJWTBearerTokens, c.ReverseProxy = true, true, true })
	fx.login("/")
	cookie, token := fx.cookie("_oauth2_proxy"), fx.op.sign(nil)
	const id = "3f1b8e0c9a7d4e52b6c08f1d2a3e4b5c"
	f.Add("_oauth2_proxy="+cookie, "", id, "", "")
	f.Add("a=b; _oauth2_proxy="+cookie+"; c", "Basic YTpi", "", "allowed_groups=dev", "ann")
	f.Add("_oauth2_proxy="+cookie[:40]+"; _oauth2_proxy_0=2."+cookie[40:], "", "\x7f", "allowed_groups=", "")
	f.Add("_oauth2_proxy_0=2."+cookie[:40]+";_oauth2_proxy_1="+cookie[40:], "", strings.Repeat("i", 200), "allowed_emails=%zz;", "")
	f.Add("", "Bearer "+token, id, "allowed_email_domains=.example.com", "ann@example.com")
	f.Add("_oauth2_proxy="+cookie, "bearer "+token[:20], id, "allowed_nothing=x", "")
	f.Fuzz(func(t *testing.T, cookies, authorization, requestID, query, claimed string) {
		r, ok := requestOf("/oauth2/auth", query, map[string]string{
			"Cookie": cookies, "Authorization": authorization, "X-Request-Id": requestID,
			"X-Auth-Request-User": claimed, "X-Forwarded-User": claimed, "X-Forwarded-Uri": claimed, "X-Original-Url": claimed, "X-Forwarded-Host": claimed,
		})
		if !ok {
			return
		}
		fx.log.reset()
		w := httptest.NewRecorder()
		fx.proxy.ServeHTTP(w, r)
		requireValid(t, w)
		genuine := strings.Contains(authorization, token) || (!strings.EqualFold(authorization[:min(6, len(authorization))], "bearer") && carries(fx.proxy.sessions.(*cookieStore), cookies))
		switch w.Code {
		case http.StatusAccepted, http.StatusForbidden:
			if !genuine {
				t.Errorf("%d for %q %q", w.Code, cookies, authorization)
			}
		case http.StatusUnauthorized:
		default:
			t.Errorf("status %d", w.Code)
		}
		if user := w.Header().Get("X-Auth-Request-User"); (user == "u-1") != (w.Code == http.StatusAccepted) {
			t.Errorf("%d and the user %q", w.Code, user)
		}
		// The request ID stands in the log on purpose, and may be anything.
		if log := fx.log.String(); !strings.Contains(requestID, cookie) && strings.Contains(log, cookie) || !strings.Contains(requestID, token) && strings.Contains(log, token) {
			t.Error("the log has a credential")
		}
	})
}

// carries says whether a Cookie header has a session cookie that this proxy sealed, whole or in parts. Not only the one of this
// process: fuzzing has several.
func carries(st *cookieStore, header string) bool {
	pieces := strings.FieldsFunc(header, func(r rune) bool { return strings.ContainsRune(";= .\t", r) })
	joined, _ := joinParts(&http.Request{Header: http.Header{"Cookie": {header}}}, st.name)
	return slices.ContainsFunc(append(pieces, joined), func(value string) bool {
		_, err := st.decode(value)
		return err == nil
	})
}

// Whatever a request says, /start leads to the identity provider with a callback on this host or one a proxy may name, and
// the way back leads to an allowed place.
func FuzzStartReadsHeaders(f *testing.F) {
	fx := newFixture(f, func(c *Config) { c.ReverseProxy, c.WhitelistDomains = true, browserHosts() })
	provider, err := url.Parse(fx.op.issuer)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("rd=%2Fa", "", "", "app.example.com", "https", "text/html")
	f.Add("rd=//evil.test", "/x", "_oauth2_proxy_abcdefgh_csrf=x", "a.test, b.test", "http,https", "application/json;q=0.5, */*")
	f.Add("rd=%5C%5Cevil.test&rd=/", "https://evil.test/", "__Host-_oauth2_proxy_abcdefgh_csrf_0=8.x; __Host-_oauth2_proxy_abcdefgh_csrf_1=", "evil.test@app.example.com", "javascript", "text/html;q=")
	f.Add("%", "http://any.test:1234", "", "[::1]:80", "", ",")
	f.Fuzz(func(t *testing.T, query, redirect, cookies, host, proto, accept string) {
		r, ok := requestOf("/oauth2/start", query, map[string]string{
			"X-Auth-Request-Redirect": redirect, "Cookie": cookies, "X-Forwarded-Host": host, "X-Forwarded-Proto": proto, "Accept": accept,
		})
		if !ok {
			return
		}
		r.RemoteAddr = "10.0.0.1:1"
		w := httptest.NewRecorder()
		fx.proxy.ServeHTTP(w, r)
		requireValid(t, w)
		to, err := url.Parse(w.Header().Get("Location"))
		if w.Code != http.StatusFound {
			if w.Code >= 500 && w.Code != http.StatusInternalServerError { // a redirect too long for cookies is explained
				t.Errorf("status %d", w.Code)
			}
			return
		}
		if err != nil || to.Host != provider.Host || to.Path != "/authorize" {
			t.Fatalf("it leads to %q: %v", w.Header().Get("Location"), err)
		}
		callback, err := url.Parse(to.Query().Get("redirect_uri"))
		if err != nil || callback.User != nil || callback.Path != "/oauth2/callback" || (callback.Host != "auth.example.com" && callback.Host != firstValue(host)) {
			t.Errorf("the callback is %q: %v", to.Query().Get("redirect_uri"), err)
		}
		back := httptest.NewRequest(http.MethodGet, "/", nil)
		for _, c := range w.Result().Cookies() {
			back.AddCookie(c)
		}
		login, err := fx.proxy.states.find(back, to.Query().Get("state"))
		if err != nil {
			t.Fatal(err)
		}
		if err := staysHome(t, escapeLocation(login.Redirect)); err != nil {
			t.Errorf("the login ends at %q: %v", login.Redirect, err)
		}
	})
}

// A state cookie holds what the proxy put there; were it anything else, a login would still have to name its state.
func FuzzStateContent(f *testing.F) {
	now := time.Unix(1_700_000_000, 0)
	sealer, err := newSealer("state", []byte(testSecret))
	if err != nil {
		f.Fatal(err)
	}
	states := &stateStore{cookieName: "n", sealer: sealer, cookies: testCookies, lifetime: time.Minute, now: func() time.Time { return now }}
	f.Add([]byte(`{"s":"abcdefghi","r":"/","x":1700000030}`), "abcdefghi")
	f.Add([]byte(`{"s":"abcdefghi","x":99999999999999999999}`), "abcdefghi")
	f.Add([]byte(`{"s":"abcdefghi","x":-1}`), "abcdefghi")
	f.Add([]byte(`[`), "aaaaaaaaa")
	f.Fuzz(func(t *testing.T, content []byte, state string) {
		if len(state) <= stateIDLength {
			return
		}
		name := states.name(state)
		r := requestWith()
		r.Header["Cookie"] = []string{name + "=" + sealer.seal(name, content)}
		login, err := states.find(r, state)
		if err == nil && (login.State != state || login.Expires <= now.Unix() || login.Expires > now.Add(time.Minute+maxClockStep).Unix()) {
			t.Errorf("%q is a login for %q: %+v", content, state, login)
		}
		_ = states.prune(r)
	})
}

// What is split joins again, whatever other cookies stand between the parts.
func FuzzSplitJoins(f *testing.F) {
	f.Add("n", 10, "x=y")
	f.Add("_oauth2_proxy", 4096, "_oauth2_proxy=; _oauth2_proxy_")
	f.Add("a_b", 20000, "; ;;=; a_b_99=x")
	f.Fuzz(func(t *testing.T, name string, length int, other string) {
		if !cookieNamePattern.MatchString(name) || chunkSuffixPattern.MatchString(name) || length < 1 || length > maxChunks*maxCookieBytes || strings.Contains(other, name+"=") || strings.Contains(other, name+"_") {
			return
		}
		value := strings.Repeat("abcdefghi-", length/10+1)[:length]
		parts, err := testCookies.split(name, value, time.Hour)
		if err != nil {
			return
		}
		var header []string
		for _, c := range parts {
			if n := len(c.String()); n > maxCookieBytes {
				t.Errorf("a part has %d bytes", n)
			}
			header = append(header, c.Name+"="+c.Value, other)
		}
		slices.Reverse(header)
		r := requestWith()
		r.Header["Cookie"] = []string{strings.Join(header, "; ")}
		if got := testCookies.join(r, name); len(got) != 1 || got[0] != value {
			t.Errorf("%d bytes in %d parts became %d values", length, len(parts), len(got))
		}
		if got := testCookies.deletions(r, name); len(got) != len(parts) {
			t.Errorf("%d deletions for %d parts", len(got), len(parts))
		}
	})
}

// Any groups and claims make headers that can be sent.
func FuzzIdentityHeaders(f *testing.F) {
	f.Add("u-1", "ann@example.com", "dev,ops")
	f.Add("a\r\nX-Admin: 1", "\x00", "\x7f\n,,")
	f.Add("é", "日本", "\xff")
	f.Fuzz(func(t *testing.T, subject, email, groups string) {
		w := httptest.NewRecorder()
		authRequestHeaders.set(w.Header(), &session{Subject: subject, Email: email, Groups: []string{groups, email}}, false)
		requireValid(t, w)
		if h := w.Header().Get("X-Auth-Request-Groups"); strings.Contains(groups, ",") && strings.Contains(h, groups) {
			t.Errorf("the group %q became %q", groups, h)
		}
	})
}
