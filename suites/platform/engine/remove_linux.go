// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// shutDown is remove under the lock.
func (p *privateEngine) shutDown(ctx context.Context) error {
	unlock, err := lockFile(ctx, p.paths.lock())
	if err != nil {
		return err
	}
	defer unlock()
	return p.remove(ctx)
}

// remove ends the engine, if it still runs, and takes back everything it made outside its data root. It goes on when a
// step fails, so that as much as possible goes.
func (p *privateEngine) remove(ctx context.Context) error {
	var errs []error
	if p.state.Docker.alive() && p.ping(ctx) == nil {
		// Asked in order, the engine leaves no container, network or volume in its data root. What this misses, the
		// steps below find.
		if err := p.empty(ctx); err != nil {
			p.logger.Debug("emptying the private engine", "error", err)
		}
	}
	errs = append(errs, p.state.Docker.end(ctx, 10*time.Second), p.state.Containerd.end(ctx, 5*time.Second))
	killShims(p.paths.containerdSocket())
	killCgroup(p.paths.cgroup())
	removeDeadSockets(shimSockets)
	errs = append(errs, unmountBelow(p.paths.run, p.paths.cache), removeBridge(p.paths.bridge()))
	removeCgroups(ctx, p.paths.cgroup())
	for _, path := range p.state.Made {
		// Another engine may use the folder by now; then it is not empty and stays.
		_ = os.Remove(path)
	}
	errs = append(errs, os.RemoveAll(p.paths.run))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stopping the private Docker engine: %w", err)
	}
	return nil
}

func (p *privateEngine) empty(ctx context.Context) error {
	d := p.docker()
	containers, err := d.run(ctx, nil, "ps", "--all", "--quiet")
	if err != nil {
		return err
	}
	var errs []error
	if ids := strings.Fields(containers); len(ids) > 0 {
		_, err := d.run(ctx, nil, append([]string{"rm", "--force", "--volumes"}, ids...)...)
		errs = append(errs, err)
	}
	networks, err := d.run(ctx, nil, "network", "ls", "--quiet", "--filter", "type=custom")
	errs = append(errs, err)
	if ids := strings.Fields(networks); len(ids) > 0 {
		_, err := d.run(ctx, nil, append([]string{"network", "rm"}, ids...)...)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// killShims ends containerd's shims that a crash left: they carry our containerd's address on their command line.
func killShims(address string) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		line, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "cmdline"))
		if err != nil {
			continue
		}
		arguments := strings.Split(string(line), "\x00")
		if strings.Contains(filepath.Base(arguments[0]), "containerd-shim") && slices.Contains(arguments, address) {
			// A process that ended meanwhile is what is wanted.
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// shimSockets is where containerd's shims listen, whatever containerd's configuration says.
const shimSockets = "/run/containerd/s"

// removeDeadSockets removes sockets nobody listens on. Shims that were killed leave theirs.
func removeDeadSockets(folder string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		connection, err := net.Dial("unix", path)
		if err == nil {
			connection.Close()
		} else if errors.Is(err, syscall.ECONNREFUSED) {
			_ = os.Remove(path)
		}
	}
}

// cgroupFolders are our cgroup's folders in every hierarchy (v1 has several), parents first.
func cgroupFolders(cgroup string) []string {
	roots, _ := filepath.Glob("/sys/fs/cgroup/*" + cgroup)
	roots = append(roots, "/sys/fs/cgroup"+cgroup)
	var folders []string
	for _, root := range roots {
		// What cannot be read is gone: cgroups vanish while one walks.
		_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				folders = append(folders, path)
			}
			return nil
		})
	}
	return folders
}

func killCgroup(cgroup string) {
	for _, folder := range cgroupFolders(cgroup) {
		content, err := os.ReadFile(filepath.Join(folder, "cgroup.procs"))
		if err != nil {
			continue
		}
		for _, field := range strings.Fields(string(content)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 1 {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
}

// removeCgroups removes the empty folders, children first, and waits for the last processes in them to be gone.
func removeCgroups(ctx context.Context, cgroup string) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		folders := cgroupFolders(cgroup)
		if len(folders) == 0 {
			return
		}
		for _, folder := range slices.Backward(folders) {
			_ = unix.Rmdir(folder)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// unmountBelow detaches every mount below the folders, the deepest first.
func unmountBelow(folders ...string) error {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("listing the mounts: %w", err)
	}
	var errs []error
	for _, point := range mountPointsBelow(string(table), folders...) {
		if err := unix.Unmount(point, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			errs = append(errs, fmt.Errorf("unmounting %s: %w", point, err))
		}
	}
	return errors.Join(errs...)
}

// mountPointsBelow reads /proc/self/mountinfo (proc_pid_mountinfo(5), field 5, with octal escapes), last mount first.
func mountPointsBelow(table string, folders ...string) []string {
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var points []string
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		point := unescape.Replace(fields[4])
		for _, folder := range folders {
			if point == folder || strings.HasPrefix(point, folder+"/") {
				points = append(points, point)
				break
			}
		}
	}
	slices.Reverse(points)
	return points
}

// removeBridge deletes a bridge that a crash left: down first, then out (netdevice(7) and the kernel's bridge ioctls).
func removeBridge(name string) error {
	if _, err := os.Stat("/sys/class/net/" + name + "/bridge"); err != nil {
		return nil
	}
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("removing the bridge %s: %w", name, err)
	}
	defer unix.Close(socket)
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	request.SetUint16(0)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("taking the bridge %s down: %w", name, err)
	}
	if err := unix.IoctlIfreq(socket, unix.SIOCBRDELBR, request); err != nil {
		return fmt.Errorf("removing the bridge %s: %w", name, err)
	}
	return nil
}
