// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"path/filepath"
)

// privateEngine is a running dockerd with a containerd of its own.
type privateEngine struct {
	paths      paths
	state      state
	version    string
	restricted bool
	runner     runner
	logger     *slog.Logger
}

func (p *privateEngine) dockerHost() string { return "unix://" + p.paths.socket() }

func (p *privateEngine) stop(ctx context.Context) error { return p.shutDown(ctx) }

// paths are the files of a private engine: cache survives, run does not.
type paths struct{ cache, run string }

func (p paths) dataRoot() string         { return filepath.Join(p.cache, "data") }
func (p paths) containerdRoot() string   { return filepath.Join(p.cache, "containerd") }
func (p paths) dockerLog() string        { return filepath.Join(p.cache, "dockerd.log") }
func (p paths) containerdLog() string    { return filepath.Join(p.cache, "containerd.log") }
func (p paths) programs() string         { return filepath.Join(p.cache, "bin") }
func (p paths) lock() string             { return filepath.Join(p.cache, "lock") }
func (p paths) socket() string           { return filepath.Join(p.run, "docker.sock") }
func (p paths) state() string            { return filepath.Join(p.run, "state.json") }
func (p paths) dockerConfig() string     { return filepath.Join(p.run, "daemon.json") }
func (p paths) containerdConfig() string { return filepath.Join(p.run, "containerd.toml") }
func (p paths) containerdSocket() string { return filepath.Join(p.run, "containerd.sock") }
func (p paths) execRoot() string         { return filepath.Join(p.run, "docker") }
func (p paths) containerdState() string  { return filepath.Join(p.run, "containerd") }

// bridge is the name of the engine's bridge; the kernel allows 15 characters.
func (p paths) bridge() string { return "iac" + shortID(p.cache) }

// cgroup is the parent of all containers, so that it can be found and removed.
func (p paths) cgroup() string { return "/ingress-auth-conformance-" + shortID(p.cache) }

func shortID(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:4])
}
