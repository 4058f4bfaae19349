// SPDX-License-Identifier: Apache-2.0

// Package cluster creates, finds and deletes the kind cluster the suites run in.
//
// The configuration is kind-config/cluster.yaml plus what the host and the run need (see render). Ports of the host are
// picked free by the kernel; when another process takes one before docker binds it, others are tried. What is published
// is read back from docker. A port the user fixed is checked first.
//
// kind's library knows no context and calls the docker command line with this process's environment. So Create and
// friends set DOCKER_HOST for the process, and a cancelled Create removes the node's container under kind's hands until
// kind gives up: whatever step it is at, no container, no kubeconfig and no state stay.
package cluster
