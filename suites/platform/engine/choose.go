// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/ingress-auth/conformance/suites/platform"
)

// probeTimeout bounds the questions to an engine that may not be there.
const probeTimeout = 20 * time.Second

// privateStarter attaches to and starts the private engine.
type privateStarter interface {
	// attach returns errNotRunning when there is none.
	attach(ctx context.Context) (*privateEngine, error)
	// ready explains why a private engine cannot be started here, or returns nil.
	ready() error
	start(ctx context.Context) (*privateEngine, error)
}

// chooser decides which engine is used.
type chooser struct {
	mode     Mode
	runner   runner
	private  privateStarter
	env      func(string) string
	progress func(string)
}

func newChooser(o Options) chooser {
	return chooser{mode: o.Mode, runner: processRunner{}, private: newPrivateStarter(o), env: os.Getenv, progress: o.Progress}
}

func (c chooser) choose(ctx context.Context) (*Engine, error) {
	if host := c.env("DOCKER_HOST"); host != "" && c.mode != Private {
		return c.named(ctx, host)
	}
	var hostReason error
	if c.mode != Host {
		running, err := c.private.attach(ctx)
		if err == nil {
			return privateResult(running, false), nil
		}
		if ctx.Err() != nil {
			return nil, platform.Ended(ctx)
		}
	}
	if c.mode != Private {
		engine, err := c.probe(ctx, "", true)
		if err == nil {
			return engine, nil
		}
		if ctx.Err() != nil {
			return nil, platform.Ended(ctx)
		}
		if c.mode == Host {
			return nil, &platform.NotReadyError{What: "no usable Docker engine", Err: err,
				Do: "start Docker, or allow a private engine (needs Debian or Ubuntu and root)"}
		}
		hostReason = err
	}
	if err := c.private.ready(); err != nil {
		return nil, &platform.NotReadyError{What: "no usable Docker engine",
			Why: tried(hostReason) + "a private engine cannot be started here: " + err.Error(),
			Do:  "start Docker and let this user reach it, or run as root on Debian or Ubuntu", Err: hostReason}
	}
	started, err := c.private.start(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, platform.Ended(ctx)
		}
		return nil, fmt.Errorf("starting a private Docker engine: %w", err)
	}
	return privateResult(started, true), nil
}

// named takes the engine the user named, and no other: a quiet change of engine would surprise.
func (c chooser) named(ctx context.Context, host string) (*Engine, error) {
	engine, err := c.probe(ctx, host, true)
	if err == nil {
		return engine, nil
	}
	if ctx.Err() != nil {
		return nil, platform.Ended(ctx)
	}
	return nil, &platform.NotReadyError{What: "the Docker engine named by DOCKER_HOST=" + host + " cannot be used", Err: err,
		Do: "correct that, or unset DOCKER_HOST so that another engine is looked for"}
}

func (c chooser) find(ctx context.Context) (*Engine, error) {
	host := c.env("DOCKER_HOST")
	if c.mode != Host && (host == "" || c.mode == Private) {
		if running, err := c.private.attach(ctx); err == nil {
			return privateResult(running, false), nil
		}
	}
	if c.mode != Private {
		if engine, err := c.probe(ctx, host, false); err == nil {
			return engine, nil
		}
	}
	if ctx.Err() != nil {
		return nil, platform.Ended(ctx)
	}
	return nil, nil
}

// probe asks an engine that is there; an empty host means the command line's default.
func (c chooser) probe(ctx context.Context, host string, privileged bool) (*Engine, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	d := docker{runner: c.runner, host: host}
	version, arch, err := d.server(ctx)
	if err != nil {
		return nil, fmt.Errorf("it does not answer: %w", err)
	}
	if privileged {
		c.progress("checking that the Docker engine runs privileged containers")
		if err := checkPrivileged(ctx, d, arch); err != nil {
			return nil, fmt.Errorf("it answers, but cannot run privileged containers: %w", err)
		}
	}
	if host == "" {
		host = d.endpoint(ctx)
	}
	return &Engine{dockerHost: host, version: version}, nil
}

func privateResult(p *privateEngine, started bool) *Engine {
	return &Engine{dockerHost: p.dockerHost(), version: p.version, private: p, started: started}
}

func tried(reason error) string {
	if reason == nil {
		return ""
	}
	return "the default Docker engine will not do (" + reason.Error() + "), and "
}
