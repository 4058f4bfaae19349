// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is a process under load.
type server struct {
	name string
	addr string
	// metrics is the URL at which the process tells the number of its allocations.
	metrics string
	cmd     *exec.Cmd
	log     *os.File
}

func (s *server) url() string { return "http://" + s.addr }
func (s *server) pid() int    { return s.cmd.Process.Pid }

// startServer starts program on one CPU and waits until it answers. What it prints goes to a file, as it would in a
// container.
func startServer(ctx context.Context, dir string, s server, cpu int, program string, args ...string) (*server, error) {
	log, err := os.CreateTemp(dir, "log-")
	if err != nil {
		return nil, err
	}
	s.log = log
	s.cmd = pinned(ctx, cpu, program, args...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.name, err)
	}
	if err := s.awaitAnswer(ctx); err != nil {
		said, _ := os.ReadFile(log.Name())
		return nil, errors.Join(fmt.Errorf("start %s: %w; it said:\n%s", s.name, err, said), s.stop())
	}
	return &s, nil
}

// pinned is a command on one CPU. taskset replaces itself by the program, so the process is the program's.
func pinned(ctx context.Context, cpu int, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "taskset", append([]string{"-c", strconv.Itoa(cpu), program}, args...)...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	return cmd
}

func (s *server) awaitAnswer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if status, err := get(ctx, s.url()+"/ready", io.Discard); err == nil && status == http.StatusOK {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.New("it does not answer")
		}
	}
}

func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	_ = s.cmd.Wait() // by the signal
	return errors.Join(s.log.Close(), os.Remove(s.log.Name()))
}

// allocations is how many objects and bytes the process has allocated since it began, as its Go runtime counts.
func (s *server) allocations(ctx context.Context) (objects, bytes float64, err error) {
	var text strings.Builder
	if status, err := get(ctx, s.metrics, &text); err != nil || status != http.StatusOK {
		return 0, 0, fmt.Errorf("read the allocations of %s: status %d, %w", s.name, status, err)
	}
	lines := bufio.NewScanner(strings.NewReader(text.String()))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		into := map[string]*float64{"go_memstats_mallocs_total": &objects, "go_memstats_alloc_bytes_total": &bytes}[name]
		if into == nil {
			continue
		}
		if *into, err = strconv.ParseFloat(value, 64); err != nil {
			return 0, 0, fmt.Errorf("read the allocations of %s: %w", s.name, err)
		}
	}
	if objects == 0 || bytes == 0 {
		return 0, 0, fmt.Errorf("read the allocations of %s: %s does not tell them", s.name, s.metrics)
	}
	return objects, bytes, lines.Err()
}

func get(ctx context.Context, address string, into io.Writer) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(into, io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, err
}

// serveLimit is the server that the others are held against: net/http with nothing behind it. It ends with its context.
func serveLimit(ctx context.Context, addr, metrics string) error {
	answer := &http.Server{Addr: addr, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ready" {
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})}
	count := &http.Server{Addr: metrics, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fmt.Fprintf(w, "go_memstats_mallocs_total %d\ngo_memstats_alloc_bytes_total %d\n", m.Mallocs, m.TotalAlloc)
	})}
	ended := make(chan error, 2)
	for _, s := range []*http.Server{answer, count} {
		go func() { ended <- s.ListenAndServe() }()
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return nil
	}
}

// buildProxy compiles this repository's proxy.
func buildProxy(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "proxy")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "github.com/ingress-auth/conformance/proxy/cmd/proxy")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the proxy: %w: %s", err, out)
	}
	return path, nil
}
