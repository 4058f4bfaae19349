// SPDX-License-Identifier: Apache-2.0

//go:build unix

package local

import "syscall"

// killGroup kills the child and everything it started; a group that is already gone is what we want.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }
