// SPDX-License-Identifier: Apache-2.0

//go:build unix

package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
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

// pollInterval is how often Observe asks for the configuration that is served.
const pollInterval = 3 * time.Millisecond

// Instance is one nginx master process with one worker, in a folder of its own. Configurations are handed to it as the
// contents of the http block; the rest is the instance's. It is safe for concurrent use.
type Instance struct {
	nginx Nginx
	dir   string
	log   *Log

	mu         sync.Mutex
	process    *Process
	generation int
	loadedAt   int // position in the log when the current generation was handed over
	refused    int // the newest generation that AwaitRefusal has told of
	workers    workers
}

// ConfigError is nginx's refusal of a configuration.
type ConfigError struct {
	// Message is nginx's own, without folder names.
	Message string
	// Line is where, 1 for the first of the whole file; 0 when nginx does not say.
	Line int
	// Config is the refused configuration.
	Config string
}

// Error implements error.
func (e *ConfigError) Error() string { return "nginx refuses the configuration: " + e.Message }

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
	if i.process != nil && !i.ended() {
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

// Observe waits until the configuration loaded last is the only one that takes new connections. It returns a
// *ConfigError as soon as nginx says that it does not take it.
func (i *Instance) Observe(ctx context.Context) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		seen, err := i.look(ctx)
		if err != nil || seen == "" {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for nginx to serve its new configuration: %w; last seen: %s", ctx.Err(), seen)
		}
	}
}

// look returns "" when the current generation is served alone, or else what there is instead.
func (i *Instance) look(ctx context.Context) (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.process == nil {
		return "", errors.New("nginx was never started")
	}
	ended := i.ended()
	if err := i.refusal(ended); err != nil {
		if AddressInUse(err) && !ended {
			// It would try again for seconds; the caller has better addresses by then.
			err = errors.Join(err, i.process.Stop(ctx))
		}
		return "", err
	}
	generation, pid, err := i.ask(ctx)
	if err != nil {
		return err.Error(), nil
	}
	if generation != i.generation {
		return fmt.Sprintf("configuration %d of %d", generation, i.generation), nil
	}
	lines, next, _ := i.log.Since(i.workers.read)
	i.workers.follow(lines, next)
	if others := i.workers.accepting(pid); others > 0 {
		return fmt.Sprintf("%d worker of an earlier configuration", others), nil
	}
	return "", nil
}

func (i *Instance) ended() bool {
	select {
	case <-i.process.Done():
		return true
	default:
		return false
	}
}

// refusal finds what nginx said against the current generation.
func (i *Instance) refusal(ended bool) error {
	lines, _, _ := i.log.Since(i.loadedAt)
	var refused *ConfigError
	for _, line := range lines {
		if refused = parseRefusal(line, i.dir, i.Config()); refused != nil {
			break
		}
	}
	switch {
	case refused != nil:
		return refused
	case ended:
		return fmt.Errorf("nginx ended unexpectedly (%v); its log ends with: %s", i.process.Err(), lastLine([]byte(i.log.String())))
	}
	return nil
}

// addressInUse says whether another program took a port that was free before.
func (e *ConfigError) addressInUse() bool {
	return strings.Contains(e.Message, "Address already in use") || strings.Contains(e.Message, "still could not bind")
}

// AwaitRefusal returns when nginx, running on, has refused the configuration that was loaded last, and that is newer than
// the one of the last call. The refusal is the first result.
func (i *Instance) AwaitRefusal(ctx context.Context) (*ConfigError, error) {
	for {
		refused, changed := i.newRefusal()
		if refused != nil {
			return refused, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for nginx to refuse a configuration: %w", ctx.Err())
		}
	}
}

func (i *Instance) newRefusal() (*ConfigError, <-chan struct{}) {
	i.mu.Lock()
	defer i.mu.Unlock()
	lines, _, changed := i.log.Since(i.loadedAt)
	if i.generation <= i.refused {
		return nil, changed
	}
	for _, line := range lines {
		if refused := parseRefusal(line, i.dir, i.Config()); refused != nil {
			i.refused = i.generation
			return refused, changed
		}
	}
	return nil, changed
}

// AddressInUse says whether err is nginx's complaint that a port was taken in the meantime.
func AddressInUse(err error) bool {
	var refused *ConfigError
	return errors.As(err, &refused) && refused.addressInUse()
}

// ask returns the generation that answers now and the worker that serves it.
func (i *Instance) ask(ctx context.Context) (generation, pid int, err error) {
	socket := filepath.Join(i.dir, socketName)
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://observe/", nil)
	if err != nil {
		return 0, 0, err
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, 0, fmt.Errorf("no answer: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 64))
	if err != nil {
		return 0, 0, fmt.Errorf("no answer: %w", err)
	}
	if _, err := fmt.Sscanf(string(body), "%d %d", &generation, &pid); err != nil {
		return 0, 0, fmt.Errorf("an answer that is not nginx's: %q", body)
	}
	return generation, pid, nil
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

var refusalLine = regexp.MustCompile(`\[emerg\] (?:\d+#\d+: )?(.*?)(?: in (\S+):(\d+))?\s*$`)

// parseRefusal reads nginx's log line of a configuration it does not take; nil for any other line.
func parseRefusal(line, dir, conf string) *ConfigError {
	m := refusalLine.FindStringSubmatch(line)
	if m == nil {
		return nil
	}
	refused := &ConfigError{Message: strings.ReplaceAll(m[1], dir+"/", ""), Config: conf}
	refused.Line, _ = strconv.Atoi(m[3])
	return refused
}

// replaceFile writes a file so that a reader sees the old or the new contents.
func replaceFile(file, contents string) error {
	next := file + ".next"
	if err := os.WriteFile(next, []byte(contents), 0o600); err != nil {
		return err
	}
	return os.Rename(next, file)
}

// workers follows, by the log, which workers have been started and which have stopped taking connections.
type workers struct {
	read    int
	started []int
}

var (
	workerStarted = regexp.MustCompile(`\[notice\] \d+#\d+: start worker process (\d+)$`)
	workerQuits   = regexp.MustCompile(`\[notice\] (\d+)#\d+: (?:gracefully shutting down|exiting|exit)$`)
	workerGone    = regexp.MustCompile(`worker process (\d+) exited`)
)

func (w *workers) follow(lines []string, next int) {
	for _, line := range lines {
		if m := workerStarted.FindStringSubmatch(line); m != nil {
			pid, _ := strconv.Atoi(m[1])
			w.started = append(w.started, pid)
		}
		for _, end := range []*regexp.Regexp{workerQuits, workerGone} {
			if m := end.FindStringSubmatch(line); m != nil {
				pid, _ := strconv.Atoi(m[1])
				w.started = slices.DeleteFunc(w.started, func(p int) bool { return p == pid })
			}
		}
	}
	w.read = next
}

// accepting counts the workers other than pid that still take connections.
func (w *workers) accepting(pid int) int {
	n := 0
	for _, p := range w.started {
		if p != pid {
			n++
		}
	}
	return n
}
