// SPDX-License-Identifier: Apache-2.0

// Package scripts carries the source of the programs the engine needs on a restricted host, so that a checkout and an
// installed binary build them in the same way.
package scripts

import "embed"

// RuntimeTrim holds the Go files of oci-runtime-trim in the folder of that name. They need only the standard library.
//
//go:embed oci-runtime-trim/arguments.go oci-runtime-trim/capabilities.go oci-runtime-trim/main.go oci-runtime-trim/trim.go
var RuntimeTrim embed.FS
