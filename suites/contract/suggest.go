// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"fmt"
	"strings"
)

// UnknownError says that a name the user gave does not exist. It is a mistake of usage.
type UnknownError struct {
	// What kind of name it is, such as "requirement" or "profile", and the name as given.
	What, Name string
	// Suggestion is the nearest existing name; empty when none is near.
	Suggestion string
}

// Error states the unknown name and what may have been meant.
func (e *UnknownError) Error() string {
	message := fmt.Sprintf("there is no %s %q", e.What, e.Name)
	if e.Suggestion != "" {
		message += fmt.Sprintf("; did you mean %q?", e.Suggestion)
	}
	return message
}

// ExitCode makes the process end with ExitUsage.
func (e *UnknownError) ExitCode() ExitCode { return ExitUsage }

// nearest returns the candidate that takes the fewest edits to reach, or that continues what was typed; empty when even
// the best one is far off.
func nearest(name string, candidates []string) string {
	best, bestDistance := "", len(name)/3+2
	for _, candidate := range candidates {
		if name != "" && hasPrefixFold(candidate, name) {
			return candidate
		}
		if d := editDistance(strings.ToUpper(name), strings.ToUpper(candidate)); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// editDistance is the Levenshtein distance in bytes, kept to one row of the table.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
