// SPDX-License-Identifier: Apache-2.0

package images

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingress-auth/conformance/fixtures"
)

func TestManifestOfTheFixturesListsEveryImage(t *testing.T) {
	m, err := Load(fixtures.FS())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"node", "ingress-nginx", "proxy", "mockidp", "standin", "redis"}
	if got := m.Names(); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("images are %v, want %v", got, want)
	}
	if _, err := m.Image("nginx"); err == nil || !strings.Contains(err.Error(), "ingress-nginx") {
		t.Errorf("an unknown name gives %v, want the names there are", err)
	}
}

func TestBothWaysToTheNodeHaveTheSameKubernetes(t *testing.T) {
	m, err := Load(fixtures.FS())
	if err != nil {
		t.Fatal(err)
	}
	node, err := m.Image("node")
	if err != nil {
		t.Fatal(err)
	}
	root, err := findRoot("")
	if err != nil {
		t.Fatal(err)
	}
	built, err := requirement(filepath.Join(root, "fixtures/images/kubernetes/go.mod"), kubernetesModule)
	if err != nil {
		t.Fatal(err)
	}
	if node.Versions["kubernetes"] != built {
		t.Errorf("the manifest says Kubernetes %s, the recipe builds %s", node.Versions["kubernetes"], built)
	}
	for _, ref := range []string{node.Reference, node.Registry} {
		if !strings.Contains(ref, ":"+built) {
			t.Errorf("%s is not of Kubernetes %s", ref, built)
		}
	}
}

func TestPublishedAndBuiltControllerAreTheSameVersion(t *testing.T) {
	m, err := Load(fixtures.FS())
	if err != nil {
		t.Fatal(err)
	}
	controller, err := m.Image("ingress-nginx")
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{controller.Reference, controller.Registry} {
		if version := controller.Versions["controller"]; !strings.Contains(ref, ":"+version) {
			t.Errorf("%s is not version %s", ref, version)
		}
	}
}

const validImage = `
images:
  - name: tool
    reference: images.example.test/tool:v1
    registry: none
    recipe: command
    command: ./cmd/tool
`

func TestParseRefusesWhatNoRecipeCouldFollow(t *testing.T) {
	if _, err := Parse([]byte(validImage)); err != nil {
		t.Fatalf("the valid manifest is refused: %v", err)
	}
	tests := map[string]struct{ old, new, want string }{
		"unknown field":         {"recipe:", "receipt: x\n    recipe:", "receipt"},
		"name that is a path":   {"name: tool", "name: ../tool", "names a folder"},
		"no tag":                {"tool:v1", "tool", "reference"},
		"registry by tag":       {"registry: none", "registry: docker.io/library/tool:v1", "digest"},
		"unknown recipe":        {"recipe: command", "recipe: cake", `unknown recipe "cake"`},
		"command out of tree":   {"./cmd/tool", "./../tool", "package to build"},
		"command not relative":  {"./cmd/tool", "cmd/tool", "package to build"},
		"node without packages": {"recipe: command", "recipe: node", "Debian suite"},
		"option for a package":  {"command: ./cmd/tool", "debian: {suite: trixie, packages: [--foo]}\n    recipe: node", "recipe"},
		"no images":             {validImage, "images: []", "lists no image"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(strings.Replace(validImage, test.old, test.new, 1)))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want one about %q", err, test.want)
			}
		})
	}
}

func TestParseRefusesPackagesThatAreOptions(t *testing.T) {
	manifest := strings.Replace(validImage, "recipe: command", "recipe: node\n    debian: {suite: trixie, packages: [--variant=x]}", 1)
	if _, err := Parse([]byte(manifest)); err == nil || !strings.Contains(err.Error(), "--variant=x") {
		t.Errorf("error is %v, want one about the package", err)
	}
}

func TestParseNamesAnImageListedTwice(t *testing.T) {
	twice := validImage + strings.TrimPrefix(validImage, "\nimages:\n")
	if _, err := Parse([]byte(twice)); err == nil || !strings.Contains(err.Error(), "listed twice") {
		t.Errorf("error is %v", err)
	}
}

func TestParseMode(t *testing.T) {
	for in, want := range map[string]Mode{"": ModeAuto, "auto": ModeAuto, "registry": ModeRegistry, "source": ModeSource} {
		if got, err := ParseMode(in); err != nil || got != want {
			t.Errorf("ParseMode(%q) is %q, %v", in, got, err)
		}
	}
	if _, err := ParseMode("Source"); err == nil {
		t.Error("an unknown mode is accepted")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(validImage)
	f.Add("images: [{name: x, recipe: node, registry: docker.io/a@sha256:0}]")
	f.Fuzz(func(t *testing.T, data string) {
		m, err := Parse([]byte(data))
		if err != nil {
			return
		}
		for _, image := range m.Images {
			if strings.ContainsAny(image.Name, "/ ") || image.Name == "" || image.Name[0] == '.' {
				t.Errorf("accepted the name %q", image.Name)
			}
			for _, p := range image.Debian.Packages {
				if strings.HasPrefix(p, "-") || strings.ContainsAny(p, ", ") {
					t.Errorf("accepted the package %q", p)
				}
			}
		}
	})
}
