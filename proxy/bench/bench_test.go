// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func planFor(server *httptest.Server, status int) loadPlan {
	return loadPlan{
		Addr: server.Listener.Addr().String(), Requests: []string{authRequest(""), authRequest("Cookie: a=b\r\n")}, Status: status,
		WarmUp: 20 * time.Millisecond, Measured: 50 * time.Millisecond, PID: os.Getpid(),
	}
}

func TestEveryRequestOfTheLoadReachesTheServer(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path != "/oauth2/auth" || r.Host != "auth.example.com" || len(r.Header) < 11 {
			t.Errorf("the server sees %s %s %v", r.Host, r.URL, r.Header)
		}
		http.Error(w, "with a body", http.StatusUnauthorized)
	}))
	defer server.Close()
	plan, err := json.Marshal(planFor(server, http.StatusUnauthorized))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := runLoad(t.Context(), bytes.NewReader(plan), &out); err != nil {
		t.Fatal(err)
	}
	var got loadResult
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if int64(got.All) != asked.Load() || got.Answered == 0 || got.Answered > got.All || got.P50 <= 0 || got.P99 < got.P50 {
		t.Errorf("the server was asked %d times, the load says %+v", asked.Load(), got)
	}
}

func TestAnAnswerWithAnotherStatusEndsTheLoad(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	if _, err := load(t.Context(), planFor(server, http.StatusAccepted)); err == nil || !strings.Contains(err.Error(), "answered 404 where 202") {
		t.Errorf("got %v", err)
	}
}

func TestPercentiles(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, tc := range []struct {
		of   []time.Duration
		p    int
		want time.Duration
	}{{hundred, 50, 50}, {hundred, 99, 99}, {hundred[:1], 99, 1}, {hundred[:3], 50, 2}, {nil, 50, 0}} {
		if got := percentile(tc.of, tc.p); got != tc.want {
			t.Errorf("p%d of %d: %d, want %d", tc.p, len(tc.of), got, tc.want)
		}
	}
}

func TestProcessFiguresAreRead(t *testing.T) {
	got, err := parseCPU([]byte("7 (a b) c) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 9 9 20 0 1 0 9 9 9"))
	if err != nil || got != 2*time.Second {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err := parseCPU([]byte("7 (a) S 1")); err == nil {
		t.Error("a short line is read")
	}
	if now, most, err := processMemory(os.Getpid()); err != nil || now < 1<<20 || most < now {
		t.Errorf("got %d, %d, %v", now, most, err)
	}
}

// reportOf makes a report of two rounds in which the proxy is that many times as fast as the others.
func reportOf(overCompared, overLimit, used float64) *report {
	r := &report{Settings: settings{Rounds: 2, Sessions: 1}}
	for _, sc := range scenarios() {
		res := result{scenario: sc, rounds: map[string][]figures{}, header: map[string]int{}}
		for server, n := range map[string]float64{proxyName: 1000, compareName: 1000 / overCompared, limitName: 1000 / overLimit} {
			f := figures{loadResult: loadResult{Answered: int(n * 10), Elapsed: time.Second, ServerCPU: time.Duration(used * float64(time.Second)), P99: time.Duration(1e9 / n)}}
			res.rounds[server] = []figures{f, f}
		}
		r.Results = append(r.Results, res)
	}
	return r
}

func TestAMissedBarIsAnError(t *testing.T) {
	for _, tc := range []struct {
		name   string
		report *report
		want   string // in the error; "" none
	}{
		{"all reached", reportOf(4.2, 0.8, 0.99), ""},
		{"too slow beside oauth2-proxy", reportOf(3.9, 0.8, 0.99), "valid session: throughput is 3.90 of that of oauth2-proxy 7.8.1, wanted at least 4.00"},
		{"late answers", reportOf(1.5, 0.8, 0.99), "p99 is 0.67 of that of oauth2-proxy 7.8.1, wanted at most 0.50"},
		{"too far from the limit", reportOf(4.2, 0.7, 0.99), "throughput is 0.70 of that of bare net/http"},
		{"something else used the core", reportOf(4.2, 0.8, 0.6), "cannot be judged"},
		{"nothing measured", &report{}, "cannot be judged"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.report.missed()
			if (err == nil) != (tc.want == "") || (err != nil && !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v", err)
			}
			if page, err := tc.report.page(); err != nil || strings.Contains(page, "**") != (tc.want != "") {
				t.Errorf("%v\n%s", err, page)
			}
		})
	}
}
