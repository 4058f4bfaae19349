// SPDX-License-Identifier: Apache-2.0

//go:build realengine && linux

package engine

import (
	"os"
	"path/filepath"
	"testing"
)

// Run as root with `go test -tags realengine ./suites/platform/engine`: it starts, uses and stops a private engine.
func TestAPrivateEngineLeavesOnlyItsData(t *testing.T) {
	options := Options{Mode: Private, CacheDir: filepath.Join(t.TempDir(), "engine")}
	before := absent(sharedPaths[:])
	first, err := Ensure(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	defer func() {
		if !stopped {
			_ = first.Stop(t.Context())
		}
	}()
	if !first.Started() || !first.Private() {
		t.Errorf("started %v, private %v", first.Started(), first.Private())
	}
	second, err := Ensure(t.Context(), options)
	if err != nil || second.Started() || second.DockerHost() != first.DockerHost() {
		t.Fatalf("a second Ensure does not find the first engine: %+v, %v", second, err)
	}
	if err := second.CheckPrivileged(t.Context()); err != nil {
		t.Error(err)
	}
	p := first.private
	if err := second.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	stopped = true
	if p.state.Docker.alive() || p.state.Containerd.alive() {
		t.Error("a daemon still runs")
	}
	for _, path := range []string{p.paths.run, "/sys/class/net/" + p.paths.bridge()} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is still there", path)
		}
	}
	if folders := cgroupFolders(p.paths.cgroup()); len(folders) > 0 {
		t.Errorf("cgroups are still there: %q", folders)
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if points := mountPointsBelow(string(table), p.paths.run, p.paths.cache); len(points) > 0 {
		t.Errorf("still mounted: %q", points)
	}
	if after := absent(sharedPaths[:]); len(after) < len(before) {
		t.Errorf("before, %q were absent; now only %q are", before, after)
	}
}
