// SPDX-License-Identifier: Apache-2.0

// Command standin serves the stand-ins of a conformance run: auth service, backend, error pages, and their control
// endpoint. See package standin.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/standin"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stderr))
}

// run returns the exit code: 0 after a requested stop, 1 when serving failed, 2 for wrong arguments.
func run(ctx context.Context, args []string, stderr io.Writer) int {
	config, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "standin:", err)
		return 2
	}
	config.Logger = slog.New(slog.NewTextHandler(stderr, nil))
	s, err := standin.Start(ctx, config)
	if err != nil {
		fmt.Fprintln(stderr, "standin:", err)
		return 1
	}
	code := 0
	select {
	case <-ctx.Done():
	case err := <-s.Failed():
		fmt.Fprintln(stderr, "standin:", err)
		code = 1
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := s.Shutdown(end); err != nil {
		fmt.Fprintln(stderr, "standin: stopping:", err)
		code = 1
	}
	return code
}

func parse(args []string, stderr io.Writer) (standin.Config, error) {
	flags := flag.NewFlagSet("standin", flag.ContinueOnError)
	flags.SetOutput(stderr)
	c := standin.Config{Listen: map[standin.Role]string{}}
	for _, role := range standin.Roles() {
		flags.Func(string(role), "`address` of the "+string(role)+" stand-in, such as :8081", func(addr string) error {
			if addr == "" {
				return errors.New("the address is empty")
			}
			c.Listen[role] = addr
			return nil
		})
	}
	flags.StringVar(&c.Name, "name", "backend", "instance `name` of the backend, for its answers and records")
	flags.Func("relay", "a `relay` between two real parts, such as from=gateway,to=idp,listen=:8091,target=idp.example:8080; repeatable", func(text string) error {
		relay, err := parseRelay(text)
		c.Relays = append(c.Relays, relay)
		return err
	})
	capacity := flags.Int("capacity", standin.DefaultCapacity, "how many `exchanges` are kept")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	if flags.NArg() > 0 {
		return c, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if len(c.Listen) == 0 {
		return c, errors.New("no address given; try standin --auth :8081 --backend :8082 --control :8086")
	}
	c.Recorder = standin.NewRecorder(*capacity)
	return c, nil
}

// parseRelay reads comma-separated settings: from, to, listen, target and, where several parts have one role, instance.
func parseRelay(text string) (r standin.RelayConfig, err error) {
	var sender, receiver string
	settings := map[string]*string{"from": &sender, "to": &receiver, "instance": &r.Instance, "listen": &r.Listen, "target": &r.Target}
	for setting := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(setting, "=")
		into, ok := settings[name]
		if !ok {
			return r, fmt.Errorf("a relay has no setting %q; there are from, to, instance, listen and target", name)
		}
		*into = value
	}
	r.From, r.To = exchange.Party(sender), exchange.Party(receiver)
	if r.From == "" || r.To == "" || r.Listen == "" || r.Target == "" {
		return r, errors.New("a relay needs from, to, listen and target")
	}
	return r, nil
}
