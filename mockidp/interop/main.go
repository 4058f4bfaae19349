// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Command interop lets clients that nobody here wrote log in through mockidp, and refuse logins that are broken, and writes
// what it saw as Markdown. make interop runs it. On Debian as root it installs what is missing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	out := flag.String("out", "", "`file` to write; without it standard output")
	flag.Parse()
	if err := run(ctx, *out); err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		os.Exit(1)
	}
}

func progress(text string) { fmt.Fprintln(os.Stderr, text) }

// run writes the page even if a client did badly, and then fails.
func run(ctx context.Context, out string) error {
	clients, err := allClients(ctx)
	if err != nil {
		return err
	}
	var results []result
	var failed []error
	for _, c := range clients {
		progress("logging in with " + c.name + " " + c.version)
		r, err := c.judge(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		results = append(results, r)
		failed = append(failed, r.problems()...)
	}
	text := document(results)
	if out == "" {
		_, err = os.Stdout.WriteString(text)
	} else {
		err = os.WriteFile(out, []byte(text), 0o644)
	}
	return errors.Join(append(failed, err)...)
}

func allClients(ctx context.Context) ([]client, error) {
	progress("installing and compiling")
	proxy, err := oauth2Proxy(ctx, progress)
	if err != nil {
		return nil, err
	}
	apache, err := modAuthOpenidc(ctx)
	if err != nil {
		return nil, err
	}
	node, err := openidClient(ctx)
	if err != nil {
		return nil, err
	}
	return []client{proxy, apache, node, goOIDC()}, nil
}

// mustRefuse are faults that no client may let pass: the login that follows would be somebody else's word.
func mustRefuse() []string {
	return []string{"S-BAD-RS256", "S-WRONG-KEY", "S-NONE", "C-ISS", "C-AUD", "C-EXP-PAST", "C-NONCE-WRONG", "A-STATE-MISSING"}
}

// mayRefuse are shown as they are: optional, or not yet asked for when the client was written.
func mayRefuse() []string {
	return []string{"A-STATE-WRONG", "A-ISS-WRONG", "C-ATHASH-WRONG", "U-SUB-WRONG"}
}

// What a client did about a fault.
const (
	refused   = "refused"
	accepted  = "logs in"
	notStaged = "does not ask for it"
)

// result is what was seen of a client.
type result struct {
	client client
	login  error
	seen   []string
	faults map[string]string
	again  error // a login after all faults
}

func (c client) judge(ctx context.Context) (r result, err error) {
	r = result{client: c, faults: map[string]string{}}
	idp, err := startProvider(ctx)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, idp.server.Close()) }()
	p, err := c.start(ctx, idp)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, p.stop(ctx)) }()
	if r.login = p.login(ctx); r.login == nil && p.rest != nil {
		r.login = p.rest(ctx)
	}
	r.seen = idp.seen()
	for _, fault := range slices.Concat(mustRefuse(), mayRefuse()) {
		outcome, staged, err := idp.under(fault, func() error { return p.login(ctx) })
		switch {
		case err != nil:
			return r, err
		case !staged:
			r.faults[fault] = notStaged
		case outcome != nil:
			r.faults[fault] = refused
		default:
			r.faults[fault] = accepted
		}
	}
	r.again = p.login(ctx)
	return r, nil
}

// problems says what should not be. A login that works before and after the faults is what makes a refusal mean something.
func (r result) problems() []error {
	var list []error
	say := func(format string, args ...any) {
		list = append(list, fmt.Errorf("%s: %w", r.client.name, fmt.Errorf(format, args...)))
	}
	if r.login != nil {
		say("it does not log in, refresh and log out: %w", r.login)
	}
	if r.again != nil {
		say("it does not log in after the faults: %w", r.again)
	}
	for _, name := range r.client.needs {
		if !slices.Contains(r.seen, name) {
			say("%s was not seen", name)
		}
	}
	for _, fault := range mustRefuse() {
		if r.faults[fault] != refused {
			say("%s: %s", fault, r.faults[fault])
		}
	}
	return list
}

func document(results []result) string {
	var out strings.Builder
	out.WriteString(`<!-- Written by "make interop". -->
# Clients that log in through mockidp

None of them was written here. Each runs against a mockidp of its own on loopback and logs in, asks who it is, refreshes and logs out,
as far as it can. What the columns say is what mockidp has received and answered, not what the client says of itself.

| client | version |`)
	for _, s := range steps() {
		fmt.Fprintf(&out, " %s |", s.name)
	}
	out.WriteString("\n|---|---|" + strings.Repeat("---|", len(steps())) + "\n")
	for _, r := range results {
		fmt.Fprintf(&out, "| %s | %s |", r.client.name, r.client.version)
		for _, s := range steps() {
			fmt.Fprintf(&out, " %s |", mark(slices.Contains(r.seen, s.name)))
		}
		out.WriteString("\n")
	}
	out.WriteString(`
Logout is by the client's own means, but for oauth2-proxy, which has none at the provider: its sign_out sends the browser there.
go-oidc has no logout. oauth2-proxy refreshes in a second process that does not verify nonces: it looks for one in refreshed ID tokens,
too, where Core 1.0 section 12.2 has none (oauth2-proxy/oauth2-proxy#2876).

## The control

A client that takes anything would succeed, too. So each of them logs in once more under each of these faults, and again without any.
It has to refuse those above the empty row; for those below it the table says what it does. (oauth2-proxy's state is a secret and, behind
a colon, the page to return to; A-STATE-WRONG lengthens only the page. RFC 9207, of A-ISS-WRONG, is younger than most clients, and at_hash is
optional in the code flow.)

| fault |`)
	for _, r := range results {
		fmt.Fprintf(&out, " %s |", r.client.name)
	}
	out.WriteString("\n|---|" + strings.Repeat("---|", len(results)) + "\n")
	for _, fault := range mustRefuse() {
		writeFault(&out, fault, results)
	}
	out.WriteString("| |" + strings.Repeat(" |", len(results)) + "\n")
	for _, fault := range mayRefuse() {
		writeFault(&out, fault, results)
	}
	out.WriteString("| *no fault, afterwards* |")
	for _, r := range results {
		fmt.Fprintf(&out, " %s |", map[bool]string{true: "logs in", false: "does not log in"}[r.again == nil])
	}
	out.WriteString("\n\n[faults.md](faults.md) says what each fault does.\n")
	return out.String()
}

func writeFault(out *strings.Builder, fault string, results []result) {
	fmt.Fprintf(out, "| %s |", fault)
	for _, r := range results {
		fmt.Fprintf(out, " %s |", r.faults[fault])
	}
	out.WriteString("\n")
}

func mark(seen bool) string {
	if seen {
		return "seen"
	}
	return "–"
}
