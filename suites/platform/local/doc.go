// SPDX-License-Identifier: Apache-2.0

// Package local is the platform without a cluster: loopback ports, child processes that cannot outlive the run, and a
// real nginx, found or installed.
//
//	FindNginx ──▶ Nginx ──▶ NewInstance ──▶ Load (start or reload) ──▶ Observe (the new configuration is served)
package local
