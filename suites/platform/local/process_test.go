// SPDX-License-Identifier: Apache-2.0

//go:build unix

package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestProcessIsKilledWhenItDoesNotListen(t *testing.T) {
	log := NewLog()
	p, err := Start(t.Context(), Command{
		Path: "/bin/sh",
		Args: []string{"-c", "trap '' TERM; echo ready; while :; do read x; done < /dev/zero"},
		Stop: []StopStep{{syscall.SIGTERM, time.Millisecond}},
	}, log)
	if err != nil {
		t.Fatal(err)
	}
	awaitLine(t, log, "ready")
	if err := p.Stop(deadline(t)); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if !errors.As(p.Err(), &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("ended with %v, want killed", p.Err())
	}
	if err := p.Stop(deadline(t)); err != nil {
		t.Errorf("a second Stop: %v", err)
	}
}

func TestProcessEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, err := Start(ctx, Command{Path: "/bin/sleep", Args: []string{"60"}, Stop: []StopStep{{syscall.SIGTERM, 10 * time.Second}}}, NewLog())
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case <-p.Done():
	case <-deadline(t).Done():
		t.Fatal("the process outlived its context")
	}
	if _, err := Start(ctx, Command{Path: "/bin/true"}, NewLog()); !errors.Is(err, context.Canceled) {
		t.Errorf("start after the context ended: %v", err)
	}
}

func TestStartSaysWhatCannotBeStarted(t *testing.T) {
	_, err := Start(t.Context(), Command{Path: "/nonexistent/program"}, NewLog())
	if err == nil || !strings.Contains(err.Error(), "/nonexistent/program") {
		t.Errorf("got %v, want the program's name", err)
	}
}

// TestNginxEndsWithAKilledParent runs this test binary as a parent, kills it and sees nginx go.
func TestNginxEndsWithAKilledParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells children of their parent's death")
	}
	if dir := os.Getenv("LOCAL_TEST_PARENT_DIR"); dir != "" {
		parentOfNginx(t, dir)
		return
	}
	dir := t.TempDir()
	parent := exec.Command(os.Args[0], "-test.run=^TestNginxEndsWithAKilledParent$")
	parent.Env = append(os.Environ(), "LOCAL_TEST_PARENT_DIR="+dir)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var master, worker int
	for scanner := bufio.NewScanner(out); scanner.Scan(); {
		if _, err := fmt.Sscanf(scanner.Text(), "pids %d %d", &master, &worker); err == nil {
			break
		}
	}
	if master == 0 || worker == 0 {
		t.Fatal("the parent did not start nginx")
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	for ctx := deadline(t); alive(master) || alive(worker); runtime.Gosched() {
		if ctx.Err() != nil {
			t.Fatalf("nginx outlived its parent: master %v, worker %v", alive(master), alive(worker))
		}
	}
}

func parentOfNginx(t *testing.T, dir string) {
	i, err := NewInstance(testNginx(t), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Load(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if err := i.Observe(deadline(t)); err != nil {
		t.Fatal(err)
	}
	_, worker, err := i.ask(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("pids %d %d\n", i.process.Pid(), worker)
	select {}
}

// alive says whether a process runs; one that is dead and not yet collected does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pid), "stat"))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func awaitLine(t *testing.T, log *Log, want string) {
	t.Helper()
	ctx := deadline(t)
	for {
		lines, _, changed := log.Since(0)
		for _, line := range lines {
			if line == want {
				return
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("%q never came; the log is %q", want, log)
		}
	}
}

func TestLogCountsDroppedLines(t *testing.T) {
	log := NewLog()
	for n := range maxLogLines + 10 {
		fmt.Fprintf(log, "line %d\npart", n)
	}
	lines, next, _ := log.Since(0)
	if len(lines) != maxLogLines || next != maxLogLines+10 {
		t.Errorf("got %d lines up to %d", len(lines), next)
	}
	if last := lines[len(lines)-1]; last != fmt.Sprintf("partline %d", maxLogLines+9) {
		t.Errorf("last line %q", last)
	}
	if lines, _, _ := log.Since(next - 1); len(lines) != 1 {
		t.Errorf("got %d lines since the last", len(lines))
	}
}

func TestHeldAddressRefuses(t *testing.T) {
	r, err := HoldRefused()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	conn, err := net.Dial("tcp", r.Addr())
	if err == nil {
		conn.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v, want a refused connection", err)
	}
	if l, err := net.Listen("tcp", r.Addr()); err == nil {
		l.Close()
		t.Error("somebody else could take the address")
	}
}

func TestFreeAddrsAreDifferent(t *testing.T) {
	addrs, err := FreeAddrs(t.Context(), 20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, a := range addrs {
		if seen[a] {
			t.Errorf("%s twice", a)
		}
		seen[a] = true
	}
}
