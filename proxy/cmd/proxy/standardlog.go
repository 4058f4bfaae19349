// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"log"
	"log/slog"
)

// useForStandardLog sends to logger what libraries write to the standard one. net/http does, of answers that nobody asked for.
func useForStandardLog(logger *slog.Logger) {
	log.SetFlags(0)
	log.SetOutput(standardLog{logger})
}

// standardLog leaves out of a line what is quoted and all that follows: net/http quotes what came over the connection, which
// may be a token.
type standardLog struct{ log *slog.Logger }

// Write implements io.Writer.
func (s standardLog) Write(line []byte) (int, error) {
	before, _, _ := bytes.Cut(line, []byte{'"'})
	s.log.Warn("a library says", "message", string(bytes.TrimSpace(before)))
	return len(line), nil
}
