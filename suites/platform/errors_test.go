// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

func TestNotReadyErrorReadsAsOneSentence(t *testing.T) {
	cases := []struct {
		name string
		err  NotReadyError
		want string
	}{
		{"all parts", NotReadyError{What: "no engine", Why: "the socket is absent.", Do: "start Docker", Err: fs.ErrNotExist},
			"no engine: the socket is absent: file does not exist; start Docker"},
		{"cause already told", NotReadyError{What: "no engine", Why: "seen: file does not exist", Err: fs.ErrNotExist},
			"no engine: seen: file does not exist"},
		{"only what", NotReadyError{What: "no engine"}, "no engine"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := c.err.Error(); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestNotReadyErrorIsFoundThroughWrapping(t *testing.T) {
	err := fmt.Errorf("up: %w", &NotReadyError{What: "x", Err: fs.ErrNotExist})
	var notReady *NotReadyError
	if !errors.As(err, &notReady) {
		t.Error("errors.As does not find it")
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("errors.Is does not find its cause")
	}
}

func TestEndedMatchesTheContextsErrorWhateverTheCause(t *testing.T) {
	if err := Ended(t.Context()); err != nil {
		t.Errorf("a context that lives ended: %v", err)
	}
	signal := errors.New("interrupt")
	for _, cause := range []error{signal, nil} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		err := Ended(ctx)
		if !errors.Is(err, context.Canceled) || cause != nil && (!errors.Is(err, cause) || err.Error() != "interrupt") {
			t.Errorf("cause %v: got %v", cause, err)
		}
	}
}
