// SPDX-License-Identifier: Apache-2.0

package standin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ingress-auth/conformance/suites/exchange"
)

func line(e exchange.Exchange) string {
	u, _ := url.Parse(e.URL)
	target := e.URL
	if u != nil {
		target = u.RequestURI()
	}
	return fmt.Sprintf("%s %s %d %d %d", e.Method, target, e.Status, e.RequestBodyBytes, e.ResponseBodyBytes)
}

// startRelay returns the address of a relay and its record.
func startRelay(t *testing.T, r *Relay) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if r.Recorder == nil {
		r.Recorder = NewRecorder(0)
	}
	ended := make(chan error, 1)
	go func() { ended <- r.Serve(l) }()
	t.Cleanup(func() {
		l.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func target(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestWhoeverHasTheAnswerFindsTheRecord(t *testing.T) {
	relay := &Relay{From: exchange.Gateway, To: exchange.AuthService, Instance: "one", Target: target(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Repeat("x", len(r.URL.Path)*100))
	})}
	addr := startRelay(t, relay)
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: worker%2 == 0}}
			defer client.CloseIdleConnections()
			for i := range 50 {
				id := fmt.Sprintf("%d-%d", worker, i)
				req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/"+id, nil)
				req.Header.Set(RequestIDHeader, id)
				resp, err := client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				body, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				found := relay.Recorder.Recorded(id)
				if len(found) != 1 || found[0].ResponseBodyBytes != int64(len(body)) || found[0].Instance != "one" || !strings.HasSuffix(found[0].URL, "/"+id) {
					t.Errorf("%s: %+v", id, found)
				}
			}
		})
	}
	all.Wait()
}

func TestARelayLetsAStreamFlow(t *testing.T) {
	more := make(chan struct{}, 1)
	addr := startRelay(t, &Relay{Target: target(t, func(w http.ResponseWriter, r *http.Request) {
		for range more {
			io.WriteString(w, "data\n")
			http.NewResponseController(w).Flush()
		}
	})})
	more <- struct{}{}
	resp, err := http.Get("http://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body := bufio.NewReader(resp.Body)
	for i := range 5 {
		if line, err := body.ReadString('\n'); err != nil || line != "data\n" {
			t.Fatalf("%d: %q %v", i, line, err)
		}
		if i < 4 {
			more <- struct{}{}
		}
	}
	close(more)
}

func TestARelayLetsAFailureThrough(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		status  int
		says    string
	}{
		"no answer": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 0, "without an answer"},
		"half an answer": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "half")
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, 200, "ended early"},
		"a reset": {func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				reset(conn)
			}
		}, 0, "without an answer"},
	} {
		relay := &Relay{Target: target(t, c.handler)}
		addr := startRelay(t, relay)
		resp, err := http.Get("http://" + addr)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		if err == nil {
			t.Errorf("%s: the client sees no failure", name)
		}
		found := relay.Recorder.Await(t.Context(), "", 1)
		if found[0].Status != c.status || !strings.Contains(found[0].Error, c.says) {
			t.Errorf("%s: recorded %d %q", name, found[0].Status, found[0].Error)
		}
	}
}

func TestARelayPassesAResetOnAsOne(t *testing.T) {
	addr := startRelay(t, &Relay{Target: target(t, func(w http.ResponseWriter, _ *http.Request) {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			reset(conn)
		}
	})})
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a reset", err)
	}
}

func TestARelayWithoutATargetRefuses(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	relay := &Relay{From: exchange.AuthService, To: exchange.IdP, Target: l.Addr().String()}
	addr := startRelay(t, relay)
	if resp, err := http.Post("http://"+addr+"/token", "", strings.NewReader("x")); err == nil {
		t.Errorf("somebody answers: %s", resp.Status)
	}
	found := relay.Recorder.Await(t.Context(), "", 1)
	if found[0].Method != "POST" || found[0].Status != 0 || !strings.Contains(found[0].Error, "refused") {
		t.Errorf("recorded %+v", found[0])
	}
}

func TestTheTargetLearnsThatTheClientGaveUp(t *testing.T) {
	asked, gaveUp := make(chan struct{}), make(chan struct{})
	addr := startRelay(t, &Relay{Target: target(t, func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
		close(gaveUp)
	})})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr, nil)
	if resp, err := http.DefaultTransport.RoundTrip(req); err == nil {
		resp.Body.Close()
	}
	<-gaveUp
}

