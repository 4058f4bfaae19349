// SPDX-License-Identifier: Apache-2.0

// Package mockidp is an OpenID Provider for tests: a correct one, that keeps to OpenID Connect Core 1.0, Discovery 1.0,
// Dynamic Client Registration 1.0, RP-Initiated, Back-Channel and Front-Channel Logout 1.0, RFC 6749, RFC 6750, RFC 7009,
// RFC 7523, RFC 7591, RFC 7592, RFC 7636, RFC 7662, RFC 8628, RFC 8693, RFC 9068, RFC 9101, RFC 9126, RFC 9207, RFC 9449 and
// RFC 9700, and that forgets everything when it stops. docs/mockidp-rules.md lists the rules with their tests.
// It knows its users and clients from a configuration and asks for no password. Never use it to protect anything.
//
// A Provider is an http.Handler. Embed it (New), start it in a test (package mockidptest), run it (cmd/mockidp) or deploy
// its image: it is the same code.
//
// # The authorization code flow
//
//	browser                          Provider                                            relying party (RP)
//	   |                                |                                                      |
//	   |  GET or POST /authorize        |  authorize.go   1. who asks, and where to answer?    |
//	   |------------------------------->|                    wrong: an error page, no redirect |
//	   |                                |                 2. is the request well formed?       |
//	   |                                |                    wrong: error back to the RP       |
//	   |                                |  decision.go    3. who is the user?                  |
//	   |                                |                                                      |
//	   |                                |     the SSO session will do ------------------+      |
//	   |                                |     auto_login signs a user in ---------------+      |
//	   |                                |     prompt=none: login_required back to RP    |      |
//	   |  200 login page                |     otherwise ask                             |      |
//	   |<-------------------------------|  login.go                                     |      |
//	   |  POST /login                   |                                               |      |
//	   |------------------------------->|  session.go: a new SSO session, cookie -------+      |
//	   |                                |                                               v      |
//	   |  302 or 303 redirect_uri?code=..&iss=..&state=..    authorization_response.go         |
//	   |<-------------------------------|                                                      |
//	   |------------------------------------------------------------------------------------->|
//	                                    |  POST /token (code, code_verifier, client auth)      |
//	                                    |<-----------------------------------------------------|
//	                                    |  token.go -> client_auth.go -> token_code.go         |
//	                                    |  id_token.go, keys.go: claims, at_hash, signature    |
//	                                    |----------------------------------------------------->|
//	                                    |  POST /token (refresh_token): token_refresh.go       |
//	                                    |  GET /userinfo (Bearer): userinfo.go                 |
//	   |  GET /end_session              |                                                      |
//	   |------------------------------->|  end_session.go: session over, back to the RP        |
//
// # The other ways in
//
// pushed_request.go takes the request from the client first. response_type.go and response_mode.go are implicit and hybrid
// flows and how an answer travels. device_authorization.go, device_page.go and token_device.go are the device flow;
// token_client_credentials.go and token_exchange.go have no browser at all. grant_type.go lists what the token endpoint
// does; client_assertion.go is how a client signs instead of showing a secret. registration.go adds clients, tenants.go
// issuers, rotate.go keys. request_object.go opens signed requests, dpop.go binds tokens to keys. next_login.go and headless.go
// stand in for the person at the browser. dialect.go makes a tenant be like a real provider: the endpoints ask it where they are
// (urls.go) and hand it claims and answers to change (dialect_claims.go, dialect_answers.go). When a session ends,
// logout_notice.go tells the clients that took part in it.
//
// Each endpoint has one file; provider.go lists them in one table. What must be remembered (transactions, codes, tokens,
// sessions) is in one place, store.go, in memory, with a lifetime and a bound on its number. Time and randomness are
// injected.
//
// # Two ways to reach one issuer (split horizon)
//
// A browser often reaches the provider by one host (https://idp.example, through an ingress) and pods by another
// (http://mockidp.ns.svc:8080). There is still one issuer. Config.BackchannelURLs lists the other base URLs: when the
// discovery document is requested with the Host of one of them, token_endpoint, userinfo_endpoint and jwks_uri are given on
// that base; authorization_endpoint and end_session_endpoint, which browsers visit, stay on the issuer's; issuer never
// changes, nor does iss in any token. Every endpoint is served on every host.
//
// A client that insists on fetching discovery from the issuer's own host must reach that host (host alias, cluster DNS); it
// then gets everything on the issuer's base.
package mockidp
