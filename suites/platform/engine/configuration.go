// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"encoding/json"
	"fmt"
	"net/netip"
)

// dockerdConfig is daemon.json of the private engine. Everything that a daemon shares with others by default is named
// here; an empty trimmer means that runc serves as it is.
func dockerdConfig(p paths, pool netip.Prefix, trimmer, cgroupParent string) ([]byte, error) {
	config := map[string]any{
		"hosts":      []string{"unix://" + p.socket()},
		"group":      "root",
		"data-root":  p.dataRoot(),
		"exec-root":  p.execRoot(),
		"pidfile":    p.run + "/docker.pid",
		"containerd": p.containerdSocket(),
		// One network, made for kind, on a bridge whose name we know; no docker0.
		"bridge":                "none",
		"default-address-pools": []map[string]any{{"base": pool.String(), "size": 24}},
		// No rule and no sysctl of the host is touched: loopback ports go through docker-proxy.
		"iptables":       false,
		"ip6tables":      false,
		"ip-forward":     false,
		"ip-masq":        false,
		"userland-proxy": true,
		// Containers reach no name server of the outside. This address refuses at once, so that a name which is not the
		// cluster's is an error at once and not a wait.
		"dns": []string{"127.0.0.1"},
		// Lowering it needs CAP_SYS_RESOURCE.
		"oom-score-adjust": 0,
		"shutdown-timeout": 5,
		"log-opts":         map[string]string{"max-size": "10m"},
	}
	if cgroupParent != "" {
		config["cgroup-parent"] = cgroupParent
	}
	if trimmer != "" {
		config["runtimes"] = map[string]any{"trimmed": map[string]string{"path": trimmer}}
		config["default-runtime"] = "trimmed"
	}
	return json.MarshalIndent(config, "", "  ")
}

// containerdConfig is version 2, which containerd 1.x and 2.x read. The plugins for Kubernetes and for things that write
// outside our folders are off; names that a version does not know do no harm.
func containerdConfig(p paths) []byte {
	return fmt.Appendf(nil, `version = 2
root = %q
state = %q
oom_score = 0
disabled_plugins = [
  "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime",
  "io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.nri.v1.nri", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = %q
[debug]
  level = "warn"
`, p.containerdRoot(), p.containerdState(), p.containerdSocket())
}
