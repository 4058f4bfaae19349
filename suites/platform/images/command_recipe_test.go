// SPDX-License-Identifier: Apache-2.0

package images

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// checkout makes a repository with the commands tool and other, tool importing lib.
func checkout(t *testing.T) rootFS {
	t.Helper()
	root := rootFS(t.TempDir())
	for path, content := range map[string]string{
		"/go.mod":            "module " + modulePath + "\n\ngo 1.26\n",
		"/lib/lib.go":        "package lib\n\nimport _ \"embed\"\n\n//go:embed text\nvar Text string\n",
		"/lib/text":          "hello",
		"/lib/lib_test.go":   "package lib\n",
		"/cmd/tool/main.go":  "package main\n\nimport \"" + modulePath + "/lib\"\n\nfunc main() { print(lib.Text) }\n",
		"/cmd/other/main.go": "package main\n\nfunc main() {}\n",
	} {
		if err := root.write(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func sourceStore(t *testing.T, dir string, root rootFS) *Store {
	t.Helper()
	s, err := NewStore(Options{Dir: dir, Root: string(root)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func commandImage(name string) Image {
	image := testImage(name)
	image.Command = "./cmd/" + name
	return image
}

func TestKeyOfACommandFollowsItsOwnSourceOnly(t *testing.T) {
	root := checkout(t)
	key := func(name string) string {
		t.Helper()
		// A store of its own, as each run of the program has: within a run the source is looked at once.
		key, err := sourceStore(t, t.TempDir(), root).sourceKey(t.Context(), commandImage(name))
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	tool, other := key("tool"), key("other")
	if tool == other {
		t.Fatal("two commands have the same key")
	}
	changes := []struct {
		path, content string
		changes       bool
	}{
		{"/lib/lib_test.go", "package lib // changed\n", false},
		{"/README.md", "changed", false},
		{"/lib/text", "changed", true},
		{"/lib/lib.go", "package lib\n\nimport _ \"embed\"\n\n//go:embed text\nvar Text string // changed\n", true},
	}
	for _, change := range changes {
		if err := root.write(change.path, []byte(change.content), 0o644); err != nil {
			t.Fatal(err)
		}
		now := key("tool")
		if (now != tool) != change.changes {
			t.Errorf("a change of %s changes the key: %v, want %v", change.path, now != tool, change.changes)
		}
		tool = now
	}
	if key("other") != other {
		t.Error("a change of what other does not import changes its key")
	}
}

func TestCommandThatIsNotThereIsNamed(t *testing.T) {
	_, err := sourceStore(t, t.TempDir(), checkout(t)).Ensure(t.Context(), commandImage("gone"), ModeAuto, nil)
	if err == nil || !strings.Contains(err.Error(), "image gone") || !strings.Contains(err.Error(), "cmd/gone") {
		t.Errorf("error is %v", err)
	}
}

func TestSourceThatDoesNotCompileIsShown(t *testing.T) {
	root := checkout(t)
	if err := root.write("/cmd/other/main.go", []byte("package main\n\nfunc main() { undefinedThing() }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := sourceStore(t, t.TempDir(), root)
	_, err := s.Ensure(t.Context(), commandImage("other"), ModeAuto, nil)
	if err == nil || !strings.Contains(err.Error(), "undefined: undefinedThing") || !strings.Contains(err.Error(), `step "compile ./cmd/other"`) {
		t.Errorf("error is %v", err)
	}
	if left := leftovers(t, s, "other"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestCommandImageIsTheProgramAndLittleElse(t *testing.T) {
	built, err := sourceStore(t, t.TempDir(), checkout(t)).Ensure(t.Context(), commandImage("tool"), ModeAuto, nil)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(built.Ref)
	if err != nil {
		t.Fatal(err)
	}
	image, err := tarball.ImageFromPath(built.Archive, &tag)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if got := config.Config.Entrypoint; len(got) != 1 || got[0] != "/usr/local/bin/tool" {
		t.Errorf("entrypoint is %v", got)
	}
	if config.Config.User != nonroot || config.OS != "linux" {
		t.Errorf("user %q, system %q", config.Config.User, config.OS)
	}
	files := filesOf(t, image)
	if e := files["usr/local/bin/tool"]; e == nil || e.Mode != 0o755 || e.Uid != 0 {
		t.Errorf("the program is %+v", e)
	}
	if e := files["tmp"]; e == nil || e.Mode&0o1777 != 0o1777 {
		t.Errorf("/tmp is %+v", e)
	}
	if files["etc/passwd"] == nil || files["etc/ssl/certs"] == nil {
		t.Error("the names of the users or the place for certificates is missing")
	}
}

func filesOf(t *testing.T, image v1.Image) map[string]*tar.Header {
	t.Helper()
	content := mutate.Extract(image)
	defer content.Close()
	files := map[string]*tar.Header{}
	for reader := tar.NewReader(content); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = header
	}
}

func TestRootIsTheCheckoutAround(t *testing.T) {
	root := checkout(t)
	t.Chdir(root.path("/cmd/tool"))
	found, err := findRoot("")
	if err != nil {
		t.Fatal(err)
	}
	want, err := filepath.EvalSymlinks(string(root))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := filepath.EvalSymlinks(found); got != want {
		t.Errorf("found %s, want %s", got, want)
	}
	t.Chdir(os.TempDir())
	if _, err := findRoot(""); err == nil || !strings.Contains(err.Error(), "checkout") {
		t.Errorf("outside of a checkout the error is %v", err)
	}
	if _, err := findRoot(t.TempDir()); err == nil {
		t.Error("any folder counts as a checkout")
	}
}

func TestACheckoutThatDiffersFromTheProgramIsRefused(t *testing.T) {
	carried := fstest.MapFS{"manifests/standin.yaml": {Data: []byte("one")}}
	for _, c := range []struct {
		name, there string
		refused     bool
	}{
		{"the same", "one", false},
		{"a file that differs", "another", true},
		{"a file that is missing", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := checkout(t)
			if c.there != "" {
				if err := root.write("/fixtures/manifests/standin.yaml", []byte(c.there), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			s, err := NewStore(Options{Dir: t.TempDir(), Root: string(root), Fixtures: carried})
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.sourceKey(t.Context(), commandImage("tool"))
			if !c.refused {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), "fixtures/manifests/standin.yaml differs") || !strings.Contains(err.Error(), "make bin") {
				t.Errorf("the error is %v", err)
			}
			var build *BuildError
			if _, err := s.Ensure(t.Context(), commandImage("tool"), ModeSource, nil); !errors.As(err, &build) {
				t.Errorf("Ensure gives %v, and no BuildError, for which the command exits with 3", err)
			}
		})
	}
}
