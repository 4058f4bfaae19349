// SPDX-License-Identifier: Apache-2.0

package images

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// layerOptions say how files become a layer where the file system they are in cannot.
type layerOptions struct {
	// ownedByRoot writes every file as root's, whoever built it.
	ownedByRoot bool
	// bindsLowPorts lists files, by path in the image, that get the capability to bind ports below 1024.
	bindsLowPorts []string
}

// leftOut are the folders whose content a container brings along itself.
var leftOut = map[string]bool{"dev": true, "proc": true, "sys": true, "run": true, "tmp": true}

// capNetBindService is the extended attribute for CAP_NET_BIND_SERVICE, permitted and effective: struct vfs_cap_data of
// linux/capability.h, revision 2, little-endian.
const capNetBindService = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// written is the time of every file in a layer, so that the same files make the same layer.
var written = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)

// newLayer writes the tree below dir as a layer to path.
func newLayer(ctx context.Context, dir, path string, opts layerOptions) (v1.Layer, error) {
	return writeLayer(path, func(w io.Writer) error { return writeTree(ctx, w, dir, opts) })
}

// newFolderLayer writes a layer of one empty folder with an owner of its own.
func newFolderLayer(path, folder string, uid, gid int) (v1.Layer, error) {
	return writeLayer(path, func(w io.Writer) error {
		t := tar.NewWriter(w)
		header := &tar.Header{Typeflag: tar.TypeDir, Name: folder + "/", Mode: 0o755, Uid: uid, Gid: gid, ModTime: written, Format: tar.FormatPAX}
		if err := t.WriteHeader(header); err != nil {
			return err
		}
		return t.Close()
	})
}

// writeLayer keeps layers uncompressed: what an engine on the same machine would have to decompress again is not worth
// compressing.
func writeLayer(path string, write func(io.Writer) error) (v1.Layer, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum := sha256.New()
	buffered := bufio.NewWriterSize(io.MultiWriter(f, sum), 1<<20)
	if err := write(buffered); err != nil {
		return nil, fmt.Errorf("writing a layer: %w", err)
	}
	if err := buffered.Flush(); err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	digest := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
	return &fileLayer{path: path, digest: digest, size: info.Size()}, f.Close()
}

func writeTree(ctx context.Context, w io.Writer, dir string, opts layerOptions) error {
	t := tree{tar: tar.NewWriter(w), dir: dir, ownedByRoot: opts.ownedByRoot, lowPorts: map[string]bool{}, links: map[uint64]string{}}
	for _, p := range opts.bindsLowPorts {
		t.lowPorts[strings.TrimPrefix(p, "/")] = true
	}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return stopped(ctx)
		}
		return t.add(path, entry)
	})
	if err != nil {
		return err
	}
	for missing := range t.lowPorts {
		return fmt.Errorf("/%s is to bind low ports, and is not a file of the image", missing)
	}
	return t.tar.Close()
}

type tree struct {
	tar         *tar.Writer
	dir         string
	ownedByRoot bool
	lowPorts    map[string]bool
	links       map[uint64]string
}

func (t *tree) add(path string, entry fs.DirEntry) error {
	rel, err := filepath.Rel(t.dir, path)
	if err != nil || rel == "." {
		return err
	}
	if top, below, found := strings.Cut(rel, "/"); found && below != "" && leftOut[top] {
		return skip(entry)
	}
	info, err := entry.Info()
	if err != nil {
		return err
	}
	header, err := t.header(path, rel, info)
	if err != nil || header == nil {
		return err
	}
	if err := t.tar.WriteHeader(header); err != nil {
		return err
	}
	if header.Typeflag != tar.TypeReg {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(t.tar, f)
	return err
}

// skip leaves an entry out, and all below it.
func skip(entry fs.DirEntry) error {
	if entry.IsDir() {
		return fs.SkipDir
	}
	return nil
}

// header describes a file; it is nil for what has no place in an image, such as a socket.
func (t *tree) header(path, rel string, info fs.FileInfo) (*tar.Header, error) {
	target := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		var err error
		if target, err = os.Readlink(path); err != nil {
			return nil, err
		}
	}
	if info.Mode()&(fs.ModeSocket|fs.ModeNamedPipe|fs.ModeDevice) != 0 {
		return nil, nil
	}
	header, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return nil, err
	}
	header.Name = rel
	if info.IsDir() {
		header.Name += "/"
	}
	header.Format = tar.FormatPAX
	header.ModTime, header.AccessTime, header.ChangeTime = written, time.Time{}, time.Time{}
	header.Uname, header.Gname = "", ""
	if t.ownedByRoot {
		header.Uid, header.Gid = 0, 0
		header.Mode = readable(header.Mode)
	}
	t.hardLink(header, info)
	if t.lowPorts[rel] {
		header.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": capNetBindService}
		delete(t.lowPorts, rel)
	}
	return header, nil
}

// readable gives everyone what the owner may do except writing, whatever the umask of the one who built it.
func readable(mode int64) int64 {
	return mode | (mode&0o500)>>3 | (mode&0o500)>>6
}

// hardLink makes the second name of a file a link to the first.
func (t *tree) hardLink(header *tar.Header, info fs.FileInfo) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || header.Typeflag != tar.TypeReg || stat.Nlink < 2 {
		return
	}
	if first, seen := t.links[stat.Ino]; seen {
		header.Typeflag, header.Linkname, header.Size = tar.TypeLink, first, 0
		return
	}
	t.links[stat.Ino] = header.Name
}

// fileLayer is an uncompressed layer in a file.
type fileLayer struct {
	path   string
	digest v1.Hash
	size   int64
}

func (l *fileLayer) Digest() (v1.Hash, error)             { return l.digest, nil }
func (l *fileLayer) DiffID() (v1.Hash, error)             { return l.digest, nil }
func (l *fileLayer) Size() (int64, error)                 { return l.size, nil }
func (l *fileLayer) MediaType() (types.MediaType, error)  { return types.DockerUncompressedLayer, nil }
func (l *fileLayer) Compressed() (io.ReadCloser, error)   { return os.Open(l.path) }
func (l *fileLayer) Uncompressed() (io.ReadCloser, error) { return os.Open(l.path) }
