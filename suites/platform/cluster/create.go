// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	kind "sigs.k8s.io/kind/pkg/cluster"
	kindexec "sigs.k8s.io/kind/pkg/exec"

	"github.com/ingress-auth/conformance/suites/platform"
)

const (
	// createAttempts bounds how often other ports are tried.
	createAttempts = 5
	// removeInterval is how often a cancelled creation is looked after until kind gives up.
	removeInterval = 200 * time.Millisecond
	// removeTimeout bounds the way back.
	removeTimeout = 60 * time.Second
)

// Create makes a cluster and returns when its API server answers; nodes and DNS may still be getting ready. What is left
// of an earlier, unfinished one of the same name is removed first. Failed or cancelled, it leaves nothing. The error is
// a *platform.NotReadyError where the host is the reason.
func Create(ctx context.Context, options Options) (*Cluster, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	c := newCluster(options, state{Name: options.Name, DockerHost: options.DockerHost, NodeImage: options.NodeImage, Mappings: options.Ports})
	if err := c.engine.environment(); err != nil {
		return nil, err
	}
	if err := c.prepare(ctx); err != nil {
		return nil, err
	}
	err = c.create(ctx)
	if err == nil {
		created, attachErr := attach(ctx, options, c.state)
		if attachErr == nil {
			return created, nil
		}
		err = attachErr
	}
	fresh, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	if ctx.Err() == nil && options.FailureDir != "" {
		if logErr := c.ExportLogs(fresh, options.FailureDir); logErr != nil {
			options.Logger.Debug("no logs of the failed cluster", "error", logErr)
		}
	}
	if removeErr := remove(fresh, options, c.state); removeErr != nil {
		err = errors.Join(err, removeErr)
	}
	return nil, err
}

// prepare checks what can be known before the first container, and clears the place.
func (c *Cluster) prepare(ctx context.Context) error {
	if !c.engine.hasImage(ctx, c.options.NodeImage) {
		if ctx.Err() != nil {
			return platform.Ended(ctx)
		}
		return &platform.NotReadyError{What: "the node image " + c.options.NodeImage + " is not in the Docker engine",
			Why: "asked the engine at " + describeHost(c.options.DockerHost), Do: "load it (docker load) before a cluster is created from it"}
	}
	for _, port := range c.options.Ports {
		if err := checkFree(port); err != nil {
			return err
		}
	}
	ids, err := c.engine.containers(ctx, c.options.Name)
	if err != nil {
		return fmt.Errorf("looking for an earlier cluster: %w", err)
	}
	previous, err := readState(c.options.stateFile())
	if len(ids) > 0 {
		if err != nil || previous == nil {
			return &platform.NotReadyError{What: "a kind cluster named " + c.options.Name + " is there, and this harness did not make it",
				Do: "choose another name, or delete it: kind delete cluster --name " + c.options.Name}
		}
		if err := c.engine.removeContainers(ctx, c.options.Name); err != nil {
			return fmt.Errorf("removing an unfinished cluster: %w", err)
		}
	}
	c.state.MadeNetwork = !c.engine.hasNetwork(ctx) || previous != nil && previous.MadeNetwork
	// Written before there is anything to find: whoever comes after a kill -9 may remove it.
	return c.state.write(c.options.stateFile())
}

func (c *Cluster) create(ctx context.Context) error {
	cgroups, err := c.engine.run(ctx, "info", "--format", "{{.CgroupVersion}}")
	if err != nil {
		return fmt.Errorf("asking the engine for its cgroup version: %w", err)
	}
	config, err := render(c.options, host{cgroupV1: cgroups == "1"})
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		err = whileAlive(ctx, func() error {
			return c.provider.Create(c.options.Name, kind.CreateWithV1Alpha4Config(config), kind.CreateWithKubeconfigPath(c.options.kubeconfig()),
				kind.CreateWithRetain(c.options.FailureDir != ""), kind.CreateWithDisplayUsage(false), kind.CreateWithDisplaySalutation(false))
		}, func(ctx context.Context) error { return c.engine.removeContainers(ctx, c.options.Name) })
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return platform.Ended(ctx)
		}
		if !portTaken(err) {
			return fmt.Errorf("creating the cluster %s: %w", c.options.Name, explain(err))
		}
		if fixed := c.fixedPorts(); fixed != "" || attempt == createAttempts {
			return &platform.NotReadyError{What: "a port on " + loopback + " is in use", Err: explain(err),
				Do: "end what listens there, or let the harness pick the ports" + fixed}
		}
		if err := c.engine.removeContainers(ctx, c.options.Name); err != nil {
			return fmt.Errorf("removing a node without its ports: %w", err)
		}
	}
	c.state.Complete = true
	return c.state.write(c.options.stateFile())
}

// whileAlive runs create, which knows no context. When the context ends first, it takes away what create makes until
// create gives up.
func whileAlive(ctx context.Context, create func() error, remove func(context.Context) error) error {
	done := make(chan error, 1)
	go func() { done <- create() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	fresh, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	ticker := time.NewTicker(removeInterval)
	defer ticker.Stop()
	for {
		removeErr := remove(fresh)
		select {
		case <-done:
			// Create may have made one more container before it gave up.
			return errors.Join(platform.Ended(ctx), remove(fresh))
		case <-fresh.Done():
			return errors.Join(platform.Ended(ctx), removeErr, errors.New("kind does not give up creating the cluster"))
		case <-ticker.C:
		}
	}
}

// checkFree sees whether a fixed port can be bound.
func checkFree(port PortMapping) error {
	if port.HostPort == 0 {
		return nil
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port.HostPort)))
	if err != nil {
		return &platform.NotReadyError{What: fmt.Sprintf("port %d on %s, wanted for %s, cannot be used", port.HostPort, loopback, port.Name), Err: err,
			Do: "end what listens there, choose another port, or leave the port out so that a free one is picked"}
	}
	return listener.Close()
}

func (c *Cluster) fixedPorts() string {
	var fixed []string
	for _, port := range c.options.Ports {
		if port.HostPort != 0 {
			fixed = append(fixed, fmt.Sprintf("%s %d", port.Name, port.HostPort))
		}
	}
	if len(fixed) == 0 {
		return ""
	}
	return " (fixed: " + strings.Join(fixed, ", ") + ")"
}

// portTaken recognises docker's words for a host port that another process holds.
func portTaken(err error) bool {
	text := explain(err).Error()
	return strings.Contains(text, "port is already allocated") || strings.Contains(text, "address already in use")
}

// explain adds the last lines of what a failed command printed: kind keeps them apart from its error.
func explain(err error) error {
	failed := kindexec.RunErrorForError(err)
	if failed == nil || len(failed.Output) == 0 {
		return err
	}
	return fmt.Errorf("%w: %s", err, reason(string(failed.Output)))
}

// reason is what a reader needs of a failed command's output: from the last line that begins with "error" (kubeadm
// prints a stack after it), or else the last lines.
func reason(output string) string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	from := max(0, len(lines)-6)
	for i, line := range lines {
		if strings.HasPrefix(strings.ToLower(line), "error") {
			from = i
		}
	}
	return strings.Join(lines[from:min(from+6, len(lines))], " | ")
}

func describeHost(dockerHost string) string {
	if dockerHost != "" {
		return dockerHost
	}
	if host := os.Getenv("DOCKER_HOST"); host != "" {
		return host
	}
	return "its default address"
}
