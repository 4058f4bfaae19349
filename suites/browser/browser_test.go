// SPDX-License-Identifier: Apache-2.0

package browser

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ingress-auth/conformance/suites/exchange"
)

// site under test: every host name leads to one server.
func to(addr string) Resolve { return func(string, string) (string, bool) { return addr, true } }

func serve(t *testing.T, h http.HandlerFunc) Resolve {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return to(srv.Listener.Addr().String())
}

// rawServer answers every request on a connection with response and gives the request heads to the channel.
func rawServer(t *testing.T, response string) (Resolve, <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	heads := make(chan string, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for {
					var head strings.Builder
					for !strings.HasSuffix(head.String(), "\r\n\r\n") {
						line, err := r.ReadString('\n')
						if err != nil {
							return
						}
						head.WriteString(line)
					}
					heads <- head.String()
					io.WriteString(c, response)
				}
			}()
		}
	}()
	return to(l.Addr().String()), heads
}

func TestTheRequestTargetGoesOutByteForByte(t *testing.T) {
	resolve, heads := rawServer(t, "HTTP/1.1 204 No Content\r\n\r\n")
	b := New(Options{Resolve: resolve})
	for _, target := range []string{"/", "//a//b", "/./a/../b", "/%2e%2F%zz%?%", "/\xc3\xa9\xff?\xc3", "/a+b?c=+", `/\a?b\c`, "/a?b?c&&d="} {
		if _, err := b.Get(t.Context(), "http://app.example.test"+target+"#fragment"); err != nil {
			t.Fatal(err)
		}
		if got, want := <-heads, "GET "+target+" HTTP/1.1\r\nHost: app.example.test\r\n"; !strings.HasPrefix(got, want) {
			t.Errorf("sent %q, want %q first", got, want)
		}
	}
	if _, err := b.Do(t.Context(), Request{URL: "http://a/", Target: "* x"}); err != nil {
		t.Fatal(err)
	}
	if got := <-heads; !strings.HasPrefix(got, "GET * x HTTP/1.1\r\n") {
		t.Errorf("raw target: %q", got)
	}
}

func TestHeadersGoOutAsGiven(t *testing.T) {
	resolve, heads := rawServer(t, "HTTP/1.1 204 No Content\r\n\r\n")
	b := New(Options{Resolve: resolve, Check: "STATUS (x)"})
	_, err := b.Do(t.Context(), Request{Method: "POST", URL: "http://a/", Initiator: "http://b/p", Header: http.Header{
		"X_Under": {"1"}, "x-lower": {"a", "b"}, "host": {"evil:1"}, "Accept": {},
	}})
	if err != nil {
		t.Fatal(err)
	}
	got := regexp.MustCompile(`X-Request-Id: [0-9a-f]{32}\r`).ReplaceAllString(<-heads, "X-Request-Id: id\r")
	want := "POST / HTTP/1.1\r\nhost: evil:1\r\nUser-Agent: ingress-auth-conformance (STATUS -x-)\r\nX-Request-Id: id\r\n" +
		"Origin: http://b\r\nContent-Length: 0\r\nX_Under: 1\r\nx-lower: a\r\nx-lower: b\r\n\r\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, bad := range []Request{
		{URL: "http://a/", Header: http.Header{"A": {"b\r\nc: d"}}}, {URL: "http://a/", Header: http.Header{"A b": {"c"}}},
		{URL: "http://a/", Method: "GET /"}, {URL: "http://a/", Target: "/\r\n"},
	} {
		if _, err := b.Do(t.Context(), bad); err == nil {
			t.Errorf("%+v was sent", bad)
		}
	}
}

