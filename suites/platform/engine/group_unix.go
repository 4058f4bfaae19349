// SPDX-License-Identifier: Apache-2.0

//go:build unix

package engine

import (
	"os/exec"
	"syscall"
)

// ownProcessGroup makes the child lead a group, and makes the end of its context end the whole group.
func ownProcessGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
}
