// SPDX-License-Identifier: Apache-2.0

package images

import (
	"context"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// nonroot is the user our own programs run as, in their images and by their manifests.
const nonroot = "65532:65532"

// commandRecipe builds a command of this repository into an image with nothing else in it.
type commandRecipe struct{ tools *tools }

func (r *commandRecipe) inputs(ctx context.Context, image Image, k *keyer) error {
	version, err := r.tools.goVersion(ctx)
	if err != nil {
		return err
	}
	k.add("go", version)
	return r.tools.sources(ctx, image.Command, k)
}

func (r *commandRecipe) build(ctx context.Context, j *job) error {
	root, err := r.tools.root()
	if err != nil {
		return err
	}
	tree := filepath.Join(j.work, "root")
	bin := filepath.Join(tree, "usr/local/bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	err = r.tools.build(ctx, j, goBuild{title: j.image.Command, dir: root, packages: []string{j.image.Command}, out: bin})
	if err != nil {
		return err
	}
	j.built.Origin = "source: this repository"
	program := "/usr/local/bin/" + filepath.Base(j.image.Command)
	return j.steps.run(ctx, "assemble", func(ctx context.Context, _ *detail) error {
		if err := nonrootFiles(tree); err != nil {
			return err
		}
		layer, err := newLayer(ctx, tree, filepath.Join(j.work, "layer.tar"), layerOptions{ownedByRoot: true})
		if err != nil {
			return err
		}
		image, err := assemble(v1.Config{
			Entrypoint: []string{program},
			User:       nonroot,
			WorkingDir: "/",
			Env:        []string{"PATH=/usr/local/bin", "HOME=/tmp"},
		}, layer)
		if err != nil {
			return err
		}
		return writeArchive(j.archive(), map[string]v1.Image{j.built.Ref: image})
	})
}

// nonrootFiles writes the little a static program expects: names for the users, a place for the certificates that are
// mounted, and one for temporary files.
func nonrootFiles(tree string) error {
	for _, dir := range []string{"etc/ssl/certs", "tmp"} {
		if err := os.MkdirAll(filepath.Join(tree, dir), 0o755); err != nil {
			return err
		}
	}
	if err := os.Chmod(filepath.Join(tree, "tmp"), 0o777|os.ModeSticky); err != nil {
		return err
	}
	passwd := "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin\n"
	if err := os.WriteFile(filepath.Join(tree, "etc/passwd"), []byte(passwd), 0o644); err != nil {
		return err
	}
	group := "root:x:0:\nnonroot:x:65532:\n"
	return os.WriteFile(filepath.Join(tree, "etc/group"), []byte(group), 0o644)
}
