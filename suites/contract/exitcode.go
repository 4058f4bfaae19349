// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"context"
	"errors"
)

// ExitCode is how a process of this project ends. The values are documented and stable: pipelines depend on them.
type ExitCode int

// The exit codes.
const (
	// ExitConformant: every selected requirement that binds holds, or its deviation is known.
	ExitConformant ExitCode = 0
	// ExitNotConformant: at least one requirement does not hold, or a known deviation is out of date.
	ExitNotConformant ExitCode = 1
	// ExitUsage: the command line or a name on it is wrong.
	ExitUsage ExitCode = 2
	// ExitEnvironmentNotReady: the machine, the engine, the registry or the cluster cannot do what is needed.
	ExitEnvironmentNotReady ExitCode = 3
	// ExitHarnessError: the harness itself failed, or could not judge a requirement.
	ExitHarnessError ExitCode = 4
	// ExitNothingSelected: the selection holds no requirement that could be judged.
	ExitNothingSelected ExitCode = 5
	// ExitInterrupted: the user stopped the run.
	ExitInterrupted ExitCode = 130
)

// WithExitCode attaches to err how the process is to end; errors.Is and errors.As still see err. Of nil it makes nil.
func WithExitCode(err error, code ExitCode) error {
	if err == nil {
		return nil
	}
	return &codedError{error: err, code: code}
}

// ExitCodeOf returns how a process that stops with err is to end: what was attached to err or what its kind says;
// ExitHarnessError for any other error and ExitConformant only for nil.
func ExitCodeOf(err error) ExitCode {
	var coded interface{ ExitCode() ExitCode }
	switch {
	case err == nil:
		return ExitConformant
	case errors.As(err, &coded) && coded.ExitCode() != ExitConformant:
		return coded.ExitCode()
	case errors.Is(err, ErrNothingSelected):
		return ExitNothingSelected
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	default:
		return ExitHarnessError
	}
}

type codedError struct {
	error
	code ExitCode
}

func (e *codedError) ExitCode() ExitCode { return e.code }
func (e *codedError) Unwrap() error      { return e.error }
