// SPDX-License-Identifier: Apache-2.0

//go:build unix

package doctor

import "golang.org/x/sys/unix"

// diskFree is what this user may still write below folder, in bytes.
func diskFree(folder string) (uint64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(folder, &stat); err != nil {
		return 0, err
	}
	return uint64(stat.Bavail) * uint64(stat.Bsize), nil
}
