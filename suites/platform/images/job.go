// SPDX-License-Identifier: Apache-2.0

package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
)

// recipe builds one kind of image from source.
type recipe interface {
	// inputs adds to the key everything the result depends on, fast: it runs every time, even if nothing is built.
	inputs(ctx context.Context, image Image, k *keyer) error
	// build makes the image in the job's folders and sets Origin and Versions of what it built.
	build(ctx context.Context, j *job) error
}

// job is the making of one image.
type job struct {
	image Image
	steps *steps
	log   io.Writer
	// work is for whatever the way needs on the way; out becomes the image.
	work, out string
	built     Built

	mu sync.Mutex
}

// archive is where the image has to be in the end.
func (j *job) archive() string { return filepath.Join(j.out, "image.tar") }

// version records the version of a part; steps that run side by side may do so.
func (j *job) version(part, version string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.built.Versions[part] = version
}

// BuildError says which image could not be had, at which step, why, and where to read on.
type BuildError struct {
	Image string
	Step  string
	Err   error
	Log   string
}

func newBuildError(image string, err error, log string) *BuildError {
	b := &BuildError{Image: image, Err: err, Log: log}
	var step *stepError
	if errors.As(err, &step) {
		b.Step, b.Err = step.step, step.err
	}
	return b
}

// Error is one sentence, followed by the last lines of what failed.
func (e *BuildError) Error() string {
	s := "image " + e.Image
	if e.Step != "" {
		s += fmt.Sprintf(", step %q", e.Step)
	}
	s += ": " + e.Err.Error()
	if e.Log != "" {
		s += "\n  the whole log is in " + e.Log
	}
	return s
}

// Unwrap gives the cause.
func (e *BuildError) Unwrap() error { return e.Err }

// lockedWriter lets programs that run side by side write to one log.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// gate lets one at a time through, in the order they came.
type gate chan struct{}

func newGate() gate { return make(gate, 1) }

func (g gate) enter(ctx context.Context) error {
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return stopped(ctx)
	}
}

func (g gate) leave() { <-g }

// stoppedError says why work was given up before it was done.
type stoppedError struct{ cause error }

func (e stoppedError) Error() string { return e.cause.Error() }
func (e stoppedError) Unwrap() error { return e.cause }

// Is makes every such error a context.Canceled, unless it was the time that ran out.
func (e stoppedError) Is(target error) bool {
	return target == context.Canceled && !errors.Is(e.cause, context.DeadlineExceeded)
}

// stopped is the error for a context that has ended.
func stopped(ctx context.Context) error { return stoppedError{cause: context.Cause(ctx)} }

// together runs functions side by side. The first failure stops the others and is what is returned.
func together(ctx context.Context, functions ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		all   sync.WaitGroup
		once  sync.Once
		first error
	)
	for _, f := range functions {
		all.Go(func() {
			if err := f(ctx); err != nil {
				once.Do(func() { first = err; cancel() })
			}
		})
	}
	all.Wait()
	return first
}
