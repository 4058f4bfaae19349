// SPDX-License-Identifier: Apache-2.0

package standin_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/standin"
)

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

func get(t *testing.T, url string, cookies ...*http.Cookie) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cookies {
		req.AddCookie(c)
	}
	req.Header.Set(standin.RequestIDHeader, "id-1")
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestAuthAnswersWhatTheCookieSays(t *testing.T) {
	rec := standin.NewRecorder(0)
	base := serve(t, standin.NewAuth(rec))
	for _, status := range []int{200, 201, 202, 204, 301, 302, 307, 400, 401, 403, 404, 429, 500, 502, 503} {
		script := standin.AuthScript{
			Status: status, Body: "b", DelayMS: 1,
			Headers: [][2]string{{"Set-Cookie", "a=1"}, {"Set-Cookie", "b=2"}, {"WWW-Authenticate", "X"}},
		}
		resp, body := get(t, base+"/status/299", script.Cookie())
		if resp.StatusCode != status {
			t.Errorf("status %d, want %d", resp.StatusCode, status)
		}
		if got := resp.Header["Set-Cookie"]; !reflect.DeepEqual(got, []string{"a=1", "b=2"}) {
			t.Errorf("%d: Set-Cookie %q", status, got)
		}
		if _, set := resp.Header["Content-Type"]; set {
			t.Errorf("%d: a Content-Type nobody asked for", status)
		}
		if want := "b"; status != 204 && body != want {
			t.Errorf("%d: body %q, want %q", status, body, want)
		}
		if resp2, _ := get(t, base+"/script/"+script.Encode()); resp2.StatusCode != status {
			t.Errorf("/script/: status %d, want %d", resp2.StatusCode, status)
		}
	}
}

func TestAuthAnswersWhatThePathSays(t *testing.T) {
	base := serve(t, standin.NewAuth(standin.NewRecorder(0)))
	for path, want := range map[string]int{
		"/": 401, "/oauth2/auth": 401, "/status/200": 200, "/status/204?x=1": 204, "/status/302": 302, "/status/401": 401,
		"/status/503": 503, "/status/101": 400, "/status/x": 400, "/script/%": 400, "/script/eyJ": 400,
	} {
		if path == "/script/%" {
			continue // Go answers malformed escapes itself
		}
		resp, body := get(t, base+path)
		if resp.StatusCode != want {
			t.Errorf("%s: status %d, want %d", path, resp.StatusCode, want)
		}
		challenge := resp.Header.Get("WWW-Authenticate")
		if wantChallenge := path == "/status/401"; (challenge == `Bearer realm="standin"`) != wantChallenge {
			t.Errorf("%s: WWW-Authenticate %q", path, challenge)
		}
		if location := resp.Header.Get("Location"); (location == standin.RedirectTarget) != (want == 302) {
			t.Errorf("%s: Location %q", path, location)
		}
		if path == "/" && body != "" {
			t.Errorf("the default has a body: %q", body)
		}
		if malformed := resp.Header.Get("X-Standin-Error") != ""; malformed != (want == 400) {
			t.Errorf("%s: X-Standin-Error is %t", path, malformed)
		}
	}
}

func TestAuthClosesWithoutAnAnswer(t *testing.T) {
	rec := standin.NewRecorder(0)
	base := serve(t, standin.NewAuth(rec))
	for _, target := range []string{"/close", "/script/" + standin.AuthScript{Close: true}.Encode()} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, base+target, nil)
		if resp, err := http.DefaultTransport.RoundTrip(req); err == nil {
			t.Errorf("%s: got %s, want no answer", target, resp.Status)
		}
	}
	for _, e := range rec.Recorded("") {
		if e.Status != 0 || e.Error == "" {
			t.Errorf("recorded %d %q, want no status and a reason", e.Status, e.Error)
		}
	}
}

func TestAuthHangsUntilTheCallerGivesUp(t *testing.T) {
	rec := standin.NewRecorder(0)
	ended := make(chan struct{})
	auth := standin.NewAuth(rec)
	base := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		auth.ServeHTTP(w, r)
	}))
	ctx, giveUp := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, base+"/hang", nil)
	req.Header.Set(standin.RequestIDHeader, "h")
	answered := make(chan error, 1)
	go func() {
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err == nil {
			resp.Body.Close()
		}
		answered <- err
	}()
	if got := rec.Await(t.Context(), "h", 1); got[0].Status != 0 {
		t.Errorf("recorded status %d", got[0].Status)
	}
	giveUp()
	if err := <-answered; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the caller's own cancellation", err)
	}
	<-ended
}

