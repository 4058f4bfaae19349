// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// answerWriter hands over the head of an answer at the moment when it is complete.
type answerWriter struct {
	http.ResponseWriter
	// answer writes the head, as it is or otherwise.
	answer func(a *answerWriter, status int)
	head   bool // the request was HEAD

	begun   bool // the head was written
	discard bool // the part's own body is not sent
}

// Unwrap lets http.ResponseController find what the wrapped writer can do.
func (a *answerWriter) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (a *answerWriter) WriteHeader(status int) {
	if a.begun || status < 200 {
		a.ResponseWriter.WriteHeader(status)
		return
	}
	a.begun = true
	a.answer(a, status)
}

// deviateAnswer writes the answer with the control's deviation, if it is for it.
func (c Control) deviateAnswer(a *answerWriter, status int) {
	then, header := c.Then, a.Header()
	body := ""
	if !c.When.answer(status, header) {
		a.ResponseWriter.WriteHeader(status)
		return
	}
	switch {
	case then.Status != 0:
		status = then.Status
		a.discard = !bodyAllowed(status)
	case then.Redirect != "":
		status = http.StatusFound
		header.Del("Set-Cookie")
		header.Set("Location", then.Redirect)
		a.discard = true
	case then.ResponseBody != "":
		body, a.discard = then.ResponseBody, true
	case then.DropResponseHeader != "":
		header.Del(then.DropResponseHeader)
	case then.AddResponseHeader != nil:
		header.Add(then.AddResponseHeader.Name, then.AddResponseHeader.Value)
	case then.EditResponseHeader != nil:
		then.EditResponseHeader.apply(header)
	}
	if a.discard {
		header.Del("Content-Length")
		header.Del("Content-Encoding")
		header.Del("Transfer-Encoding")
	}
	a.ResponseWriter.WriteHeader(status)
	if body != "" && !a.head && bodyAllowed(status) {
		_, _ = io.WriteString(a.ResponseWriter, body)
	}
}

// Write implements http.ResponseWriter.
func (a *answerWriter) Write(p []byte) (int, error) {
	if !a.begun {
		a.WriteHeader(http.StatusOK)
	}
	if a.discard {
		return len(p), nil
	}
	return a.ResponseWriter.Write(p)
}

// Hijack implements http.Hijacker: a connection that became a WebSocket has no answer to change.
func (a *answerWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	a.begun = true
	return http.NewResponseController(a.ResponseWriter).Hijack()
}

// FlushError implements what http.ResponseController looks for; flushing begins the answer.
func (a *answerWriter) FlushError() error {
	if !a.begun {
		a.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// finish begins the answer of a part that never wrote one.
func (a *answerWriter) finish() {
	if !a.begun {
		a.WriteHeader(http.StatusOK)
	}
}
