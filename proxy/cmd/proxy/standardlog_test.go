// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
)

// What net/http quotes of an answer that nobody asked for may be a token: it says that one came, and not what.
func TestTheStandardLogTellsNothingThatCameOverAConnection(t *testing.T) {
	lines, written := io.Pipe()
	useForStandardLog(slog.New(slog.NewJSONHandler(written, nil)))
	t.Cleanup(func() {
		log.SetOutput(os.Stderr)
		log.SetFlags(log.LstdFlags)
	})
	address, more := answersTwice(t)
	resp, err := http.Get("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body) // to the end, so that the connection is kept
	_ = resp.Body.Close()
	close(more)
	line, err := bufio.NewReader(lines).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(line, "Unsolicited response") || !strings.Contains(line, `"level":"WARN"`) || strings.Contains(line, "s3cret") {
		t.Error(line)
	}
}

// answersTwice serves one connection: a whole answer, and when told so more.
func answersTwice(t *testing.T) (address string, more chan struct{}) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	more = make(chan struct{})
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return // the test has ended
		}
		defer conn.Close()
		_, _ = http.ReadRequest(bufio.NewReader(conn)) // whatever it is
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		<-more
		_, _ = io.WriteString(conn, "s3cret")
		_, _ = io.Copy(io.Discard, conn) // until the client has had enough
	}()
	return listener.Addr().String(), more
}
