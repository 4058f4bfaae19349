// SPDX-License-Identifier: Apache-2.0

package images

import (
	"bytes"
	"fmt"
	"os"
)

// edit replaces text in a file of the image, and fails if it is not there: the file has changed, and so must the recipe.
func edit(root rootFS, path, old, replacement string) error {
	data, err := os.ReadFile(root.path(path))
	if err != nil {
		return err
	}
	if !bytes.Contains(data, []byte(old)) {
		return fmt.Errorf("%s has no %q any more", path, old)
	}
	info, err := os.Stat(root.path(path))
	if err != nil {
		return err
	}
	return root.write(path, bytes.ReplaceAll(data, []byte(old), []byte(replacement)), info.Mode().Perm())
}
