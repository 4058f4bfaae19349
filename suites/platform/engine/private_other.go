// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package engine

import (
	"context"
	"errors"
)

var errNotLinux = errors.New("private engines run on Linux only")

// noStarter stands where private engines cannot run.
type noStarter struct{}

func newPrivateStarter(Options) privateStarter { return noStarter{} }

func (noStarter) attach(context.Context) (*privateEngine, error) { return nil, errNotRunning }
func (noStarter) ready() error                                   { return errNotLinux }
func (noStarter) start(context.Context) (*privateEngine, error)  { return nil, errNotLinux }

func (p *privateEngine) shutDown(context.Context) error { return errNotLinux }
