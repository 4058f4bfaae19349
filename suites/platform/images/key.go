// SPDX-License-Identifier: Apache-2.0

package images

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// recipeVersion is part of every key. Raise it when the Go code of a recipe changes what comes out of it.
const recipeVersion = 1

// keyer hashes the inputs of an image. Every input is written with its name and its length, so that no two different
// lists of inputs look the same.
type keyer struct {
	sum hash.Hash
}

func newKeyer(way string) *keyer {
	k := &keyer{sum: sha256.New()}
	k.add("way", way)
	k.add("platform", runtime.GOOS+"/"+runtime.GOARCH)
	return k
}

func (k *keyer) add(name, value string) {
	fmt.Fprintf(k.sum, "%d:%s=%d:", len(name), name, len(value))
	io.WriteString(k.sum, value)
}

// image adds the entry of the manifest.
func (k *keyer) image(i Image) error {
	entry, err := json.Marshal(i)
	if err != nil {
		return err
	}
	k.add("manifest", string(entry))
	return nil
}

// file adds a file's content under the given name.
func (k *keyer) file(name, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	k.add(name, string(data))
	return nil
}

// folder adds every file below dir: path, permissions and content.
func (k *keyer) folder(name, dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		return k.file(fmt.Sprintf("%s/%s %v", name, filepath.ToSlash(rel), info.Mode().Perm()&0o100 != 0), path)
	})
}

// key is the hash of what was added, in hexadecimal.
func (k *keyer) key() string { return hex.EncodeToString(k.sum.Sum(nil)) }

// registryKey is the key of an image pulled by digest: the digest and nothing of the recipe.
func registryKey(i Image) string {
	k := newKeyer("registry")
	k.add("published", i.Registry)
	k.add("reference", i.Reference)
	return k.key()
}