func TestBackendEchoesWhatReachedIt(t *testing.T) {
	rec := standin.NewRecorder(0)
	base := serve(t, standin.NewBackend(rec, "b1"))
	addr := strings.TrimPrefix(base, "http://")
	for _, target := range []string{"/", "//a/./b/../c?x=1&&y=%2f+%41", "/\xc3\xa9?\xff=\xc3\xa9", "/a%2Fb%20c;d=1,e?"} {
		raw := "POST " + target + " HTTP/1.1\r\nHost: app.example.test:8443\r\nX-Multi: 1\r\nx-multi: 2\r\n" +
			"X_Under: u\r\nX-Request-Id: r1\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
		body := rawExchange(t, addr, raw)
		echo, err := standin.ParseEcho(body)
		if err != nil {
			t.Fatalf("%v in %q", err, body)
		}
		sum := sha256.Sum256([]byte("hello"))
		if echo.Name != "b1" || echo.Method != "POST" || echo.Host != "app.example.test:8443" || echo.BodyBytes != 5 ||
			echo.BodySHA256 != hex.EncodeToString(sum[:]) || echo.Proto != "HTTP/1.1" {
			t.Errorf("echo %+v", echo)
		}
		if got := echo.Values("x-multi"); !reflect.DeepEqual(got, []string{"1", "2"}) {
			t.Errorf("X-Multi %q", got)
		}
		if got := echo.Values("X_under"); !reflect.DeepEqual(got, []string{"u"}) {
			t.Errorf("X_Under %q", got)
		}
		// JSON replaces bytes that are not UTF-8; the record has them as they came.
		if want := strings.ToValidUTF8(target, "\ufffd"); echo.RequestTarget != want {
			t.Errorf("request target %q, want %q", echo.RequestTarget, want)
		}
		all := rec.Recorded("r1")
		if got := all[len(all)-1]; got.URL != "http://app.example.test:8443"+target || got.From != exchange.Gateway ||
			got.To != exchange.Backend || got.Instance != "b1" || got.RequestBodyBytes != 5 || got.Status != 200 {
			t.Errorf("recorded %+v", got)
		}
	}
}

func rawExchange(t *testing.T, addr, raw string) []byte {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, raw); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestBackendAnswersWhatTheCookieSays(t *testing.T) {
	base := serve(t, standin.NewBackend(standin.NewRecorder(0), "b"))
	script := standin.BackendScript{
		Status: 401, Body: `{"error":"x"}`,
		Headers: [][2]string{{"WWW-Authenticate", "Bearer"}, {"Set-Cookie", "s=1"}, {"Content-Type", "application/json"}},
	}
	resp, body := get(t, base+"/x", script.Cookie())
	if resp.StatusCode != 401 || body != script.Body || resp.Header.Get("WWW-Authenticate") != "Bearer" ||
		resp.Header.Get("Set-Cookie") != "s=1" || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %v %q", resp.StatusCode, resp.Header, body)
	}
	resp, body = get(t, base+"/x", standin.BackendScript{Status: 418, Echo: true}.Cookie())
	if echo, err := standin.ParseEcho([]byte(body)); err != nil || resp.StatusCode != 418 || echo.RequestTarget != "/x" {
		t.Errorf("echo with a status: %d %q %v", resp.StatusCode, body, err)
	}
	if resp, _ = get(t, base+"/x", standin.BackendScript{}.Cookie()); resp.StatusCode != 200 {
		t.Errorf("an empty script: %d, want 200", resp.StatusCode)
	}
	if resp, _ = get(t, base+"/x", &http.Cookie{Name: standin.BackendCookie, Value: "!"}); resp.StatusCode != 400 {
		t.Errorf("a malformed script: %d, want 400", resp.StatusCode)
	}
}

