// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ingress-auth/conformance/suites/platform"
)

const oauth2ProxyModule = "github.com/oauth2-proxy/oauth2-proxy/v7"

// oauth2ProxyVersions are the releases that fixtures/images has a module for.
func oauth2ProxyVersions() []string { return []string{"7.8.1", "7.6.0"} }

// AuthServiceProxy names the proxy of this repository.
const AuthServiceProxy = "proxy"

// AuthServiceNames lists what the platform local can run as its auth service, this repository's proxy first.
func AuthServiceNames() []string {
	names := []string{AuthServiceProxy}
	for _, version := range oauth2ProxyVersions() {
		names = append(names, "oauth2-proxy-"+version)
	}
	return names
}

// FindAuthService returns the program of that name; for AuthServiceProxy it returns nil, as the proxy runs in this process.
// oauth2-proxy is compiled from its module when it has not been before, which takes about a minute; progress is told before
// that. It needs a checkout of the repository and the go command: without them the error is a *platform.NotReadyError.
func FindAuthService(ctx context.Context, name string, progress func(string)) (*AuthServiceProgram, error) {
	if name == AuthServiceProxy {
		return nil, nil
	}
	version := strings.TrimPrefix(name, "oauth2-proxy-")
	if !slices.Contains(AuthServiceNames(), name) {
		return nil, fmt.Errorf("unknown auth service %q: choose %s", name, strings.Join(AuthServiceNames(), ", "))
	}
	path, err := buildOAuth2Proxy(ctx, version, progress)
	if err != nil {
		return nil, &platform.NotReadyError{
			What: "oauth2-proxy " + version + " cannot be compiled", Err: err, Do: "run this in a checkout of the repository, with Go and its module proxy in reach",
		}
	}
	return &AuthServiceProgram{
		Name: "oauth2-proxy", Version: version, Path: path, Origin: "compiled from the Go module " + oauth2ProxyModule + "@v" + version,
	}, nil
}

// buildOAuth2Proxy returns the program, which is kept under its version and the compiler's.
func buildOAuth2Proxy(ctx context.Context, version string, progress func(string)) (string, error) {
	dir, err := oauth2ProxySource(version)
	if err != nil {
		return "", err
	}
	compiler, err := goOutput(ctx, dir, "env", "GOVERSION")
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding a folder for programs: %w; set XDG_CACHE_HOME", err)
	}
	cache = filepath.Join(cache, "ingress-auth-conformance", "programs")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(cache, "oauth2-proxy-v"+version+"-"+compiler)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	progress("compiling oauth2-proxy v" + version + " from its module, once; this takes about a minute")
	// Another run may be at the same: each compiles to a name of its own, and the last one stays.
	fresh := fmt.Sprintf("%s.%d", path, os.Getpid())
	defer os.Remove(fresh)
	ldflags := "-s -w -X " + oauth2ProxyModule + "/pkg/version.VERSION=v" + version + " -X main.VERSION=v" + version
	if _, err := goOutput(ctx, dir, "build", "-trimpath", "-buildvcs=false", "-ldflags", ldflags, "-o", fresh, oauth2ProxyModule); err != nil {
		return "", err
	}
	return path, os.Rename(fresh, path)
}

// oauth2ProxySource is the nested module of a version, in the checkout around the working directory.
func oauth2ProxySource(version string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		source := filepath.Join(dir, "fixtures", "images", "oauth2-proxy-"+version)
		if _, err := os.Stat(filepath.Join(source, "go.mod")); err == nil {
			return source, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("the working directory is not in a checkout")
		}
		dir = parent
	}
}

// goOutput runs the go command and returns what it prints; what it complains about becomes the error.
func goOutput(ctx context.Context, dir string, args ...string) (string, error) {
	var complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Stderr = dir, &complaints
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w: %s", args[0], err, strings.TrimSpace(complaints.String()))
	}
	return strings.TrimSpace(string(out)), nil
}
