// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/ingress-auth/conformance/scripts"
)

// buildTrimmer compiles oci-runtime-trim into folder unless it is there, and returns its path. The source travels in
// this program, so a checkout and an installed binary do the same; a Go toolchain is needed once.
func buildTrimmer(ctx context.Context, r runner, folder string) (string, error) {
	key, err := trimmerKey()
	if err != nil {
		return "", err
	}
	program := filepath.Join(folder, "oci-runtime-trim-"+key)
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	source, err := os.MkdirTemp(folder, "build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(source)
	if err := os.CopyFS(source, scripts.RuntimeTrim); err != nil {
		return "", fmt.Errorf("writing the source of oci-runtime-trim: %w", err)
	}
	if err := os.WriteFile(filepath.Join(source, "go.mod"), []byte("module "+scripts.Module+"\n\ngo 1.24\n"), 0o644); err != nil {
		return "", err
	}
	built := filepath.Join(source, "built")
	_, err = r.run(ctx, command{name: "go", args: []string{"build", "-C", source, "-trimpath", "-ldflags=-s -w", "-o", built, "./oci-runtime-trim"},
		env: []string{"CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOTOOLCHAIN=local", "GO111MODULE=on"}})
	if err != nil {
		return "", fmt.Errorf("building the runtime for a host with limited capabilities (needs Go): %w", err)
	}
	return program, os.Rename(built, program)
}

// trimmerKey changes with the source and with what compiles it.
func trimmerKey() (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version(), runtime.GOARCH)
	err := fs.WalkDir(scripts.RuntimeTrim, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := scripts.RuntimeTrim.ReadFile(path)
		fmt.Fprintf(sum, "%s %d\n%s", path, len(content), content)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("reading the source of oci-runtime-trim: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8]), nil
}
