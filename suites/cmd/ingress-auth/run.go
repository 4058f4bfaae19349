// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingress-auth/conformance/fixtures"
	"github.com/ingress-auth/conformance/suites"
	"github.com/ingress-auth/conformance/suites/contract"
	"github.com/ingress-auth/conformance/suites/control"
	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/report"
	"github.com/ingress-auth/conformance/suites/subject"
)

// runFlags are the choices of one run.
type runFlags struct {
	selectionFlags
	kindFlags
	existing    existingFlags
	outside     outsideFlags
	platform    string
	gateway     string
	authService string
	idp         string
	reportDir   string
	strict      bool
	dryRun      bool
	asJSON      bool
	workers     int
	// wrap stands around the parts of the platform local; see subject.LocalOptions. No flag sets it.
	wrap map[string]func(http.Handler) http.Handler
}

const (
	platformLocal    = "local"
	platformKind     = "kind"
	platformExisting = "existing"
	platformOutside  = "outside"
)

func runCommand() *cobra.Command { return new(runFlags).command() }

func (f *runFlags) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run [ID | PREFIX-]...",
		Short: "Bring the subject up, judge it, write the report",
		Long: `run judges the requirements that are named (all when none is named; a name that ends in a hyphen is a prefix) and
writes report.json, junit.xml, report.md, report.sarif and report.html into a folder of its own below --report-dir.

On the platform local, proxy, identity provider and stand-ins run in this process behind a real nginx on loopback. On the
platform kind they run in a Kubernetes cluster behind a real ingress-nginx; a cluster that 'ingress-auth up' left is used
and kept, otherwise one is created and deleted. On the platform existing the cluster and its gateway are yours: the parts
go into a namespace that is deleted at the end, and nothing outside it is changed. With --gateway-url there is no platform
at all: something that already runs is judged as far as it can be from outside (docs/bring-your-own.md).`,
		RunE: func(cmd *cobra.Command, ids []string) error { return f.run(cmd, ids) },
	}
	f.selectionFlags.add(cmd)
	f.kindFlags.add(cmd)
	f.existing.add(cmd)
	f.outside.add(cmd)
	cmd.Flags().StringVar(&f.platform, "platform", platformKind, "where the subject runs: kind, local or existing")
	cmd.Flags().StringVar(&f.gateway, "gateway", "", "the gateway; each platform has one: nginx on local, ingress-nginx on kind and existing")
	cmd.Flags().StringVar(&f.authService, "auth-service", subject.AuthServiceProxy,
		"the auth service, on the platform local one of "+strings.Join(subject.AuthServiceNames(), ", "))
	cmd.Flags().StringVar(&f.idp, "idp", subject.IdPMock, "the identity provider, on the platform local also the mock as a real provider would be, such as mockidp-okta")
	cmd.Flags().StringVar(&f.reportDir, "report-dir", "reports", "folder that gets a folder for this run's report")
	cmd.Flags().BoolVar(&f.strict, "strict", false, "a SHOULD that does not hold fails the run")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "list the requirements and checks that would run, and start nothing")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "write the conclusion as JSON to standard output, in place of the table")
	cmd.Flags().IntVar(&f.workers, "workers", 0, "how many checks run at once (0: 8)")
	return cmd
}

