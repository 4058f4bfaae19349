// SPDX-License-Identifier: Apache-2.0

// Package proxy is a minimal authenticating proxy with the HTTP contract of oauth2-proxy. It is the reference
// implementation of an auth service: one concern per file, small enough to read in an hour.
//
// It is used in two ways. An ingress asks it about each request (nginx auth_request, Traefik forwardAuth, …), or clients
// talk to it and it forwards what is authenticated to an upstream.
//
// Asked by an ingress:
//
//	Browser            Ingress                 Proxy                          Identity provider
//	   │  GET /app        │                      │                                  │
//	   │─────────────────▶│  GET /oauth2/auth    │                                  │
//	   │                  │─────────────────────▶│ auth.go: session.go              │
//	   │                  │◀─────────────────────│ 401                              │
//	   │◀─────────────────│ 302 /oauth2/start?rd=/app                               │
//	   │  GET /oauth2/start?rd=/app              │                                  │
//	   │────────────────────────────────────────▶│ start.go: redirect.go, state.go  │
//	   │◀────────────────────────────────────────│ 302 + state cookie               │
//	   │  authorize?state&nonce&code_challenge   │                                  │
//	   │───────────────────────────────────────────────────────────────────────────▶│
//	   │◀───────────────────────────────────────────────────────────────────────────│ 302
//	   │  GET /oauth2/callback?code&state        │                                  │
//	   │────────────────────────────────────────▶│ callback.go: state first,        │
//	   │                  │                      │── then the code + verifier ─────▶│
//	   │                  │                      │◀──────── ID token, nonce ────────│
//	   │◀────────────────────────────────────────│ 302 /app + session cookie        │
//	   │  GET /app        │  GET /oauth2/auth    │                                  │
//	   │─────────────────▶│─────────────────────▶│ authorize.go                     │
//	   │                  │◀─────────────────────│ 202 + X-Auth-Request-*           │
//	   │◀─────────────────│ the backend's answer │                                  │
//
// As a reverse proxy the same decisions are taken in upstream.go, without the ingress between.
//
// Rules that hold everywhere:
//   - The state is compared before the authorization code is sent to anyone.
//   - What a client says about identity (X-Auth-Request-User, X-Forwarded-Email, …) is never read and never passed on.
//   - /oauth2/auth answers 202 (or 200), 401, 403 or, when the provider was never reached and a bearer token is to be
//     judged, 503. It never redirects.
//   - A constraint that cannot be understood denies.
//   - Cookie values, codes, states, tokens and secrets are never logged.
package proxy
