// SPDX-License-Identifier: Apache-2.0

// Package images gets every container image the harness uses, without needing a container engine to do so.
//
// There are two ways to each image. It is pulled from its registry, by digest; or it is built from source: from Go
// modules and Debian packages, by the recipe the manifest (fixtures/images/images.yaml) names, and put together layer by
// layer. Both end as an archive that `docker load` and `ctr images import` read.
//
// An archive is kept under the key of everything it is made from. The same key is never built twice, and a reference
// carries the key, so that the same reference is always the same content.
package images

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"sigs.k8s.io/yaml"
)

// ManifestPath is where the manifest of images is among the fixtures.
const ManifestPath = "images/images.yaml"

// Mode says which way to take to an image.
type Mode string

// The modes. ModeAuto takes what is there already; otherwise it asks the registry first, and builds from source what
// the registry does not give. An image of this project has no registry and is built from source in every mode.
const (
	ModeRegistry Mode = "registry"
	ModeSource   Mode = "source"
	ModeAuto     Mode = "auto"
)

// ParseMode reads a mode as users write it; empty means ModeAuto.
func ParseMode(s string) (Mode, error) {
	switch m := Mode(s); m {
	case "":
		return ModeAuto, nil
	case ModeRegistry, ModeSource, ModeAuto:
		return m, nil
	}
	return "", fmt.Errorf("unknown way to get images %q: choose registry, source or auto", s)
}

// NoRegistry stands in Image.Registry where no published image exists.
const NoRegistry = "none"

// The recipes a manifest can name.
const (
	RecipeNode         = "node"
	RecipeIngressNginx = "ingress-nginx"
	RecipeCommand      = "command"
	RecipeDebian       = "debian"
)

// Image is one entry of the manifest.
type Image struct {
	// Name is how commands and reports call the image.
	Name string `json:"name"`
	// Reference is its repository and tag in the cluster. Built.Ref is this with the start of the key appended.
	Reference string `json:"reference"`
	// Registry is the published image, by digest, or NoRegistry.
	Registry string `json:"registry"`
	// Recipe builds the image from source.
	Recipe string `json:"recipe"`
	// Versions are those of the parts a verdict is about, the same both ways.
	Versions map[string]string `json:"versions,omitempty"`
	// Debian is the root file system of RecipeNode, RecipeIngressNginx and RecipeDebian.
	Debian Debian `json:"debian,omitempty"`
	// Command is the Go package RecipeCommand builds, relative to the root of the repository.
	Command string `json:"command,omitempty"`
	// StandsIn says what the image built from source has in place of the original.
	StandsIn []string `json:"standsIn,omitempty"`
}

// Debian names a suite of Debian and the packages to install from it.
type Debian struct {
	Suite    string   `json:"suite,omitempty"`
	Packages []string `json:"packages,omitempty"`
}

// Published says whether a registry has the image.
func (i Image) Published() bool { return i.Registry != NoRegistry }

// Manifest lists the images.
type Manifest struct {
	Images []Image `json:"images"`
}

// Image returns the image of that name. The error names the ones there are.
func (m Manifest) Image(name string) (Image, error) {
	i := slices.IndexFunc(m.Images, func(i Image) bool { return i.Name == name })
	if i < 0 {
		return Image{}, fmt.Errorf("no image is called %q; there are %s", name, strings.Join(m.Names(), ", "))
	}
	return m.Images[i], nil
}

// Names lists the images in the order of the manifest.
func (m Manifest) Names() []string {
	names := make([]string, len(m.Images))
	for i, image := range m.Images {
		names[i] = image.Name
	}
	return names
}

// Load reads ManifestPath and refuses what no recipe or registry could follow.
func Load(fsys fs.FS) (Manifest, error) {
	data, err := fs.ReadFile(fsys, ManifestPath)
	if err != nil {
		return Manifest{}, fmt.Errorf("reading the manifest of images: %w", err)
	}
	m, err := Parse(data)
	if err != nil {
		return Manifest{}, fmt.Errorf("%s: %w", ManifestPath, err)
	}
	return m, nil
}

// Parse reads a manifest from YAML. All that is wrong with it is in the error, not only the first thing.
func Parse(data []byte) (Manifest, error) {
	var m Manifest
	if err := yaml.UnmarshalStrict(data, &m); err != nil {
		return Manifest{}, err
	}
	if len(m.Images) == 0 {
		return Manifest{}, errors.New("it lists no image")
	}
	var problems []error
	seen := map[string]bool{}
	for _, image := range m.Images {
		if seen[image.Name] {
			problems = append(problems, fmt.Errorf("image %q is listed twice", image.Name))
		}
		seen[image.Name] = true
		for _, err := range image.problems() {
			problems = append(problems, fmt.Errorf("image %q: %w", image.Name, err))
		}
	}
	return m, errors.Join(problems...)
}

func (i Image) problems() []error {
	var problems []error
	report := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }

	if !isName(i.Name) {
		report("a name is lower-case letters, digits and dashes, as it names a folder")
	}
	if _, err := name.NewTag(i.Reference, name.StrictValidation); err != nil {
		report("reference: %w", err)
	}
	if i.Published() {
		if _, err := name.NewDigest(i.Registry, name.StrictValidation); err != nil {
			report(`registry is a reference with a digest, or "none": %w`, err)
		}
	}
	switch i.Recipe {
	case RecipeNode, RecipeIngressNginx, RecipeDebian:
		if i.Debian.Suite == "" || len(i.Debian.Packages) == 0 {
			report("recipe %q needs a Debian suite and its packages", i.Recipe)
		}
		problems = append(problems, i.Debian.problems()...)
	case RecipeCommand:
		if !strings.HasPrefix(i.Command, "./") || strings.Contains(i.Command, "..") {
			report("recipe %q needs command, the package to build, as ./path/from/the/root", i.Recipe)
		}
	default:
		report("unknown recipe %q", i.Recipe)
	}
	return problems
}

// problems keeps anything but names out, as they become arguments of debootstrap.
func (d Debian) problems() []error {
	var problems []error
	for _, s := range append([]string{d.Suite}, d.Packages...) {
		if s != "" && !isName(s) {
			problems = append(problems, fmt.Errorf("%q is not the name of a Debian suite or package", s))
		}
	}
	return problems
}

func isName(s string) bool {
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= '0' && r <= '9'
		if !letter && (i == 0 || r != '-' && r != '.' && r != '+') {
			return false
		}
	}
	return s != ""
}
