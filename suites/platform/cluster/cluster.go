// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	kind "sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"

	"github.com/ingress-auth/conformance/suites/platform"
)

// Cluster is a running kind cluster.
type Cluster struct {
	options  Options
	engine   engine
	provider *kind.Provider
	state    state
	node     nodes.Node
	ports    map[string]string
	rest     *rest.Config
}

// ErrNotFound says that there is no usable cluster of that name; its text says what is there instead.
var ErrNotFound = errors.New("no usable cluster")

// readyTimeout bounds the question whether the API server of an existing cluster answers.
const readyTimeout = 5 * time.Second

// Name is the cluster's name.
func (c *Cluster) Name() string { return c.options.Name }

// NodeImage is the reference the node was made from.
func (c *Cluster) NodeImage() string { return c.state.NodeImage }

// Ports maps the name of every port mapping to its address on loopback, for example "https" to "127.0.0.1:32781".
func (c *Cluster) Ports() map[string]string { return c.ports }

// Kubeconfig is the path of the cluster's kubeconfig. It is the harness's own: ~/.kube/config is never touched.
func (c *Cluster) Kubeconfig() string { return c.options.kubeconfig() }

// RESTConfig returns the configuration of a client with all rights.
func (c *Cluster) RESTConfig() *rest.Config { return rest.CopyConfig(c.rest) }

// Find returns the complete cluster that an earlier Create left, its ports and API server read back from reality. The
// error is ErrNotFound where there is none, or only a part of one: Create then starts anew. Of the options it uses
// Name, DockerHost, StateDir, Logger and Progress; an empty DockerHost means the one the cluster was created on.
func Find(ctx context.Context, options Options) (*Cluster, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	s, err := readState(options.stateFile())
	if err != nil {
		return nil, fmt.Errorf("%w named %s: %w", ErrNotFound, options.Name, err)
	}
	if s == nil {
		return nil, fmt.Errorf("%w named %s", ErrNotFound, options.Name)
	}
	if options.DockerHost == "" {
		options.DockerHost = s.DockerHost
	}
	if !s.Complete {
		return nil, fmt.Errorf("%w named %s: its creation was not finished", ErrNotFound, options.Name)
	}
	found, err := attach(ctx, options, *s)
	if err == nil {
		err = found.ready(ctx)
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, platform.Ended(ctx)
		}
		return nil, fmt.Errorf("%w named %s: %w", ErrNotFound, options.Name, err)
	}
	return found, nil
}

// attach connects to a cluster whose containers run.
func attach(ctx context.Context, options Options, s state) (*Cluster, error) {
	c := newCluster(options, s)
	if err := c.engine.environment(); err != nil {
		return nil, err
	}
	name := options.Name + "-control-plane"
	described, err := c.engine.inspect(ctx, name)
	if err != nil {
		return nil, err
	}
	if !described.State.Running {
		return nil, fmt.Errorf("the node %s does not run", name)
	}
	if described.Config.Image != s.NodeImage {
		return nil, fmt.Errorf("the node was made from %s, not from %s", described.Config.Image, s.NodeImage)
	}
	if c.ports, err = described.published(s.Mappings); err != nil {
		return nil, err
	}
	list, err := c.provider.ListInternalNodes(options.Name)
	if err != nil {
		return nil, fmt.Errorf("listing the cluster's nodes: %w", err)
	}
	if len(list) != 1 {
		return nil, fmt.Errorf("the cluster has %d nodes, not one", len(list))
	}
	c.node = list[0]
	content, err := os.ReadFile(options.kubeconfig())
	if err != nil {
		return nil, fmt.Errorf("reading the cluster's kubeconfig: %w", err)
	}
	if c.rest, err = clientcmd.RESTConfigFromKubeConfig(content); err != nil {
		return nil, fmt.Errorf("reading the cluster's kubeconfig: %w", err)
	}
	return c, nil
}

func newCluster(options Options, s state) *Cluster {
	return &Cluster{options: options, engine: engine{host: options.DockerHost}, state: s, provider: kind.NewProvider(
		kind.ProviderWithDocker(), kind.ProviderWithLogger(kindLogger{logger: options.Logger, progress: options.Progress}))}
}