func TestBackendEchoesWebSocketMessages(t *testing.T) {
	base := serve(t, standin.NewBackend(standin.NewRecorder(0), "b"))
	ws, err := websocket.Dial("ws"+strings.TrimPrefix(base, "http")+"/ws", "", "http://app.example.test")
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	var got string
	if err := websocket.Message.Send(ws, "hello"); err != nil {
		t.Fatal(err)
	}
	if err := websocket.Message.Receive(ws, &got); err != nil || got != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestErrorPagesChooseTheStatusByMode(t *testing.T) {
	for mode, want := range map[standin.ErrorPageMode]map[string]int{
		standin.XCode:     {"401": 401, "503": 503, "": 404, "99999": 404, "x": 404},
		standin.Always200: {"401": 200, "": 200},
		standin.NotFound:  {"401": 404, "503": 404},
	} {
		rec := standin.NewRecorder(0)
		h := standin.NewErrorPages(rec, mode)
		for code, status := range want {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("X-Code", code)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != status || w.Header().Get(standin.ErrorPageHeader) != string(mode) || !strings.Contains(w.Body.String(), strconv.Quote(code)) {
				t.Errorf("%s with X-Code %q: %d %q, want %d", mode, code, w.Code, w.Body, status)
			}
		}
		for _, e := range rec.Recorded("") {
			if e.To != exchange.Backend || e.Instance != "error-pages-"+string(mode) {
				t.Errorf("recorded as %s %q", e.To, e.Instance)
			}
		}
	}
}

func TestRecorderKeepsTheLatestInOrder(t *testing.T) {
	rec := standin.NewRecorder(3)
	for i := range 5 {
		rec.Add(exchange.Exchange{RequestID: []string{"even", "odd"}[i%2], Status: i})
	}
	var all []int
	for _, e := range rec.Recorded("") {
		all = append(all, e.Status)
	}
	if !reflect.DeepEqual(all, []int{2, 3, 4}) || rec.Dropped() != 2 {
		t.Errorf("kept %v and dropped %d", all, rec.Dropped())
	}
	if odd := rec.Recorded("odd"); len(odd) != 1 || odd[0].Status != 3 {
		t.Errorf("odd: %+v", odd)
	}
	if none := rec.Recorded("none"); none == nil || len(none) != 0 {
		t.Errorf("none: %#v, want an empty slice", none)
	}
}

func TestRecorderIsSafeForConcurrentUse(t *testing.T) {
	rec := standin.NewRecorder(100)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 25 {
				rec.Add(exchange.Exchange{RequestID: "x"})
				rec.Recorded("x")
			}
		})
	}
	got := rec.Await(t.Context(), "x", 100)
	wg.Wait()
	if len(got) != 100 {
		t.Errorf("got %d", len(got))
	}
}

func TestServerServesEveryRoleAndTheClientReadsTheRecords(t *testing.T) {
	listen := map[standin.Role]string{}
	for _, r := range standin.Roles() {
		listen[r] = "127.0.0.1:0"
	}
	s, err := standin.Start(t.Context(), standin.Config{Listen: listen, Name: "b"})
	if err != nil {
		t.Fatal(err)
	}
	client := standin.Client{BaseURL: "http://" + s.Addr(standin.RoleControl) + "/"}
	if err := client.Healthy(t.Context()); err != nil {
		t.Error(err)
	}
	for role, want := range map[standin.Role]int{
		standin.RoleAuth: 401, standin.RoleBackend: 200, standin.RoleErrorXCode: 404, standin.RoleError200: 200, standin.RoleError404: 404,
	} {
		if resp, _ := get(t, "http://"+s.Addr(role)+"/x"); resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", role, resp.StatusCode, want)
		}
	}
	found, err := client.Await(t.Context(), "id-1", 5, time.Minute)
	if err != nil || len(found) != 5 {
		t.Errorf("recorded %d, %v", len(found), err)
	}
	if found, err := client.Recorded(t.Context(), "other"); err != nil || len(found) != 0 {
		t.Errorf("other: %d, %v", len(found), err)
	}
	if found, err := client.Await(t.Context(), "other", 1, time.Millisecond); err != nil || len(found) != 0 {
		t.Errorf("a wait that ends: %d, %v", len(found), err)
	}
	if _, err := client.Recorded(t.Context(), ""); err == nil {
		t.Error("an empty request ID is accepted")
	}
	for _, query := range []string{"count=x", "count=-1", "wait=x", "wait=2h"} {
		if resp, _ := get(t, "http://"+s.Addr(standin.RoleControl)+"/recorded?"+query); resp.StatusCode != 400 {
			t.Errorf("%s: %d, want 400", query, resp.StatusCode)
		}
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := client.Healthy(t.Context()); err == nil {
		t.Error("still up after Shutdown")
	}
}

