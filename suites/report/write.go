// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// The names of the files that Write leaves.
const (
	JSONFile     = "report.json"
	HTMLFile     = "report.html"
	JUnitFile    = "junit.xml"
	MarkdownFile = "report.md"
	SARIFFile    = "report.sarif"
)

// Write writes every rendering of the document into dir, which it makes when it is not there. Each file appears whole or
// not at all, readable by all (0644). One that cannot be written does not keep the others from being written.
func Write(dir string, doc Document) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the folder for the report: %w", err)
	}
	var faults []error
	for _, rendering := range []struct {
		name  string
		write func(io.Writer, Document) error
	}{
		{JSONFile, WriteJSON}, {JUnitFile, WriteJUnit}, {HTMLFile, WriteHTML}, {MarkdownFile, WriteMarkdown}, {SARIFFile, WriteSARIF},
	} {
		if err := writeWhole(filepath.Join(dir, rendering.name), doc, rendering.write); err != nil {
			faults = append(faults, fmt.Errorf("writing %s: %w", rendering.name, err))
		}
	}
	return errors.Join(faults...)
}

// writeWhole writes to a file beside the target and renames it into place.
func writeWhole(path string, doc Document, write func(io.Writer, Document) error) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	buffered := bufio.NewWriter(file)
	err = errors.Join(write(buffered, doc), buffered.Flush(), file.Chmod(0o644), file.Close())
	if err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
