// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/yaml"

	kindconfig "github.com/ingress-auth/conformance/kind-config"
)

// host is what the configuration depends on besides the options.
type host struct {
	cgroupV1 bool
}

// render completes the base configuration with what this host and this run need.
func render(o Options, h host) (*v1alpha4.Cluster, error) {
	base := o.Config
	if len(base) == 0 {
		base = kindconfig.Cluster
	}
	var config v1alpha4.Cluster
	if err := yaml.UnmarshalStrict(base, &config); err != nil {
		return nil, fmt.Errorf("reading the kind configuration: %w", err)
	}
	if config.APIVersion != "kind.x-k8s.io/v1alpha4" || config.Kind != "Cluster" {
		return nil, fmt.Errorf("the kind configuration is %q %q, it must be kind.x-k8s.io/v1alpha4 Cluster", config.APIVersion, config.Kind)
	}
	if len(config.Nodes) != 1 || config.Nodes[0].Role != v1alpha4.ControlPlaneRole {
		return nil, fmt.Errorf("the kind configuration must have one node with the role control-plane, it has %d nodes", len(config.Nodes))
	}
	config.Name = o.Name
	node := &config.Nodes[0]
	node.Image = o.NodeImage
	for _, port := range o.Ports {
		// 0 lets kind ask the kernel for a free port. (-1 would leave it to docker, which counts up from 32768 and gives up
		// after ten ports in use: too soon beside another engine.)
		node.ExtraPortMappings = append(node.ExtraPortMappings, v1alpha4.PortMapping{
			ContainerPort: int32(port.NodePort), HostPort: int32(port.HostPort), ListenAddress: loopback, Protocol: v1alpha4.PortMappingProtocolTCP})
	}
	if o.StaticCNI {
		config.Networking.DisableDefaultCNI = true
	}
	if o.Restricted {
		config.KubeadmConfigPatches = append(config.KubeadmConfigPatches, kindconfig.RestrictedKubelet)
		config.ContainerdConfigPatches = append(config.ContainerdConfigPatches, kindconfig.RestrictedContainerd2, kindconfig.RestrictedContainerd3)
	}
	if h.cgroupV1 {
		config.KubeadmConfigPatches = append(config.KubeadmConfigPatches, kindconfig.CgroupV1Kubelet)
	}
	return &config, nil
}
