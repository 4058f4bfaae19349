// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
)

func TestFindTargetNamesTheFileThatSaysWhatTheProcessGets(t *testing.T) {
	cases := []struct {
		name, arguments string
		want            target
		found           bool
	}{
		{"create as containerd calls it",
			"--root /run/r --log /l/log.json --log-format json --systemd-cgroup create --bundle /b --pid-file /p/init.pid id1",
			target{"/b/config.json", true}, true},
		{"create with an equals sign", "--root=/run/r create --bundle=/b id1", target{"/b/config.json", true}, true},
		{"create with the short flag", "create -b /b id1", target{"/b/config.json", true}, true},
		{"create in the current folder", "create id1", target{"config.json", true}, true},
		{"run", "run --no-pivot -b /b id1", target{"/b/config.json", true}, true},
		{"exec as containerd calls it",
			"--root /run/r --log /l exec --process /tmp/runc-process1 --console-socket /c --detach --pid-file /p id1",
			target{"/tmp/runc-process1", false}, true},
		{"exec with flags before", "exec --tty -p /p.json id1", target{"/p.json", false}, true},
		{"exec without a process file", "exec id1 ls -p /p.json", target{}, false},
		{"a flag's value is no command", "--log create kill id1", target{}, false},
		{"state", "state id1", target{}, false},
		{"nothing", "", target{}, false},
		{"only flags", "--version", target{}, false},
		{"flag without its value", "exec --process", target{}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, found := findTarget(strings.Fields(c.arguments))
			if got != c.want || found != c.found {
				t.Errorf("got %+v %v, want %+v %v", got, found, c.want, c.found)
			}
		})
	}
}

func FuzzFindTarget(f *testing.F) {
	f.Add("--root /r create --bundle /b id")
	f.Add("exec --process")
	f.Add("-- - -b =")
	f.Fuzz(func(t *testing.T, arguments string) {
		findTarget(strings.Fields(arguments))
	})
}
