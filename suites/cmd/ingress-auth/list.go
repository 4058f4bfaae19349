// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ingress-auth/conformance/fixtures"
	"github.com/ingress-auth/conformance/suites"
	"github.com/ingress-auth/conformance/suites/contract"
	"github.com/ingress-auth/conformance/suites/control"
)

func listCommand() *cobra.Command {
	var flags selectionFlags
	asJSON := false
	cmd := &cobra.Command{
		Use:   "list [ID | PREFIX-]...",
		Short: "List the requirements",
		RunE: func(cmd *cobra.Command, ids []string) error {
			catalogue, _, selected, err := flags.choose(ids)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), listed(catalogue, selected))
			}
			return writeList(cmd.OutOrStdout(), selected)
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write the requirements and their checks as JSON")
	return cmd
}

// listedRequirement is a requirement with the checks that judge it.
type listedRequirement struct {
	contract.Requirement
	Checks []string `json:"checks"`
}

func listed(catalogue *suites.Catalogue, selected []contract.Requirement) []listedRequirement {
	list := make([]listedRequirement, 0, len(selected))
	for _, r := range selected {
		list = append(list, listedRequirement{Requirement: r, Checks: catalogue.ChecksOf(r.ID)})
	}
	return list
}

func writeList(out io.Writer, selected []contract.Requirement) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, r := range selected {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.ID, r.Level, r.Profile, r.Sentence)
	}
	return w.Flush()
}

func writeJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

func explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain ID",
		Short: "Say what a requirement asks, why, by what source, which checks judge it and which broken parts they find out",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(fmt.Errorf("explain takes one requirement ID; ingress-auth list shows them"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			catalogue, err := suites.NewCatalogue(fixtures.FS())
			if err != nil {
				return err
			}
			requirement, err := catalogue.Contract.Lookup(args[0])
			if err != nil {
				return err
			}
			known, err := allKnown(catalogue.Contract)
			if err != nil {
				return err
			}
			if err := contract.Explain(cmd.OutOrStdout(), requirement, known); err != nil {
				return err
			}
			if err := explainRevisions(cmd.OutOrStdout(), requirement); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "\nJudged by\n  %s\n", strings.Join(catalogue.ChecksOf(requirement.ID), "\n  "))
			return explainControls(cmd.OutOrStdout(), requirement.ID)
		},
	}
}

// allKnown reads the known deviations of every version of every part.
func allKnown(c *contract.Contract) ([]contract.Known, error) {
	entries, err := fs.ReadDir(fixtures.FS(), "known")
	if err != nil {
		return nil, fmt.Errorf("reading the known deviations: %w", err)
	}
	var all []contract.Known
	for _, e := range entries {
		name, isYAML := strings.CutSuffix(e.Name(), ".yaml")
		version := versionForm.FindString(name)
		if !isYAML || version == "" {
			continue
		}
		known, err := contract.LoadKnown(fixtures.FS(), "known", strings.TrimSuffix(name, "-"+version), version, c)
		if err != nil {
			return nil, err
		}
		all = append(all, known...)
	}
	return all, nil
}

// versionForm is the end of the name of a file of known deviations: a digit, or a v and a digit, and the rest.
var versionForm = regexp.MustCompile(`v?[0-9][^-]*(-[a-z]+[.0-9]*)?$`)

// explainRevisions says which published revisions have the requirement otherwise than it is now.
func explainRevisions(out io.Writer, r contract.Requirement) error {
	revisions, err := contract.LoadRevisions(fixtures.FS(), revisionsDir)
	if err != nil {
		return err
	}
	title := "\nRevisions\n"
	for _, revision := range revisions {
		var line string
		switch level := revision.Level(r); {
		case !revision.Scores(r.ID) && r.Excluded == "":
			line = "not scored"
		case level != r.Level:
			line = string(level)
		default:
			continue
		}
		fmt.Fprintf(out, "%s  %s: %s\n", title, revision.Name, line)
		title = ""
	}
	return nil
}

// explainControls says which broken parts the requirement is known to find out.
func explainControls(out io.Writer, id string) error {
	set, err := control.Load(fixtures.FS(), "controls")
	if err != nil {
		return err
	}
	title := "\nTurned red by\n"
	for _, k := range set.KilledBy(id) {
		fmt.Fprintf(out, "%s  %s (%s): %s\n", title, k.ID, k.Part, strings.Join(strings.Fields(k.Sentence), " "))
		title = ""
	}
	return nil
}
