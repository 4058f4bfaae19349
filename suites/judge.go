// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/ingress-auth/conformance/suites/browser"
	"github.com/ingress-auth/conformance/suites/contract"
	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/subject"
)

// Result is what one check found.
type Result struct {
	Check    Check
	Findings []contract.Finding
	Took     time.Duration
}

// Judge is a run of checks against one subject.
type Judge struct {
	// Subject is under test.
	Subject *subject.Subject
	// Redactor hides secrets in every exchange that leaves the run.
	Redactor *exchange.Redactor
	// Workers is how many checks run at once; 0 is 8. Most of a check is waiting for the network.
	Workers int
	// CheckTimeout bounds one check; 0 is one minute. A check that exceeds it is blocked.
	CheckTimeout time.Duration
	// Agent is added to the name of the check in the browsers' User-Agent.
	Agent string
	// Brief leaves the exchanges out of the findings.
	Brief bool
	// Done is told of each result, one at a time; nil is fine.
	Done func(Result)
	// Clock returns the time; nil is time.Now.
	Clock func() time.Time

	transport *browser.Transport
}

// Start exposes what the checks need and runs them. The returned function waits for the result of one check; it may be
// called for any of them, in any order, from any goroutine.
func (j *Judge) Start(ctx context.Context, checks []Check) (await func(ctx context.Context, id string) (Result, error)) {
	j.transport = j.newTransport()
	results := make(map[string]chan Result, len(checks))
	for _, c := range checks {
		results[c.ID] = make(chan Result, 1)
	}
	var one sync.Mutex
	go j.run(ctx, checks, func(r Result) {
		results[r.Check.ID] <- r
		if j.Done != nil {
			one.Lock()
			defer one.Unlock()
			j.Done(r)
		}
	})
	return func(ctx context.Context, id string) (Result, error) {
		channel, ok := results[id]
		if !ok {
			return Result{}, fmt.Errorf("the check %q is not part of this run", id)
		}
		select {
		case r := <-channel:
			channel <- r // for whoever asks again
			return r, nil
		case <-ctx.Done():
			return Result{}, fmt.Errorf("waiting for the check %q: %w", id, ctx.Err())
		}
	}
}

func (j *Judge) newTransport() *browser.Transport {
	return browser.NewTransport(browser.TransportOptions{Resolve: j.Subject.Resolve, RootCAs: j.Subject.Roots})
}

// Run judges all checks and returns their results in order.
func (j *Judge) Run(ctx context.Context, checks []Check) []Result {
	await := j.Start(ctx, checks)
	results := make([]Result, 0, len(checks))
	for _, c := range checks {
		r, err := await(context.WithoutCancel(ctx), c.ID)
		if err != nil {
			r = Result{Check: c, Findings: all(c, contract.Blocked, err.Error())}
		}
		results = append(results, r)
	}
	return results
}

func (j *Judge) run(ctx context.Context, checks []Check, done func(Result)) {
	applicable := make([]Check, 0, len(checks))
	for _, c := range checks {
		switch reason, err := c.NotApplicable(j.Subject); {
		case err != nil:
			done(Result{Check: c, Findings: all(c, contract.Blocked, err.Error())})
		case reason != "":
			done(Result{Check: c, Findings: all(c, contract.NotApplicable, reason)})
		default:
			applicable = append(applicable, c)
		}
	}
	if err := j.expose(ctx, applicable); err != nil {
		for _, c := range applicable {
			done(Result{Check: c, Findings: all(c, contract.Blocked, "the routes could not be exposed: "+err.Error())})
		}
		return
	}
	applicable = slices.DeleteFunc(applicable, func(c Check) bool {
		reason := c.declined(j.Subject)
		if reason != "" {
			done(Result{Check: c, Findings: all(c, contract.NotApplicable, reason)})
		}
		return reason != ""
	})
	slices.SortStableFunc(applicable, func(a, b Check) int { return rank(a) - rank(b) })
	j.spread(ctx, applicable, done)
}

func rank(c Check) int {
	if c.Slow || c.Exclusive != "" {
		return 0
	}
	return 1
}

func (j *Judge) expose(ctx context.Context, checks []Check) error {
	var routes []subject.Route
	for _, c := range checks {
		routes = append(routes, c.Routes...)
	}
	if len(routes) == 0 {
		return nil
	}
	return j.Subject.Gateway.Expose(ctx, routes)
}

// spread runs the checks on the workers. Checks that share an Exclusive name form one lane that a single worker walks.
func (j *Judge) spread(ctx context.Context, checks []Check, done func(Result)) {
	lanes := make(chan []Check)
	var workers sync.WaitGroup
	for range cmp.Or(j.Workers, 8) {
		workers.Go(func() {
			for lane := range lanes {
				for _, c := range lane {
					done(j.judge(ctx, c))
				}
			}
		})
	}
	for _, lane := range lanesOf(checks) {
		lanes <- lane
	}
	close(lanes)
	workers.Wait()
}

func lanesOf(checks []Check) [][]Check {
	var lanes [][]Check
	index := map[string]int{}
	for _, c := range checks {
		if i, ok := index[c.Exclusive]; ok && c.Exclusive != "" {
			lanes[i] = append(lanes[i], c)
			continue
		}
		index[c.Exclusive] = len(lanes)
		lanes = append(lanes, []Check{c})
	}
	return lanes
}

// judge runs one check and makes sure that every requirement it stands for gets a finding.
func (j *Judge) judge(ctx context.Context, c Check) Result {
	if err := ctx.Err(); err != nil {
		return Result{Check: c, Findings: all(c, contract.Blocked, "the run was interrupted before this check")}
	}
	now := j.Clock
	if now == nil {
		now = time.Now
	}
	started := now()
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(j.CheckTimeout, time.Minute))
	defer cancel()
	t := newTrial(j, c)
	err := runGuarded(ctx, c, t)
	took := now().Sub(started)
	return Result{Check: c, Findings: t.findings(ctx, err, took), Took: took}
}

// runGuarded turns a panic of a check into an error: a mistake in one check must not take the others down.
func runGuarded(ctx context.Context, c Check, t *Trial) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the check panicked: %v\n%s", r, debug.Stack())
		}
	}()
	if c.Run == nil {
		return errors.New("the check has nothing to run")
	}
	return c.Run(ctx, t)
}

func all(c Check, v contract.Verdict, reason string) []contract.Finding {
	findings := make([]contract.Finding, 0, len(c.Requirements))
	for _, id := range c.Requirements {
		findings = append(findings, contract.Finding{Requirement: id, Check: c.ID, Verdict: v, Reason: reason})
	}
	return findings
}
