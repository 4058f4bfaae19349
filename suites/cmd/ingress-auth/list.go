// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ingress-auth/conformance/fixtures"
	"github.com/ingress-auth/conformance/suites"
	"github.com/ingress-auth/conformance/suites/contract"
)

// selectionFlags are the ways to choose requirements, shared by run and list.
type selectionFlags struct {
	areas, profiles, levels []string
}

func (f *selectionFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&f.areas, "area", nil, "only requirements of these areas, such as backend-401")
	cmd.Flags().StringSliceVar(&f.profiles, "profile", nil, "only requirements of these profiles: core, nginx-annotations, oauth2-proxy, security")
	cmd.Flags().StringSliceVar(&f.levels, "level", nil, "only requirements of these levels: MUST, SHOULD, MAY")
}

// choose reads the catalogue and selects from it. ids are IDs, or prefixes that end in a hyphen.
func (f *selectionFlags) choose(ids []string) (*suites.Catalogue, contract.Selection, []contract.Requirement, error) {
	catalogue, err := suites.NewCatalogue(fixtures.FS())
	if err != nil {
		return nil, contract.Selection{}, nil, err
	}
	selection := contract.Selection{Areas: f.areas}
	if len(ids) > 0 {
		selection.IDs = ids
	}
	for _, p := range f.profiles {
		selection.Profiles = append(selection.Profiles, contract.Profile(p))
	}
	for _, l := range f.levels {
		selection.Levels = append(selection.Levels, contract.Level(l))
	}
	selected, err := catalogue.Contract.Select(selection)
	return catalogue, selection, selected, err
}

func listCommand() *cobra.Command {
	var flags selectionFlags
	cmd := &cobra.Command{
		Use:   "list [ID | PREFIX-]...",
		Short: "List the requirements",
		RunE: func(cmd *cobra.Command, ids []string) error {
			_, _, selected, err := flags.choose(ids)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, r := range selected {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.ID, r.Level, r.Profile, r.Sentence)
			}
			return w.Flush()
		},
	}
	flags.add(cmd)
	return cmd
}

func explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain ID",
		Short: "Say what a requirement asks, why, by what source, and which checks judge it",
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
			if err := contract.Explain(cmd.OutOrStdout(), requirement, nil); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "\nJudged by\n  %s\n", strings.Join(catalogue.ChecksOf(requirement.ID), "\n  "))
			return err
		},
	}
}
