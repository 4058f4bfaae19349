// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
)

// figure is one thing that is measured.
type figure struct {
	title  string
	format string
	of     func(trial) float64
	// more says that more is better.
	more bool
}

func figures() []figure {
	return []figure{
		{"Start to first discovery answer, ms", "%.1f", func(t trial) float64 { return t.start }, false},
		{"Logins in a second, one at a time", "%.0f", func(t trial) float64 { return t.single }, true},
		{fmt.Sprintf("Logins in a second, %d at a time", parallel), "%.0f", func(t trial) float64 { return t.several }, true},
		{"Resident memory after all logins, MiB", "%.1f", func(t trial) float64 { return t.memory }, false},
	}
}

// document is the page. Absolute figures are the machine's; the ratios are what holds elsewhere.
func document(s settings, m measured) string {
	var out strings.Builder
	fmt.Fprintf(&out, `<!-- Written by "make bench-idp". -->
# Performance of mockidp

Four providers, one run, one client: mockidp beside the three mock providers that are used most. Each row is the median of %d rounds,
and in brackets the least and the most. A ratio is taken within a round and says how many times better mockidp is: above 1 it is
ahead. Absolute figures depend on the machine and on whatever else it does; the ratios much less.

Machine: %s, %d processors, %s, %s. Whoever measures and whoever is measured share it.

`, s.rounds, processor(), runtime.NumCPU(), system(), runtime.Version())
	for _, f := range figures() {
		f.write(&out, m)
	}
	fmt.Fprintf(&out, `## The limit

A login has at least one signature: RS256 with 2048 bits, here. One thread of this machine makes %.0f of them in a second in Go in the
best round, and %.0f in Node.js, whose OpenSSL uses vector instructions that Go's library does not. mockidp makes one signature for a
login; one at a time, it came to %.0f %% of what bare signing in Go allows, the client's work included.

`, slices.Max(m.signGo), slices.Max(m.signNode), 100*slices.Max(values(m.trials[0], figures()[1].of))/slices.Max(m.signGo))
	fmt.Fprintf(&out, method, s.starts, s.logins, s.logins/10, parallel)
	return out.String()
}

// write is a table of one figure.
func (f figure) write(out *strings.Builder, m measured) {
	fmt.Fprintf(out, "## %s\n\n| provider | median (least–most) | mockidp is better by |\n|---|---|---|\n", f.title)
	own := values(m.trials[0], f.of)
	for i, p := range m.providers {
		list := values(m.trials[i], f.of)
		ratio := ""
		if i > 0 {
			ratio = spread("%.2f", f.ratios(own, list))
		}
		fmt.Fprintf(out, "| %s %s | %s | %s |\n", p.name, p.version, spread(f.format, list), ratio)
	}
	out.WriteString("\n")
}

// ratios pairs the rounds.
func (f figure) ratios(own, other []float64) []float64 {
	var list []float64
	for i := range own {
		if f.more {
			list = append(list, own[i]/other[i])
		} else {
			list = append(list, other[i]/own[i])
		}
	}
	return list
}

func values(trials []trial, of func(trial) float64) []float64 {
	var list []float64
	for _, t := range trials {
		list = append(list, of(t))
	}
	return list
}

func spread(format string, list []float64) string {
	return fmt.Sprintf(format+" ("+format+"–"+format+")", median(list), slices.Min(list), slices.Max(list))
}

const method = `## How it is measured

- In a round the providers take turns, and each round begins with another. Each is started %d times, the median counts; the last start
  lives for %d logins, %d one at a time and the rest %d at a time. Its memory is VmRSS after the last.
- A login: the authorization request with PKCE, state and nonce, redirects of the provider's own as far as it has any, the token
  request, the verification of the ID token. The client is the same for all (go-oidc), keeps its connections, has the keys already,
  and uses no cookies of an earlier login.
- No provider shows a page: mockidp has auto_login, mockoidc and oauth2-mock-server know no login, and oidc-provider's interaction is
  finished by a hook, which costs it two redirects. It has its in-memory store.
- All sign with RS256 and 2048 bits. mockidp and oidc-provider sign the ID token; oauth2-mock-server signs the access token as well,
  mockoidc that and the refresh token, since they have them as JWTs.
- mockidp generates its key while it already answers; mockoidc brings a published one along; the other two generate theirs before they
  listen.
- mockoidc changes a map without a lock, which ends the process when logins come side by side. Here a lock is put around it; only the
  figures for several at a time are touched by that.
- The Go programs are compiled without cgo, the Node.js programs run on the Node.js of the lockfile.
`

func processor() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func system() string {
	data, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return runtime.GOOS
	}
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			return strings.Trim(value, `"`)
		}
	}
	return runtime.GOOS
}
