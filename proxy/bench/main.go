// SPDX-License-Identifier: Apache-2.0

// Command bench measures the proxy's auth endpoint beside the real oauth2-proxy and beside a bare net/http handler, on the
// same cores, and fails when a bar is missed. make bench runs it; docs/proxy-performance.md is what it wrote last.
//
// Each server is a process of its own on CPU 0, the load generator one on CPU 1. Sessions come from real logins through
// mockidp at each server. Rounds are interleaved (A B C A B C …), so that a machine that grows slower does so for all; every
// ratio is taken within a round.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

const (
	serverCPU    = 0
	generatorCPU = 1
)

// settings are the flags.
type settings struct {
	Rounds      int
	Connections int
	WarmUp      time.Duration
	Measured    time.Duration
	Sessions    int
	out         string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run also is the load generator and the bare handler, which bench starts as processes of their own.
func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 1 && args[0] == "load":
		return runLoad(ctx, os.Stdin, os.Stdout)
	case len(args) == 3 && args[0] == "limit":
		return serveLimit(ctx, args[1], args[2])
	}
	var s settings
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&s.Rounds, "rounds", 9, "rounds of each scenario")
	flags.IntVar(&s.Connections, "connections", 32, "keep-alive connections, each with a session of its own")
	flags.DurationVar(&s.WarmUp, "warm-up", 200*time.Millisecond, "what comes before each measurement")
	flags.DurationVar(&s.Measured, "measured", 700*time.Millisecond, "length of each measurement")
	flags.IntVar(&s.Sessions, "sessions", 10_000, "logins for the measurement of memory; 0: none")
	flags.StringVar(&s.out, "out", "", "file to write the page to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := suitable(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	b, err := newBench(ctx, s)
	if err != nil {
		return err
	}
	defer b.close()
	r, err := b.measure(ctx)
	if err != nil {
		return err
	}
	page, err := r.page()
	if err != nil {
		return err
	}
	fmt.Print(page)
	if s.out != "" {
		if err := os.WriteFile(s.out, []byte(page), 0o644); err != nil {
			return err
		}
	}
	return r.missed()
}

// suitable says why this machine cannot measure.
func suitable() error {
	if runtime.GOOS != "linux" {
		return errors.New("needs Linux: CPU time is read from /proc and processes are bound to CPUs by taskset")
	}
	if runtime.NumCPU() < 2 {
		return errors.New("needs two CPUs: one for the servers, one for the load")
	}
	if _, err := exec.LookPath("taskset"); err != nil {
		return errors.New("needs taskset, of the package util-linux")
	}
	return nil
}
