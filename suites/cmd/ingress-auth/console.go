// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/ingress-auth/conformance/suites"
	"github.com/ingress-auth/conformance/suites/contract"
)

// console prints progress: one plain line for each step, with the time since the start.
type console struct {
	mu      sync.Mutex
	out     io.Writer
	started time.Time
}

func newConsole(out io.Writer) *console { return &console{out: out, started: time.Now()} }

// step prints one line; topic is a word such as "engine".
func (c *console) step(topic, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.out, "%7.1fs  %-8s %s\n", time.Since(c.started).Seconds(), topic, fmt.Sprintf(format, args...))
}

// countEvery is how long a count stands before the next line.
const countEvery = 2 * time.Second

// counter prints how many checks are done, every two seconds and at the end.
func (c *console) counter(total int) func(suites.Result) {
	done, red, printed := 0, 0, time.Now()
	return func(r suites.Result) {
		done++
		if slices.ContainsFunc(r.Findings, func(f contract.Finding) bool { return f.Verdict == contract.Fail || f.Verdict == contract.Blocked }) {
			red++
		}
		if done == total || time.Since(printed) >= countEvery {
			printed = time.Now()
			c.step("suites", "%d of %d checks done, %d of them with something that does not hold", done, total, red)
		}
	}
}

// on returns step for one topic.
func (c *console) on(topic string) func(string) {
	return func(what string) { c.step(topic, "%s", what) }
}

// colored says whether what is written to w may be coloured: a terminal, and NO_COLOR not set (https://no-color.org).
func colored(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}
