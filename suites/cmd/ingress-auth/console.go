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

// console prints progress: one plain line for each step, with the time since the start. On a terminal a count is one line
// that is written over.
type console struct {
	mu      sync.Mutex
	out     io.Writer
	started time.Time
	live    bool
	// over is true while the last line is one to write over.
	over bool
}

func newConsole(out io.Writer) *console {
	return &console{out: out, started: time.Now(), live: onTerminal(out)}
}

// step prints one line; topic is a word such as "engine".
func (c *console) step(topic, format string, args ...any) {
	c.line("\n", topic, format, args...)
}

// again prints a line that the next one writes over. Not on a terminal it is a line like others.
func (c *console) again(topic, format string, args ...any) {
	end := "\n"
	if c.live {
		end = ""
	}
	c.line(end, topic, format, args...)
}

// eraseLine returns to the start of a terminal's line and empties it (ECMA-48: CR, EL).
const eraseLine = "\r\x1b[K"

func (c *console) line(end, topic, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	start := ""
	if c.over {
		start = eraseLine
	}
	c.over = end == ""
	fmt.Fprintf(c.out, "%s%7.1fs  %-8s %s%s", start, time.Since(c.started).Seconds(), topic, fmt.Sprintf(format, args...), end)
}

// How long a count stands before the next one.
const (
	countEvery     = 2 * time.Second
	countEveryLive = 50 * time.Millisecond
)

// counter prints how many checks are done: on a terminal all the while, elsewhere every two seconds; and at the end.
func (c *console) counter(total int) func(suites.Result) {
	done, red, printed, every := 0, 0, time.Now(), countEvery
	if c.live {
		every = countEveryLive
	}
	return func(r suites.Result) {
		done++
		if slices.ContainsFunc(r.Findings, func(f contract.Finding) bool { return f.Verdict == contract.Fail || f.Verdict == contract.Blocked }) {
			red++
		}
		const text = "%d of %d checks done, %d of them with something that does not hold"
		switch {
		case done == total:
			c.step("suites", text, done, total, red)
		case time.Since(printed) >= every:
			printed = time.Now()
			c.again("suites", text, done, total, red)
		}
	}
}

// on returns step for one topic.
func (c *console) on(topic string) func(string) {
	return func(what string) { c.step(topic, "%s", what) }
}

// colored says whether what is written to w may be coloured: a terminal, and NO_COLOR not set (https://no-color.org).
func colored(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && onTerminal(w)
}

// onTerminal says whether w is a terminal that can write over a line.
func onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}
