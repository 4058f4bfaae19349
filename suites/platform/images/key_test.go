// SPDX-License-Identifier: Apache-2.0

package images

import (
	"os"
	"path/filepath"
	"testing"
)

func TestKeysOfDifferentInputsDiffer(t *testing.T) {
	lists := map[string][][2]string{
		"none":         {},
		"one":          {{"a", "b"}},
		"boundary":     {{"ab", ""}},
		"two":          {{"a", "b"}, {"c", "d"}},
		"other order":  {{"c", "d"}, {"a", "b"}},
		"run together": {{"a", "b1:c=1:d"}},
	}
	seen := map[string]string{}
	for name, list := range lists {
		k := newKeyer("source")
		for _, input := range list {
			k.add(input[0], input[1])
		}
		if other, found := seen[k.key()]; found {
			t.Errorf("%q and %q have the same key", name, other)
		}
		seen[k.key()] = name
	}
	if newKeyer("registry").key() == newKeyer("source").key() {
		t.Error("the two ways have the same key")
	}
}

func TestKeyOfAFolderFollowsNamesContentAndMode(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "sub", "file")
	key := func() string {
		t.Helper()
		k := newKeyer("source")
		if err := k.folder("f", dir); err != nil {
			t.Fatal(err)
		}
		return k.key()
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]string{}
	step := func(what string) {
		t.Helper()
		now := key()
		if before, found := seen[now]; found {
			t.Errorf("%s: the key is that of %q", what, before)
		}
		seen[now] = what
	}
	step("empty")
	do(os.MkdirAll(filepath.Dir(file), 0o755))
	do(os.WriteFile(file, []byte("one"), 0o644))
	step("a file")
	do(os.WriteFile(file, []byte("two"), 0o644))
	step("other content")
	do(os.Chmod(file, 0o755))
	step("executable")
	do(os.Rename(file, file+"2"))
	step("other name")
	if key() != key() {
		t.Error("the same folder has two keys")
	}
}

func TestRegistryKeyFollowsTheDigest(t *testing.T) {
	image := testImage("tool")
	image.Registry = "docker.io/library/tool@sha256:1"
	one := registryKey(image)
	image.Debian.Packages = []string{"nginx"}
	if registryKey(image) != one {
		t.Error("the recipe changes the key of a published image")
	}
	image.Registry = "docker.io/library/tool@sha256:2"
	if registryKey(image) == one {
		t.Error("another digest has the same key")
	}
}
