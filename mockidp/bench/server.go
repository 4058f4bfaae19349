// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ingress-auth/conformance/mockidp/peers"
	"github.com/ingress-auth/conformance/suites/platform/local"
)

// provider is a program that is measured.
type provider struct {
	name, version string
	path          string // below the host, of the issuer
	program       string
	dir           string
	args          func(port string) []string
}

// prepare compiles and installs what is measured, mockidp first.
func prepare(ctx context.Context, dir string) ([]provider, peers.Node, error) {
	root, err := peers.Root()
	if err != nil {
		return nil, peers.Node{}, err
	}
	node, err := peers.InstallNode(ctx)
	if err != nil {
		return nil, node, err
	}
	mockidp, mockoidc := filepath.Join(dir, "mockidp"), filepath.Join(dir, "mockoidc")
	if err := errors.Join(
		peers.BuildGo(ctx, filepath.Dir(root), "./cmd/mockidp", mockidp),
		peers.BuildGo(ctx, filepath.Join(root, "mockoidc"), ".", mockoidc),
	); err != nil {
		return nil, node, err
	}
	list := []provider{
		{name: "mockidp", version: "this commit", program: mockidp, args: func(port string) []string { return []string{"--auto-login", "alice", "--listen", "127.0.0.1:" + port} }},
		{name: "oauth2-proxy/mockoidc", program: mockoidc, path: "/oidc", args: func(port string) []string { return []string{port, clientID, clientSecret} }},
		nodeProvider(node, "axa-group/oauth2-mock-server", "oauth2-mock-server"),
		nodeProvider(node, "panva/oidc-provider", "oidc-provider"),
	}
	if list[1].version, err = peers.Output(ctx, filepath.Join(root, "mockoidc"), "go", "list", "-m", "-f", "{{.Version}}", "github.com/oauth2-proxy/mockoidc"); err != nil {
		return nil, node, err
	}
	for i := 2; i < len(list); i++ {
		if list[i].version, err = node.Version(ctx, filepath.Base(list[i].name)); err != nil {
			return nil, node, err
		}
	}
	return list, node, nil
}

func nodeProvider(node peers.Node, name, script string) provider {
	return provider{name: name, program: node.Path, dir: node.Dir, args: func(port string) []string {
		return []string{script + ".mjs", port, clientID, clientSecret, redirectURI}
	}}
}

// running is a provider that answers.
type running struct {
	process *local.Process
	issuer  string
	started time.Duration // from the start of the process to the end of the first answer
}

// Bounds of a provider's life; each takes far less.
const (
	startLimit = 30 * time.Second
	stopLimit  = 10 * time.Second
	pollEvery  = 200 * time.Microsecond
)

func (p provider) start(ctx context.Context) (*running, error) {
	addrs, err := local.FreeAddrs(ctx, 1)
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(addrs[0])
	if err != nil {
		return nil, err
	}
	r := &running{issuer: "http://127.0.0.1:" + port + p.path}
	log := local.NewLog()
	start := time.Now()
	r.process, err = local.Start(ctx, local.Command{Path: p.program, Args: p.args(port), Dir: p.dir, Stop: []local.StopStep{{Signal: syscall.SIGTERM, Grace: time.Second}}}, log)
	if err != nil {
		return nil, err
	}
	if err := r.awaitDiscovery(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%s does not start: %w: %s", p.name, err, log), r.stop(ctx))
	}
	r.started = time.Since(start)
	return r, nil
}

// awaitDiscovery asks until there is an answer. It connects anew each time: a connection that was refused says nothing of
// the next.
func (r *running) awaitDiscovery(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.issuer+"/.well-known/openid-configuration", nil)
		if err != nil {
			return err
		}
		if res, err := client.Do(req); err == nil {
			_, err := io.Copy(io.Discard, res.Body)
			if err = errors.Join(err, res.Body.Close()); err == nil && res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-time.After(pollEvery):
		case <-r.process.Done():
			return errors.New("it ended")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (r *running) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
	defer cancel()
	return r.process.Stop(ctx)
}

// residentBytes is VmRSS of the process: private memory and the parts of files it has touched.
func (r *running) residentBytes() (int64, error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", r.process.Pid()))
	if err != nil {
		return 0, err
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(value, "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("the system does not tell the resident memory of a process")
}
