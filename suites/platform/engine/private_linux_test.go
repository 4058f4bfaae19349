// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestParseStatSurvivesOddProgramNames(t *testing.T) {
	tail := " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20\n"
	for _, name := range []string{"dockerd", "a b", ") S 1", "((("} {
		ticks, status, err := parseStat("77 (" + name + ")" + tail)
		if err != nil || ticks != 4242 || status != "S" {
			t.Errorf("%q: %d %q %v", name, ticks, status, err)
		}
	}
	for _, line := range []string{"", "1 (x) S", "1 x S 1"} {
		if _, _, err := parseStat(line); err == nil {
			t.Errorf("%q: no error", line)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("77 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20\n")
	f.Add(")")
	f.Fuzz(func(t *testing.T, line string) { _, _, _ = parseStat(line) })
}

func TestAProcessIsItsNumberAndItsStartTime(t *testing.T) {
	self, err := processByPID(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if !self.alive() {
		t.Error("this process is not alive")
	}
	self.StartTicks++
	if self.alive() {
		t.Error("another process under the same number passes for this one")
	}
	if (process{}).alive() || (process{PID: 1}).alive() {
		t.Error("no process and PID 1 must never be ended")
	}
}

func TestMountPointsBelowAreTheDeepestFirst(t *testing.T) {
	table := "1 0 8:1 / / rw - ext4 /dev/a rw\n" +
		"2 1 0:1 / /run/x rw - tmpfs t rw\n" +
		"3 2 0:2 / /run/x/net\\040ns/1 rw - nsfs n rw\n" +
		"4 1 0:3 / /run/xy rw - tmpfs t rw\n" +
		"5 1 0:4 / /cache/data/merged rw - overlay o rw\n" +
		"short line\n"
	want := []string{"/cache/data/merged", "/run/x/net ns/1", "/run/x"}
	if got := mountPointsBelow(table, "/run/x", "/cache"); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzMountPointsBelow(f *testing.F) {
	f.Add("3 2 0:2 / /run/x/net\\040ns/1 rw - nsfs n rw\n")
	f.Fuzz(func(t *testing.T, table string) {
		for _, point := range mountPointsBelow(table, "/run/x") {
			if len(point) < len("/run/x") {
				t.Errorf("%q is not below", point)
			}
		}
	})
}

func TestOnlyDeadSocketsGo(t *testing.T) {
	folder := t.TempDir()
	dead, live := filepath.Join(folder, "dead"), filepath.Join(folder, "live")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	listener.Close()
	open, err := net.Listen("unix", live)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	removeDeadSockets(folder)
	if _, err := os.Lstat(dead); err == nil {
		t.Error("the dead socket stays")
	}
	if _, err := os.Lstat(live); err != nil {
		t.Error("the live socket is gone")
	}
}

func TestTheLockIsHeldByOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lockFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := lockFile(cancelled, path); !errors.Is(err, context.Canceled) {
		t.Fatalf("two hold the lock: %v", err)
	}
	unlock()
	again, err := lockFile(cancelled, path)
	if err != nil {
		t.Fatalf("the lock stays: %v", err)
	}
	again()
}
