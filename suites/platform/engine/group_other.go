// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package engine

import "os/exec"

func ownProcessGroup(*exec.Cmd) {}
