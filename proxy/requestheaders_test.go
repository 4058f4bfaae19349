// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// Whatever the headers that are read hold, nobody gets in by them, and what is made of them stays within bounds.
func FuzzRequestHeaders(f *testing.F) {
	fx := newFixture(f, func(c *Config) {
		c.ReverseProxy, c.SkipJWTBearerTokens, c.WhitelistDomains = true, true, []string{".app.test"}
		c.ExtraJWTIssuers = []string{issuerNeverFound + "=api"}
	})
	f.Add("auth.test", "app.test", "https", "id-1", "/x", "text/html", "_oauth2_proxy=x", "Bearer a.b.c")
	f.Add("auth.test:8443", "a,b", "http, https", "\x00", "//evil.test", "application/json;q=0", "_oauth2_proxy_0=9.x; a=\"", "Basic YTpi")
	f.Add("[::1]:80", "[::1]", "javascript", strings.Repeat("a", 200), "https://x.app.test/\t", "*/*, application/json", "__Host-_oauth2_proxy_abcdefgh_csrf=x", "bearer eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL290aGVyLnRlc3QifQ.")
	f.Add("a b", "evil.test/..", "HTTPS", "<script>", "/oauth2/start", "text/html;q=0.1", strings.Repeat("a=b; ", 500), "Bearer "+strings.Repeat("a.", 500))
	f.Add("", "user@evil.test", "", "a\r\nb", "/\\evil.test", ",,;=", "=;=;", "DPoP x")
	f.Fuzz(func(t *testing.T, host, forwardedHost, forwardedProto, id, rd, accept, cookie, authorization string) {
		for _, path := range []string{"/oauth2/auth", "/oauth2/start", "/oauth2/sign_in", "/oauth2/userinfo", "/oauth2/nothing"} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Host, r.RemoteAddr = host, "127.0.0.1:1"
			r.Header = http.Header{
				"X-Forwarded-Host": {forwardedHost}, "X-Forwarded-Proto": {forwardedProto}, "X-Request-Id": {id}, "X-Auth-Request-Redirect": {rd},
				"Accept": {accept}, "Cookie": {cookie}, "Authorization": {authorization},
			}
			w := httptest.NewRecorder()
			fx.proxy.ServeHTTP(w, r)
			if authenticated := path == "/oauth2/auth" || path == "/oauth2/userinfo"; authenticated && w.Code < 300 {
				t.Fatalf("%s: %d", path, w.Code)
			}
			if location := w.Header().Get("Location"); path == "/oauth2/start" && w.Code == http.StatusFound {
				checkAuthorizationRequest(t, location, host, forwardedHost)
			}
			for name, values := range w.Header() {
				if strings.ContainsAny(strings.Join(values, ""), "\r\n\x00") {
					t.Errorf("%s: header %s: %q", path, name, values)
				}
			}
			if !isRequestID(id) && id != "" && len(id) > 8 && strings.Contains(w.Body.String(), "Request ID: "+id) {
				t.Errorf("the page shows the ID %q", id)
			}
		}
	})
}

// issuerNeverFound answers nobody.
const issuerNeverFound = "http://127.0.0.1:1"

func checkAuthorizationRequest(t *testing.T, location, host, forwardedHost string) {
	t.Helper()
	u, err := url.Parse(location)
	if err != nil {
		t.Fatalf("Location %q: %v", location, err)
	}
	callback := u.Query().Get("redirect_uri")
	if !strings.HasPrefix(callback, "https://") && !strings.HasPrefix(callback, "http://") {
		t.Errorf("redirect_uri %q", callback)
	}
	if used := firstValue(forwardedHost); !authorityPattern.MatchString(used) && used != host && len(used) > 3 && strings.Contains(callback, "//"+used) {
		t.Errorf("redirect_uri %q is made of X-Forwarded-Host %q", callback, forwardedHost)
	}
}