func TestEveryHopIsRecorded(t *testing.T) {
	var got []exchange.Exchange
	b := New(Options{Record: func(e exchange.Exchange) { got = append(got, e) }, Resolve: serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/end" {
			fmt.Fprint(w, strings.Repeat("x", 5000))
			return
		}
		http.Redirect(w, r, "/end", http.StatusFound)
	})})
	chain, err := b.Follow(t.Context(), Request{Method: "POST", URL: "http://app.example.test/a?b", Body: []byte("hello")}, 5)
	if err != nil || len(chain) != 2 || len(got) != 2 {
		t.Fatalf("%d hops, %d records, %v", len(chain), len(got), err)
	}
	first, last := got[0], got[1]
	if first.From != exchange.Browser || first.To != exchange.Gateway || first.Method != "POST" || first.Status != 302 ||
		first.URL != "http://app.example.test/a?b" || first.RequestBodyBytes != 5 || first.RequestHeader.Get("Host") != "app.example.test" ||
		first.RequestID != chain[0].RequestID || first.ResponseHeader.Get("Location") != "/end" {
		t.Errorf("recorded %+v", first)
	}
	if last.Method != "GET" || last.ResponseBodyBytes != 5000 || len(last.Body) != 4096 || last.RequestID == first.RequestID {
		t.Errorf("recorded %s %d %d", last.Method, last.ResponseBodyBytes, len(last.Body))
	}
	if string(Last(chain).Body) != strings.Repeat("x", 5000) || Last(nil) != nil {
		t.Error("the last hop lacks its body")
	}
}

func TestRedirectsChangeTheRequestAsFetchSays(t *testing.T) {
	for _, c := range []struct {
		status       int
		method, want string
	}{
		{301, "POST", "GET"}, {302, "POST", "GET"}, {303, "POST", "GET"}, {303, "PUT", "GET"}, {303, "HEAD", "HEAD"},
		{301, "PUT", "PUT"}, {302, "DELETE", "DELETE"}, {301, "GET", "GET"}, {307, "POST", "POST"}, {308, "PUT", "PUT"}, {302, "HEAD", "HEAD"},
	} {
		b := New(Options{Resolve: serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/from" {
				w.Header().Set("Location", "/to")
				w.WriteHeader(c.status)
				return
			}
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("Seen", r.Method+" "+string(body)+" "+r.Header.Get("Content-Type")+" "+r.Header.Get("X-Kept"))
		})})
		r := Request{Method: c.method, URL: "http://a/from", Header: http.Header{"Content-Type": {"text/plain"}, "X-Kept": {"k"}}, Body: []byte("b")}
		if c.method == "GET" || c.method == "HEAD" {
			r.Header.Del("Content-Type")
			r.Body = nil
		}
		chain, err := b.Follow(t.Context(), r, 1)
		if err != nil {
			t.Fatal(err)
		}
		want := c.want + " b text/plain k"
		if c.want == "GET" || c.want == "HEAD" {
			want = c.want + "   k"
		}
		if got := Last(chain).Header.Get("Seen"); got != want {
			t.Errorf("%d after %s: %q, want %q", c.status, c.method, got, want)
		}
	}
}

func TestRedirectsToAnotherOriginDropCredentials(t *testing.T) {
	type seen struct{ authorization, origin, cookie string }
	var got []seen
	b := New(Options{Resolve: serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = append(got, seen{r.Header.Get("Authorization"), r.Header.Get("Origin"), r.Header.Get("Cookie")})
		if next := map[string]string{"/1": "/2", "/2": "http://b.test/3"}[r.URL.Path]; next != "" {
			http.Redirect(w, r, next, http.StatusTemporaryRedirect)
		}
	})})
	if err := b.SetCookie("http://a.test/", &http.Cookie{Name: "jar", Value: "1"}); err != nil {
		t.Fatal(err)
	}
	_, err := b.Follow(t.Context(), Request{
		Method: "POST", URL: "http://a.test/1", Initiator: "http://a.test/page", Header: http.Header{"Authorization": {"Bearer x"}},
		Cookies: []*http.Cookie{{Name: "standin-auth", Value: "s"}},
	}, 5)
	want := []seen{{"Bearer x", "http://a.test", "jar=1; standin-auth=s"}, {"Bearer x", "http://a.test", "jar=1; standin-auth=s"}, {"", "null", ""}}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, %v\nwant %v", got, err, want)
	}
}

