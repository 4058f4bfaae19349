// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bytes"
	"strings"
	"sync"
)

// maxLogLines bounds what a Log keeps; the oldest lines go first.
const maxLogLines = 50_000

// Log keeps the output of a child process, line by line, as evidence and so that effects can be awaited. It is safe for
// concurrent use.
type Log struct {
	mu      sync.Mutex
	lines   []string
	dropped int
	partial []byte
	changed chan struct{}
}

// NewLog returns an empty log.
func NewLog() *Log { return &Log{changed: make(chan struct{})} }

// Write implements io.Writer. It never fails.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partial = append(l.partial, p...)
	for {
		line, rest, found := bytes.Cut(l.partial, []byte("\n"))
		if !found {
			break
		}
		l.lines = append(l.lines, string(line))
		l.partial = rest
	}
	if over := len(l.lines) - maxLogLines; over > 0 {
		l.lines = append([]string(nil), l.lines[over:]...)
		l.dropped += over
	}
	close(l.changed)
	l.changed = make(chan struct{})
	return len(p), nil
}

// Since returns the complete lines from position from on, the position after them, and a channel that is closed when
// more has been written. Positions count lines from the beginning, dropped ones included.
func (l *Log) Since(from int) (lines []string, next int, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	next = l.dropped + len(l.lines)
	start := max(from-l.dropped, 0)
	if start < len(l.lines) {
		lines = append(lines, l.lines[start:]...)
	}
	return lines, next, l.changed
}

// String is all that is kept.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, line := range l.lines {
		b.WriteString(line)
		b.WriteByte('\n')
	}
	b.Write(l.partial)
	return b.String()
}
