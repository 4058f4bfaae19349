// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/ingress-auth/conformance/suites/platform"
)

// Mode says which engine Ensure may use.
type Mode string

// The modes. The empty Mode is Auto.
const (
	// Auto takes the engine that is there and falls back to a private one.
	Auto Mode = "auto"
	// Host takes only the engine that is there.
	Host Mode = "host"
	// Private takes only a private engine.
	Private Mode = "private"
)

// Options say where to look and where to keep things. The zero value serves.
type Options struct {
	// Mode is Auto when empty.
	Mode Mode
	// CacheDir holds the private engine's data root, log and runtime;
	// $XDG_CACHE_HOME/ingress-auth-conformance/engine when empty.
	CacheDir string
	// RunDir holds the private engine's sockets and state; a short path, because a socket's path ends at 108 bytes.
	// /run/ingress-auth-conformance-<id of CacheDir> when empty.
	RunDir string
	// Logger gets details; nothing is logged when nil.
	Logger *slog.Logger
	// Progress gets one short line per step that takes time ("installing docker.io"); may be nil.
	Progress func(step string)
}

// Engine is a Docker engine that answers and can run privileged containers.
type Engine struct {
	dockerHost string
	version    string
	private    *privateEngine // nil for an engine that was there before
	started    bool
}

// DockerHost is the value for DOCKER_HOST, for example unix:///var/run/docker.sock.
func (e *Engine) DockerHost() string { return e.dockerHost }

// Version is the engine's own version, for example 20.10.24.
func (e *Engine) Version() string { return e.version }

// Private tells whether this is the harness's own engine.
func (e *Engine) Private() bool { return e.private != nil }

// Restricted tells whether privileged containers of this engine lack a capability, because the host does. Kubernetes in
// them then needs settings of its own (kubelet KubeletInUserNamespace, containerd restrict_oom_score_adj).
func (e *Engine) Restricted() bool { return e.private != nil && e.private.restricted }

// Started tells whether the Ensure that returned this Engine started it.
func (e *Engine) Started() bool { return e.started }

// Stop ends a private engine with all its containers and removes its networks, mounts and sockets; the data root with
// the loaded images stays. Any other engine is left alone.
func (e *Engine) Stop(ctx context.Context) error {
	if e.private == nil {
		return nil
	}
	return e.private.stop(ctx)
}

// LoadImage makes sure that the engine has the image of that reference, from an archive as `docker load` takes it. A
// reference means the same content for ever, so an image that is there is not loaded again.
func (e *Engine) LoadImage(ctx context.Context, reference, archive string) error {
	d := docker{runner: processRunner{}, host: e.dockerHost}
	if _, err := d.run(ctx, nil, "image", "inspect", "--format={{.Id}}", reference); err == nil {
		return nil
	}
	if _, err := d.run(ctx, nil, "load", "--quiet", "--input", archive); err != nil {
		return fmt.Errorf("loading %s into the engine: %w", archive, err)
	}
	if _, err := d.run(ctx, nil, "image", "inspect", "--format={{.Id}}", reference); err != nil {
		return fmt.Errorf("the archive %s does not hold %s: %w", archive, reference, err)
	}
	return nil
}

// CheckPrivileged runs a privileged container, and takes it and its image away again.
func (e *Engine) CheckPrivileged(ctx context.Context) error {
	d := docker{runner: processRunner{}, host: e.dockerHost}
	_, arch, err := d.server(ctx)
	if err != nil {
		return err
	}
	return checkPrivileged(ctx, d, arch)
}

// CgroupVersion is the cgroup version of the engine's host: "1" or "2".
func (e *Engine) CgroupVersion(ctx context.Context) (string, error) {
	return docker{runner: processRunner{}, host: e.dockerHost}.run(ctx, nil, "info", "--format={{.CgroupVersion}}")
}

// CanStartPrivate explains why a private engine cannot be started here, or returns nil.
func CanStartPrivate() error {
	options, err := Options{}.withDefaults()
	if err != nil {
		return err
	}
	return newPrivateStarter(options).ready()
}

// Ensure returns an engine that can run privileged containers, starting a private one if it must and may. Interrupted
// or failing, it leaves nothing behind that it started. The error is a *platform.NotReadyError where the environment is
// the reason.
func Ensure(ctx context.Context, options Options) (*Engine, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	return newChooser(options).choose(ctx)
}

// Find returns the engine that Ensure would use without starting or installing anything, and nil if there is none. It
// does not run a container.
func Find(ctx context.Context, options Options) (*Engine, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	return newChooser(options).find(ctx)
}

func (o Options) withDefaults() (Options, error) {
	switch o.Mode {
	case "":
		o.Mode = Auto
	case Auto, Host, Private:
	default:
		return o, fmt.Errorf("unknown engine mode %q: use auto, host or private", o.Mode)
	}
	if o.CacheDir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return o, &platform.NotReadyError{What: "no folder for the engine's data", Err: err, Do: "set XDG_CACHE_HOME or HOME"}
		}
		o.CacheDir = filepath.Join(cache, "ingress-auth-conformance", "engine")
	}
	if !filepath.IsAbs(o.CacheDir) {
		return o, fmt.Errorf("the engine's folder %q must be an absolute path", o.CacheDir)
	}
	if o.RunDir == "" {
		o.RunDir = filepath.Join("/run", "ingress-auth-conformance-"+shortID(o.CacheDir))
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	return o, nil
}

// errNotRunning says that there is no private engine to attach to.
var errNotRunning = errors.New("no private engine is running")
