// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	kinderrors "sigs.k8s.io/kind/pkg/errors"
	kindexec "sigs.k8s.io/kind/pkg/exec"

	"github.com/ingress-auth/conformance/suites/platform"
)

func TestOptionsAreChecked(t *testing.T) {
	cases := []struct {
		name    string
		options Options
		want    string // error words; empty for none
	}{
		{"none", Options{}, ""},
		{"good ports", Options{Ports: []PortMapping{{"a", 1, 0}, {"b", 2, 0}, {"c", 3, 80}}}, ""},
		{"a name kind refuses", Options{Name: "Über"}, "lower-case"},
		{"a name too long", Options{Name: strings.Repeat("a", 51)}, "at most 50"},
		{"no port name", Options{Ports: []PortMapping{{"", 1, 0}}}, "name of its own"},
		{"a port name twice", Options{Ports: []PortMapping{{"a", 1, 0}, {"a", 2, 0}}}, "name of its own"},
		{"a node port twice", Options{Ports: []PortMapping{{"a", 1, 0}, {"b", 1, 0}}}, "node port of its own"},
		{"no node port", Options{Ports: []PortMapping{{"a", 0, 0}}}, "node port of its own"},
		{"a host port twice", Options{Ports: []PortMapping{{"a", 1, 80}, {"b", 2, 80}}}, "host port of its own"},
		{"a host port too high", Options{Ports: []PortMapping{{"a", 1, 65536}}}, "host port of its own"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.options.withDefaults()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestStateIsReadAsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deeper", "cluster.json")
	if s, err := readState(path); s != nil || err != nil {
		t.Fatalf("no file: %v, %v", s, err)
	}
	want := state{Name: "n", DockerHost: "h", NodeImage: "i", Mappings: []PortMapping{{"a", 1, 2}}, MadeNetwork: true, Complete: true}
	if err := want.write(path); err != nil {
		t.Fatal(err)
	}
	got, err := readState(path)
	if err != nil || !reflect.DeepEqual(*got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left over: %v, %v", entries, err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readState(path); err == nil {
		t.Error("half a file is read without an error")
	}
}

func TestFindWithoutAUsableStateSaysSo(t *testing.T) {
	for name, content := range map[string]string{"none": "", "broken": "{", "unfinished": `{"name":"n"}`} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if content != "" {
				if err := os.WriteFile(filepath.Join(dir, "cluster.json"), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := Find(t.Context(), Options{StateDir: dir}); !errors.Is(err, ErrNotFound) {
				t.Errorf("got %v", err)
			}
		})
	}
}

const inspected = `[{"State":{"Running":true},"Config":{"Image":"node:1"},"NetworkSettings":{"Ports":{
	"6443/tcp":[{"HostIp":"127.0.0.1","HostPort":"32768"}],
	"30080/tcp":[{"HostIp":"0.0.0.0","HostPort":"1"},{"HostIp":"127.0.0.1","HostPort":"32769"}],
	"30443/tcp":null}}}]`

func TestPortsAreReadBackFromTheNode(t *testing.T) {
	node, err := parseInspect([]byte(inspected))
	if err != nil {
		t.Fatal(err)
	}
	if !node.State.Running || node.Config.Image != "node:1" {
		t.Errorf("got %+v", node)
	}
	ports, err := node.published([]PortMapping{{"http", 30080, 0}})
	if err != nil || ports["http"] != "127.0.0.1:32769" {
		t.Errorf("got %v, %v", ports, err)
	}
	for _, missing := range []int{30443, 1} {
		if _, err := node.published([]PortMapping{{"https", missing, 0}}); err == nil || !strings.Contains(err.Error(), "https") {
			t.Errorf("%d: got %v", missing, err)
		}
	}
}

func FuzzParseInspect(f *testing.F) {
	f.Add([]byte(inspected))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, content []byte) {
		if node, err := parseInspect(content); err == nil {
			_, _ = node.published([]PortMapping{{"http", 30080, 0}})
		}
	})
}

