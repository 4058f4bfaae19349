// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/ingress-auth/conformance/fixtures"
	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/platform"
	"github.com/ingress-auth/conformance/suites/platform/cluster"
	"github.com/ingress-auth/conformance/suites/platform/engine"
	"github.com/ingress-auth/conformance/suites/platform/images"
	"github.com/ingress-auth/conformance/suites/subject"
)

// kindFlags are the choices of whatever needs a cluster.
type kindFlags struct {
	images  string
	mirrors string
	engine  string
	keep    bool
}

func (f *kindFlags) add(cmd *cobra.Command) {
	f.addImages(cmd)
	cmd.Flags().StringVar(&f.engine, "engine", string(engine.Auto), "Docker engine: auto (the one that is there, else a private one), host or private")
	cmd.Flags().BoolVar(&f.keep, "keep", false, "keep the cluster (and a private engine) after the run")
}

func (f *kindFlags) addImages(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.images, "images", envOr("IMAGES", string(images.ModeAuto)), "where images come from: auto (registry, else source), registry or source; environment IMAGES")
	cmd.Flags().StringVar(&f.mirrors, "registry-mirror", os.Getenv("REGISTRY_MIRROR"), "registries to ask in place of others, such as docker.io=127.0.0.1:5000; environment REGISTRY_MIRROR")
}

func (f *kindFlags) validate() error {
	if _, err := images.ParseMode(f.images); err != nil {
		return err
	}
	if _, err := images.ParseMirrors(f.mirrors); err != nil {
		return err
	}
	switch engine.Mode(f.engine) {
	case engine.Auto, engine.Host, engine.Private:
		return nil
	default:
		return fmt.Errorf("unknown engine %q: choose auto, host or private", f.engine)
	}
}

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// kindRun is what bringUp needs beside the flags.
type kindRun struct {
	out      *console
	gateways []subject.GatewayConfig
	redactor *exchange.Redactor
	// evidence is the folder for what explains a failure to come up.
	evidence string
}

// bringUp finds or starts an engine, gets the images, finds or creates the cluster and assembles the subject in it. On
// failure, and in Close unless it is to be kept, it takes down what it started; what was up before stays up.
func (f *kindFlags) bringUp(ctx context.Context, r kindRun) (s *subject.Subject, err error) {
	var undo cleanups
	defer func() {
		if err != nil {
			err = errors.Join(err, undo.run(ctx))
		}
	}()
	docker, err := engine.Ensure(ctx, engine.Options{Mode: engine.Mode(f.engine), Progress: r.out.on("engine")})
	if err != nil {
		return nil, err
	}
	if docker.Started() {
		undo.add(r.out, "engine", "stopping the private engine", docker.Stop)
	}
	r.out.step("engine", "Docker %s at %s", docker.Version(), docker.DockerHost())
	built, err := f.ensureImages(ctx, r.out)
	if err != nil {
		return nil, err
	}
	c, created, err := f.ensureCluster(ctx, r, docker, built)
	if err != nil {
		return nil, err
	}
	if created {
		undo.add(r.out, "cluster", "deleting the cluster", c.Delete)
	}
	if err := load(ctx, r.out, c, built); err != nil {
		return nil, err
	}
	r.out.step("cluster", "kubectl --kubeconfig %s", c.Kubeconfig())
	s, err = subject.NewKind(ctx, subject.KindOptions{
		RESTConfig: c.RESTConfig(), Ports: c.Ports(), Images: built, Gateways: r.gateways, Manifests: fixtures.FS(),
		Redactor: r.redactor, Progress: r.out.on("deploy"),
	})
	if err != nil {
		return nil, errors.Join(err, exportLogs(ctx, c, r))
	}
	if f.keep {
		undo = nil // from here on it stays
	}
	closeSubject, evidence := s.Close, s.Evidence
	s.Close = func(ctx context.Context) error { return errors.Join(closeSubject(ctx), undo.run(ctx)) }
	s.Evidence = func(ctx context.Context, dir string) error {
		return errors.Join(evidence(ctx, dir), c.ExportLogs(ctx, filepath.Join(dir, "kind")))
	}
	return s, nil
}

func exportLogs(ctx context.Context, c *cluster.Cluster, r kindRun) error {
	if ctx.Err() != nil {
		return nil // interrupted: nobody asked for logs
	}
	if err := c.ExportLogs(ctx, filepath.Join(r.evidence, "kind")); err != nil {
		return fmt.Errorf("exporting the cluster's logs: %w", err)
	}
	r.out.step("cluster", "logs are in %s", filepath.Join(r.evidence, "kind"))
	return nil
}

// ensureImages gets every image of the manifest.
func (f *kindFlags) ensureImages(ctx context.Context, out *console) (subject.KindImages, error) {
	store, manifest, err := f.store()
	if err != nil {
		return subject.KindImages{}, err
	}
	all, err := store.EnsureAll(ctx, manifest, images.Mode(f.images), images.ProgressFunc(func(e images.Event) {
		out.step("images", "%s", strings.TrimRight(fmt.Sprintf("%-13s %s: %s", e.Image, e.Step, e.Detail), ": "))
	}))
	if err != nil {
		return subject.KindImages{}, err
	}
	byName := map[string]images.Built{}
	for i, image := range manifest.Images {
		byName[image.Name] = all[i]
	}
	return subject.KindImages{
		Node: byName["node"], IngressNginx: byName["ingress-nginx"], Proxy: byName["proxy"], MockIdP: byName["mockidp"], Redis: byName["redis"], Standin: byName["standin"],
	}, nil
}