func (f *runFlags) run(cmd *cobra.Command, ids []string) error {
	if err := f.validatePlatform(); err != nil {
		return usage(err)
	}
	if err := f.validateParts(); err != nil {
		return usage(err)
	}
	if err := f.kindFlags.validate(); err != nil {
		return usage(err)
	}
	catalogue, selection, selected, err := f.choose(ids)
	if err != nil {
		return err
	}
	revision, err := f.loadRevision()
	if err != nil {
		return err
	}
	controls, err := control.Load(fixtures.FS(), "controls")
	if err != nil {
		return err
	}
	if f.platform == platformOutside {
		// From outside other checks judge, which have controls of their own in the tests.
		controls = control.Set{}
		catalogue = catalogue.FromOutside(f.outside.target())
	}
	if f.dryRun {
		return plan(cmd.OutOrStdout(), catalogue, selected, f.asJSON)
	}
	r := &oneRun{
		flags: f, out: newConsole(cmd.ErrOrStderr()), started: time.Now(), controls: controls,
		suite: suites.Run{
			Catalogue: catalogue, Fixtures: fixtures.FS(), Selected: selected, Redactor: exchange.NewRedactor(),
			Revision: revision, Strict: f.strict, Workers: f.workers,
		},
	}
	r.dir = filepath.Join(f.reportDir, r.started.UTC().Format("20060102T150405Z")+"-"+f.platform)
	r.document = r.about(selection)
	document := r.judge(cmd.Context())
	if err := report.Write(r.dir, document); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if err := announce(cmd.OutOrStdout(), cmd.ErrOrStderr(), document, r.dir, f.asJSON); err != nil {
		return err
	}
	if document.Conclusion.ExitCode == contract.ExitConformant {
		return nil
	}
	return verdict{document.Conclusion.ExitCode}
}

func (f *runFlags) validatePlatform() error {
	if f.outside.given() {
		f.platform = platformOutside
		_, err := f.outside.subject(f.existing.addresses)
		return err
	}
	switch f.platform {
	case platformKind, platformLocal:
		return nil
	case platformExisting:
		return f.existing.validate()
	}
	return fmt.Errorf("unknown platform %q: choose kind, local or existing", f.platform)
}

// oneRun is a run on its way.
type oneRun struct {
	flags    *runFlags
	suite    suites.Run
	out      *console
	started  time.Time
	controls control.Set
	dir      string
	document report.Document
}

// judge brings the subject up, judges it and takes it down. It always returns a document: a run that failed says so.
func (r *oneRun) judge(ctx context.Context) report.Document {
	outcomes, err := r.outcomes(ctx)
	r.document.Run.Finished = time.Now().UTC()
	if err != nil {
		return report.SetUpFailed(r.document, contract.WithExitCode(err, exitCode(ctx, err)))
	}
	return withKillers(report.New(r.document, outcomes, r.rerun), r.controls)
}

func (r *oneRun) outcomes(ctx context.Context) (outcomes []contract.Outcome, err error) {
	s, err := r.bringUp(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close(context.WithoutCancel(ctx))) }()
	r.describe(s)
	checks := r.suite.Catalogue.ChecksFor(r.suite.Selected)
	r.out.step("suites", "judging %d requirements by %d checks on %s", len(r.suite.Selected), len(checks), s.Platform)
	r.suite.Done = r.out.counter(len(checks))
	log, err := r.ginkgoLog()
	if err != nil {
		return nil, err
	}
	defer log.Close()
	r.suite.Log = log
	outcomes, err = r.suite.Judge(ctx, s)
	if err != nil || contract.Score(outcomes).ExitCode != contract.ExitConformant {
		r.keepEvidence(ctx, s)
	}
	return outcomes, err
}

func (r *oneRun) bringUp(ctx context.Context) (*subject.Subject, error) {
	if r.flags.platform == platformLocal {
		authService, err := subject.FindAuthService(ctx, r.flags.authService, r.out.on("programs"))
		if err != nil {
			return nil, err
		}
		return subject.NewLocal(ctx, subject.LocalOptions{Gateways: r.suite.Catalogue.Gateways, AuthService: authService, IdP: r.flags.idp, Redactor: r.suite.Redactor, Wrap: r.flags.wrap})
	}
	if r.flags.platform == platformOutside {
		r.document.Notes = []string{suites.OutsideNote}
		return r.flags.outside.subject(r.flags.existing.addresses)
	}
	if r.flags.platform == platformExisting {
		return r.flags.existing.bringUp(ctx, r.out, &r.flags.kindFlags, r.suite.Redactor)
	}
	return r.flags.kindFlags.bringUp(ctx, kindRun{out: r.out, gateways: r.suite.Catalogue.Gateways, redactor: r.suite.Redactor, evidence: filepath.Join(r.dir, "evidence")})
}

