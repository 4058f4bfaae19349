// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Observation looks once at what is awaited. It says whether it is there and, if not, what was seen instead. An error
// ends the wait: it is for what waiting cannot mend.
type Observation func(ctx context.Context) (done bool, seen string, err error)

// How often a wait looks: often at first, because most things happen soon, then at a steady rate.
const (
	firstLook = 20 * time.Millisecond
	lastLook  = 250 * time.Millisecond
)

// WaitFor looks until what is awaited is there or ctx ends. The error then says what was awaited, for how long and what
// was last seen, and wraps the error of ctx.
func WaitFor(ctx context.Context, what string, look Observation) error {
	start, pause, last := time.Now(), firstLook, "nothing yet"
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return waitError(ctx, what, start, last)
		case <-timer.C:
		}
		done, seen, err := look(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			return fmt.Errorf("wait for %s: %w", what, err)
		case err == nil && done:
			return nil
		case err == nil && seen != "" && ctx.Err() == nil:
			last = seen
		}
		timer.Reset(pause)
		pause = min(pause*3/2, lastLook)
	}
}

func waitError(ctx context.Context, what string, start time.Time, last string) error {
	waited := time.Since(start).Round(100 * time.Millisecond)
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("stopped waiting for %s after %s: %w", what, waited, ctx.Err())
	}
	return fmt.Errorf("waited %s for %s; last seen: %s: %w", waited, what, last, ctx.Err())
}
