// SPDX-License-Identifier: Apache-2.0

//go:build unix

package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Names inside an instance's folder.
const (
	confName      = "nginx.conf"
	candidateName = "candidate.conf"
	socketName    = "observe.sock"
)

// Instance is one nginx master process with one worker, in a folder of its own. Configurations are handed to it as the
// contents of the http block; the rest is the instance's. It is safe for concurrent use.
type Instance struct {
	nginx Nginx
	dir   string
	log   *Log

	mu         sync.Mutex
	process    *Process
	generation int
	loadedAt   int  // position in the log when the current generation was handed over
	reloading  bool // it was handed to a process that ran already
	refused    int  // the newest generation that AwaitRefusal has told of
	workers    workers
}

// NewInstance prepares an instance that works in dir, which exists. Nothing runs before the first Load.
func NewInstance(n Nginx, dir string) (*Instance, error) {
	// The worker drops root's rights and must still reach its temporary files.
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, fmt.Errorf("prepare the folder of nginx: %w", err)
	}
	return &Instance{nginx: n, dir: dir, log: NewLog()}, nil
}

// Log is the error log so far.
func (i *Instance) Log() *Log { return i.log }

// Dir is the instance's folder.
func (i *Instance) Dir() string { return i.dir }

// Config is the configuration that was loaded last, "" before the first.
func (i *Instance) Config() string {
	conf, err := os.ReadFile(filepath.Join(i.dir, confName))
	if err != nil {
		return ""
	}
	return string(conf)
}

// Test asks nginx whether it would take the contents of the http block. A refusal is a *ConfigError.
func (i *Instance) Test(ctx context.Context, httpBlock string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	conf := i.frame(httpBlock, i.generation+1)
	file := filepath.Join(i.dir, candidateName)
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		return fmt.Errorf("write a configuration to test: %w", err)
	}
	out, err := exec.CommandContext(ctx, i.nginx.Path, i.args(file, "-t")...).CombinedOutput()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("test the configuration: %w", ctx.Err())
	}
	for line := range strings.Lines(string(out)) {
		if refusal := parseRefusal(line, i.dir, conf); refusal != nil {
			return refusal
		}
	}
	return fmt.Errorf("test the configuration with %s -t: %w: %s", i.nginx.Path, err, lastLine(out))
}

// Load starts nginx with the contents of the http block, or makes the running one reload, and does not wait: see Observe.
// The process ends with lifetime.
func (i *Instance) Load(lifetime context.Context, httpBlock string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.generation++
	file := filepath.Join(i.dir, confName)
	if err := replaceFile(file, i.frame(httpBlock, i.generation)); err != nil {
		return fmt.Errorf("write the configuration of nginx: %w", err)
	}
	_, i.loadedAt, _ = i.log.Since(0)
	i.reloading = i.process != nil && !i.ended()
	if i.reloading {
		if err := i.process.Signal(syscall.SIGHUP); err != nil {
			return fmt.Errorf("make nginx reload its configuration: %w", err)
		}
		return nil
	}
	i.workers = workers{read: i.loadedAt}
	// A process that could not start leaves its socket behind, and the next one would take it for one in use.
	if err := os.Remove(filepath.Join(i.dir, socketName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the socket of an earlier nginx: %w", err)
	}
	process, err := Start(lifetime, Command{
		Path: i.nginx.Path,
		Args: i.args(file),
		Dir:  i.dir,
		Stop: []StopStep{{syscall.SIGQUIT, 300 * time.Millisecond}, {syscall.SIGTERM, 2 * time.Second}},
	}, i.log)
	if err != nil {
		return err
	}
	i.process = process
	return nil
}

func (i *Instance) ended() bool {
	select {
	case <-i.process.Done():
		return true
	default:
		return false
	}
}

// Close ends nginx. The folder is the caller's.
func (i *Instance) Close(ctx context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.process == nil {
		return nil
	}
	return i.process.Stop(ctx)
}

func (i *Instance) args(conf string, more ...string) []string {
	args := []string{"-p", i.dir + "/", "-c", conf}
	if i.nginx.knowsErrorLogFlag() {
		args = append(args, "-e", "stderr")
	}
	return append(args, more...)
}

// frame is the whole configuration: what every instance needs around the http block.
func (i *Instance) frame(httpBlock string, generation int) string {
	var b strings.Builder
	for _, module := range i.nginx.Modules {
		fmt.Fprintf(&b, "load_module %s;\n", module)
	}
	fmt.Fprintf(&b, `daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr notice;

events {
    worker_connections 4096;
}

http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;

    # Tells which configuration is served, and by which worker.
    server {
        listen unix:%s;
        return 200 "%d $pid";
    }

%s}
`, filepath.Join(i.dir, socketName), generation, httpBlock)
	return b.String()
}

// replaceFile writes a file so that a reader sees the old or the new contents.
func replaceFile(file, contents string) error {
	next := file + ".next"
	if err := os.WriteFile(next, []byte(contents), 0o600); err != nil {
		return err
	}
	return os.Rename(next, file)
}
