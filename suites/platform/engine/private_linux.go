// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ingress-auth/conformance/suites/platform"
)

const (
	// startTimeout bounds one start; usual is a second.
	startTimeout = 60 * time.Second
	// pollInterval is how often an awaited effect is looked for.
	pollInterval = 20 * time.Millisecond
	// cleanUpTimeout bounds the way back when a start fails or is interrupted.
	cleanUpTimeout = 30 * time.Second
	// kindNetwork is the name kind gives its network; it takes one that is there as it is.
	kindNetwork = "kind"
)

// linuxStarter starts private engines on this host.
type linuxStarter struct {
	options   Options
	paths     paths
	runner    runner
	installer installer
}

func newPrivateStarter(o Options) privateStarter {
	return linuxStarter{options: o, paths: paths{cache: o.CacheDir, run: o.RunDir}, runner: processRunner{},
		installer: installer{runner: processRunner{}, look: lookProgram, progress: o.Progress, policyFile: "/usr/sbin/policy-rc.d"}}
}

func (l linuxStarter) ready() error {
	if os.Geteuid() != 0 {
		return errors.New("that needs root")
	}
	// A host without this file is one where packages cannot be installed.
	release, err := os.ReadFile("/etc/os-release")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return l.installer.ready(os.Geteuid(), string(release))
}

func (l linuxStarter) newEngine(s state) *privateEngine {
	missing, err := MissingCapabilities()
	if err != nil {
		l.options.Logger.Warn("taking the host's capabilities as complete", "error", err)
	}
	return &privateEngine{paths: l.paths, state: s, version: s.Version, restricted: len(missing) > 0, runner: l.runner, logger: l.options.Logger}
}

func (l linuxStarter) attach(ctx context.Context) (*privateEngine, error) {
	s, err := readState(l.paths.state())
	if err != nil || !s.Docker.alive() || s.Version == "" {
		return nil, errNotRunning
	}
	engine := l.newEngine(s)
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if err := engine.ping(ctx); err != nil {
		return nil, fmt.Errorf("%w: process %d is there, but %w", errNotRunning, s.Docker.PID, err)
	}
	return engine, nil
}

// start brings up one engine per cache folder, also when several processes ask at once.
func (l linuxStarter) start(ctx context.Context) (*privateEngine, error) {
	if err := os.MkdirAll(l.paths.cache, 0o700); err != nil {
		return nil, &platform.NotReadyError{What: "no folder for the engine's data", Err: err, Do: "set XDG_CACHE_HOME to a folder that can be written"}
	}
	unlock, err := lockFile(ctx, l.paths.lock())
	if err != nil {
		return nil, err
	}
	defer unlock()
	if running, err := l.attach(ctx); err == nil {
		return running, nil
	}
	// Another version, a crash or a reboot may have left parts.
	if stale, err := readState(l.paths.state()); err == nil {
		if err := l.newEngine(stale).remove(ctx); err != nil {
			return nil, fmt.Errorf("removing what an earlier engine left: %w", err)
		}
	}
	if err := l.installer.install(ctx); err != nil {
		return nil, &platform.NotReadyError{What: "no Docker engine", Err: err, Do: "install Docker yourself, or look at the package manager's message"}
	}
	return l.launch(ctx)
}

// launch starts both daemons, and takes everything back when they do not come up or ctx ends first.
func (l linuxStarter) launch(ctx context.Context) (*privateEngine, error) {
	l.options.Progress("starting a private Docker engine")
	engine := l.newEngine(state{Made: absent(sharedPaths[:])})
	err := l.bringUp(ctx, engine)
	if err == nil {
		return engine, nil
	}
	fresh, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTimeout)
	defer cancel()
	return nil, errors.Join(err, engine.remove(fresh))
}

func (l linuxStarter) bringUp(ctx context.Context, engine *privateEngine) error {
	pool, err := l.configure(ctx, engine.restricted)
	if err != nil {
		return err
	}
	engine.state.Subnet = pool
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("it did not answer within %s", startTimeout))
	defer cancel()
	ended := make(chan error, 2)
	engine.state.Containerd, err = spawn(ended, l.paths.containerdLog(), "containerd", "--config", l.paths.containerdConfig())
	if err != nil {
		return engine.explain(err)
	}
	engine.state.Docker, err = spawn(ended, l.paths.dockerLog(), "dockerd", "--config-file", l.paths.dockerConfig())
	if err != nil {
		return engine.explain(err)
	}
	// Written before it answers: whoever comes after a kill -9 finds what to remove.
	if err := engine.state.write(l.paths.state()); err != nil {
		return err
	}
	if err := engine.await(ctx, ended); err != nil {
		return engine.explain(err)
	}
	if err := engine.furnish(ctx); err != nil {
		return engine.explain(err)
	}
	return engine.state.write(l.paths.state())
}