// ready asks the API server (GET /readyz).
func (c *Cluster) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	client, err := rest.HTTPClientFor(c.rest)
	if err != nil {
		return fmt.Errorf("preparing a client for the API server: %w", err)
	}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.rest.Host, "/")+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("the API server does not answer: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the API server is not ready: %s", response.Status)
	}
	return nil
}

// Images lists the references of the images on the node.
func (c *Cluster) Images(ctx context.Context) (map[string]bool, error) {
	out, err := c.engine.run(ctx, "exec", c.node.String(), "ctr", "--namespace=k8s.io", "images", "list", "--quiet")
	if err != nil {
		return nil, fmt.Errorf("listing the images on the node: %w", err)
	}
	images := map[string]bool{}
	for _, reference := range strings.Fields(out) {
		images[reference] = true
	}
	return images, nil
}

// LoadArchive brings the images of an archive (docker or OCI layout, a tar file) onto the node.
func (c *Cluster) LoadArchive(ctx context.Context, path string) error {
	if err := c.engine.environment(); err != nil {
		return err
	}
	archive, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("loading images onto the node: %w", err)
	}
	defer archive.Close()
	if err := nodeutils.LoadImageArchive(c.node, contextReader{ctx, archive}); err != nil {
		if ctx.Err() != nil {
			return platform.Ended(ctx)
		}
		return fmt.Errorf("loading %s onto the node: %w", path, explain(err))
	}
	return nil
}

// contextReader ends with its context: kind's function takes none.
type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// ExportLogs writes what `kind export logs` would into dir. A single file that cannot be had is no error.
func (c *Cluster) ExportLogs(ctx context.Context, dir string) error {
	if err := c.engine.environment(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- c.provider.CollectLogs(c.options.Name, dir) }()
	select {
	case err := <-done:
		if err == nil {
			return nil
		}
		if _, missing := os.Stat(filepath.Join(dir, c.options.Name+"-control-plane", "journal.log")); missing == nil {
			// A node image without crictl, for example, has no list of images.
			c.options.Logger.Debug("some of the node's logs are missing", "error", explain(err))
			return nil
		}
		return fmt.Errorf("exporting the node's logs: %w", explain(err))
	case <-ctx.Done():
		return platform.Ended(ctx)
	}
}

// Delete removes the cluster and everything Create made.
func (c *Cluster) Delete(ctx context.Context) error {
	return remove(ctx, c.options, c.state)
}

// Delete removes the cluster of that name, whole or not; without one it does nothing.
func Delete(ctx context.Context, options Options) error {
	options, err := options.withDefaults()
	if err != nil {
		return err
	}
	s, err := readState(options.stateFile())
	if err != nil {
		options.Logger.Warn("the cluster's state cannot be read", "error", err)
	}
	if s == nil {
		s = &state{DockerHost: options.DockerHost}
	}
	if options.DockerHost == "" {
		options.DockerHost = s.DockerHost
	}
	return remove(ctx, options, *s)
}

// Forget removes what is known about a cluster without asking any engine: for when a private engine, and with it every
// container, is gone.
func Forget(options Options) error {
	options, err := options.withDefaults()
	if err != nil {
		return err
	}
	if err := os.RemoveAll(options.StateDir); err != nil {
		return fmt.Errorf("deleting the state of the cluster %s: %w", options.Name, err)
	}
	return nil
}

func remove(ctx context.Context, options Options, s state) error {
	e := engine{host: options.DockerHost}
	if err := e.removeContainers(ctx, options.Name); err != nil {
		return fmt.Errorf("deleting the cluster %s: %w", options.Name, err)
	}
	if s.MadeNetwork {
		// Another cluster may use it by now; then docker refuses, and that is right.
		if _, err := e.run(ctx, "network", "rm", network); err != nil {
			options.Logger.Debug("the network kind stays", "error", err)
		}
	}
	return Forget(options)
}
