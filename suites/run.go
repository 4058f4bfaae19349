// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/formatter"

	"github.com/ingress-auth/conformance/suites/contract"
	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/subject"
)

// Run judges one subject by a selection of requirements.
type Run struct {
	Catalogue *Catalogue
	Fixtures  fs.FS
	Selected  []contract.Requirement
	// Redactor hides secrets in every exchange of the findings.
	Redactor *exchange.Redactor
	// Revision says which requirements count; the zero Revision counts all.
	Revision contract.Revision
	// Strict turns a SHOULD that does not hold into a failure.
	Strict bool
	// Workers is how many checks run at once; 0 leaves it to the Judge.
	Workers int
	// Done is told of each result; nil is fine.
	Done func(Result)
	// Log gets what Ginkgo reports; nil drops it. The verdict is drawn from the findings, not from this text.
	Log io.Writer
}

// Judge runs the checks of the selection as Ginkgo specs and returns an outcome for each requirement. Ginkgo runs once in
// a process, so Judge can be called once.
func (r Run) Judge(ctx context.Context, s *subject.Subject) ([]contract.Outcome, error) {
	known, err := r.known(s)
	if err != nil {
		return nil, err
	}
	checks := r.Catalogue.ChecksFor(r.Selected)
	judge := &Judge{Subject: s, Redactor: r.Redactor, Workers: r.Workers, Done: r.Done}
	results, err := r.ginkgo(ctx, judge, checks, func(f contract.Finding) bool { return explained(known, f) })
	if err != nil {
		return nil, err
	}
	outcomes, err := contract.Apply(r.Catalogue.Contract, r.Selected, findings(results), known, r.Strict)
	return r.Revision.Score(outcomes), err
}

// known reads the deviations that the subject's parts are known for.
func (r Run) known(s *subject.Subject) ([]contract.Known, error) {
	known, err := contract.LoadKnown(r.Fixtures, "known", s.GatewayName, s.GatewayVersion, r.Catalogue.Contract)
	if err != nil {
		return nil, err
	}
	for _, part := range s.Parts {
		if part.Role != subject.RoleAuthService || part.Version == "" {
			continue
		}
		more, err := contract.LoadKnown(r.Fixtures, "known", part.Name, part.Version, r.Catalogue.Contract)
		if err != nil {
			return nil, err
		}
		known = append(known, more...)
	}
	return known, nil
}

func explained(known []contract.Known, f contract.Finding) bool {
	for _, k := range known {
		if k.Explains(f) {
			return true
		}
	}
	return false
}

func findings(results []Result) []contract.Finding {
	var all []contract.Finding
	for _, r := range results {
		all = append(all, r.Findings...)
	}
	return all
}

// ginkgo starts the judge, lets Ginkgo tell the story, and returns the results in the order of the checks.
func (r Run) ginkgo(ctx context.Context, judge *Judge, checks []Check, explained func(contract.Finding) bool) ([]Result, error) {
	await := judge.Start(ctx, checks)
	Bind(checks, func(spec ginkgo.SpecContext, id string) (Result, error) {
		// The run's own end, and not Ginkgo's signal handling alone, ends the waiting.
		joined, cancel := context.WithCancelCause(spec)
		defer cancel(nil)
		defer context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })()
		return await(joined, id)
	}, explained)
	suiteConfig, reporterConfig := ginkgo.GinkgoConfiguration()
	suiteConfig.Timeout = 0
	reporterConfig.NoColor, reporterConfig.Verbose = true, true
	// The one way to tell Ginkgo where to write; it runs once in a process.
	formatter.ColorableStdOut, formatter.ColorableStdErr = r.log(), r.log()
	fail := &failure{}
	ginkgo.RunSpecs(fail, "ingress-auth-conformance", suiteConfig, reporterConfig)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var results []Result
	for _, c := range checks {
		result, err := await(ctx, c.ID)
		if err != nil {
			return nil, fmt.Errorf("collecting the result of %s: %w", c.ID, err)
		}
		results = append(results, result)
	}
	if fail.failed && !anyRed(results, explained) {
		return nil, errors.New("ginkgo reports a failure that no finding explains")
	}
	return results, nil
}

func (r Run) log() io.Writer {
	if r.Log == nil {
		return io.Discard
	}
	return r.Log
}

func anyRed(results []Result, explained func(contract.Finding) bool) bool {
	for _, f := range findings(results) {
		if f.Verdict != contract.Pass && f.Verdict != contract.NotApplicable && (f.Verdict == contract.Blocked || !explained(f)) {
			return true
		}
	}
	return false
}

// failure is what RunSpecs tells of a failed suite.
type failure struct{ failed bool }

// Fail implements ginkgo.GinkgoTestingT.
func (f *failure) Fail() { f.failed = true }
