// SPDX-License-Identifier: Apache-2.0

package images

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// command is a program a recipe runs. Its output goes to the log of the image.
type command struct {
	args []string
	dir  string
	env  []string
	// chroot runs the program with this directory as its root.
	chroot string
	// isolated gives the program its own mounts and processes, so that nothing of either outlives it. Needs root.
	isolated bool
	// onLine sees each line of the output, for progress.
	onLine func(string)
	// stdout gets the standard output in place of the log.
	stdout io.Writer
}

// tailLines is how much of a failed program's output an error shows.
const tailLines = 8

// commandError says that a program failed and what it wrote last.
type commandError struct {
	program string
	err     error
	tail    []string
}

func (e *commandError) Error() string {
	if len(e.tail) == 0 {
		return fmt.Sprintf("%s failed (%v)", e.program, e.err)
	}
	return fmt.Sprintf("%s failed (%v), writing last:\n    %s", e.program, e.err, strings.Join(e.tail, "\n    "))
}

func (e *commandError) Unwrap() error { return e.err }

// run waits for the program and everything it started. When ctx ends first, all of them are killed.
func (c command) run(ctx context.Context, log io.Writer) error {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Dir, cmd.Env = c.dir, c.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Chroot: c.chroot}
	if c.isolated {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID
		cmd.SysProcAttr.Unshareflags = syscall.CLONE_NEWNS
	}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second

	out := &lineWriter{log: log, onLine: c.onLine}
	cmd.Stdout, cmd.Stderr = out, out
	if c.stdout != nil {
		cmd.Stdout = c.stdout
	}
	fmt.Fprintf(log, "$ %s\n", strings.Join(c.args, " "))
	err := cmd.Run()
	out.flush()
	if ctx.Err() != nil {
		return stopped(ctx)
	}
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%s is not installed", c.args[0])
	}
	if err != nil {
		return &commandError{program: filepath.Base(c.args[0]), err: err, tail: out.last()}
	}
	return nil
}

// lineWriter copies to the log, remembers the last lines and hands each line on.
type lineWriter struct {
	log    io.Writer
	onLine func(string)

	mu      sync.Mutex
	partial []byte
	lines   []string
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.log.Write(p); err != nil {
		return 0, err
	}
	w.partial = append(w.partial, p...)
	for {
		line, rest, found := bytes.Cut(w.partial, []byte("\n"))
		if !found {
			return len(p), nil
		}
		w.line(string(line))
		w.partial = rest
	}
}

func (w *lineWriter) line(s string) {
	s = strings.TrimRight(s, "\r ")
	if s == "" {
		return
	}
	if len(w.lines) == tailLines {
		w.lines = w.lines[1:]
	}
	w.lines = append(w.lines, s)
	if w.onLine != nil {
		w.onLine(s)
	}
}

func (w *lineWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.line(string(w.partial))
	w.partial = nil
}

func (w *lineWriter) last() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lines
}
