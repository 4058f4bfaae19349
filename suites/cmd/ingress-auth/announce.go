// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ingress-auth/conformance/suites"
	"github.com/ingress-auth/conformance/suites/contract"
	"github.com/ingress-auth/conformance/suites/report"
)

// announced is what --json prints of a run in place of the table.
type announced struct {
	report.Conclusion
	// Report is the folder with the rest.
	Report string `json:"report"`
}

// announce says how a run ended: on stdout for whoever reads it, and to GitHub Actions when the run is one of its steps.
func announce(stdout, stderr io.Writer, document report.Document, dir string, asJSON bool) error {
	if asJSON {
		if err := writeJSON(stdout, announced{Conclusion: document.Conclusion, Report: dir}); err != nil {
			return err
		}
	} else if err := report.WriteSummary(stdout, document, colored(stdout)); err != nil {
		return err
	}
	fmt.Fprintf(stderr, "report: %s\n", filepath.Join(dir, report.HTMLFile))
	if os.Getenv("GITHUB_ACTIONS") != "true" {
		return nil
	}
	commands := stdout
	if asJSON {
		commands = stderr // the runner reads both
	}
	if err := report.WriteAnnotations(commands, document); err != nil {
		return err
	}
	return appendStepSummary(os.Getenv("GITHUB_STEP_SUMMARY"), document)
}

// appendStepSummary adds the Markdown to the summary of the job. Without a file there is nowhere to add it.
func appendStepSummary(path string, document report.Document) error {
	if path == "" {
		return nil
	}
	var b bytes.Buffer
	if err := report.WriteMarkdown(&b, document); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("opening the summary of the job: %w", err)
	}
	if _, err := f.Write(append(b.Bytes(), '\n')); err != nil {
		f.Close()
		return fmt.Errorf("writing the summary of the job: %w", err)
	}
	return f.Close()
}

// planned is what --dry-run says of a run.
type planned struct {
	Requirements []listedRequirement `json:"requirements"`
	Checks       []string            `json:"checks"`
}

// plan lists what would be judged, and by which checks. Nothing is started.
func plan(out io.Writer, catalogue *suites.Catalogue, selected []contract.Requirement, asJSON bool) error {
	p := planned{Requirements: listed(catalogue, selected)}
	for _, c := range catalogue.ChecksFor(selected) {
		p.Checks = append(p.Checks, c.ID)
	}
	if asJSON {
		return writeJSON(out, p)
	}
	if err := writeList(out, selected); err != nil {
		return err
	}
	fmt.Fprintln(out)
	for _, id := range p.Checks {
		fmt.Fprintln(out, id)
	}
	_, err := fmt.Fprintf(out, "\nA run would judge %d requirements by %d checks.\n", len(selected), len(p.Checks))
	return err
}