func TestACancelledCreationIsTakenAwayUntilKindGivesUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	removed := make(chan struct{}, 100)
	// Like kind: deaf to the context, fails when its container is gone; the first removal comes too early for it.
	create := func() error {
		cancel()
		<-removed
		<-removed
		return errors.New("no such container")
	}
	calls := 0
	err := whileAlive(ctx, create, func(ctx context.Context) error {
		if ctx.Err() != nil {
			t.Error("the way back has no time left")
		}
		calls++
		removed <- struct{}{}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if calls < 3 {
		t.Errorf("removed %d times; a container made between the last removal and the end stays", calls)
	}
}

func TestACreationThatEndsIsNotTakenAway(t *testing.T) {
	for _, want := range []error{nil, errors.New("kubeadm")} {
		err := whileAlive(t.Context(), func() error { return want }, func(context.Context) error {
			t.Error("removed")
			return nil
		})
		if !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}

func TestAFixedPortInUseIsTheEnvironmentsFault(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	err = checkFree(PortMapping{Name: "https", NodePort: 1, HostPort: port})
	var notReady *platform.NotReadyError
	if !errors.As(err, &notReady) || !strings.Contains(err.Error(), fmt.Sprint(port)) || !strings.Contains(err.Error(), "https") {
		t.Errorf("got %v", err)
	}
	listener.Close()
	if err := checkFree(PortMapping{Name: "https", NodePort: 1, HostPort: port}); err != nil {
		t.Errorf("free: %v", err)
	}
}

func TestPortTakenKnowsDockersWords(t *testing.T) {
	failed := func(output string) error {
		return kinderrors.Wrap(kinderrors.WithStack(&kindexec.RunError{Command: []string{"docker", "run"}, Output: []byte(output), Inner: errors.New("exit status 125")}), "creating")
	}
	cases := []struct {
		output string
		want   bool
	}{
		{"Bind for 127.0.0.1:8080 failed: port is already allocated.", true},
		{"listen tcp4 127.0.0.1:8080: bind: address already in use", true},
		{"no space left on device", false},
	}
	for _, c := range cases {
		if got := portTaken(failed(c.output)); got != c.want {
			t.Errorf("%q: %v", c.output, got)
		}
	}
	if text := explain(failed("first\nlast")).Error(); !strings.Contains(text, "last") {
		t.Errorf("%q does not carry what docker printed", text)
	}
}

func TestReasonIsTheErrorAndNotTheStackAfterIt(t *testing.T) {
	cases := []struct{ name, output, want string }{
		{"kubeadm's stack follows its error", "I0101 verbose\nerror execution phase x: because\nmain.main\n\tkubeadm.go:25", "error execution phase x: because | main.main | \tkubeadm.go:25"},
		{"no such line: the last ones", "1\n2\n3\n4\n5\n6\n7\n", "2 | 3 | 4 | 5 | 6 | 7"},
		{"a long stack is cut", "error: a\n1\n2\n3\n4\n5\n6\n7", "error: a | 1 | 2 | 3 | 4 | 5"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := reason(c.output); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestKindsStatusLinesBecomeProgress(t *testing.T) {
	var steps []string
	logger := kindLogger{logger: slog.New(slog.DiscardHandler), progress: func(step string) { steps = append(steps, step) }}
	logger.V(0).Infof(" • %s  ...\n", "Ensuring node image (kindest/node:v1) 🖼️")
	logger.V(0).Infof(" • %s  ...\n", "Preparing nodes 📦 📦 ")
	logger.V(0).Infof(" ✓ %s\n", "Preparing nodes 📦 ")
	logger.V(0).Infof(" • %s  ...\n", "Starting control-plane 🕹️")
	logger.V(1).Info("• detail")
	want := []string{"Ensuring node image (kindest/node:v1)", "Preparing nodes", "Starting control-plane"}
	if !reflect.DeepEqual(steps, want) {
		t.Errorf("got %q, want %q", steps, want)
	}
	if logger.V(3).Enabled() {
		t.Error("kubeadm's output is logged")
	}
}
