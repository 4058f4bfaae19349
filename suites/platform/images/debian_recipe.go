// SPDX-License-Identifier: Apache-2.0

package images

import (
	"context"
	"fmt"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// debianRecipe makes an image of Debian packages as they are. What it runs is the manifest's business.
type debianRecipe struct{ tools *tools }

func (r *debianRecipe) inputs(context.Context, Image, *keyer) error { return nil }

func (r *debianRecipe) build(ctx context.Context, j *job) error {
	root := filepath.Join(j.work, "root")
	if err := r.tools.debootstrap(ctx, j, root); err != nil {
		return err
	}
	return j.steps.run(ctx, "assemble", func(ctx context.Context, _ *detail) error {
		program := j.image.Debian.Packages[0]
		version, err := installedVersion(root, program)
		if err != nil {
			return err
		}
		j.version(program, version)
		j.version("debian", debianRelease(root))
		j.built.Origin = fmt.Sprintf("source: %s %s from Debian %s", program, version, j.built.Versions["debian"])
		if err := slim(root); err != nil {
			return err
		}
		layer, err := newLayer(ctx, root, filepath.Join(j.work, "layer.tar"), layerOptions{})
		if err != nil {
			return err
		}
		image, err := assemble(v1.Config{
			User: nonroot, WorkingDir: "/",
			Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
			Cmd: []string{program},
		}, layer)
		if err != nil {
			return err
		}
		return writeArchive(j.archive(), map[string]v1.Image{j.built.Ref: image})
	})
}
