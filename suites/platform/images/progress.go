// SPDX-License-Identifier: Apache-2.0

package images

import (
	"context"
	"sync"
	"time"
)

// Event is one line of progress.
type Event struct {
	// Image is the name of the image.
	Image string
	// Step is what is being done, such as "compile Kubernetes v1.34.3".
	Step string
	// Detail is how far the step is or how it ended; empty when it starts.
	Detail string
	// Elapsed is the time since work on the image began.
	Elapsed time.Duration
}

// Progress is told what happens, from several goroutines at once.
type Progress interface{ Report(Event) }

// ProgressFunc makes a function a Progress.
type ProgressFunc func(Event)

// Report calls f.
func (f ProgressFunc) Report(e Event) { f(e) }

// heartbeat is how often a step that takes long says how far it is.
const heartbeat = 15 * time.Second

// steps reports the steps of one image, some of which run side by side.
type steps struct {
	image    string
	progress Progress
	started  time.Time
	now      func() time.Time
}

func newSteps(image string, p Progress, now func() time.Time) *steps {
	if p == nil {
		p = ProgressFunc(func(Event) {})
	}
	return &steps{image: image, progress: p, started: now(), now: now}
}

func (s *steps) say(step, detail string) {
	s.progress.Report(Event{Image: s.image, Step: step, Detail: detail, Elapsed: s.now().Sub(s.started)})
}

// stepError says in which step something failed.
type stepError struct {
	step string
	err  error
}

func (e *stepError) Error() string { return e.step + ": " + e.err.Error() }
func (e *stepError) Unwrap() error { return e.err }

// run does one step, telling when it starts, how far it is from time to time, and when it is done.
func (s *steps) run(ctx context.Context, step string, do func(context.Context, *detail) error) error {
	if ctx.Err() != nil {
		return &stepError{step: step, err: stopped(ctx)}
	}
	began := s.now()
	s.say(step, "")
	d := &detail{}
	stop := make(chan struct{})
	var beating sync.WaitGroup
	beating.Go(func() { s.beat(step, d, stop) })
	err := do(ctx, d)
	close(stop)
	beating.Wait()
	if err != nil {
		return &stepError{step: step, err: err}
	}
	s.say(step, "done in "+s.now().Sub(began).Round(100*time.Millisecond).String())
	return nil
}

func (s *steps) beat(step string, d *detail, stop <-chan struct{}) {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			s.say(step, d.get())
		}
	}
}

// detail is how far a step is; the step sets it, the heartbeat reads it.
type detail struct {
	mu   sync.Mutex
	text string
}

func (d *detail) set(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.text = text
}

func (d *detail) get() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.text == "" {
		return "still at it"
	}
	return d.text
}
