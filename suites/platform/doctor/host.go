// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/ingress-auth/conformance/suites/platform/engine"
)

// registryTimeout is how long a registry has to answer.
const registryTimeout = 3 * time.Second

// Options say what to look at. The zero value serves.
type Options struct {
	// Engine is how a run would look for its engine.
	Engine engine.Options
	// CacheDir is where images and the engine's data go; $XDG_CACHE_HOME/ingress-auth-conformance when empty.
	CacheDir string
	// Ports are the ports of loopback the user fixed.
	Ports []int
	// Registries are the hosts images are pulled from; registry.k8s.io and registry-1.docker.io when nil.
	Registries []string
	// Client asks the registries; http.DefaultClient when nil.
	Client *http.Client
}

func (o Options) withDefaults() Options {
	if o.CacheDir == "" {
		if cache, err := os.UserCacheDir(); err == nil {
			o.CacheDir = filepath.Join(cache, "ingress-auth-conformance")
		}
	}
	if o.Registries == nil {
		o.Registries = []string{"registry.k8s.io", "registry-1.docker.io"}
	}
	if o.Client == nil {
		o.Client = http.DefaultClient
	}
	return o
}

// checks lists every check with the reading it needs, in the order of the report.
func checks(o Options) []func(context.Context) Result {
	var once sync.Once
	var seen engineSeen
	withEngine := func(check func(engineSeen) Result) func(context.Context) Result {
		return func(ctx context.Context) Result {
			once.Do(func() { seen = lookAtEngine(ctx, o.Engine) })
			return check(seen)
		}
	}
	list := []func(context.Context) Result{
		withEngine(checkEngine),
		withEngine(checkPrivileged),
		withEngine(func(e engineSeen) Result {
			if e.cgroup == "" {
				return checkCgroup(hostCgroupVersion("/sys/fs/cgroup"))
			}
			return checkCgroup(e.cgroup)
		}),
		func(context.Context) Result { return checkCapabilities(engine.MissingCapabilities()) },
		func(context.Context) Result {
			free, err := diskFree(existing(o.CacheDir))
			return checkDisk("images and engine", o.CacheDir, free, err)
		},
		func(context.Context) Result {
			folder := os.TempDir()
			free, err := diskFree(folder)
			return checkDisk("builds", folder, free, err)
		},
		func(context.Context) Result { return checkMemory(read("/proc/meminfo")) },
		func(context.Context) Result { return checkCores(runtime.NumCPU()) },
		func(context.Context) Result {
			return checkInotify(read("/proc/sys/fs/inotify/max_user_instances"), read("/proc/sys/fs/inotify/max_user_watches"))
		},
		func(context.Context) Result { return checkFreePorts(bindPorts(portsNeeded)) },
	}
	for _, port := range o.Ports {
		list = append(list, func(context.Context) Result { return checkFixedPort(port, bind(port)) })
	}
	list = append(list, func(ctx context.Context) Result {
		out, err := exec.CommandContext(ctx, "go", "version").Output()
		return checkGo(string(out), err, leastGo())
	})
	for _, program := range []struct{ name, need string }{{"debootstrap", "images are built from source"}, {"nginx", "the local platform is used"}} {
		list = append(list, func(context.Context) Result {
			path, err := look(program.name)
			return checkProgram(program.name, path, err, program.need, os.Geteuid() == 0)
		})
	}
	for _, host := range o.Registries {
		list = append(list, func(ctx context.Context) Result {
			return checkRegistry(host, reach(ctx, o.Client, "https://"+host+"/v2/"))
		})
	}
	return list
}

func lookAtEngine(ctx context.Context, options engine.Options) engineSeen {
	seen := engineSeen{startErr: engine.CanStartPrivate()}
	found, err := engine.Find(ctx, options)
	if err != nil {
		seen.findErr = err
		return seen
	}
	if found == nil {
		if host := os.Getenv("DOCKER_HOST"); host != "" {
			seen.findErr = fmt.Errorf("DOCKER_HOST is %s, and nothing answers there", host)
		}
		return seen
	}
	seen.host, seen.version, seen.private = found.DockerHost(), found.Version(), found.Private()
	seen.named = !seen.private && os.Getenv("DOCKER_HOST") != ""
	seen.privilegedErr = found.CheckPrivileged(ctx)
	if version, err := found.CgroupVersion(ctx); err == nil {
		seen.cgroup = version
	}
	return seen
}

// hostCgroupVersion looks at the root of the hierarchy: only version 2 has cgroup.controllers there.
func hostCgroupVersion(root string) string {
	if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err == nil {
		return "2"
	}
	if _, err := os.Stat(filepath.Join(root, "memory")); err == nil {
		return "1"
	}
	return ""
}

// existing is the nearest folder that is there: the cache may not be made yet.
func existing(folder string) string {
	for folder != filepath.Dir(folder) {
		if _, err := os.Stat(folder); err == nil {
			return folder
		}
		folder = filepath.Dir(folder)
	}
	return folder
}

// read returns nothing for a file that cannot be read; the check then says that it does not know.
func read(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(content)
}

func look(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return exec.LookPath(filepath.Join("/usr/sbin", name))
}

func bind(port int) error {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return listener.Close()
}

// bindPorts binds free ports all at once, and returns how many it got.
func bindPorts(wanted int) (int, error) {
	for got := range wanted {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return got, err
		}
		defer listener.Close()
	}
	return wanted, nil
}

// reach asks for the registry's API base (OCI distribution spec, "end-1"): 200, or 401 where it wants a
// token first.
func reach(ctx context.Context, client *http.Client, url string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, registryTimeout, fmt.Errorf("no answer within %s", registryTimeout))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusUnauthorized {
		return fmt.Errorf("%s does not answer as a registry (%s)", url, response.Status)
	}
	return nil
}
