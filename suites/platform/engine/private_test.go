// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

func TestDockerdConfigSharesNothing(t *testing.T) {
	p := paths{cache: "/cache", run: "/run/x"}
	content, err := dockerdConfig(p, netip.MustParsePrefix("10.1.0.0/20"), "/cache/bin/trim", p.cgroup())
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := json.Unmarshal(content, &config); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{"bridge": "none", "iptables": false, "ip6tables": false, "ip-forward": false, "ip-masq": false,
		"userland-proxy": true, "default-runtime": "trimmed", "data-root": "/cache/data", "containerd": "/run/x/containerd.sock"} {
		if config[key] != want {
			t.Errorf("%s is %v, want %v", key, config[key], want)
		}
	}
	content, err = dockerdConfig(p, netip.MustParsePrefix("10.1.0.0/20"), "", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"default-runtime", "runtimes", "cgroup-parent"} {
		if strings.Contains(string(content), key) {
			t.Errorf("%s is set on a host that does not need it", key)
		}
	}
}

func TestSocketPathsFitTheKernelsLimit(t *testing.T) {
	options, err := Options{CacheDir: "/home/somebody/" + strings.Repeat("deep/", 40) + "cache"}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	p := paths{cache: options.CacheDir, run: options.RunDir}
	// sun_path holds 108 bytes with the final zero (unix(7)); containerd adds ".ttrpc", libnetwork a socket of 40 more.
	if longest := p.execRoot() + "/libnetwork/0123456789ab.sock"; len(longest) > 107 {
		t.Errorf("%s has %d bytes", longest, len(longest))
	}
	if name := p.bridge(); len(name) > 15 {
		t.Errorf("the bridge's name %s has %d bytes, the kernel takes 15", name, len(name))
	}
}

func TestFreePoolAvoidsNetworksInUse(t *testing.T) {
	first := netip.MustParsePrefix(candidatePools[0])
	cases := []struct {
		name  string
		inUse []string
		want  string
	}{
		{"nothing in use", nil, candidatePools[0]},
		{"a network inside the first", []string{"172.31.241.0/24"}, candidatePools[1]},
		{"a network around the first", []string{"172.31.0.0/16"}, candidatePools[1]},
		{"an address of another family", []string{"fd00::/64"}, first.String()},
		{"all 172.16.0.0/12", []string{"172.16.0.0/12"}, "192.168.240.0/20"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var used []netip.Prefix
			for _, text := range c.inUse {
				used = append(used, netip.MustParsePrefix(text))
			}
			if got, err := freePool(used); err != nil || got.String() != c.want {
				t.Errorf("got %v, %v; want %s", got, err, c.want)
			}
		})
	}
	if _, err := freePool([]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}); err == nil {
		t.Error("everything in use: no error")
	}
}

func TestCandidatePoolsAreOutsideKindsNetworks(t *testing.T) {
	for _, text := range candidatePools {
		pool := netip.MustParsePrefix(text)
		if pool != pool.Masked() {
			t.Errorf("%s has host bits", text)
		}
		for _, kind := range []string{"10.244.0.0/16", "10.96.0.0/16"} {
			if pool.Overlaps(netip.MustParsePrefix(kind)) {
				t.Errorf("%s overlaps %s", text, kind)
			}
		}
	}
}

func TestParseRoutesSkipsTheDefaultRoute(t *testing.T) {
	table := "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n" +
		"eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n" +
		"eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n" +
		"bad line\n"
	got := parseRoutes(table)
	if want := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func FuzzParseRoutes(f *testing.F) {
	f.Add("eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n")
	f.Fuzz(func(t *testing.T, table string) {
		for _, network := range parseRoutes(table) {
			if !network.IsValid() {
				t.Errorf("invalid network from %q", table)
			}
		}
	})
}

func TestStateIsReadAsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	want := state{Docker: process{7, 8}, Containerd: process{9, 10}, Version: "1", Subnet: "s", Made: []string{"/x"}}
	if err := want.write(path); err != nil {
		t.Fatal(err)
	}
	if got, err := readState(path); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := os.WriteFile(path, []byte(`{"docker":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readState(path); err == nil {
		t.Error("half a file is read without an error")
	}
}

func TestTheProbeProgramExitsWithZero(t *testing.T) {
	if runtime.GOOS != "linux" || exitZero[runtime.GOARCH].code == nil {
		t.Skipf("the program is for Linux on amd64 and arm64, this is %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	program, err := probeProgram(runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "true")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := exec.Command(path).Run(); err != nil {
		t.Error(err)
	}
}

func TestTheProbeRefusesAnUnknownArchitecture(t *testing.T) {
	if _, err := probeArchive("sparc"); err == nil || !strings.Contains(err.Error(), "sparc") {
		t.Errorf("got %v", err)
	}
}

func TestTheTrimmerIsBuiltOnce(t *testing.T) {
	folder := t.TempDir()
	first, err := buildTrimmer(t.Context(), processRunner{}, folder)
	if err != nil {
		t.Fatal(err)
	}
	second, err := buildTrimmer(t.Context(), &fakeRunner{fail: map[string]string{"go": "built twice"}}, folder)
	if err != nil || second != first {
		t.Errorf("got %s, %v; want %s", second, err, first)
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 1 {
		t.Errorf("left over: %v, %v", entries, err)
	}
}
