// SPDX-License-Identifier: Apache-2.0

package images

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// The modules the node image is made from, each with a nested module or a folder of its own under fixtures/images.
const (
	kubernetesModule = "k8s.io/kubernetes"
	etcdModule       = "go.etcd.io/etcd/server/v3"
	corednsModule    = "github.com/coredns/coredns"
	kindModule       = "sigs.k8s.io/kind"
)

// nodeRecipe builds what kind calls a node image: a Debian that runs systemd, containerd and the kubelet, with the images
// of the control plane in containerd's store.
type nodeRecipe struct{ tools *tools }

// nodeSource is where the parts come from.
type nodeSource struct {
	root                            string
	kubernetes, etcd, coredns, kind string // versions
}

func (s nodeSource) dir(name string) string { return filepath.Join(s.root, "fixtures/images", name) }

func (r *nodeRecipe) source() (nodeSource, error) {
	root, err := r.tools.root()
	if err != nil {
		return nodeSource{}, err
	}
	s := nodeSource{root: root}
	for _, part := range []struct {
		version       *string
		goMod, module string
	}{
		{&s.kubernetes, s.dir("kubernetes/go.mod"), kubernetesModule},
		{&s.etcd, s.dir("etcd/go.mod"), etcdModule},
		{&s.coredns, s.dir("coredns/go.mod"), corednsModule},
		{&s.kind, filepath.Join(root, "go.mod"), kindModule},
	} {
		if *part.version, err = requirement(part.goMod, part.module); err != nil {
			return nodeSource{}, err
		}
	}
	return s, nil
}

func (r *nodeRecipe) inputs(ctx context.Context, _ Image, k *keyer) error {
	s, err := r.source()
	if err != nil {
		return err
	}
	version, err := r.tools.goVersion(ctx)
	if err != nil {
		return err
	}
	k.add("go", version)
	k.add("kind", s.kind)
	for _, folder := range []string{"kubernetes", "etcd", "coredns", "pause", "node"} {
		if err := k.folder(folder, s.dir(folder)); err != nil {
			return err
		}
	}
	return nil
}

func (r *nodeRecipe) build(ctx context.Context, j *job) error {
	s, err := r.source()
	if err != nil {
		return err
	}
	bin := filepath.Join(j.work, "bin")
	root := rootFS(filepath.Join(j.work, "root"))
	err = together(ctx,
		func(ctx context.Context) error { return r.compile(ctx, j, s, bin) },
		func(ctx context.Context) error { return r.rootFS(ctx, j, s, root) },
	)
	if err != nil {
		return err
	}
	if err := j.steps.run(ctx, "put the control plane's images into containerd", func(ctx context.Context, _ *detail) error {
		return r.preload(ctx, j, s, bin, root)
	}); err != nil {
		return err
	}
	r.describe(j, s, root)
	return j.steps.run(ctx, "assemble", func(ctx context.Context, _ *detail) error {
		return r.assemble(ctx, j, s, bin, root)
	})
}

// compile builds everything that is Go.
func (r *nodeRecipe) compile(ctx context.Context, j *job, s nodeSource, bin string) error {
	builds := []goBuild{
		{title: "Kubernetes " + s.kubernetes, dir: s.dir("kubernetes"), packages: kubernetesCommands(), ldflags: kubernetesVersion(s.kubernetes)},
		{title: "etcd " + s.etcd, dir: s.dir("etcd"), packages: []string{etcdModule},
			rename: map[string]string{"server": "etcd"}},
		{title: "CoreDNS " + s.coredns, dir: s.dir("coredns"), packages: []string{"."}},
		{title: "pause", dir: s.root, packages: []string{"./fixtures/images/pause"}},
	}
	for _, b := range builds {
		b.out = bin
		if err := r.tools.build(ctx, j, b); err != nil {
			return err
		}
	}
	return nil
}

func kubernetesCommands() []string {
	var packages []string
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubeadm", "kubectl", "kubelet"} {
		packages = append(packages, kubernetesModule+"/cmd/"+name)
	}
	return packages
}

// kubernetesVersion makes the programs say which version they are, as Kubernetes' own build does: kubeadm chooses the
// images by it.
func kubernetesVersion(version string) []string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	var flags []string
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags = append(flags, "-X "+pkg+".gitVersion="+version, "-X "+pkg+".gitMajor="+parts[0], "-X "+pkg+".gitMinor="+parts[1])
	}
	return flags
}

// rootFS installs Debian and makes of it what the Dockerfile of kind's base image makes of it.
func (r *nodeRecipe) rootFS(ctx context.Context, j *job, s nodeSource, root rootFS) error {
	if err := r.tools.debootstrap(ctx, j, string(root)); err != nil {
		return err
	}
	return j.steps.run(ctx, "lay out the node", func(ctx context.Context, _ *detail) error {
		kind, err := r.tools.moduleDir(ctx, s.root, kindModule)
		if err != nil {
			return err
		}
		if err := layOutNode(root, filepath.Join(kind, "images/base/files"), s); err != nil {
			return err
		}
		return writeBaseSpec(ctx, j, root)
	})
}

