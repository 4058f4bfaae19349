// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Command bench measures mockidp beside other mock providers, all in one run, and writes what it saw as Markdown. make
// bench-idp runs it.
package main

import (
	"context"
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
	var s settings
	flag.IntVar(&s.rounds, "rounds", 5, "how often everything is measured")
	flag.IntVar(&s.logins, "logins", 10_000, "logins of a provider in a round")
	flag.IntVar(&s.starts, "starts", 5, "starts of a provider in a round; their median counts")
	flag.StringVar(&s.only, "only", "", "measure just the providers whose name holds this; nothing is written")
	flag.StringVar(&s.out, "out", "", "`file` to write; without it standard output")
	flag.Parse()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type settings struct {
	rounds, logins, starts int
	only, out              string
}

func run(ctx context.Context, s settings) error {
	dir, err := os.MkdirTemp("", "mockidp-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintln(os.Stderr, "installing and compiling")
	providers, node, err := prepare(ctx, dir)
	if err != nil {
		return err
	}
	providers = slices.DeleteFunc(providers, func(p provider) bool { return !strings.Contains(p.name, s.only) })
	m, err := measure(ctx, s, providers, node)
	if err != nil {
		return err
	}
	if s.only != "" {
		return nil
	}
	text := document(s, m)
	if s.out == "" {
		_, err = os.Stdout.WriteString(text)
		return err
	}
	return os.WriteFile(s.out, []byte(text), 0o644)
}
