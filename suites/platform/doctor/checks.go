// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
)

const gib = 1 << 30

// What a run needs. A run with images from source takes most: compilers, root file systems and a node side by side.
const (
	diskLeast     = 3 * gib
	diskGood      = 12 * gib
	memoryLeast   = 2 * gib
	memoryGood    = 4 * gib
	coresGood     = 2
	instancesGood = 128
	watchesGood   = 65536
	// portsNeeded is about what one cluster publishes.
	portsNeeded = 20
)

// engineSeen is what was found out about the Docker engine.
type engineSeen struct {
	// host and version are of the engine that is there; empty when none is.
	host, version string
	private       bool
	// named tells that the user named this engine: no other will be taken.
	named bool
	// findErr is why looking for it failed.
	findErr error
	// startErr is why a private one cannot be started; nil when it can.
	startErr error
	// privilegedErr is why privileged containers do not run on the engine that is there.
	privilegedErr error
	// cgroup is the cgroup version of the engine's host.
	cgroup string
}

func checkEngine(e engineSeen) Result {
	const check = "Docker engine"
	switch {
	case e.findErr != nil:
		return fail(check, "not known", e.findErr.Error(), "correct what the message names")
	case e.host != "" && e.private:
		return ok(check, e.version+", the harness's own, at "+e.host)
	case e.host != "":
		return ok(check, e.version+" at "+e.host)
	case e.startErr == nil:
		return ok(check, "none runs; a private one will be started, docker.io installed if needed")
	}
	return fail(check, "none", "no engine answers, and a private one cannot be started here: "+e.startErr.Error(),
		"start Docker and let this user reach it, or run as root on Debian or Ubuntu")
}

func checkPrivileged(e engineSeen) Result {
	const check = "privileged containers"
	switch {
	case e.host == "":
		return ok(check, "tried when an engine is started")
	case e.privilegedErr == nil:
		return ok(check, "run")
	case e.named:
		return fail(check, "do not run on the engine at "+e.host, e.privilegedErr.Error(), "unset DOCKER_HOST, so that another engine is looked for")
	case e.private || e.startErr != nil:
		return fail(check, "do not run", e.privilegedErr.Error(), "use an engine that allows --privileged: kind's nodes need it")
	}
	return warn(check, "do not run on the engine at "+e.host, e.privilegedErr.Error(), "nothing: a private engine will be started instead")
}

func checkCgroup(version string) Result {
	const check = "cgroups"
	switch version {
	case "2":
		return ok(check, "version 2")
	case "1":
		return warn(check, "version 1", "Kubernetes and kind will drop it; it still works", "boot with cgroup v2 when you can (systemd.unified_cgroup_hierarchy=1)")
	}
	return warn(check, "not known", "neither the engine nor /sys/fs/cgroup tells the version", "see that /sys/fs/cgroup is mounted")
}

func checkCapabilities(missing []string, err error) Result {
	const check = "capabilities"
	switch {
	case err != nil:
		return ok(check, "not looked at on this system")
	case len(missing) == 0:
		return ok(check, "all that the kernel knows")
	}
	return warn(check, "without "+strings.Join(missing, ", "), "containers cannot get what the host lacks",
		"nothing: the private engine leaves it out; another engine may refuse privileged containers")
}

func checkDisk(what, folder string, free uint64, err error) Result {
	check := "disk for " + what
	if err != nil {
		return warn(check, folder, "cannot be measured: "+err.Error(), "see that the folder can be made")
	}
	seen := fmt.Sprintf("%s free at %s", inGiB(free), folder)
	switch {
	case free < diskLeast:
		return fail(check, seen, "a run needs at least "+inGiB(diskLeast), "free space, or set XDG_CACHE_HOME to a larger disk")
	case free < diskGood:
		return warn(check, seen, "building all images from source needs about "+inGiB(diskGood), "free space, or use IMAGES=registry")
	}
	return ok(check, seen)
}

// checkMemory reads /proc/meminfo (proc_meminfo(5), MemAvailable, in KiB).
func checkMemory(meminfo string) Result {
	const check = "memory"
	available, found := uint64(0), false
	for line := range strings.Lines(meminfo) {
		if value, has := strings.CutPrefix(line, "MemAvailable:"); has {
			kib, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 54)
			available, found = kib<<10, err == nil
		}
	}
	if !found {
		return warn(check, "not known", "/proc/meminfo has no MemAvailable", "see that "+inGiB(memoryGood)+" are available")
	}
	seen := inGiB(available) + " available"
	switch {
	case available < memoryLeast:
		return fail(check, seen, "a node and the parts under test need at least "+inGiB(memoryLeast), "end other programs")
	case available < memoryGood:
		return warn(check, seen, "compiling images beside a node needs about "+inGiB(memoryGood), "end other programs, or use IMAGES=registry")
	}
	return ok(check, seen)
}

