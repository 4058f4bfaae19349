// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ingress-auth/conformance/suites/report"
)

func reportCommand() *cobra.Command {
	var formats []string
	var output string
	cmd := &cobra.Command{
		Use:   "report REPORT.json...",
		Short: "Render reports again, or several of them as one matrix",
		Long: `report renders an existing report.json into other forms, without judging anything again. One form goes to standard output
or into the file that --output names; several go into the folder that --output names.

Given several reports it writes one HTML page: a matrix of the requirements and the subjects, with the story of each cell.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(fmt.Errorf("report takes the report.json of a run, or several"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			documents, err := readReports(args)
			if err != nil {
				return usage(err)
			}
			if len(documents) > 1 {
				return renderMatrix(cmd.OutOrStdout(), documents, formats, output)
			}
			return render(cmd.OutOrStdout(), documents[0], formats, output)
		},
	}
	cmd.Flags().StringSliceVar(&formats, "format", []string{"html"}, "html, json, junit, markdown, sarif or summary; several with commas")
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write; with several formats the folder")
	return cmd
}

// readReports reads the documents of several files.
func readReports(paths []string) ([]report.Document, error) {
	var documents []report.Document
	for _, path := range paths {
		document, err := readReport(path)
		if err != nil {
			return nil, err
		}
		documents = append(documents, document)
	}
	return documents, nil
}

func readReport(path string) (report.Document, error) {
	f, err := os.Open(path)
	if err != nil {
		return report.Document{}, fmt.Errorf("opening a report: %w", err)
	}
	defer f.Close()
	document, err := report.ReadJSON(f)
	if err != nil {
		return report.Document{}, fmt.Errorf("%s: %w", path, err)
	}
	return document, nil
}

func render(stdout io.Writer, document report.Document, names []string, output string) error {
	formats, err := report.ParseFormats(names)
	if err != nil {
		return usage(err)
	}
	switch {
	case len(formats) == 0:
		return usage(fmt.Errorf("no format given"))
	case len(formats) == 1:
		return writeTo(stdout, output, func(w io.Writer) error {
			if formats[0].Name == "summary" && output == "" {
				return report.WriteSummary(w, document, colored(stdout))
			}
			return formats[0].Write(w, document)
		})
	case output == "":
		return usage(fmt.Errorf("several formats need a folder: give --output"))
	}
	if err := os.MkdirAll(output, 0o755); err != nil {
		return fmt.Errorf("making the folder for the report: %w", err)
	}
	for _, f := range formats {
		if err := writeTo(nil, filepath.Join(output, f.File), func(w io.Writer) error { return f.Write(w, document) }); err != nil {
			return err
		}
	}
	return nil
}

func renderMatrix(stdout io.Writer, documents []report.Document, formats []string, output string) error {
	if strings.Join(formats, ",") != "html" {
		return usage(fmt.Errorf("several reports are rendered together as html only, not %s", strings.Join(formats, ", ")))
	}
	return writeTo(stdout, output, func(w io.Writer) error { return report.WriteMatrix(w, documents) })
}

// writeTo writes into a file, or to stdout when no file is named. A file is written only when all of it could be made.
func writeTo(stdout io.Writer, path string, write func(io.Writer) error) error {
	if path == "" {
		return write(stdout)
	}
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
