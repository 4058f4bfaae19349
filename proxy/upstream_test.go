// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// echo is an upstream that tells what it received.
func echo(t *testing.T, handle http.HandlerFunc) (server *httptest.Server, last *http.Request) {
	last = &http.Request{}
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*last = *r
		if handle != nil {
			handle(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server, last
}

func TestUnauthenticatedRequestsInReverseProxyMode(t *testing.T) {
	upstream, last := echo(t, nil)
	for _, tc := range []struct {
		name           string
		change         func(*Config)
		method, accept string
		want           int
		body           string
	}{
		{"browser", nil, "GET", "text/html,*/*", 403, `name="rd" value="/app?a=1&amp;b=2"`},
		{"browser, no button", func(c *Config) { c.SkipProviderButton = true }, "GET", "text/html", 302, ""},
		{"client that asks for JSON", func(c *Config) { c.SkipProviderButton = true }, "GET", "application/json", 401, `"status":401`},
		{"post", func(c *Config) { c.SkipProviderButton = true }, "POST", "text/html", 401, "Unauthorized"},
		{"post of JSON", nil, "POST", "application/json", 401, `"status":401`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t, func(c *Config) {
				c.Upstream = upstream.URL
				if tc.change != nil {
					tc.change(c)
				}
			})
			resp := f.do(tc.method, "/app?a=1&b=2", "Accept", tc.accept)
			wantStatus(t, resp, tc.want)
			wantHeader(t, resp, "Cache-Control", "no-store")
			if !strings.Contains(resp.body, tc.body) {
				t.Errorf("body lacks %q:\n%s", tc.body, resp.body)
			}
			if tc.want == 302 {
				wantHeader(t, f.finish(resp.Header.Get("Location")), "Location", "/app?a=1&b=2")
			}
			if last.Method != "" {
				t.Error("the upstream was asked")
			}
		})
	}
}

func TestUpstreamReceivesTheRequestAndWhoSentIt(t *testing.T) {
	upstream, last := echo(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Body", string(body))
	})
	f := newFixture(t, func(c *Config) { c.Upstream = upstream.URL; c.PassAccessToken = true })
	f.login("/")
	f.setCookie("app", "1")
	f.setCookie("__Host-_oauth2_proxy_abcdefgh_csrf", "x")
	resp := f.do("PUT", "/a%2Fb//c/../d?x=1;y=%zz&z=+", "Host", "ignored", "X-Forwarded-User", "admin", "X_forwarded_email", "admin", "X-Auth-Request-Groups", "admin",
		"X_Auth_Request_User", "admin", "x-forwarded-Access_Token", "admin", "X-Forwarded-For", "6.6.6.6", "X-Forwarded-Host", "evil.test", "Authorization", "Basic YTpi", "Connection", "X-Forwarded-Groups", "Accept-Encoding", "br")
	wantStatus(t, resp, http.StatusOK)
	if last.RequestURI != "/a%2Fb//c/../d?x=1;y=%zz&z=+" {
		t.Errorf("request URI %q", last.RequestURI)
	}
	own, _ := url.Parse(f.url)
	if last.Host != own.Host {
		t.Errorf("host %q, want %q", last.Host, own.Host)
	}
	for name, want := range map[string]string{
		"X-Forwarded-User": "u-1", "X-Forwarded-Email": "ann@example.com", "X-Forwarded-Groups": "dev,ops", "X-Forwarded-Preferred-Username": "ann",
		"X-Auth-Request-User": "", "X-Auth-Request-Groups": "", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": own.Host, "X-Forwarded-Proto": "https",
		"Cookie": "app=1", "Authorization": "Basic YTpi",
	} {
		if got := last.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if got := last.Header.Get("Accept-Encoding"); got != "br" {
		t.Errorf("Accept-Encoding %q", got)
	}
	if !strings.HasPrefix(last.Header.Get("X-Forwarded-Access-Token"), "at-") {
		t.Error("no access token")
	}
	for name, values := range last.Header {
		if strings.Contains(name, "_") || len(values) != 1 {
			t.Errorf("%s: %q", name, values)
		}
	}
}

func TestForwardedChainGoesOnBehindATrustedProxy(t *testing.T) {
	upstream, last := echo(t, nil)
	f := newFixture(t, func(c *Config) { c.Upstream = upstream.URL; c.ReverseProxy = true })
	f.login("/")
	f.http.Transport.(*http.Transport).DisableCompression = true
	f.get("/", "X-Forwarded-For", "9.9.9.9", "X-Forwarded-Host", "app.test", "X-Forwarded-Proto", "https")
	if got := last.Header.Get("X-Forwarded-For"); got != "9.9.9.9, 127.0.0.1" {
		t.Errorf("X-Forwarded-For %q", got)
	}
	if _, ok := last.Header["Accept-Encoding"]; ok {
		t.Error("the proxy asks for an encoding the client did not ask for")
	}
	if got := last.Header.Get("X-Forwarded-Host"); got != "app.test" {
		t.Errorf("X-Forwarded-Host %q", got)
	}
}