func checkCores(cores int) Result {
	const check = "processors"
	if cores < coresGood {
		return warn(check, strconv.Itoa(cores), "waits will be long, and some may end at their deadline", fmt.Sprintf("use %d or more", coresGood))
	}
	return ok(check, strconv.Itoa(cores))
}

func checkFreePorts(got int, err error) Result {
	const check = "free ports"
	if got < portsNeeded {
		why := fmt.Sprintf("a cluster publishes about %d", portsNeeded)
		if err != nil {
			why += ": " + err.Error()
		}
		return fail(check, fmt.Sprintf("%d on 127.0.0.1", got), why, "end programs that hold ports, or widen net.ipv4.ip_local_port_range")
	}
	return ok(check, "on 127.0.0.1")
}

func checkFixedPort(port int, err error) Result {
	check := fmt.Sprintf("port %d", port)
	if err != nil {
		return fail(check, "in use on 127.0.0.1", err.Error(), "end what listens there, or leave the port out so that a free one is picked")
	}
	return ok(check, "free on 127.0.0.1")
}

// checkInotify reads the two numbers of /proc/sys/fs/inotify (inotify(7)): systemd, containerd, the kubelet and every
// watching pod take some of them.
func checkInotify(instances, watches string) Result {
	const check = "inotify limits"
	i, instancesErr := strconv.Atoi(strings.TrimSpace(instances))
	w, watchesErr := strconv.Atoi(strings.TrimSpace(watches))
	if instancesErr != nil || watchesErr != nil {
		return ok(check, "not looked at on this system")
	}
	seen := fmt.Sprintf("%d instances, %d watches", i, w)
	if i < instancesGood || w < watchesGood {
		return warn(check, seen, `pods may fail with "too many open files"`,
			"as root: sysctl fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=524288")
	}
	return ok(check, seen)
}

func checkRegistry(host string, err error) Result {
	check := "registry " + host
	if err != nil {
		return warn(check, "not reached", err.Error(), "nothing: images are built from source (IMAGES=auto); or let this host reach "+host)
	}
	return ok(check, "reached")
}

// checkGo takes what `go version` prints: "go version go1.26.1 linux/amd64".
func checkGo(output string, err error, least string) Result {
	const check = "Go toolchain"
	if err != nil {
		return warn(check, "none", "images from source and the private engine's runtime are compiled", "install Go "+least+" or newer, or use IMAGES=registry")
	}
	fields := strings.Fields(output)
	if len(fields) < 3 || !strings.HasPrefix(fields[2], "go") {
		return warn(check, strings.TrimSpace(output), "this is not what `go version` prints", "see that go in PATH is the Go toolchain")
	}
	version := strings.TrimPrefix(fields[2], "go")
	if older(version, least) {
		return warn(check, version, "the sources need Go "+least, "install Go "+least+" or newer")
	}
	return ok(check, version)
}

// older compares release numbers such as 1.9 and 1.26.1; what follows the numbers ("rc1") is not looked at.
func older(version, least string) bool {
	a, b := numbers(version), numbers(least)
	for i := range b {
		if i >= len(a) || a[i] != b[i] {
			return i >= len(a) || a[i] < b[i]
		}
	}
	return false
}

func numbers(version string) []int {
	var list []int
	for part := range strings.SplitSeq(version, ".") {
		end := strings.IndexFunc(part, func(r rune) bool { return r < '0' || r > '9' })
		digits := part
		if end >= 0 {
			digits = part[:end]
		}
		number, err := strconv.Atoi(digits)
		if err != nil {
			break
		}
		list = append(list, number)
		if end >= 0 {
			break
		}
	}
	return list
}

func checkProgram(name, path string, err error, need string, root bool) Result {
	switch {
	case err == nil:
		return ok(name, path)
	case root:
		return ok(name, "not installed; it will be when "+need)
	}
	return warn(name, "not installed", "needed when "+need, "as root: apt-get install "+name)
}

func inGiB(bytes uint64) string { return fmt.Sprintf("%.1f GiB", float64(bytes)/gib) }

// leastGo is the release this program was made for.
func leastGo() string {
	return strings.Join(strings.SplitN(strings.TrimPrefix(runtime.Version(), "go"), ".", 3)[:2], ".")
}
