// SPDX-License-Identifier: Apache-2.0

package images

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// sandboxImage is what containerd's configuration in kind's base files names as the image that holds a pod's namespaces.
var sandboxImage = regexp.MustCompile(`sandbox_image = "([^"]+)"`)

// preload makes the images kubeadm asks for and puts them into the store of the node's containerd.
func (r *nodeRecipe) preload(ctx context.Context, j *job, s nodeSource, bin string, root rootFS) error {
	refs, err := requiredImages(ctx, j, s, bin, root)
	if err != nil {
		return err
	}
	images := map[string]v1.Image{}
	for _, ref := range refs {
		if images[ref], err = controlPlaneImage(ctx, j, ref, bin, root); err != nil {
			return fmt.Errorf("%s: %w", ref, err)
		}
	}
	archive := filepath.Join(string(root), "images.tar")
	if err := writeArchive(archive, images); err != nil {
		return err
	}
	defer os.Remove(archive)
	return importImages(ctx, j, root, "/images.tar", refs)
}

// requiredImages asks kubeadm which images it will want, and containerd's configuration which one it starts pods with.
func requiredImages(ctx context.Context, j *job, s nodeSource, bin string, root rootFS) ([]string, error) {
	var out bytes.Buffer
	c := command{args: []string{filepath.Join(bin, "kubeadm"), "config", "images", "list", "--kubernetes-version", s.kubernetes},
		env: chrootEnv(j.work), stdout: &out}
	if err := c.run(ctx, j.log); err != nil {
		return nil, err
	}
	config, err := os.ReadFile(root.path("/etc/containerd/config.toml"))
	if err != nil {
		return nil, err
	}
	sandbox := sandboxImage.FindSubmatch(config)
	if sandbox == nil {
		return nil, errors.New("containerd's configuration names no sandbox image")
	}
	refs := strings.Fields(out.String())
	for _, ref := range refs {
		if ref == string(sandbox[1]) {
			return refs, nil
		}
	}
	return append(refs, string(sandbox[1])), nil
}

// controlPlaneImage makes one image: a program on an empty root, and what it cannot do without.
func controlPlaneImage(ctx context.Context, j *job, ref, bin string, root rootFS) (v1.Image, error) {
	repository, _, _ := strings.Cut(ref, ":")
	program := filepath.Base(repository)
	tree := rootFS(filepath.Join(j.work, "images", strings.ReplaceAll(ref, "/", "_")))
	if err := tree.mkdir("/"); err != nil {
		return nil, err
	}
	place := "/usr/local/bin/" + program
	// Where the published images have these, as manifests that start them by path rely on it.
	if program == "coredns" || program == "pause" {
		place = "/" + program
	}
	if err := tree.copyFile(place, filepath.Join(bin, program), 0o755); err != nil {
		return nil, err
	}
	if program == "kube-proxy" {
		if err := packetFilter(tree, root); err != nil {
			return nil, err
		}
	}
	layer, err := newLayer(ctx, string(tree), string(tree)+".tar", layerOptions{ownedByRoot: true})
	if err != nil {
		return nil, err
	}
	return assemble(v1.Config{
		Entrypoint: []string{place},
		Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		WorkingDir: "/",
	}, layer)
}

// packetFilter copies the programs kube-proxy changes the node's packet filter with, and the libraries they load.
func packetFilter(tree, root rootFS) error {
	programs := []string{"/usr/sbin/xtables-nft-multi", "/usr/sbin/nft", "/usr/sbin/conntrack", "/usr/bin/kmod"}
	for _, program := range programs {
		if err := copyWithLibraries(tree, root, program); err != nil {
			return err
		}
	}
	extensions, err := filepath.Glob(root.path("/usr/lib/*-linux-gnu/xtables/*.so"))
	if err != nil {
		return err
	}
	for _, file := range extensions {
		if err := copyWithLibraries(tree, root, strings.TrimPrefix(file, string(root))); err != nil {
			return err
		}
	}
	for _, family := range []string{"iptables", "ip6tables"} {
		for _, suffix := range []string{"", "-save", "-restore"} {
			if err := tree.link("/usr/sbin/"+family+suffix, "xtables-nft-multi"); err != nil {
				return err
			}
		}
	}
	// As in Debian, where these are one with /usr: the dynamic loader is looked for in /lib64.
	for _, dir := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := tree.mkdir("/usr/" + dir); err != nil {
			return err
		}
		if err := tree.link("/"+dir, "usr/"+dir); err != nil {
			return err
		}
	}
	return tree.link("/usr/sbin/modprobe", "../bin/kmod")
}

