// SPDX-License-Identifier: Apache-2.0

//go:build unix

package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Command says how to run a child process and how to end it.
type Command struct {
	// Path and Args are the program and its arguments, without the program's name.
	Path string
	Args []string
	// Dir is the working directory.
	Dir string
	// Stop is sent step by step until the process ends; after the last step it is killed.
	Stop []StopStep
}

// StopStep is one polite way to end a process and how long it may take.
type StopStep struct {
	Signal syscall.Signal
	Grace  time.Duration
}

// Process is a running child. It ends with its context, with Stop, and (on Linux) with this program.
type Process struct {
	cmd      *exec.Cmd
	steps    []StopStep
	log      *Log
	done     chan struct{}
	err      error
	stopOnce sync.Once
	release  func() bool
}

// Start runs the command with its output going to log. The process lives until it ends by itself, ctx ends, or Stop.
func Start(ctx context.Context, c Command, log *Log) (*Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Path, err)
	}
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Dir = c.Dir
	cmd.Stdout, cmd.Stderr = log, log
	// A grandchild that keeps the output open must not keep Wait from returning.
	cmd.WaitDelay = 2 * time.Second
	// A group of its own: Ctrl-C in a terminal reaches only this program, which then ends its children in order.
	cmd.SysProcAttr = childAttributes()

	p := &Process{cmd: cmd, steps: c.Stop, log: log, done: make(chan struct{})}
	started := make(chan error, 1)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Path, err)
	}
	p.release = context.AfterFunc(ctx, p.end)
	return p, nil
}

// run starts the child and waits for it on one operating system thread: Linux sends the parent-death signal when the
// thread that made the child ends, not when the program does.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	p.err = p.cmd.Wait()
	close(p.done)
}

// Pid is the child's process ID.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Log is the output so far.
func (p *Process) Log() *Log { return p.log }

// Done is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the child ended, nil for exit status 0. It is valid once Done is closed.
func (p *Process) Err() error { return p.err }

// Signal sends sig to the child.
func (p *Process) Signal(sig os.Signal) error { return p.cmd.Process.Signal(sig) }

// Stop ends the child and returns when it is gone, or with an error when ctx ends first.
func (p *Process) Stop(ctx context.Context) error {
	if p.release != nil {
		p.release()
	}
	go p.end()
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for process %d to end: %w", p.Pid(), ctx.Err())
	}
}

func (p *Process) end() {
	p.stopOnce.Do(func() {
		for _, step := range p.steps {
			if err := p.Signal(step.Signal); errors.Is(err, os.ErrProcessDone) {
				return
			}
			grace := time.NewTimer(step.Grace)
			select {
			case <-p.done:
				grace.Stop()
				return
			case <-grace.C:
			}
		}
		killGroup(p.Pid())
	})
}
