// SPDX-License-Identifier: Apache-2.0

package images

import (
	"archive/tar"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// entriesOf reads a layer of the tree at dir.
func entriesOf(t *testing.T, dir string, opts layerOptions) map[string]*tar.Header {
	t.Helper()
	layer, err := newLayer(t.Context(), dir, filepath.Join(t.TempDir(), "layer.tar"), opts)
	if err != nil {
		t.Fatal(err)
	}
	content, err := layer.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	entries := map[string]*tar.Header{}
	for reader := tar.NewReader(content); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return entries
		}
		if err != nil {
			t.Fatal(err)
		}
		entries[header.Name] = header
	}
}

func sampleTree(t *testing.T) rootFS {
	t.Helper()
	root := rootFS(t.TempDir())
	for path, content := range map[string]string{"/bin/tool": "tool", "/etc/conf": "conf", "/run/left": "x", "/tmp/left": "x", "/dev/left": "x"} {
		if err := root.write(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(root.path("/bin/tool"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(root.path("/bin/tool"), root.path("/bin/zweit")); err != nil {
		t.Fatal(err)
	}
	if err := root.link("/bin/sh", "tool"); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestLayerKeepsLinksAndLeavesOutWhatContainersBring(t *testing.T) {
	entries := entriesOf(t, string(sampleTree(t)), layerOptions{})
	if e := entries["bin/zweit"]; e == nil || e.Typeflag != tar.TypeLink || e.Linkname != "bin/tool" {
		t.Errorf("the second name of a file is %+v", e)
	}
	if e := entries["bin/sh"]; e == nil || e.Typeflag != tar.TypeSymlink || e.Linkname != "tool" {
		t.Errorf("the symbolic link is %+v", e)
	}
	for _, left := range []string{"run/left", "tmp/left", "dev/left"} {
		if entries[left] != nil {
			t.Errorf("%s is in the layer", left)
		}
	}
	for _, kept := range []string{"run/", "tmp/", "dev/"} {
		if entries[kept] == nil {
			t.Errorf("the folder %s is missing", kept)
		}
	}
}

func TestLayerOwnedByRootIsReadableByAll(t *testing.T) {
	e := entriesOf(t, string(sampleTree(t)), layerOptions{ownedByRoot: true})["bin/tool"]
	if e.Uid != 0 || e.Gid != 0 || e.Mode != 0o755 {
		t.Errorf("uid %d gid %d mode %o, want 0 0 755", e.Uid, e.Gid, e.Mode)
	}
}

func TestLayerGrantsLowPorts(t *testing.T) {
	root := string(sampleTree(t))
	entries := entriesOf(t, root, layerOptions{bindsLowPorts: []string{"/bin/tool"}})
	if got := entries["bin/tool"].PAXRecords["SCHILY.xattr.security.capability"]; got != capNetBindService {
		t.Errorf("capability is %q", got)
	}
	if len(entries["etc/conf"].PAXRecords) != 0 {
		t.Error("another file has it too")
	}
	_, err := newLayer(t.Context(), root, filepath.Join(t.TempDir(), "l"), layerOptions{bindsLowPorts: []string{"/bin/gone"}})
	if err == nil || !strings.Contains(err.Error(), "/bin/gone") {
		t.Errorf("a program that is not there gives %v", err)
	}
}

func TestLayerHasNoSockets(t *testing.T) {
	dir := t.TempDir()
	listener, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if entries := entriesOf(t, dir, layerOptions{}); len(entries) != 0 {
		t.Errorf("the layer has %v", entries)
	}
}

func TestSameFilesMakeTheSameLayer(t *testing.T) {
	digests := map[string]bool{}
	for range 2 {
		layer, err := newLayer(t.Context(), string(sampleTree(t)), filepath.Join(t.TempDir(), "layer.tar"), layerOptions{ownedByRoot: true})
		if err != nil {
			t.Fatal(err)
		}
		digest, err := layer.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests[digest.String()] = true
	}
	if len(digests) != 1 {
		t.Errorf("digests are %v", digests)
	}
}
