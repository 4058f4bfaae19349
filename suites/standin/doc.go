// SPDX-License-Identifier: Apache-2.0

// Package standin holds the stand-ins of a run: parts that take the place of a real auth service, backend or error-page
// server where a check must decide what that part answers. A report names them as stand-ins.
//
//	browser ──▶ gateway ──▶ auth service (NewAuth)   answers what the standin-auth cookie or its URL path says
//	               ├──────▶ backend (NewBackend)     echoes what reached it, or answers what standin-backend says
//	               └──────▶ error pages (NewErrorPages)
//	gateway, auth service ──▶ Relay ──▶ real auth service, real identity provider
//	checks ──────────────▶ control (NewControl)      what was received, by X-Request-Id
//
// The client scripts the answers through cookies because every gateway forwards cookies to the auth service and to the
// backend: nothing is shared between checks, so they run in parallel against one stand-in.
//
// Real parts keep no record. A Relay in front of each does, the same for all of them, and passes every byte on as it came.
//
// What a stand-in receives or a relay sees is kept in a Recorder, in memory, unredacted and bounded. Of the body of a
// request nothing is kept but its length. Go has read what is recorded: header names are in canonical form and sorted,
// repeated values are in the order received, the request target is byte for byte what was sent. A request target with a
// malformed percent-escape is not recorded; the stand-ins answer it 400.
package standin
