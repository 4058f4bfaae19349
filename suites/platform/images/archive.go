// SPDX-License-Identifier: Apache-2.0

package images

import (
	"fmt"
	"runtime"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// assemble puts an image together from its layers and its configuration.
func assemble(config v1.Config, layers ...v1.Layer) (v1.Image, error) {
	image, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		return nil, fmt.Errorf("appending layers: %w", err)
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.Config = config
	file.OS, file.Architecture = "linux", runtime.GOARCH
	file.Created = v1.Time{Time: written}
	return mutate.ConfigFile(image, file)
}

// writeArchive writes images with their references as one archive that engines load.
func writeArchive(path string, images map[string]v1.Image) error {
	tagged := make(map[name.Reference]v1.Image, len(images))
	for ref, image := range images {
		tag, err := name.NewTag(ref)
		if err != nil {
			return err
		}
		tagged[tag] = image
	}
	if err := tarball.MultiRefWriteToFile(path, tagged); err != nil {
		return fmt.Errorf("writing the archive: %w", err)
	}
	return nil
}