func TestFollowStopsWithTheChain(t *testing.T) {
	b := New(Options{Resolve: serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/loop":
			w.Header().Set("Location", "/loop2?code=secret")
		case r.URL.Path == "/loop2":
			w.Header().Set("Location", "/loop")
		case r.URL.Path == "/script":
			w.Header().Set("Location", "javascript:alert(1)")
		case r.URL.Path == "/counter": // changes its cookie each time, as an endless login does
			http.SetCookie(w, &http.Cookie{Name: "n", Value: r.Header.Get("X-Request-Id")})
			w.Header().Set("Location", "/counter")
		case r.URL.Path == "/broken":
			panic(http.ErrAbortHandler)
		case r.URL.Path == "/tobroken":
			w.Header().Set("Location", "/broken")
		}
		w.WriteHeader(http.StatusFound)
	})})
	for path, want := range map[string]struct {
		hops   int
		reason string
	}{
		"/loop":     {3, "circle"},
		"/counter":  {5, "more than 4 redirects"},
		"/script":   {1, "javascript"},
		"/tobroken": {1, "closed the connection"},
		"/none":     {1, ""}, // 302 without Location is no redirect
	} {
		chain, err := b.Follow(t.Context(), Request{URL: "http://a.test" + path}, 4)
		if len(chain) != want.hops || (err == nil) != (want.reason == "") || err != nil && !strings.Contains(err.Error(), want.reason) {
			t.Errorf("%s: %d hops, %v", path, len(chain), err)
		}
		var redirect *RedirectError
		if err != nil && (!errors.As(err, &redirect) || len(redirect.Chain) != want.hops || !strings.Contains(err.Error(), "1. GET http://a.test"+path)) {
			t.Errorf("%s: the error does not list the chain: %v", path, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error has a parameter value: %v", path, err)
		}
	}
}

func TestDoNeverFollowsAndShowsTheLocation(t *testing.T) {
	b := New(Options{Resolve: serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "../x")
		w.Header().Add("Set-Cookie", "a=1; HttpOnly")
		w.Header().Add("Set-Cookie", "b=2; SameSite=None")
		w.WriteHeader(http.StatusFound)
	})})
	r, err := b.Get(t.Context(), "http://a.test/d/e#f")
	if err != nil {
		t.Fatal(err)
	}
	location, err := r.Location()
	if r.Status != 302 || !r.IsRedirect() || location != "http://a.test/x#f" || err != nil {
		t.Errorf("%d %s %v", r.Status, location, err)
	}
	if got := fmt.Sprint(r.SetCookies()); got != "[a=…; Path=/d; HttpOnly b=…; Path=/d; SameSite=None]" {
		t.Errorf("cookies %s", got)
	}
	if len(r.Refused) != 1 || len(b.AllCookies()) != 1 {
		t.Errorf("refused %v, stored %v", r.Refused, b.AllCookies())
	}
	if r, err = b.Get(t.Context(), "http://a.test/d/"); err != nil || len(r.Sent) != 1 || r.Sent[0].Name != "a" || r.Sent[0].Value != "" {
		t.Errorf("sent %v, %v", r.Sent, err)
	}
}

func TestConnectionsAndTLSSessionsAreReused(t *testing.T) {
	var conns, resumed atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS.DidResume {
			resumed.Add(1)
		}
		io.WriteString(w, r.Host)
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	srv.StartTLS()
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	tr := NewTransport(TransportOptions{Resolve: to(srv.Listener.Addr().String()), RootCAs: roots})
	for range 20 {
		r, err := New(Options{Transport: tr}).Get(t.Context(), "https://example.com/")
		if err != nil || string(r.Body) != "example.com" {
			t.Fatalf("%v", err)
		}
	}
	if conns.Load() != 1 {
		t.Errorf("%d connections for 20 requests in a row", conns.Load())
	}
	tr.CloseIdle()
	if _, err := New(Options{Transport: tr}).Get(t.Context(), "https://example.com/"); err != nil || conns.Load() != 2 || resumed.Load() != 1 {
		t.Errorf("after CloseIdle: %d connections, %d resumed, %v", conns.Load(), resumed.Load(), err)
	}
	if _, err := New(Options{Transport: tr}).Get(t.Context(), "https://not-in-the-certificate.test/"); err == nil {
		t.Error("a certificate for another name is accepted")
	}
}

