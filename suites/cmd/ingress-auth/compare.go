// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ingress-auth/conformance/suites/contract"
	"github.com/ingress-auth/conformance/suites/report"
)

func compareCommand() *cobra.Command {
	var page string
	asJSON := false
	cmd := &cobra.Command{
		Use:   "compare A/report.json B/report.json",
		Short: "Say what changed between two runs, or between two subjects",
		Long: `compare says of each requirement that stands differently in B than in A what it was and what it is: what got worse, what
does not apply any more, what got better, what is new. Given the reports of two gateways, it is the report of a migration.

Exit codes: 0 every requirement stands as before, 1 something differs, 2 usage.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usage(fmt.Errorf("compare takes two reports, not %d", len(args)))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			documents, err := readReports(args)
			if err != nil {
				return usage(err)
			}
			comparison := report.Compare(documents[0], documents[1])
			if page != "" {
				if err := writeTo(nil, page, func(w io.Writer) error { return report.WriteMatrix(w, documents) }); err != nil {
					return err
				}
			}
			if asJSON {
				err = report.WriteComparisonJSON(cmd.OutOrStdout(), comparison)
			} else {
				err = report.WriteComparison(cmd.OutOrStdout(), documents[0], documents[1], colored(cmd.OutOrStdout()))
			}
			if err == nil && !comparison.Alike() {
				err = verdict{contract.ExitNotConformant}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write the comparison as JSON")
	cmd.Flags().StringVar(&page, "html", "", "also write a page with the differences, the matrix and the stories into this file")
	return cmd
}
