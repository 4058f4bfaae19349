// SPDX-License-Identifier: Apache-2.0

// Package doctor looks at the host and says, for each thing a run needs, what is there, what is wrong and what to do.
//
// Every check is a plain function of what was read; Run reads. It starts no engine and installs nothing.
package doctor

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// Status is the outcome of one check.
type Status string

// The outcomes. Fail keeps a run on kind from working; Warn does not.
const (
	OK   Status = "ok"
	Warn Status = "warn"
	Fail Status = "fail"
)

// Result is what one check has to say.
type Result struct {
	// Check names what was looked at: "memory".
	Check string `json:"check"`
	// Status is OK, Warn or Fail.
	Status Status `json:"status"`
	// Seen is what is there, in a few words.
	Seen string `json:"seen"`
	// Wrong is why that is not good; empty for OK.
	Wrong string `json:"wrong,omitempty"`
	// Do is the next step; empty for OK.
	Do string `json:"do,omitempty"`
}

func ok(check, seen string) Result { return Result{Check: check, Status: OK, Seen: seen} }

func warn(check, seen, wrong, do string) Result {
	return Result{Check: check, Status: Warn, Seen: seen, Wrong: wrong, Do: do}
}

func fail(check, seen, wrong, do string) Result {
	return Result{Check: check, Status: Fail, Seen: seen, Wrong: wrong, Do: do}
}

// Failed tells whether any result keeps a run from working.
func Failed(results []Result) bool {
	for _, result := range results {
		if result.Status == Fail {
			return true
		}
	}
	return false
}

// Run makes every check, side by side, and returns the results in a fixed order.
func Run(ctx context.Context, options Options) []Result {
	options = options.withDefaults()
	checks := checks(options)
	results := make([]Result, len(checks))
	done := make(chan struct{})
	for i, check := range checks {
		go func() {
			results[i] = check(ctx)
			done <- struct{}{}
		}()
	}
	for range checks {
		<-done
	}
	return results
}

// marks are short enough to scan a column of them.
var marks = map[Status]struct{ plain, colored string }{
	OK:   {"ok  ", "\x1b[32mok  \x1b[0m"},
	Warn: {"warn", "\x1b[33mwarn\x1b[0m"},
	Fail: {"FAIL", "\x1b[31mFAIL\x1b[0m"},
}

// Write prints the results, one line each, with what is wrong and what to do below, and a last line that sums up.
func Write(w io.Writer, results []Result, color bool) error {
	width := 0
	for _, result := range results {
		width = max(width, len(result.Check))
	}
	counts := map[Status]int{}
	var text strings.Builder
	for _, result := range results {
		counts[result.Status]++
		mark := marks[result.Status].plain
		if color {
			mark = marks[result.Status].colored
		}
		fmt.Fprintf(&text, "%s  %-*s  %s\n", mark, width, result.Check, result.Seen)
		if result.Wrong != "" {
			fmt.Fprintf(&text, "      %*s  wrong: %s\n", width, "", result.Wrong)
		}
		if result.Do != "" {
			fmt.Fprintf(&text, "      %*s  do:    %s\n", width, "", result.Do)
		}
	}
	text.WriteString(summary(counts) + "\n")
	_, err := io.WriteString(w, text.String())
	return err
}

func summary(counts map[Status]int) string {
	switch {
	case counts[Fail] > 0:
		return fmt.Sprintf("Not ready: %d of %d checks failed.", counts[Fail], counts[Fail]+counts[Warn]+counts[OK])
	case counts[Warn] > 0:
		return fmt.Sprintf("Ready, with %d warning(s).", counts[Warn])
	}
	return "Ready."
}
