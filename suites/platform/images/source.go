// SPDX-License-Identifier: Apache-2.0

package images

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/modfile"
)

// modulePath is how the checkout of this repository is recognised.
const modulePath = "github.com/ingress-auth/conformance"

// findRoot returns root, or the checkout around the working directory.
func findRoot(root string) (string, error) {
	if root != "" {
		if !isRoot(root) {
			return "", fmt.Errorf("%s is not a checkout of %s", root, modulePath)
		}
		return filepath.Abs(root)
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if isRoot(dir) {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("images are built from source in a checkout of the repository: run this in one")
		}
	}
}

func isRoot(dir string) bool {
	data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	return err == nil && modfile.ModulePath(data) == modulePath
}

// requireSame compares the files that this program carries with those of the checkout that images are built from.
func requireSame(carried fs.FS, root string) error {
	return fs.WalkDir(carried, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		ours, err := fs.ReadFile(carried, path)
		if err != nil {
			return err
		}
		theirs, err := os.ReadFile(filepath.Join(root, "fixtures", filepath.FromSlash(path)))
		if err == nil && bytes.Equal(ours, theirs) {
			return nil
		}
		return fmt.Errorf("images would be built from %s, and this program was built from another state of the repository (fixtures/%s differs), so that they would not fit what it deploys: build the program anew there (make bin), or run it in its own checkout", root, path)
	})
}

// requirement reads from a go.mod which version of a module it requires.
func requirement(goMod, module string) (string, error) {
	data, err := os.ReadFile(goMod)
	if err != nil {
		return "", err
	}
	file, err := modfile.Parse(goMod, data, nil)
	if err != nil {
		return "", err
	}
	for _, r := range file.Require {
		if r.Mod.Path == module {
			return r.Mod.Version, nil
		}
	}
	return "", fmt.Errorf("%s does not require %s", goMod, module)
}
