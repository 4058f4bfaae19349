// SPDX-License-Identifier: Apache-2.0

// Package proxy is a minimal authenticating proxy with the HTTP contract of oauth2-proxy. It is the reference
// implementation of an auth service: one concern per file.
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
// Where to find what, in an order to read it in:
//
//	the program         proxy.go puts it together and says which file answers which address; server.go
//	a question          auth.go, authenticate.go (who asks?), authorize.go (may they?), bearer.go and issuers.go for tokens of
//	                    API clients, headers.go for what the answer says, upstream.go for what is passed on
//	a login             signin.go, start.go, state.go, redirect.go (where may it end?), callback.go
//	a logout            signout.go by the person, backchannel.go by the identity provider
//	the provider        provider.go finds it, client.go bounds what it is asked, keys.go and token.go verify what it signs,
//	                    identity.go reads who that is
//	sessions            session.go and sessioncodec.go for all; cookiestore.go keeps them in the browser; ticketstore.go keeps
//	                    them in a Store (store.go, package redisstore), under a ticket that is all the browser has
//	their renewal       refresh.go asks the provider, each refresh token once; ticketrefresh.go does so once for all replicas
//	cookies             cookie.go splits and deletes them, seal.go encrypts them
//	pages and operation page.go, userinfo.go, health.go, metrics.go (Proxy.Metrics, for an address of its own),
//	                    requestlog.go, trusted.go (whose X-Forwarded-* count)
//	the settings        config.go, flags.go, sources.go (flags, environment, file), validate.go, check.go, differences.go
//
// Statuses, and why where oauth2-proxy differs or leaves a choice:
//
//	auth      202 (200 by --auth-success-status, for gateways that know only 200)
//	          401 no session, or one that is expired, altered, refused renewal, or of someone no longer admitted by
//	              --email-domain or --allowed-group: the last two as oauth2-proxy, so that signing in again explains it
//	          401 with WWW-Authenticate: Bearer, for a bearer token that does not verify (RFC 6750 §3.1), even beside a
//	              good cookie: the client means to be judged by the token
//	          403 allowed_groups, allowed_emails or allowed_email_domains exclude the session, are empty, or are misspelt
//	              (oauth2-proxy allows the last two); or the token's owner is not admitted
//	          503 a bearer token while the provider was never reached, or a ticket while the session store is away: neither
//	              good nor bad is known, and the cookie stays (oauth2-proxy: 401, and the login is lost)
//	sign_in   200 page; it never ends a session, where oauth2-proxy's does; 302 with --skip-provider-button
//	start     302; 400 when neither --redirect-url nor the request names a host; 503 while the provider was never reached
//	callback  302; 200 page that goes on by itself with --cookie-samesite=strict
//	          403 state missing, foreign, used or late (oauth2-proxy: 500 or 403); nonce; person not admitted; the
//	              provider's error answer; a code the provider no longer takes
//	          400 no code; 502, 504 the provider fails or cannot be trusted (oauth2-proxy: 500); 503 it is busy or unknown, or
//	              the session store is away
//	userinfo  200 JSON; 401, 503 as auth
//	sign_out  302; 503 while the session store is away: the person is still signed in
//	backchannel-logout  200; 400 for a token that is refused, or sessions that could not be ended
//	ping      200; ready: 200, or 503 until discovery document and keys are there and the session store was reached
//	anything  with --upstream and no session: 403 sign-in page, 302 to the provider with --skip-provider-button, 401 for
//	          JSON clients, for bearer tokens and for methods other than GET and HEAD; upstream down 502, late 504
//
// Rules that hold everywhere:
//   - The state is compared before the authorization code is sent to anyone.
//   - What a client says about identity (X-Auth-Request-User, X-Forwarded-Email, …) is never read and never passed on.
//   - /oauth2/auth answers 202 (or 200), 401, 403 or, where it cannot know, 503. It never redirects.
//   - A constraint that cannot be understood denies.
//   - rd is a path or an http(s) URL on an allowed host, or it is "/".
//   - Requests to the identity provider carry the X-Request-Id of the request they are made for, or the one made up for it.
//   - Cookie values, codes, states, tokens and secrets are never logged.
package proxy
