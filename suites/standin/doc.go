// SPDX-License-Identifier: Apache-2.0

// Package standin holds the stand-ins of a run: parts that take the place of a real auth service, backend or error-page
// server where a check must decide what that part answers. A report names them as stand-ins.
//
//	browser ──▶ gateway ──▶ auth service (NewAuth)   answers what the standin-auth cookie or its URL path says
//	               ├──────▶ backend (NewBackend)     echoes what reached it, or answers what standin-backend says
//	               └──────▶ error pages (NewErrorPages)
//	checks ──────────────▶ control (NewControl)      what was received, by X-Request-Id
//
// The client scripts the answers through cookies because every gateway forwards cookies to the auth service and to the
// backend: nothing is shared between checks, so they run in parallel against one stand-in.
//
// What a stand-in receives is kept in a Recorder, in memory, unredacted and bounded. Go's HTTP server has read it: header
// names are in canonical form and sorted, repeated values are in the order received, the request target is byte for byte
// what the gateway sent. A request target with a malformed percent-escape is answered 400 by Go and not recorded.
package standin
