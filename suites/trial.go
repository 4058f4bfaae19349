// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ingress-auth/conformance/suites/browser"
	"github.com/ingress-auth/conformance/suites/contract"
	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/standin"
	"github.com/ingress-auth/conformance/suites/subject"
)

// Trial is one check at work: it hands out browsers, asks routes and takes down what was observed.
type Trial struct {
	// Subject is under test.
	Subject *subject.Subject

	check     Check
	redactor  *exchange.Redactor
	transport *browser.Transport
	agent     string
	brief     bool

	mu        sync.Mutex
	exchanges []exchange.Exchange
	judged    map[string]*contract.Finding
}

func newTrial(j *Judge, c Check) *Trial {
	return &Trial{Subject: j.Subject, check: c, redactor: j.Redactor, transport: j.transport, agent: j.Agent, brief: j.Brief, judged: map[string]*contract.Finding{}}
}

// Browser returns a user agent with an empty cookie jar.
func (t *Trial) Browser() *browser.Browser {
	return browser.New(browser.Options{Transport: t.transport, Check: t.check.ID + t.agent, Record: t.record})
}

func (t *Trial) record(e exchange.Exchange) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.exchanges = append(t.exchanges, e)
}

// Holds takes down whether a requirement was observed to hold. expected and got are for the reader. Of several
// observations on one requirement the first that did not hold counts.
func (t *Trial) Holds(requirement string, ok bool, expected, got string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.Contains(t.check.Requirements, requirement) {
		// Not silently: a verdict that nobody reads would look like coverage.
		panic(fmt.Sprintf("check %s judges %s, which it does not declare", t.check.ID, requirement))
	}
	if f := t.judged[requirement]; f != nil && (f.Verdict != contract.Pass || ok) {
		return
	}
	f := &contract.Finding{Requirement: requirement, Check: t.check.ID, Verdict: contract.Observed(ok), Expected: expected, Got: got}
	if !ok {
		f.Reason = "expected " + expected + ", got " + got
	}
	t.judged[requirement] = f
}

// Equal takes down whether what was observed is what was expected.
func Equal[T comparable](t *Trial, requirement, what string, expected, got T) {
	t.Holds(requirement, expected == got, fmt.Sprintf("%s %v", what, expected), fmt.Sprintf("%v", got))
}

// findings closes the trial. err is why the check ended early, if it did; took is how long it ran.
func (t *Trial) findings(ctx context.Context, err error, took time.Duration) []contract.Finding {
	t.mu.Lock()
	defer t.mu.Unlock()
	findings := make([]contract.Finding, 0, len(t.check.Requirements))
	for _, id := range t.check.Requirements {
		f := t.judged[id]
		var declined *subject.DeclinedError
		switch {
		case errors.As(err, &declined) && (f == nil || f.Verdict == contract.Pass):
			f = &contract.Finding{Requirement: id, Check: t.check.ID, Verdict: contract.NotApplicable, Reason: declined.Reason}
		case err != nil && (f == nil || f.Verdict == contract.Pass):
			f = &contract.Finding{Requirement: id, Check: t.check.ID, Verdict: contract.Blocked, Reason: "the check could not finish: " + t.redactor.Text(err.Error())}
		case f == nil:
			f = &contract.Finding{Requirement: id, Check: t.check.ID, Verdict: contract.Blocked, Reason: "the check ended without an observation on this requirement"}
		}
		finding := *f
		finding.Took = took
		finding.Expected, finding.Got, finding.Reason = t.redactor.Text(f.Expected), t.redactor.Text(f.Got), t.redactor.Text(f.Reason)
		findings = append(findings, finding)
	}
	if t.brief {
		return findings
	}
	hops := t.hops(ctx)
	for i := range findings {
		findings[i].Exchanges = hops
	}
	return findings
}

const (
	// storyTimeout bounds the question for what the parts inside recorded.
	storyTimeout = 10 * time.Second
	// bodyShown is how much of a response body a finding keeps, in bytes.
	bodyShown = 1 << 10
)

// hops returns the redacted exchanges of the trial, and after each of the browser's what the parts inside recorded for it.
func (t *Trial) hops(ctx context.Context) []exchange.Exchange {
	inside := t.inside(ctx)
	var hops []exchange.Exchange
	for _, e := range t.exchanges {
		hops = append(hops, t.shown(e))
		for _, hop := range inside[e.RequestID] {
			hops = append(hops, t.shown(hop))
		}
		delete(inside, e.RequestID) // a request that was sent again under its ID has its story once
	}
	return hops
}

// shown is the exchange as a finding keeps it.
func (t *Trial) shown(e exchange.Exchange) exchange.Exchange {
	e = t.redactor.Exchange(e)
	if len(e.Body) > bodyShown {
		e.Body = strings.ToValidUTF8(e.Body[:bodyShown], "") + "…"
	}
	return e
}

// inside asks the parts, in one question for the whole check, what they received. No answer leaves the story without its
// inner hops: the verdict does not rest on them, and checks that need the record ask for it themselves.
func (t *Trial) inside(ctx context.Context) map[string][]exchange.Exchange {
	var ids []string
	for _, e := range t.exchanges {
		if e.RequestID != "" && !slices.Contains(ids, e.RequestID) {
			ids = append(ids, e.RequestID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storyTimeout)
	defer cancel()
	recorded, err := t.Subject.Recorder.Recorded(ctx, ids...)
	if err != nil {
		return nil
	}
	byID := map[string][]exchange.Exchange{}
	for _, e := range recorded {
		byID[e.RequestID] = append(byID[e.RequestID], e)
	}
	return byID
}

// Request is one request to a route, with what the stand-ins are to answer to it.
type Request struct {
	// Method is GET when empty. Target is the request target, sent byte for byte; "" is "/".
	Method string
	Target string
	Header http.Header
	Body   string
	// Auth and Backend tell the programmable auth service and the echo backend what to answer. Nil leaves their defaults:
	// the auth service answers 401, the backend echoes.
	Auth    *standin.AuthScript
	Backend *standin.BackendScript
}

// Ask sends one request to the host of a route and does not follow a redirect.
func (t *Trial) Ask(ctx context.Context, b *browser.Browser, r subject.Route, ask Request) (*browser.Response, error) {
	request := browser.Request{Method: ask.Method, URL: URL(r, cmp.Or(ask.Target, "/")), Header: ask.Header, Body: []byte(ask.Body)}
	if ask.Auth != nil {
		request.Cookies = append(request.Cookies, ask.Auth.Cookie())
	}
	if ask.Backend != nil {
		request.Cookies = append(request.Cookies, ask.Backend.Cookie())
	}
	return b.Do(ctx, request)
}

// URL is the address of a request target on the host of a route.
func URL(r subject.Route, target string) string {
	scheme := "http"
	if r.TLS {
		scheme = "https"
	}
	return scheme + "://" + Host(r) + target
}

// Host is the host name of a route.
func Host(r subject.Route) string { return r.HostLabel() + "." + subject.Domain }

// Received returns what one party inside the subject received for a response's request.
func (t *Trial) Received(ctx context.Context, response *browser.Response, to exchange.Party) ([]exchange.Exchange, error) {
	recorded, err := t.Subject.Recorder.Recorded(ctx, response.RequestID)
	if err != nil {
		return nil, fmt.Errorf("reading what the %s received: %w", to, err)
	}
	var received []exchange.Exchange
	for _, e := range recorded {
		if e.To == to {
			received = append(received, e)
		}
	}
	return received, nil
}
