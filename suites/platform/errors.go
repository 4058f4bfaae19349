// SPDX-License-Identifier: Apache-2.0

// Package platform holds what every platform (kind, local, an existing cluster) shares.
package platform

import (
	"context"
	"errors"
	"strings"
)

// NotReadyError says that the environment, not the subject, keeps the suites from running: no usable engine, a port in
// use, a missing tool. Commands that meet it exit with code 3. Find it with errors.As.
type NotReadyError struct {
	// What could not be had, as a clause: "no usable Docker engine".
	What string
	// Why that is, as a clause: what was tried and what was seen.
	Why string
	// Do is the next step for the user, as an imperative clause.
	Do string
	// Err is the cause, if there is one.
	Err error
}

// Error gives one sentence: what, why, and what to do.
func (e *NotReadyError) Error() string {
	var b strings.Builder
	b.WriteString(e.What)
	if e.Why != "" {
		b.WriteString(": " + strings.TrimRight(e.Why, ". \n"))
	}
	if e.Err != nil && !strings.Contains(e.Why, e.Err.Error()) {
		b.WriteString(": " + strings.TrimRight(e.Err.Error(), ". \n"))
	}
	if e.Do != "" {
		b.WriteString("; " + e.Do)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *NotReadyError) Unwrap() error { return e.Err }

// Ended says why the context ended. It matches context.Canceled or context.DeadlineExceeded with errors.Is, also where
// the cause is something else, such as a signal.
func Ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if err == nil || errors.Is(cause, err) {
		return cause
	}
	return &endedError{reason: err, cause: cause}
}

type endedError struct{ reason, cause error }

func (e *endedError) Error() string   { return e.cause.Error() }
func (e *endedError) Unwrap() []error { return []error{e.reason, e.cause} }
