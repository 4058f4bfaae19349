// SPDX-License-Identifier: Apache-2.0

package main

const pageTemplate = `<!-- Written by make bench. -->
# Performance of the proxy

What the auth endpoint costs, beside the real oauth2-proxy v7.8.1 and beside the limit: a bare net/http handler that answers
202 to the same requests. ` + "`make bench`" + ` measures again, writes this page and fails when a bar is missed; it takes about three
minutes, needs Linux with two CPUs, and wants them for itself.

## Bars

Ratios are taken within a round. Median (least–most) of {{.Settings.Rounds}} rounds.

| requests | figure of this proxy | bar | measured | |
|---|---|---|---|---|
{{bars}}

## How it is measured

- Every server is a process of its own, bound to one CPU with GOMAXPROCS=1; the load generator is one too, bound to the
  other. So "per second" means on one core. The column "core used" says whether the server was the bottleneck, as it should be.
- Rounds are interleaved: bare, proxy, oauth2-proxy, and again. Each is {{.Settings.Measured}} after a warm-up of {{.Settings.WarmUp}}, over {{.Settings.Connections}} keep-alive
  connections on loopback, each of which asks again as soon as it has its answer (closed loop): latencies are those of a server that is fully
  loaded, and shrink with the number of connections.
- The load generator is this repository's (proxy/bench/load.go): it writes prepared bytes and checks each answer's status. A
  general client costs more CPU for each request than a server that does nothing, and would measure itself.
- The request is what ingress-nginx sends, with twelve headers besides the credential.
- Each connection has a session of its own, from a real login through mockidp at that server. The bare handler gets the requests of
  this proxy. Both proxies keep the same of a session, who it is and three groups, and answer with the same X-Auth-Request headers:
  oauth2-proxy runs with --session-cookie-minimal, without which its cookie would hold three tokens more and be slower.
- "Requests logged" is the default of both: a line for each request, written to a file. Otherwise both run with
  --request-logging=false.
- CPU is user and system time of the process (/proc/PID/stat). Allocations are the Go runtime's counts for the whole process, net/http
  included.

Measured on {{.Machine.CPU}}, Linux {{.Machine.Kernel}}, this repository built by {{.Machine.Go}}, oauth2-proxy too.
{{range .Results}}
## {{.Title}}

| server | requests/s | p50 µs | p99 µs | CPU µs/request | allocations | bytes allocated | core used | credential bytes |
|---|---|---|---|---|---|---|---|---|
{{table .}}
{{end}}{{if .Memory}}
## Memory with {{.Settings.Sessions}} sessions

{{.Settings.Sessions}} people sign in at a fresh process, one request about each follows, and each answer names the right one. Sessions are in cookies, so
a server keeps nothing of them: what grows is garbage between two collections.

| server | at start | after | most | Cookie header |
|---|---|---|---|---|
{{range .Memory}}| {{.Server}} | {{mib .Begun}} | {{mib .After}} | {{mib .Most}} | {{.Cookie}} bytes |
{{end}}{{end}}
## Without a network

The handler alone, by go test -bench:

` + "```" + `
{{.Benchmarks}}` + "```" + `
`
