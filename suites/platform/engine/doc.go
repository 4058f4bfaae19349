// SPDX-License-Identifier: Apache-2.0

// Package engine finds a Docker engine that can run privileged containers, or starts a private one.
//
//	Ensure
//	  ├─ DOCKER_HOST is set ──────────► that engine, or a sentence why it will not do
//	  ├─ a private engine runs ───────► that one (an earlier `up` left it)
//	  ├─ the default engine will do ──► that one, untouched
//	  └─ Linux, root, Debian/Ubuntu ──► install docker.io if needed, start a private engine
//
// "Will do" is seen, not guessed: a container of a few hundred bytes is loaded and run with --privileged.
//
// The private engine keeps to itself. It has its own data root (kept between runs, so that images stay loaded), exec
// root, socket, containerd, bridge and subnet. It writes no iptables rule and no sysctl: published ports go through
// docker-proxy on loopback, which needs neither, so an engine or a firewall that is already there is not disturbed. The
// price is that its containers reach the host and each other, not the internet.
//
// Where the host's bounding set lacks a capability, the private engine's default runtime is oci-runtime-trim (see
// scripts/), built once per content.
package engine