func TestUpstreamAnswersPassUntouched(t *testing.T) {
	for _, status := range []int{200, 204, 301, 401, 403, 404, 500, 502, 503} {
		upstream, _ := echo(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Basic realm="app"`)
			w.Header().Add("Set-Cookie", "a=1")
			w.Header().Add("Set-Cookie", "b=2")
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
			if status != 204 {
				_, _ = io.WriteString(w, `{"from":"app"}`)
			}
		})
		f := newFixture(t, func(c *Config) { c.Upstream = upstream.URL })
		f.login("/")
		resp := f.get("/app")
		wantStatus(t, resp, status)
		wantHeader(t, resp, "Www-Authenticate", `Basic realm="app"`)
		if len(resp.Header["Set-Cookie"]) != 2 || (status != 204 && resp.body != `{"from":"app"}`) {
			t.Errorf("%d: %q %q", status, resp.Header["Set-Cookie"], resp.body)
		}
		if resp.Header.Get("X-Auth-Request-User") != "" {
			t.Error("identity headers reach the browser")
		}
	}
}

func TestUpstreamFailures(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	release := make(chan struct{})
	slow, _ := echo(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	for name, tc := range map[string]struct {
		url  string
		want int
	}{"refused": {gone.URL, 502}, "slow": {slow.URL, 504}} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, func(c *Config) { c.Upstream = tc.url; c.UpstreamTimeout = 50 * time.Millisecond })
			f.login("/")
			resp := f.get("/app", "Accept", "application/json")
			wantStatus(t, resp, tc.want)
			if strings.Contains(resp.body, "127.0.0.1") {
				t.Errorf("the answer names the upstream: %s", resp.body)
			}
		})
	}
}

func TestStaticUpstream(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Upstream = "static://200" })
	wantStatus(t, f.get("/x"), http.StatusForbidden)
	f.login("/")
	resp := f.get("/x")
	wantStatus(t, resp, http.StatusOK)
	if resp.body != "Authenticated" {
		t.Errorf("body %q", resp.body)
	}
}

func TestStreamsReachTheClientAsTheyCome(t *testing.T) {
	next := make(chan struct{})
	upstream, _ := echo(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "13") // a known length is no reason to wait for the rest
		_, _ = io.WriteString(w, "first\n")
		w.(http.Flusher).Flush()
		<-next
		_, _ = io.WriteString(w, "second\n")
	})
	f := newFixture(t, func(c *Config) { c.Upstream = upstream.URL })
	f.login("/")
	resp, err := f.http.Get(f.url + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	if line, err := lines.ReadString('\n'); line != "first\n" {
		t.Fatalf("%q, %v", line, err)
	}
	close(next)
	if line, err := lines.ReadString('\n'); line != "second\n" {
		t.Fatalf("%q, %v", line, err)
	}
}

func TestWebSocketsPass(t *testing.T) {
	upstream, last := echo(t, func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_ = rw.Flush()
		line, _ := rw.ReadString('\n')
		fmt.Fprint(rw, "echo "+line)
		_ = rw.Flush()
	})
	f := newFixture(t, func(c *Config) { c.Upstream = upstream.URL })
	f.login("/")
	own, _ := url.Parse(f.url)
	conn, err := tls.Dial("tcp", own.Host, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /ws HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nCookie: _oauth2_proxy=%s\r\nX-Forwarded-User: admin\r\n\r\n", own.Host, f.cookie("_oauth2_proxy"))
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", resp, err)
	}
	fmt.Fprint(conn, "hello\n")
	if line, err := r.ReadString('\n'); line != "echo hello\n" {
		t.Errorf("%q, %v", line, err)
	}
	if got := last.Header.Get("X-Forwarded-User"); got != "u-1" {
		t.Errorf("X-Forwarded-User %q", got)
	}
}

func TestIdentityHeaderNames(t *testing.T) {
	for name, want := range map[string]bool{
		"X-Auth-Request-User": true, "x_auth-request_email": true, "X-Forwarded-User": true, "X_Forwarded_Preferred_Username": true, "X-Auth-Request-Redirect": true,
		"X-Forwarded-For": false, "X-Forwarded-Proto": false, "Authorization": false, "X-Forwarded-Users": false, "X-Auth": false,
	} {
		if got := isIdentityHeader(name); got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