func TestAConnectionTheServerClosedIsNotUsedAgain(t *testing.T) {
	var served atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served.Add(1) }))
	defer srv.Close()
	b := New(Options{Resolve: to(srv.Listener.Addr().String())})
	for i := range 5 {
		if _, err := b.Do(t.Context(), Request{Method: "POST", URL: "http://a.test/"}); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		srv.CloseClientConnections()
	}
	if served.Load() != 5 {
		t.Errorf("served %d", served.Load())
	}
}

func TestManyBrowsersShareOneTransport(t *testing.T) {
	resolve := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.URL.Path, r.Header.Get("Cookie"))
	})
	tr := NewTransport(TransportOptions{Resolve: resolve})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			b := New(Options{Transport: tr})
			host := fmt.Sprintf("http://h%d.test", i%5)
			if err := b.SetCookie(host, &http.Cookie{Name: "n", Value: fmt.Sprint(i)}); err != nil {
				t.Error(err)
			}
			for j := range 10 {
				r, err := b.Get(t.Context(), fmt.Sprintf("%s/%d", host, j))
				if want := fmt.Sprintf("/%dn=%d", j, i); err != nil || string(r.Body) != want {
					t.Errorf("got %v, want %s", err, want)
				}
			}
		})
	}
	wg.Wait()
}

func TestAnUnknownHostIsNeverContacted(t *testing.T) {
	b := New(Options{Resolve: func(_, host string) (string, bool) { return "", false }})
	if _, err := b.Get(t.Context(), "https://www.example.com/"); err == nil || !strings.Contains(err.Error(), "not part of this run") {
		t.Errorf("%v", err)
	}
	if _, err := New(Options{}).Get(t.Context(), "https://www.example.com/"); err == nil {
		t.Error("a browser without Resolve reaches the network")
	}
}

func TestAHangingServerEndsInAClearError(t *testing.T) {
	arrived := make(chan struct{}, 2)
	resolve := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	var e exchange.Exchange
	record := func(got exchange.Exchange) { e = got }
	_, err := New(Options{Resolve: resolve, Timeout: 50 * time.Millisecond, Record: record}).Get(t.Context(), "http://a.test/x?code=secret")
	if err == nil || !strings.Contains(err.Error(), "no complete response within 50ms") || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
	if e.Status != 0 || e.Error == "" {
		t.Errorf("recorded %d %q", e.Status, e.Error)
	}
	<-arrived
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	if _, err := New(Options{Resolve: resolve}).Get(ctx, "http://a.test/"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestLargeBodiesAreCutAndInformationalResponsesPassedOver(t *testing.T) {
	b := New(Options{Resolve: serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/large" {
			w.Write(make([]byte, largestBody+10))
			return
		}
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusAccepted)
	})})
	if r, err := b.Get(t.Context(), "http://a.test/large"); err != nil || !r.Truncated || len(r.Body) != largestBody {
		t.Errorf("large: %v", err)
	}
	if r, err := b.Get(t.Context(), "http://a.test/"); err != nil || r.Status != http.StatusAccepted {
		t.Errorf("after 103: %v, %v", r, err)
	}
}

func TestAnIncompleteResponseIsAnErrorAndRecorded(t *testing.T) {
	for response, want := range map[string]string{
		"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nabc": "reading the response body",
		"nonsense\r\n\r\n": "reading the response",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			bufio.NewReader(c).ReadString('\n')
			io.WriteString(c, response)
			c.(*net.TCPConn).CloseWrite()
		}()
		var e exchange.Exchange
		b := New(Options{Resolve: to(l.Addr().String()), Record: func(got exchange.Exchange) { e = got }})
		if _, err := b.Get(t.Context(), "http://a.test/"); err == nil || !strings.Contains(err.Error(), want) || e.Error == "" {
			t.Errorf("%q: %v, recorded %q", response, err, e.Error)
		}
		l.Close()
	}
}
