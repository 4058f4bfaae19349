// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryCheckTellsGoodFromBad(t *testing.T) {
	broken := errors.New("broken")
	running := engineSeen{host: "unix:///s", version: "27.1"}
	cases := []struct {
		name   string
		result Result
		status Status
		words  string // somewhere in seen, wrong or do
	}{
		{"an engine is there", checkEngine(running), OK, "27.1"},
		{"a private engine is there", checkEngine(engineSeen{host: "unix:///s", private: true}), OK, "own"},
		{"no engine, one can be started", checkEngine(engineSeen{}), OK, "will be started"},
		{"no engine, none can be started", checkEngine(engineSeen{startErr: errors.New("needs root")}), Fail, "needs root"},
		{"the named engine does not answer", checkEngine(engineSeen{findErr: broken}), Fail, "broken"},
		{"privileged containers run", checkPrivileged(running), OK, "run"},
		{"privileged containers do not run, a private engine can help", checkPrivileged(engineSeen{host: "h", privilegedErr: broken}), Warn, "private"},
		{"privileged containers do not run, nothing helps", checkPrivileged(engineSeen{host: "h", privilegedErr: broken, startErr: broken}), Fail, "--privileged"},
		{"privileged containers do not run on the private engine", checkPrivileged(engineSeen{host: "h", private: true, privilegedErr: broken}), Fail, "broken"},
		{"privileged containers do not run on the named engine", checkPrivileged(engineSeen{host: "h", named: true, privilegedErr: broken}), Fail, "DOCKER_HOST"},
		{"cgroup v2", checkCgroup("2"), OK, "2"},
		{"cgroup v1", checkCgroup("1"), Warn, "v2"},
		{"no cgroups", checkCgroup(""), Warn, "/sys/fs/cgroup"},
		{"all capabilities", checkCapabilities(nil, nil), OK, "all"},
		{"a capability less", checkCapabilities([]string{"CAP_SYS_RESOURCE"}, nil), Warn, "CAP_SYS_RESOURCE"},
		{"much disk", checkDisk("x", "/d", 100*gib, nil), OK, "100.0 GiB"},
		{"some disk", checkDisk("x", "/d", 5*gib, nil), Warn, "IMAGES=registry"},
		{"little disk", checkDisk("x", "/d", 1*gib, nil), Fail, "1.0 GiB"},
		{"unknown disk", checkDisk("x", "/d", 0, broken), Warn, "broken"},
		{"much memory", checkMemory("MemTotal: 1 kB\nMemAvailable:   16777216 kB\n"), OK, "16.0 GiB"},
		{"some memory", checkMemory("MemAvailable: 3145728 kB\n"), Warn, "3.0 GiB"},
		{"little memory", checkMemory("MemAvailable: 1048576 kB\n"), Fail, "1.0 GiB"},
		{"unknown memory", checkMemory("MemTotal: 1 kB\n"), Warn, "MemAvailable"},
		{"odd memory", checkMemory("MemAvailable: much\n"), Warn, "MemAvailable"},
		{"two processors", checkCores(2), OK, "2"},
		{"one processor", checkCores(1), Warn, "deadline"},
		{"enough ports", checkFreePorts(portsNeeded, nil), OK, "127.0.0.1"},
		{"few ports", checkFreePorts(3, broken), Fail, "broken"},
		{"a fixed port is free", checkFixedPort(8443, nil), OK, "free"},
		{"a fixed port is taken", checkFixedPort(8443, broken), Fail, "broken"},
		{"inotify", checkInotify("128\n", "192536\n"), OK, "128"},
		{"few inotify instances", checkInotify("64\n", "192536\n"), Warn, "sysctl"},
		{"few inotify watches", checkInotify("128\n", "8192\n"), Warn, "sysctl"},
		{"no inotify", checkInotify("", ""), OK, "not looked at"},
		{"the registry answers", checkRegistry("r", nil), OK, "reached"},
		{"the registry does not", checkRegistry("r", broken), Warn, "from source"},
		{"Go", checkGo("go version go1.26.1 linux/amd64\n", nil, "1.26"), OK, "1.26.1"},
		{"a newer Go", checkGo("go version go2.0 linux/amd64\n", nil, "1.26"), OK, "2.0"},
		{"a release candidate", checkGo("go version go1.27rc1 linux/amd64\n", nil, "1.26"), OK, "1.27rc1"},
		{"an old Go", checkGo("go version go1.9.7 linux/amd64\n", nil, "1.26"), Warn, "1.26"},
		{"another go", checkGo("gcc go", nil, "1.26"), Warn, "PATH"},
		{"no Go", checkGo("", broken, "1.26"), Warn, "install Go 1.26"},
		{"a program", checkProgram("nginx", "/usr/sbin/nginx", nil, "x", false), OK, "/usr/sbin/nginx"},
		{"no program, root", checkProgram("nginx", "", broken, "x", true), OK, "will be"},
		{"no program", checkProgram("nginx", "", broken, "x", false), Warn, "apt-get install nginx"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.result.Status != c.status {
				t.Errorf("%+v, want %s", c.result, c.status)
			}
			if !strings.Contains(c.result.Seen+c.result.Wrong+c.result.Do, c.words) {
				t.Errorf("%+v does not say %q", c.result, c.words)
			}
			if told := c.result.Wrong != "" && c.result.Do != ""; told == (c.status == OK) {
				t.Errorf("%+v: what is wrong and what to do belong to warn and fail, and to nothing else", c.result)
			}
		})
	}
}