// copyWithLibraries copies a program or library from root, and all the libraries it needs.
func copyWithLibraries(tree, root rootFS, path string) error {
	if _, err := os.Stat(tree.path(path)); err == nil {
		return nil
	}
	if err := tree.copyFile(path, root.path(path), 0o755); err != nil {
		return err
	}
	file, err := elf.Open(root.path(path))
	if err != nil {
		return err
	}
	defer file.Close()
	libraries, err := file.ImportedLibraries()
	if err != nil {
		return err
	}
	if loader := interpreter(file); loader != "" {
		// /lib64 is a link to /usr/lib64, here as in Debian.
		if err := copyWithLibraries(tree, root, "/usr"+loader); err != nil {
			return err
		}
	}
	for _, library := range libraries {
		found, err := findLibrary(root, library)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := copyWithLibraries(tree, root, found); err != nil {
			return err
		}
	}
	return nil
}

// interpreter is the dynamic loader a program names, if it does.
func interpreter(file *elf.File) string {
	section := file.Section(".interp")
	if section == nil {
		return ""
	}
	data, err := section.Data()
	if err != nil {
		return ""
	}
	return strings.TrimRight(string(data), "\x00")
}

func findLibrary(root rootFS, name string) (string, error) {
	for _, pattern := range []string{"/usr/lib/*-linux-gnu/", "/usr/lib64/", "/usr/lib/"} {
		matches, err := filepath.Glob(root.path(pattern) + "/" + name)
		if err != nil {
			return "", err
		}
		if len(matches) > 0 {
			return strings.TrimPrefix(matches[0], string(root)), nil
		}
	}
	return "", fmt.Errorf("library %s is not in the root file system", name)
}

// importDeadline is for an import that takes seconds.
const importDeadline = 3 * time.Minute

// importConfig is containerd with nothing but its store.
const importConfig = `version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.tracing"]
`

// importImages runs the node's own containerd in the root file system for as long as it takes to import the archive: its
// store is then exactly what it expects.
func importImages(ctx context.Context, j *job, root rootFS, archive string, refs []string) error {
	if err := root.write("/import.toml", []byte(importConfig), 0o644); err != nil {
		return err
	}
	defer os.Remove(root.path("/import.toml"))
	// One shell for server and client: in a process namespace of its own, the end of the shell is the end of both.
	const script = `
mount -t proc proc /proc || exit 1
containerd --config /import.toml --log-level warn &
until ctr version >/dev/null 2>&1; do
  kill -0 $! || exit 1
  sleep 0.1
done
ctr --namespace=k8s.io images import --label=io.cri-containerd.pinned=pinned --no-unpack "$1" || exit 1
ctr --namespace=k8s.io images list -q || exit 1
kill $!
wait $!
exit 0
`
	var out strings.Builder
	importing, cancel := context.WithTimeoutCause(ctx, importDeadline, fmt.Errorf("containerd did not finish within %v: %w", importDeadline, context.DeadlineExceeded))
	defer cancel()
	c := command{args: []string{"/bin/sh", "-c", script, "import", archive}, dir: "/", chroot: string(root), isolated: true,
		env: chrootEnv(""), stdout: io.MultiWriter(&out, j.log)}
	if err := c.run(importing, j.log); err != nil {
		return err
	}
	for _, ref := range refs {
		if !strings.Contains(out.String(), ref+"\n") {
			return fmt.Errorf("containerd has not imported %s", ref)
		}
	}
	return root.empty("/run/*", "/tmp/*", "/var/lib/containerd/io.containerd.content.v1.content/ingest/*")
}
