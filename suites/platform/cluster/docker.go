// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/ingress-auth/conformance/suites/platform"
)

// clusterLabel is kind's label on the containers of a cluster.
const clusterLabel = "io.x-k8s.kind.cluster"

// network is the name of kind's network.
const network = "kind"

// engine asks a Docker engine through its command line, as kind does.
type engine struct{ host string }

// environment makes kind's calls of docker reach this engine: kind passes on this process's environment and has no
// option for it.
func (e engine) environment() error {
	if e.host == "" {
		return nil
	}
	return os.Setenv("DOCKER_HOST", e.host)
}

func (e engine) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	if e.host != "" {
		cmd.Env = append(os.Environ(), "DOCKER_HOST="+e.host)
	}
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", platform.Ended(ctx)
		}
		return "", fmt.Errorf("docker %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

// containers are the containers of a cluster, running or not.
func (e engine) containers(ctx context.Context, cluster string) ([]string, error) {
	out, err := e.run(ctx, "ps", "--all", "--quiet", "--filter", "label="+clusterLabel+"="+cluster)
	return strings.Fields(out), err
}

// removeContainers removes the containers of a cluster with their volumes.
func (e engine) removeContainers(ctx context.Context, cluster string) error {
	ids, err := e.containers(ctx, cluster)
	if err != nil || len(ids) == 0 {
		return err
	}
	_, err = e.run(ctx, append([]string{"rm", "--force", "--volumes"}, ids...)...)
	return err
}

func (e engine) hasImage(ctx context.Context, reference string) bool {
	_, err := e.run(ctx, "image", "inspect", "--format", "{{.Id}}", reference)
	return err == nil
}

func (e engine) hasNetwork(ctx context.Context) bool {
	_, err := e.run(ctx, "network", "inspect", "--format", "{{.Id}}", network)
	return err == nil
}

// container is what `docker inspect` tells about a node.
type container struct {
	State struct{ Running bool }
	// Config.Image is the reference the container was made from.
	Config          struct{ Image string }
	NetworkSettings struct {
		Ports map[string][]struct{ HostIP, HostPort string } // the field's JSON name is HostIp; Go matches it without regard to case
	}
}

func (e engine) inspect(ctx context.Context, name string) (container, error) {
	out, err := e.run(ctx, "container", "inspect", name)
	if err != nil {
		return container{}, err
	}
	return parseInspect([]byte(out))
}

func parseInspect(content []byte) (container, error) {
	var list []container
	if err := json.Unmarshal(content, &list); err != nil {
		return container{}, fmt.Errorf("reading docker's description of the node: %w", err)
	}
	if len(list) != 1 {
		return container{}, fmt.Errorf("docker describes %d nodes, not one", len(list))
	}
	return list[0], nil
}

// published returns the loopback address of every mapping.
func (c container) published(mappings []PortMapping) (map[string]string, error) {
	ports := make(map[string]string, len(mappings))
	for _, mapping := range mappings {
		for _, binding := range c.NetworkSettings.Ports[fmt.Sprintf("%d/tcp", mapping.NodePort)] {
			if binding.HostIP == loopback {
				ports[mapping.Name] = loopback + ":" + binding.HostPort
			}
		}
		if ports[mapping.Name] == "" {
			return nil, fmt.Errorf("the node does not publish port %d (%s) on %s", mapping.NodePort, mapping.Name, loopback)
		}
	}
	return ports, nil
}
