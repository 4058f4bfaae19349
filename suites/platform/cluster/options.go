// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"

	"github.com/ingress-auth/conformance/suites/platform"
)

// DefaultName is the name of the cluster when none is given.
const DefaultName = "ingress-auth"

// loopback is where ports are published: nothing of a test cluster is for other machines.
const loopback = "127.0.0.1"

// Options describe a cluster.
type Options struct {
	// Name is DefaultName when empty.
	Name string
	// Config is a kind.x-k8s.io/v1alpha4 Cluster; kind-config/cluster.yaml when empty.
	Config []byte
	// NodeImage is the node image's reference. The engine must have it: nothing is pulled here.
	NodeImage string
	// DockerHost names the engine, as DOCKER_HOST does; empty means the docker command line's default.
	DockerHost string
	// Ports are published on loopback.
	Ports []PortMapping
	// Restricted is for engines whose privileged containers lack a capability.
	Restricted bool
	// StaticCNI says that the node image brings its pod network.
	StaticCNI bool
	// StateDir keeps the kubeconfig and what Find needs;
	// $XDG_CACHE_HOME/ingress-auth-conformance/clusters/<Name> when empty.
	StateDir string
	// FailureDir gets the node's logs when Create fails; nothing is kept when empty.
	FailureDir string
	// Logger gets kind's warnings and details; nothing is logged when nil.
	Logger *slog.Logger
	// Progress gets one short line per step; may be nil.
	Progress func(step string)
}

// PortMapping publishes one port of the node on loopback.
type PortMapping struct {
	// Name is how Ports calls it, for example "http".
	Name string
	// NodePort is the port inside the node.
	NodePort int
	// HostPort is the port on loopback; 0 for any free one.
	HostPort int
}

// clusterName follows what kind and host names allow, short enough for "-control-plane" after it.
var clusterName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?$`)

func (o Options) withDefaults() (Options, error) {
	if o.Name == "" {
		o.Name = DefaultName
	}
	if !clusterName.MatchString(o.Name) {
		return o, fmt.Errorf("the cluster's name %q must be of lower-case letters, digits and hyphens, at most 50", o.Name)
	}
	if o.StateDir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return o, &platform.NotReadyError{What: "no folder for the cluster's state", Err: err, Do: "set XDG_CACHE_HOME or HOME"}
		}
		o.StateDir = filepath.Join(cache, "ingress-auth-conformance", "clusters", o.Name)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	return o, o.checkPorts()
}

func (o Options) checkPorts() error {
	names, nodePorts, hostPorts := map[string]bool{}, map[int]bool{}, map[int]bool{}
	for _, port := range o.Ports {
		switch {
		case port.Name == "" || names[port.Name]:
			return fmt.Errorf("the port mapping of node port %d needs a name of its own, it has %q", port.NodePort, port.Name)
		case port.NodePort < 1 || port.NodePort > 65535 || nodePorts[port.NodePort]:
			return fmt.Errorf("the port mapping %s needs a node port of its own between 1 and 65535, it has %d", port.Name, port.NodePort)
		case port.HostPort < 0 || port.HostPort > 65535 || port.HostPort != 0 && hostPorts[port.HostPort]:
			return fmt.Errorf("the port mapping %s needs a host port of its own between 1 and 65535 (or 0 for any), it has %d", port.Name, port.HostPort)
		}
		names[port.Name], nodePorts[port.NodePort], hostPorts[port.HostPort] = true, true, true
	}
	return nil
}

func (o Options) kubeconfig() string { return filepath.Join(o.StateDir, "kubeconfig") }
func (o Options) stateFile() string  { return filepath.Join(o.StateDir, "cluster.json") }
