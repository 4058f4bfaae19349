// SPDX-License-Identifier: Apache-2.0

// Package scripts carries the source of the programs the engine needs on a restricted host, so that a checkout and an
// installed binary build them in the same way.
package scripts

import "embed"

// Module is the module path under which the sources in RuntimeTrim build by themselves.
const Module = "github.com/ingress-auth/conformance/scripts"

// RuntimeTrim holds the Go files of the program oci-runtime-trim, in the folder of that name, and of the one package it
// imports. They need only the standard library.
//
//go:embed capability/capability.go
//go:embed oci-runtime-trim/arguments.go oci-runtime-trim/main.go oci-runtime-trim/trim.go
var RuntimeTrim embed.FS