// ginkgoLog is where Ginkgo's own report goes.
func (r *oneRun) ginkgoLog() (*os.File, error) {
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the report's folder: %w", err)
	}
	f, err := os.Create(filepath.Join(r.dir, "ginkgo.log"))
	if err != nil {
		return nil, fmt.Errorf("making the log of Ginkgo: %w", err)
	}
	return f, nil
}

// keepEvidence keeps what helps to explain a failure. That it cannot is worth a line, not another failure.
func (r *oneRun) keepEvidence(ctx context.Context, s *subject.Subject) {
	dir := filepath.Join(r.dir, "evidence")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		r.out.step("evidence", "not kept: %v", err)
		return
	}
	if err := s.Evidence(ctx, dir); err != nil {
		r.out.step("evidence", "not complete: %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		r.document.Evidence = append(r.document.Evidence, report.Evidence{Path: "evidence/" + e.Name(), Description: "state of the subject after the checks"})
	}
}

// about is the document before anything was judged.
func (r *oneRun) about(selection contract.Selection) report.Document {
	document := report.Document{
		Run:       report.Run{ID: filepath.Base(r.dir), Started: r.started.UTC(), Command: "ingress-auth " + strings.Join(os.Args[1:], " ")},
		Tool:      tool(),
		Platform:  report.Platform{Name: r.flags.platform, OS: runtime.GOOS, Arch: runtime.GOARCH},
		Selection: report.Selection{Selection: selection, Strict: r.flags.strict, Revision: r.suite.Revision.Name},
		Notes: []string{
			"An auth service that never answers is judged with a time limit of one second for its route; nginx's default is a minute.",
			"Statuses of the auth service are provoked by a programmable stand-in; sign-in, sessions and tokens are those of the reference proxy and the mock identity provider.",
		},
	}
	if len(r.controls.Controls) > 0 {
		document.Coverage = coverage(r.suite.Catalogue.Contract, r.controls)
	}
	return document
}

// describe takes down what is judged.
func (r *oneRun) describe(s *subject.Subject) {
	roles := map[string]*report.Part{
		subject.RoleGateway: &r.document.Subject.Gateway, subject.RoleAuthService: &r.document.Subject.AuthService,
		subject.RoleIdP: &r.document.Subject.IdP, subject.RoleBackend: &r.document.Subject.Backend,
	}
	for _, p := range s.Parts {
		part := report.Part{Name: p.Name, Version: p.Version, Origin: p.Origin, StandIn: p.StandIn}
		if slot := roles[p.Role]; slot != nil && slot.Name == "" {
			*slot = part
			continue
		}
		r.document.Parts = append(r.document.Parts, part)
	}
}

// rerun is the command that judges one requirement again.
func (r *oneRun) rerun(id string) string {
	platform := r.flags.platform
	if r.flags.authService != subject.AuthServiceProxy {
		platform += " --auth-service " + r.flags.authService
	}
	if r.flags.idp != subject.IdPMock {
		platform += " --idp " + r.flags.idp
	}
	switch platform {
	case platformExisting:
		platform += r.flags.existing.again()
	case platformOutside:
		return "go run ./suites/cmd/ingress-auth run" + r.flags.outside.again() + " " + id
	}
	return fmt.Sprintf("go run ./suites/cmd/ingress-auth run --platform %s %s", platform, id)
}

func tool() report.Tool {
	t := report.Tool{Name: "ingress-auth-conformance", Version: "dev"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return t
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		t.Version = v
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			t.Commit = setting.Value
		}
	}
	return t
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Say which version this is", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t := tool()
			_, err := fmt.Fprintln(cmd.OutOrStdout(), strings.TrimSpace(t.Name+" "+t.Version+" "+t.Commit), runtime.Version())
			return err
		},
	}
}
