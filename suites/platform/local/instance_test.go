// SPDX-License-Identifier: Apache-2.0

//go:build unix

package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func testNginx(t *testing.T) Nginx {
	t.Helper()
	n, err := FindNginx(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// startInstance returns an instance whose server answers with text, and its address.
func startInstance(t *testing.T, text string) (*Instance, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "nginx-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	i, err := NewInstance(testNginx(t), dir)
	if err != nil {
		t.Fatal(err)
	}
	addrs, err := FreeAddrs(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Load(context.WithoutCancel(t.Context()), serverBlock(addrs[0], text)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := i.Observe(deadline(t)); err != nil {
		t.Fatal(err)
	}
	return i, addrs[0]
}

func serverBlock(addr, text string) string {
	return fmt.Sprintf("    server { listen %s; location / { set_escape_uri $e $request_uri; return 200 \"%s $e\"; } }\n", addr, text)
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func get(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestInstanceServesWhatItLoadedLast(t *testing.T) {
	i, addr := startInstance(t, "first")
	kept := &http.Client{Transport: &http.Transport{}} // keeps its connection to the first worker
	if got := get(t, kept, "http://"+addr+"/a?b=c"); got != "first %2Fa%3Fb%3Dc" {
		t.Errorf("first configuration: got %q", got)
	}
	for n := range 5 {
		text := fmt.Sprintf("reload-%d", n)
		if err := i.Load(t.Context(), serverBlock(addr, text)); err != nil {
			t.Fatal(err)
		}
		if err := i.Observe(deadline(t)); err != nil {
			t.Fatal(err)
		}
		for _, client := range []*http.Client{kept, {Transport: &http.Transport{}}} {
			if got, want := get(t, client, "http://"+addr+"/"), text+" %2F"; got != want {
				t.Errorf("after reload: got %q, want %q", got, want)
			}
		}
	}
}

func TestInstanceRefusesABadConfiguration(t *testing.T) {
	i, addr := startInstance(t, "good")
	bad := "    server {\n        proxy_intercept_errors off;\n        proxy_intercept_errors off;\n    }\n"

	t.Run("when it is tested", func(t *testing.T) {
		err := i.Test(deadline(t), bad)
		var refused *ConfigError
		if !errors.As(err, &refused) {
			t.Fatalf("got %v, want a ConfigError", err)
		}
		if !strings.Contains(refused.Message, `"proxy_intercept_errors" directive is duplicate`) {
			t.Errorf("message %q does not name the mistake", refused.Message)
		}
		line := strings.Split(refused.Config, "\n")[refused.Line-1]
		if strings.TrimSpace(line) != "proxy_intercept_errors off;" {
			t.Errorf("line %d is %q", refused.Line, line)
		}
	})
	t.Run("when it is loaded, and goes on with the one before", func(t *testing.T) {
		if err := i.Load(t.Context(), bad); err != nil {
			t.Fatal(err)
		}
		var refused *ConfigError
		if err := i.Observe(deadline(t)); !errors.As(err, &refused) {
			t.Fatalf("got %v, want a ConfigError", err)
		}
		if got := get(t, http.DefaultClient, "http://"+addr+"/"); got != "good %2F" {
			t.Errorf("got %q, want the earlier configuration's answer", got)
		}
		if _, err := i.AwaitRefusal(deadline(t)); err != nil {
			t.Error(err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := i.AwaitRefusal(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("the same refusal was told of twice: %v", err)
		}
	})
	t.Run("and recovers", func(t *testing.T) {
		if err := i.Load(t.Context(), serverBlock(addr, "again")); err != nil {
			t.Fatal(err)
		}
		if err := i.Observe(deadline(t)); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("accepts a good one when it is tested", func(t *testing.T) {
		if err := i.Test(deadline(t), serverBlock(addr, "x")); err != nil {
			t.Fatal(err)
		}
	})
}

func TestInstanceSaysThatAPortWasTaken(t *testing.T) {
	l, err := Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	i, err := NewInstance(testNginx(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close(context.Background())
	if err := i.Load(t.Context(), serverBlock(l.Addr().String(), "x")); err != nil {
		t.Fatal(err)
	}
	if err := i.Observe(deadline(t)); !AddressInUse(err) {
		t.Fatalf("got %v, want an address in use", err)
	}
	addrs, err := FreeAddrs(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Load(t.Context(), serverBlock(addrs[0], "x")); err != nil {
		t.Fatal(err)
	}
	if err := i.Observe(deadline(t)); err != nil {
		t.Errorf("on another port: %v", err)
	}
}

func TestInstanceLeavesNoProcess(t *testing.T) {
	i, _ := startInstance(t, "x")
	master, worker := i.process.Pid(), 0
	_, worker, err := i.ask(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Close(deadline(t)); err != nil {
		t.Fatal(err)
	}
	for _, pid := range []int{master, worker} {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d is still there: %v", pid, err)
		}
	}
}

func TestParseRefusal(t *testing.T) {
	for name, tc := range map[string]struct {
		line, message string
		at            int
		none          bool
	}{
		"with a place":       {line: `2026/01/01 10:00:00 [emerg] 7#7: unknown "x" variable in /t/nginx.conf:12`, message: `unknown "x" variable`, at: 12},
		"of nginx -t":        {line: `nginx: [emerg] "a" directive is duplicate in /t/candidate.conf:3`, message: `"a" directive is duplicate`, at: 3},
		"without a place":    {line: `nginx: [emerg] unknown "x" variable`, message: `unknown "x" variable`},
		"with a file inside": {line: `[emerg] 1#1: open() "/t/x" failed in /t/nginx.conf:1`, message: `open() "x" failed`, at: 1},
		"another level":      {line: `2026/01/01 10:00:00 [notice] 7#7: start worker process 8`, none: true},
	} {
		t.Run(name, func(t *testing.T) {
			got := parseRefusal(tc.line, "/t", "conf")
			if tc.none {
				if got != nil {
					t.Fatalf("got %v, want none", got)
				}
				return
			}
			if got == nil || got.Message != tc.message || got.Line != tc.at {
				t.Errorf("got %+v, want %q at %d", got, tc.message, tc.at)
			}
		})
	}
}

func TestLateRefusalIsNotTheNextConfigurations(t *testing.T) {
	const refusal, reading = `[emerg] 1#1: unknown directive "x" in /t/nginx.conf:1`, "[notice] 1#1: reconfiguring"
	for name, tc := range map[string]struct {
		reloading bool
		lines     []string
		want      bool
	}{
		"at the start":                 {false, []string{refusal}, true},
		"of the generation before":     {true, []string{refusal}, false},
		"of this one":                  {true, []string{reading, refusal}, true},
		"of the one before, then read": {true, []string{refusal, reading}, false},
	} {
		t.Run(name, func(t *testing.T) {
			i := &Instance{dir: "/t", reloading: tc.reloading}
			if got := i.refusalIn(tc.lines); (got != nil) != tc.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func FuzzParseRefusal(f *testing.F) {
	f.Add(`nginx: [emerg] "a" directive is duplicate in /t/candidate.conf:3`)
	f.Add("[emerg] in :")
	f.Fuzz(func(t *testing.T, line string) {
		if r := parseRefusal(line, "/t", ""); r != nil && r.Line < 0 {
			t.Errorf("line %d", r.Line)
		}
	})
}