// configure writes both daemons' configuration and returns the address pool.
func (l linuxStarter) configure(ctx context.Context, restricted bool) (string, error) {
	used, err := networksInUse()
	if err != nil {
		return "", err
	}
	pool, err := freePool(used)
	if err != nil {
		return "", &platform.NotReadyError{What: "no network for containers", Err: err, Do: "free one of the private networks"}
	}
	trimmer := ""
	if restricted {
		if trimmer, err = buildTrimmer(ctx, l.runner, l.paths.programs()); err != nil {
			return "", err
		}
	}
	// A systemd host gives each container a scope of its own; elsewhere one parent makes them easy to find.
	cgroup := l.paths.cgroup()
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		cgroup = ""
	}
	daemon, err := dockerdConfig(l.paths, pool, trimmer, cgroup)
	if err != nil {
		return "", err
	}
	for _, folder := range []string{l.paths.run, l.paths.dataRoot(), l.paths.containerdRoot()} {
		if err := os.MkdirAll(folder, 0o711); err != nil {
			return "", err
		}
	}
	if err := writeFile(l.paths.dockerConfig(), daemon); err != nil {
		return "", err
	}
	return pool.String(), writeFile(l.paths.containerdConfig(), containerdConfig(l.paths))
}

// spawn starts a daemon in a session of its own, so that it outlives this process and its terminal.
func spawn(ended chan<- error, logPath, name string, args ...string) (process, error) {
	program, err := lookProgram(name)
	if err != nil {
		return process{}, err
	}
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return process{}, err
	}
	defer log.Close()
	cmd := exec.Command(program, args...)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":"+strings.Join(systemFolders[:], ":"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return process{}, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		ended <- fmt.Errorf("%s ended: %v", name, cmd.Wait())
	}()
	return processByPID(cmd.Process.Pid)
}

// await returns when the engine answers, or when one of its processes ends first.
func (p *privateEngine) await(ctx context.Context, ended <-chan error) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		err := p.ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (last seen: %w)", platform.Ended(ctx), err)
		case err := <-ended:
			return err
		case <-ticker.C:
		}
	}
}

// ping asks the engine's socket (Docker Engine API, GET /_ping).
func (p *privateEngine) ping(ctx context.Context) error {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", p.paths.socket())
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/_ping", nil)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the engine answers its ping with %s", response.Status)
	}
	return nil
}

// furnish makes kind's network on a bridge whose name we know, and sees that privileged containers run.
func (p *privateEngine) furnish(ctx context.Context) error {
	d := p.docker()
	version, arch, err := d.server(ctx)
	if err != nil {
		return err
	}
	// A crash leaves containers and networks in the data root: they belong to nobody now.
	if err := p.empty(ctx); err != nil {
		return err
	}
	if _, err := d.run(ctx, nil, "network", "create", "--driver=bridge",
		"--opt=com.docker.network.bridge.name="+p.paths.bridge(), kindNetwork); err != nil {
		return err
	}
	if err := checkPrivileged(ctx, d, arch); err != nil {
		return err
	}
	p.state.Version, p.version = version, version
	return nil
}

func (p *privateEngine) docker() docker { return docker{runner: p.runner, host: p.dockerHost()} }

// explain adds where to read more.
func (p *privateEngine) explain(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	content, readErr := os.ReadFile(p.paths.dockerLog())
	if readErr != nil {
		content = nil
	}
	return &platform.NotReadyError{What: "the private Docker engine does not work", Err: fmt.Errorf("%w%s", err, lastLines(string(content), 3)),
		Do: "read " + p.paths.dockerLog() + " and " + filepath.Base(p.paths.containerdLog()) + " beside it"}
}

// lockFile waits for the file's lock, as long as the context lives.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			file.Close()
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			file.Close()
			return nil, platform.Ended(ctx)
		case <-ticker.C:
		}
	}
}
