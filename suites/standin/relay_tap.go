// SPDX-License-Identifier: Apache-2.0

package standin

import (
	"bufio"
	"errors"
	"io"
)

// maxHead is the longest head of a message that is read, in bytes.
const maxHead = 1 << 20

var errTooLong = errors.New("the head of the message is too long to be recorded")

// tap reads from one side and writes what it read to the other, as soon as more is asked for: by then its reader has seen
// what the bytes are. It holds at most one buffer.
type tap struct {
	// in is the buffer that messages are read from.
	in   *bufio.Reader
	from io.Reader
	to   io.Writer
	held []byte
	// left is how many bytes of a head may still be read; outside a head there is no limit.
	left   int
	inHead bool

	readErr, writeErr error
}

func newTap(from io.Reader, to io.Writer) *tap {
	t := &tap{from: from, to: to}
	t.in = bufio.NewReader(t)
	return t
}

// head begins or ends the part of a message that is kept in memory whole.
func (t *tap) head(begins bool) { t.inHead, t.left = begins, maxHead }

// rest passes on what is left, unread.
func (t *tap) rest() {
	t.flush()
	if t.readErr != nil || t.writeErr != nil {
		return
	}
	buffer := make([]byte, 32<<10)
	for t.readErr == nil && t.writeErr == nil {
		var n int
		n, t.readErr = t.from.Read(buffer)
		t.held = buffer[:n]
		t.flush()
	}
}

func (t *tap) flush() {
	if len(t.held) > 0 && t.writeErr == nil {
		_, t.writeErr = t.to.Write(t.held)
	}
	t.held = t.held[:0]
}

// Read implements io.Reader for the buffer.
func (t *tap) Read(p []byte) (n int, err error) {
	if t.flush(); t.writeErr != nil {
		return 0, t.writeErr
	}
	if t.inHead && t.left <= 0 {
		return 0, errTooLong
	}
	n, t.readErr = t.from.Read(p)
	t.left -= n
	t.held = append(t.held, p[:n]...)
	return n, t.readErr
}
