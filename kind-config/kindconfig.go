// SPDX-License-Identifier: Apache-2.0

// Package kindconfig carries the kind configurations of this folder.
package kindconfig

import _ "embed"

// Cluster is the base configuration, a kind.x-k8s.io/v1alpha4 Cluster.
//
//go:embed cluster.yaml
var Cluster []byte

// RestrictedKubelet is a kubeadm patch for hosts that lack capabilities.
//
//go:embed restricted-kubelet.yaml
var RestrictedKubelet string

// RestrictedContainerd2 and RestrictedContainerd3 are containerd patches for the same hosts, by configuration version.
//
//go:embed restricted-containerd-v2.toml
var RestrictedContainerd2 string

// RestrictedContainerd3 is the patch for version 3.
//
//go:embed restricted-containerd-v3.toml
var RestrictedContainerd3 string

// CgroupV1Kubelet is a kubeadm patch for hosts with cgroup v1.
//
//go:embed cgroup-v1-kubelet.yaml
var CgroupV1Kubelet string
