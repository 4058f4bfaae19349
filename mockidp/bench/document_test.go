// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"strings"
	"testing"
)

func TestDocument_PairsTheRoundsAndSaysWhoIsAhead(t *testing.T) {
	m := measured{
		providers: []provider{{name: "mockidp", version: "1"}, {name: "peer", version: "2"}},
		trials:    [][]trial{{{2, 100, 200, 10}, {4, 100, 200, 10}}, {{4, 50, 400, 20}, {4, 50, 400, 20}}},
		signGo:    []float64{1000}, signNode: []float64{2000},
	}
	text := document(settings{rounds: 2, logins: 1000, starts: 3}, m)
	for _, want := range []string{
		"| peer 2 | 4.0 (4.0–4.0) | 1.50 (1.00–2.00) |", // ahead: less time is better
		"| peer 2 | 50 (50–50) | 2.00 (2.00–2.00) |",    // ahead: more logins are better
		"| peer 2 | 400 (400–400) | 0.50 (0.50–0.50) |", // behind is said, too
		"it came to 10 % of",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}