func TestWriteShowsEveryResultAndSumsUp(t *testing.T) {
	cases := []struct {
		results []Result
		last    string
	}{
		{[]Result{ok("a", "seen-a")}, "Ready.\n"},
		{[]Result{ok("a", "seen-a"), warn("bb", "seen-b", "wrong-b", "do-b")}, "Ready, with 1 warning(s).\n"},
		{[]Result{ok("a", "seen-a"), fail("bb", "seen-b", "wrong-b", "do-b")}, "Not ready: 1 of 2 checks failed.\n"},
	}
	for _, c := range cases {
		var text strings.Builder
		if err := Write(&text, c.results, false); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(text.String(), c.last) {
			t.Errorf("%q does not end in %q", text.String(), c.last)
		}
		for _, result := range c.results {
			for _, words := range []string{result.Check, result.Seen, result.Wrong, result.Do} {
				if !strings.Contains(text.String(), words) {
					t.Errorf("%q is not in %q", words, text.String())
				}
			}
		}
		if strings.Contains(text.String(), "\x1b") {
			t.Error("colors without being asked")
		}
		if failed := strings.HasPrefix(c.last, "Not"); Failed(c.results) != failed {
			t.Errorf("Failed is %v", !failed)
		}
	}
}

func TestARegistryIsReachedWhenItAnswers(t *testing.T) {
	cases := []struct {
		status int
		fails  bool
	}{{http.StatusOK, false}, {http.StatusUnauthorized, false}, {http.StatusBadGateway, true}, {http.StatusNotFound, true}}
	for _, c := range cases {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodHead || r.URL.Path != "/v2/" {
				t.Errorf("%s %s", r.Method, r.URL.Path)
			}
			w.WriteHeader(c.status)
		}))
		if err := reach(t.Context(), server.Client(), server.URL+"/v2/"); (err != nil) != c.fails {
			t.Errorf("%d: %v", c.status, err)
		}
		server.Close()
		if err := reach(t.Context(), server.Client(), server.URL+"/v2/"); err == nil {
			t.Error("a closed server is reached")
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := reach(cancelled, http.DefaultClient, "http://127.0.0.1:1/v2/"); err == nil {
		t.Error("reached after the end")
	}
}

func TestHostCgroupVersion(t *testing.T) {
	none, one, two := t.TempDir(), t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(one, "memory"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(two, "cgroup.controllers"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for root, want := range map[string]string{none: "", one: "1", two: "2"} {
		if got := hostCgroupVersion(root); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestPortsAreBoundForReal(t *testing.T) {
	if got, err := bindPorts(3); got != 3 || err != nil {
		t.Errorf("got %d, %v", got, err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if bind(port) == nil {
		t.Error("a taken port is free")
	}
	listener.Close()
	if err := bind(port); err != nil {
		t.Errorf("a free port: %v", err)
	}
}

func TestExistingIsTheNearestFolder(t *testing.T) {
	folder := t.TempDir()
	if got := existing(filepath.Join(folder, "a", "b")); got != folder {
		t.Errorf("got %s, want %s", got, folder)
	}
}

func FuzzCheckMemory(f *testing.F) {
	f.Add("MemAvailable:   16777216 kB\n")
	f.Add("MemAvailable: 99999999999999999999 kB")
	f.Fuzz(func(t *testing.T, meminfo string) {
		if checkMemory(meminfo).Seen == "" {
			t.Error("nothing seen")
		}
	})
}

func FuzzCheckGo(f *testing.F) {
	f.Add("go version go1.26.1 linux/amd64\n")
	f.Add("go version go linux")
	f.Fuzz(func(t *testing.T, output string) {
		if checkGo(output, nil, "1.26").Status == Fail {
			t.Error("Go is never a reason to fail")
		}
	})
}
