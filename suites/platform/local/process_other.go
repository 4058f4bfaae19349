// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package local

import "syscall"

func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