func TestShutdownEndsHangingAnswers(t *testing.T) {
	rec := standin.NewRecorder(0)
	s, err := standin.Start(t.Context(), standin.Config{Listen: map[standin.Role]string{standin.RoleAuth: "127.0.0.1:0"}, Recorder: rec})
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		resp, err := http.Get("http://" + s.Addr(standin.RoleAuth) + "/hang")
		if err == nil {
			resp.Body.Close()
		}
		failed <- err
	}()
	rec.Await(t.Context(), "", 1)
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-failed; err == nil {
		t.Error("the hanging request got an answer")
	}
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	if _, err := standin.Start(t.Context(), standin.Config{}); err == nil || !strings.Contains(err.Error(), "at least one") {
		t.Errorf("no address: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = standin.Start(t.Context(), standin.Config{Listen: map[standin.Role]string{
		standin.RoleAuth: "127.0.0.1:0", standin.RoleControl: l.Addr().String(),
	}})
	if err == nil || !strings.Contains(err.Error(), "control") || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("a taken address: %v", err)
	}
}

func TestScriptsAreRefusedWithAReason(t *testing.T) {
	enc := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for script, want := range map[string]string{
		"%%%":                                         "base64url",
		enc("{"):                                      "JSON",
		enc(`{"status":200}x`):                        "after",
		enc(`{"status":200,"typo":1}`):                "typo",
		enc(`{"status":99}`):                          "status",
		enc(`{"status":600}`):                         "status",
		enc(`{"status":200,"delayMs":-1}`):            "delayMs",
		enc(`{"hang":true,"close":true}`):             "both",
		enc(`{"status":200,"headers":[["a b","c"]]}`): "header",
		enc(`{"status":200,"headers":[["a","c\r\nd: e"]]}`):      "header",
		enc(`{"status":200,"headers":[["content-length","1"]]}`): "set by the server",
		strings.Repeat("A", standin.LargestScript+1):             "long",
	} {
		if _, err := standin.ParseAuthScript(script); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: error %v, want one about %q", script, err, want)
		}
	}
}

func FuzzParseAuthScript(f *testing.F) {
	f.Add(standin.AuthScript{Status: 200, Headers: [][2]string{{"A", "b"}}, Body: "x"}.Encode())
	f.Add(standin.AuthScript{Hang: true}.Encode())
	f.Add("eyJ")
	f.Fuzz(func(t *testing.T, encoded string) {
		s, err := standin.ParseAuthScript(encoded)
		if err != nil {
			return
		}
		again, err := standin.ParseAuthScript(s.Encode())
		if err != nil && len(s.Encode()) <= standin.LargestScript {
			t.Fatalf("a valid script is refused after a round trip: %v", err)
		}
		if err == nil && fmt.Sprint(again) != fmt.Sprint(s) {
			t.Fatalf("%+v became %+v", s, again)
		}
	})
}

func FuzzStandinsAnswerAnyCookie(f *testing.F) {
	f.Add("standin-auth=e30")
	f.Add("standin-backend=" + standin.BackendScript{Status: 500, Body: "x"}.Cookie().Value)
	f.Add(`standin-auth="; a=b`)
	rec := standin.NewRecorder(8)
	handlers := []http.Handler{standin.NewBackend(rec, "b"), standin.NewErrorPages(rec, standin.XCode)}
	f.Fuzz(func(t *testing.T, cookie string) {
		for _, h := range handlers {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Cookie", cookie)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code < 200 || w.Code > 599 {
				t.Errorf("status %d", w.Code)
			}
		}
	})
}

func TestOneQuestionAsksForManyRequests(t *testing.T) {
	rec := standin.NewRecorder(0)
	var ids []string
	for i := range 250 {
		id := "id-" + strconv.Itoa(i)
		ids = append(ids, id)
		rec.Add(exchange.Exchange{RequestID: id, Status: 200})
		rec.Add(exchange.Exchange{RequestID: "other-" + id})
	}
	client := standin.Client{BaseURL: serve(t, standin.NewControl(rec))}
	found, err := client.Recorded(t.Context(), ids...)
	if err != nil || len(found) != len(ids) {
		t.Fatalf("got %d, %v; want %d", len(found), err, len(ids))
	}
	for i, e := range found {
		if e.RequestID != ids[i] {
			t.Fatalf("place %d: %s, want %s", i, e.RequestID, ids[i])
		}
	}
	if found, err := client.Recorded(t.Context()); err != nil || found == nil || len(found) != 0 {
		t.Errorf("asked for nothing: %v, %v", found, err)
	}
	if _, err := client.Recorded(t.Context(), "id-1", ""); err == nil {
		t.Error("an empty request ID is accepted")
	}
}