func TestAServerWithARelayRecordsBothInOneRecord(t *testing.T) {
	rec := NewRecorder(0)
	real := target(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	relayed := free.Addr().String()
	free.Close()
	s, err := Start(t.Context(), Config{
		Listen: map[Role]string{RoleUpstream: "127.0.0.1:0"}, Recorder: rec, Name: "echo",
		Relays: []RelayConfig{{Listen: relayed, From: exchange.Gateway, To: exchange.IdP, Target: real}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{relayed, s.Addr(RoleUpstream)} {
		resp, err := http.Get("http://" + addr)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	var got []string
	for _, e := range rec.Recorded("") {
		got = append(got, fmt.Sprintf("%s>%s %d", e.From, e.To, e.Status))
	}
	if strings.Join(got, ", ") != "gateway>idp 418, auth-service>backend 200" {
		t.Error(got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if _, err := Start(t.Context(), Config{Listen: map[Role]string{RoleAuth: "127.0.0.1:0"}, Relays: []RelayConfig{{Listen: "256.0.0.1:1", Target: "x"}}}); err == nil || !strings.Contains(err.Error(), "relay to x cannot listen") {
		t.Errorf("error: %v", err)
	}
}

// login is what the relays see of the end of one sign-in with an auth service that forwards no ID.
type login struct {
	id, code      string
	begins, ends  int
	token, answer int
}

func (l login) record(rec *Recorder, at func(int) time.Time) {
	if l.token >= 0 {
		rec.add(entry{code: l.code, Exchange: exchange.Exchange{From: exchange.AuthService, To: exchange.IdP, Method: "POST", Time: at(l.token), Took: at(l.answer).Sub(at(l.token))}})
	}
	rec.add(entry{code: l.code, Exchange: exchange.Exchange{From: exchange.Gateway, To: exchange.AuthService, Method: "GET", RequestID: l.id, Time: at(l.begins), Took: at(l.ends).Sub(at(l.begins))}})
}

func TestATokenRequestWithoutAnIDIsTheCallbacksThatItRedeemsTheCodeOf(t *testing.T) {
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	for rule, c := range map[string]struct {
		logins []login
		want   map[string]string
	}{
		"two logins side by side": {
			[]login{{"a", "code-a", 0, 9, 1, 8}, {"b", "code-b", 0, 9, 2, 7}}, map[string]string{"a": "GET POST", "b": "GET POST"},
		},
		"a code that is replayed later, and refused unasked": {
			[]login{{"a", "code", 0, 9, 1, 8}, {"b", "code", 10, 12, -1, 0}}, map[string]string{"a": "GET POST", "b": "GET"},
		},
		"a code that is used twice at once: whose it is cannot be told": {
			[]login{{"a", "code", 0, 9, 1, 8}, {"b", "code", 0, 12, 2, 11}}, map[string]string{"a": "GET", "b": "GET POST"},
		},
		"a token request at another time": {
			[]login{{"a", "code", 0, 9, 10, 11}}, map[string]string{"a": "GET"},
		},
		"no code at all": {
			[]login{{"a", "", 0, 9, 1, 8}}, map[string]string{"a": "GET"},
		},
	} {
		rec := NewRecorder(0)
		for _, l := range c.logins {
			l.record(rec, at)
		}
		for id, want := range c.want {
			var got []string
			for _, e := range rec.Recorded(id) {
				got = append(got, e.Method)
				if e.RequestID != id {
					t.Errorf("%s: %s has the ID %q", rule, e.Method, e.RequestID)
				}
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%s: %s has %q, want %q", rule, id, got, want)
			}
		}
	}
}

func TestARelayReadsTheCodeOfATokenRequest(t *testing.T) {
	rec := NewRecorder(0)
	idp := startRelay(t, &Relay{From: exchange.AuthService, To: exchange.IdP, Recorder: rec, Target: target(t, func(http.ResponseWriter, *http.Request) {})})
	auth := startRelay(t, &Relay{From: exchange.Gateway, To: exchange.AuthService, Recorder: rec, Target: target(t, func(_ http.ResponseWriter, r *http.Request) {
		resp, err := http.PostForm("http://"+idp+"/token", url.Values{"grant_type": {"authorization_code"}, "code": {r.FormValue("code")}})
		if err == nil {
			resp.Body.Close()
		}
	})})
	var all sync.WaitGroup
	for _, id := range []string{"one", "two", "three"} {
		all.Go(func() {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+auth+"/callback?code=a%2Bcode-of-"+id, nil)
			req.Header.Set(RequestIDHeader, id)
			resp, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
			found := rec.Recorded(id)
			if len(found) != 2 || found[0].To != exchange.AuthService || found[1].To != exchange.IdP {
				t.Errorf("%s: %+v", id, found)
			}
		})
	}
	all.Wait()
}

func TestARecorderIsBoundedInBytes(t *testing.T) {
	rec := NewRecorder(0)
	big := strings.Repeat("x", 1<<20)
	for range 2 * recorderBytes >> 20 {
		rec.Add(exchange.Exchange{RequestHeader: http.Header{"X": {big}}})
	}
	if n := len(rec.Recorded("")); n < 32 || n > recorderBytes>>20 {
		t.Errorf("%d MiB are kept", n)
	}
	rec.Add(exchange.Exchange{RequestID: "huge", RequestHeader: http.Header{"X": {strings.Repeat("x", 2*recorderBytes)}}})
	if n := len(rec.Recorded("huge")); n != 1 {
		t.Error("what is newest is not kept")
	}
}
