// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "oci-runtime-trim: OCI runtimes of this kind exist on Linux only")
	os.Exit(1)
}
