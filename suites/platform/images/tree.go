// SPDX-License-Identifier: Apache-2.0

package images

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// rootFS is a root file system being put together. Its methods take paths as the image will have them.
type rootFS string

func (r rootFS) path(p string) string { return filepath.Join(string(r), p) }

// write makes a file with exactly this mode, and the folders it is in.
func (r rootFS) write(path string, data []byte, mode fs.FileMode) error {
	if err := r.mkdir(filepath.Dir(path)); err != nil {
		return err
	}
	if err := os.WriteFile(r.path(path), data, mode); err != nil {
		return err
	}
	return os.Chmod(r.path(path), mode)
}

func (r rootFS) mkdir(paths ...string) error {
	for _, path := range paths {
		if _, err := os.Stat(r.path(path)); err == nil {
			continue
		}
		if path == "/" {
			return os.MkdirAll(string(r), 0o755)
		}
		if err := r.mkdir(filepath.Dir(path)); err != nil {
			return err
		}
		if err := os.Mkdir(r.path(path), 0o755); err != nil {
			return err
		}
		if err := os.Chmod(r.path(path), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// link makes a symbolic link, in place of what is there.
func (r rootFS) link(path, target string) error {
	if err := r.mkdir(filepath.Dir(path)); err != nil {
		return err
	}
	if err := os.RemoveAll(r.path(path)); err != nil {
		return err
	}
	return os.Symlink(target, r.path(path))
}

// copyFile copies a file from anywhere.
func (r rootFS) copyFile(path, from string, mode fs.FileMode) error {
	if err := r.mkdir(filepath.Dir(path)); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(r.path(path), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	if err := out.Chmod(mode); err != nil {
		return err
	}
	return out.Close()
}

// copyTree copies the files below from. mode decides on each one's mode by its path in the image; nil means 0644.
func (r rootFS) copyTree(path, from string, mode func(string) fs.FileMode) error {
	return filepath.WalkDir(from, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(from, file)
		if err != nil {
			return err
		}
		to, m := filepath.Join(path, rel), fs.FileMode(0o644)
		if mode != nil {
			m = mode(to)
		}
		return r.copyFile(to, file, m)
	})
}

// empty removes what matches, patterns being paths in the image.
func (r rootFS) empty(patterns ...string) error {
	for _, pattern := range patterns {
		matches, err := filepath.Glob(r.path(pattern))
		if err != nil {
			return err
		}
		for _, match := range matches {
			if err := os.RemoveAll(match); err != nil {
				return err
			}
		}
	}
	return nil
}

// chown gives everything below the paths to a user.
func (r rootFS) chown(uid, gid int, paths ...string) error {
	for _, path := range paths {
		err := filepath.WalkDir(r.path(path), func(file string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(file, uid, gid)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
