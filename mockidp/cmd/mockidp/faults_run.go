// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ingress-auth/conformance/mockidp"
	"github.com/ingress-auth/conformance/mockidp/rptest"
)

// exitFailed is that of "mockidp faults run" when the relying party fails a fault.
const exitFailed = 3

// faultsRun are the flags of "mockidp faults run".
type faultsRun struct {
	driver rptest.Driver
	rpURL  string
	repeat int
	faults []mockidp.Fault
}

// runFaultsRun judges a relying party that runs already, or is about to, with this provider as its issuer.
func runFaultsRun(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	run, err := parseFaultsRun(args, stdout)
	if errors.Is(err, errHelp) {
		return exitOK
	}
	if err != nil {
		complain(stderr, err)
		return exitUsage
	}
	fmt.Fprintf(stderr, "waiting for a login at %s; its issuer is http://%s, its client %s with the secret %s\n",
		run.rpURL, run.driver.Listen, mockidp.DefaultClientID, mockidp.DefaultClientSecret)
	count := map[string]int{}
	_, err = rptest.Run(ctx, run.driver, run.faults, rptest.Options{Repeat: run.repeat, Done: func(r rptest.Result) {
		count[r.Verdict]++
		fmt.Fprintf(stdout, "%-30s %-14s %s (%s)\n", r.Fault.ID, r.Verdict, r.Reason, r.Observed)
	}})
	if err != nil {
		complain(stderr, err)
		return exitRuntime
	}
	fmt.Fprintf(stdout, "\n%d pass, %d fail, %d not judged, %d blocked\n", count[rptest.Pass], count[rptest.Fail], count[rptest.NotApplicable], count[rptest.Blocked])
	if count[rptest.Fail]+count[rptest.Blocked] > 0 {
		return exitFailed
	}
	return exitOK
}

func parseFaultsRun(args []string, help io.Writer) (faultsRun, error) {
	var run faultsRun
	d := &run.driver
	flags := flag.NewFlagSet("mockidp faults run", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&run.rpURL, "rp-url", "", "`origin` of the relying party, such as http://127.0.0.1:4180")
	flags.StringVar(&d.Listen, "listen", "127.0.0.1:8080", "loopback `address` of the provider; the relying party's issuer is http:// and this")
	flags.StringVar(&d.LoginPath, "login-path", "/oauth2/start?rd=/", "`path` that begins a login")
	flags.StringVar(&d.CallbackPath, "callback-path", "/oauth2/callback", "`path` of the redirect URI")
	flags.StringVar(&d.AuthPath, "auth-path", "/oauth2/auth", "`path` that answers 2xx to whoever is logged in, and to nobody else")
	flags.StringVar(&d.SessionCookie, "session-cookie", "_oauth2_proxy", "`name` of the session cookie")
	flags.DurationVar(&d.Limit, "limit", 45*time.Second, "how long a login may take")
	flags.IntVar(&run.repeat, "repeat", 1, "judge each fault that `often`; verdicts that differ are an error")
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(help, "mockidp faults run judges a relying party by the faults: start it with the issuer and client named below, in any order.\n\n"+
			"Usage: mockidp faults run --rp-url URL [flags] [ID or beginning of IDs ...]\n\n"+
			"What is read once, at its start, such as discovery, is not judged: it needs package rptest, which starts the relying\n"+
			"party anew for each fault. Exit codes: 0 all pass, 1 it cannot run, 2 wrong flags, 3 something fails.\n\n")
		flags.SetOutput(help)
		flags.PrintDefaults()
		return run, errHelp
	}
	if err != nil {
		return run, fmt.Errorf("%w; see --help", err)
	}
	if !strings.HasPrefix(run.rpURL, "http://") && !strings.HasPrefix(run.rpURL, "https://") {
		return run, fmt.Errorf("--rp-url %q must be the origin of the relying party, such as http://127.0.0.1:4180", run.rpURL)
	}
	run.rpURL = strings.TrimSuffix(run.rpURL, "/")
	if err := (settings{listen: d.Listen, logFormat: "text"}).check(); err != nil {
		return run, err
	}
	d.Start = func(context.Context, rptest.Setting) (*rptest.RelyingParty, error) {
		return &rptest.RelyingParty{URL: run.rpURL, Close: http.DefaultClient.CloseIdleConnections}, nil
	}
	run.faults, err = selectFaults(flags.Args())
	return run, err
}

// selectFaults leaves out what needs a relying party with another issuer, secret or endpoint.
func selectFaults(wanted []string) ([]mockidp.Fault, error) {
	all, err := mockidp.Faults()
	if err != nil {
		return nil, err
	}
	var list []mockidp.Fault
	for _, f := range all {
		fits := len(wanted) == 0 || slices.ContainsFunc(wanted, func(w string) bool { return strings.HasPrefix(f.ID, strings.ToUpper(w)) || strings.EqualFold(f.ID, w) })
		elsewhere := f.Endpoint == mockidp.EndpointConnection || f.Endpoint == mockidp.EndpointLogoutToken || f.Judge == mockidp.JudgeSecret
		if fits && !elsewhere && (f.Staged() || f.Judge != "") {
			list = append(list, f)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no fault that a running relying party can be judged by begins with %s; \"mockidp faults\" lists them", strings.Join(wanted, " or "))
	}
	return list, nil
}
