// SPDX-License-Identifier: Apache-2.0

//go:build unix

package local

import (
	"regexp"
	"slices"
	"strconv"
)

// workers follows, by the log, which workers have been started and which have stopped taking connections.
type workers struct {
	read    int
	started []int
}

var (
	workerStarted = regexp.MustCompile(`\[notice\] \d+#\d+: start worker process (\d+)$`)
	workerQuits   = regexp.MustCompile(`\[notice\] (\d+)#\d+: (?:gracefully shutting down|exiting|exit)$`)
	workerGone    = regexp.MustCompile(`worker process (\d+) exited`)
)

func (w *workers) follow(lines []string, next int) {
	for _, line := range lines {
		if m := workerStarted.FindStringSubmatch(line); m != nil {
			pid, _ := strconv.Atoi(m[1])
			w.started = append(w.started, pid)
		}
		for _, end := range []*regexp.Regexp{workerQuits, workerGone} {
			if m := end.FindStringSubmatch(line); m != nil {
				pid, _ := strconv.Atoi(m[1])
				w.started = slices.DeleteFunc(w.started, func(p int) bool { return p == pid })
			}
		}
	}
	w.read = next
}

// accepting counts the workers other than pid that still take connections.
func (w *workers) accepting(pid int) int {
	n := 0
	for _, p := range w.started {
		if p != pid {
			n++
		}
	}
	return n
}