func (f *kindFlags) store() (*images.Store, images.Manifest, error) {
	mirrors, err := images.ParseMirrors(f.mirrors)
	if err != nil {
		return nil, images.Manifest{}, usage(err)
	}
	manifest, err := images.Load(fixtures.FS())
	if err != nil {
		return nil, images.Manifest{}, err
	}
	store, err := images.NewStore(images.Options{Mirrors: mirrors, Fixtures: fixtures.FS()})
	return store, manifest, err
}

// ensureCluster returns the cluster that is up, or creates one.
func (f *kindFlags) ensureCluster(ctx context.Context, r kindRun, docker *engine.Engine, built subject.KindImages) (c *cluster.Cluster, created bool, err error) {
	options := cluster.Options{
		NodeImage: built.Node.Ref, DockerHost: docker.DockerHost(), Ports: subject.KindPorts(r.gateways),
		Restricted: docker.Restricted(), StaticCNI: len(built.Node.StandsIn) > 0, FailureDir: filepath.Join(r.evidence, "kind"),
		Progress: r.out.on("cluster"),
	}
	c, err = cluster.Find(ctx, options)
	if err != nil && !errors.Is(err, cluster.ErrNotFound) {
		return nil, false, err
	}
	if err == nil {
		if c.NodeImage() != built.Node.Ref {
			return nil, false, &platform.NotReadyError{
				What: "the cluster that is up was made from another node image", Why: c.NodeImage() + ", not " + built.Node.Ref, Do: "delete it with make down and run again",
			}
		}
		r.out.step("cluster", "using %s, which is up", c.Name())
		return c, false, nil
	}
	if err := docker.LoadImage(ctx, built.Node.Ref, built.Node.Archive); err != nil {
		return nil, false, err
	}
	c, err = cluster.Create(ctx, options)
	return c, err == nil, err
}

// load puts the images of the parts into the node, those that it does not have.
func load(ctx context.Context, out *console, c *cluster.Cluster, built subject.KindImages) error {
	there, err := c.Images(ctx)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, image := range []images.Built{built.IngressNginx, built.Proxy, built.MockIdP, built.Redis, built.Standin} {
		if there[image.Ref] {
			continue
		}
		group.Go(func() error {
			started := time.Now()
			if err := c.LoadArchive(ctx, image.Archive); err != nil {
				return err
			}
			out.step("cluster", "loaded %s in %.1fs", image.Ref, time.Since(started).Seconds())
			return nil
		})
	}
	return group.Wait()
}

// cleanups are undone in reverse order.
type cleanups []func(context.Context) error

func (c *cleanups) add(out *console, topic, what string, undo func(context.Context) error) {
	*c = append(*c, func(ctx context.Context) error {
		out.step(topic, "%s", what)
		return undo(ctx)
	})
}

// cleanupTime bounds taking everything down.
const cleanupTime = 2 * time.Minute

func (c *cleanups) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	var failed []error
	for i := len(*c) - 1; i >= 0; i-- {
		failed = append(failed, (*c)[i](ctx))
	}
	*c = nil
	return errors.Join(failed...)
}

func upCommand() *cobra.Command {
	f := kindFlags{keep: true}
	cmd := &cobra.Command{
		Use: "up", Short: "Bring the cluster with everything in it up, and leave it up", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.validate(); err != nil {
				return usage(err)
			}
			catalogue, _, _, err := new(selectionFlags).choose(nil)
			if err != nil {
				return err
			}
			out := newConsole(cmd.ErrOrStderr())
			f.keep = true
			_, err = f.bringUp(cmd.Context(), kindRun{out: out, gateways: catalogue.Gateways, redactor: exchange.NewRedactor(), evidence: filepath.Join("reports", "up")})
			if err != nil {
				return err
			}
			out.step("up", "ready: run 'make e2e' as often as you like, then 'make down'")
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().Lookup("keep").Hidden = true
	return cmd
}

func downCommand() *cobra.Command {
	mode, where := string(engine.Auto), platformKind
	var existing clusterFlags
	cmd := &cobra.Command{
		Use: "down", Short: "Delete the cluster and stop the private engine, or remove what runs left in yours", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := newConsole(cmd.ErrOrStderr())
			switch where {
			case platformKind:
				return down(cmd.Context(), out, engine.Mode(mode))
			case platformExisting:
				return downExisting(cmd.Context(), out, existing)
			}
			return usage(fmt.Errorf("unknown platform %q: choose kind or existing", where))
		},
	}
	cmd.Flags().StringVar(&mode, "engine", mode, "Docker engine: auto, host or private")
	cmd.Flags().StringVar(&where, "platform", where, "what to take down: kind, or existing for what runs left in your own cluster")
	existing.add(cmd)
	return cmd
}

func down(ctx context.Context, out *console, mode engine.Mode) error {
	docker, err := engine.Find(ctx, engine.Options{Mode: mode})
	if err != nil {
		return err
	}
	if docker == nil {
		out.step("down", "no engine runs, so there is no cluster")
		return cluster.Forget(cluster.Options{})
	}
	if err := cluster.Delete(ctx, cluster.Options{DockerHost: docker.DockerHost(), Progress: out.on("cluster")}); err != nil {
		return err
	}
	if docker.Private() {
		out.step("engine", "stopping the private engine")
	}
	return docker.Stop(ctx)
}