func layOutNode(root rootFS, kindFiles string, s nodeSource) error {
	executable := func(path string) fs.FileMode {
		if strings.HasPrefix(path, "/usr/local/bin/") || strings.HasPrefix(path, "/kind/bin/") {
			return 0o755
		}
		return 0o644
	}
	if err := root.copyTree("/", kindFiles, executable); err != nil {
		return err
	}
	if err := root.copyTree("/", filepath.Join(s.dir("node"), "files"), nil); err != nil {
		return err
	}
	// Units that have no place in a container, as kind's Dockerfile removes them.
	err := root.empty(
		"/usr/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service",
		"/usr/lib/systemd/system/multi-user.target.wants/*",
		"/etc/systemd/system/*.wants/*",
		"/usr/lib/systemd/system/local-fs.target.wants/*",
		"/usr/lib/systemd/system/sockets.target.wants/*udev*",
		"/usr/lib/systemd/system/sockets.target.wants/*initctl*",
		"/usr/lib/systemd/system/basic.target.wants/*",
	)
	if err != nil {
		return err
	}
	if err := root.write("/etc/systemd/journald.conf.d/kmsg.conf", []byte("[Journal]\nReadKMsg=no\n"), 0o644); err != nil {
		return err
	}
	if err := linkNode(root); err != nil {
		return err
	}
	if err := restrictOOMScore(root); err != nil {
		return err
	}
	if err := root.mkdir("/etc/kubernetes/manifests"); err != nil {
		return err
	}
	if err := root.write("/kind/version", []byte(s.kubernetes), 0o644); err != nil {
		return err
	}
	return slim(string(root))
}

// linkNode enables units, and puts programs where kind and Kubernetes look for them.
func linkNode(root rootFS) error {
	links := map[string]string{
		"/usr/sbin/init": "/usr/lib/systemd/systemd",
		"/etc/systemd/system/systemd-binfmt.service": "/dev/null",
		"/usr/local/bin/containerd":                  "/usr/bin/containerd",
		"/usr/local/bin/containerd-shim-runc-v2":     "/usr/bin/containerd-shim-runc-v2",
		"/usr/local/bin/ctr":                         "/usr/bin/ctr",
		"/usr/local/sbin/runc":                       "/usr/sbin/runc",
	}
	for _, unit := range []string{"containerd", "kubelet", "refuse-unrouted-services", "undo-mount-hacks"} {
		links["/etc/systemd/system/multi-user.target.wants/"+unit+".service"] = "/etc/systemd/system/" + unit + ".service"
	}
	for _, plugin := range []string{"host-local", "loopback", "portmap", "ptp"} {
		links["/opt/cni/bin/"+plugin] = "/usr/lib/cni/" + plugin
	}
	for path, target := range links {
		if err := root.link(path, target); err != nil {
			return err
		}
	}
	return nil
}

// restrictOOMScore keeps containerd from asking for a lower OOM score than its own. Where the engine may not lower scores at
// all, no container would start otherwise; where it may, a container of a test cluster misses nothing.
func restrictOOMScore(root rootFS) error {
	const path = "/etc/containerd/config.toml"
	return edit(root, path, "restrict_oom_score_adj = false", "restrict_oom_score_adj = true")
}

// writeBaseSpec writes what every container of the node starts from: containerd's default, with kind's hook and without
// limits, as kind's Dockerfile has it.
func writeBaseSpec(ctx context.Context, j *job, root rootFS) error {
	var out strings.Builder
	c := command{args: []string{"/usr/bin/ctr", "oci", "spec"}, dir: "/", chroot: string(root), isolated: true, env: chrootEnv(""), stdout: &out}
	if err := c.run(ctx, j.log); err != nil {
		return err
	}
	var spec map[string]any
	if err := json.Unmarshal([]byte(out.String()), &spec); err != nil {
		return fmt.Errorf("reading containerd's default specification: %w", err)
	}
	process, ok := spec["process"].(map[string]any)
	if !ok {
		return fmt.Errorf("containerd's default specification has no process")
	}
	delete(process, "rlimits")
	spec["hooks"] = map[string]any{"createContainer": []any{map[string]any{"path": "/kind/bin/mount-product-files.sh"}}}
	data, err := json.MarshalIndent(spec, "", "  ")
	if err != nil {
		return err
	}
	return root.write("/etc/containerd/cri-base.json", data, 0o644)
}

// describe records what the node consists of.
func (r *nodeRecipe) describe(j *job, s nodeSource, root rootFS) {
	j.version("kubernetes", s.kubernetes)
	j.version("etcd", s.etcd)
	j.version("coredns", s.coredns)
	j.version("kind", s.kind)
	j.version("debian", debianRelease(string(root)))
	for _, pkg := range []string{"containerd", "runc", "systemd"} {
		if version, err := installedVersion(string(root), pkg); err == nil {
			j.version(pkg, version)
		}
	}
	j.built.StandsIn = j.image.StandsIn
	j.built.Origin = fmt.Sprintf("source: Kubernetes %s, etcd %s and CoreDNS %s from Go modules, containerd %s from Debian %s",
		s.kubernetes, s.etcd, s.coredns, j.built.Versions["containerd"], j.built.Versions["debian"])
}

func (r *nodeRecipe) assemble(ctx context.Context, j *job, _ nodeSource, bin string, root rootFS) error {
	for _, program := range []string{"kubeadm", "kubectl", "kubelet"} {
		if err := root.copyFile("/usr/bin/"+program, filepath.Join(bin, program), 0o755); err != nil {
			return err
		}
	}
	layer, err := newLayer(ctx, string(root), filepath.Join(j.work, "layer.tar"), layerOptions{})
	if err != nil {
		return err
	}
	image, err := assemble(v1.Config{
		Entrypoint: []string{"/usr/local/bin/entrypoint", "/sbin/init"},
		// systemd looks here to learn that it is in a container, and ends on this signal, not on SIGTERM.
		Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "container=docker"},
		StopSignal: "SIGRTMIN+3",
	}, layer)
	if err != nil {
		return err
	}
	return writeArchive(j.archive(), map[string]v1.Image{j.built.Ref: image})
}
