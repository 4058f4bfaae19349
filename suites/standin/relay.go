// SPDX-License-Identifier: Apache-2.0

package standin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/ingress-auth/conformance/suites/exchange"
)

// dialTimeout bounds the connection to a relay's target, and how long a relay that has none listens for what was asked.
const dialTimeout = 5 * time.Second

// Relay stands between two real parts and records the HTTP/1.1 exchanges it sees. It is not a proxy: the bytes of each
// connection go on as they came, in either direction, each connection to one of its own, so that nothing of what the parts
// say to each other changes but the address they see as the peer's. What it cannot read it passes on unrecorded, such as a
// WebSocket after its handshake.
//
// An exchange is recorded before the last bytes of the answer go on: whoever has the answer finds the record.
type Relay struct {
	// From asks To; Instance tells several parts in the role of To apart.
	From, To exchange.Party
	Instance string
	// Target is the host:port of the part that is asked.
	Target string
	// Recorder keeps what is seen.
	Recorder *Recorder

	mu    sync.Mutex
	ended bool
	conns map[net.Conn]bool
	done  sync.WaitGroup
}

// Serve carries the connections that l accepts until l is closed; then it cuts them off and returns nil.
func (r *Relay) Serve(l net.Listener) error {
	defer r.end()
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept a connection for the %s: %w", r.To, err)
		}
		r.done.Go(func() { r.carry(conn) })
	}
}

func (r *Relay) end() {
	r.mu.Lock()
	r.ended = true
	for conn := range r.conns {
		conn.Close()
	}
	r.mu.Unlock()
	r.done.Wait()
}

// hold makes end know of a connection; the returned function closes it.
func (r *Relay) hold(conn net.Conn) (release func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		conn.Close()
	}
	if r.conns == nil {
		r.conns = map[net.Conn]bool{}
	}
	r.conns[conn] = true
	return func() {
		conn.Close()
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.conns, conn)
	}
}

func (r *Relay) carry(client net.Conn) {
	defer r.hold(client)()
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	var d net.Dialer
	target, err := d.DialContext(ctx, "tcp", r.Target)
	if err != nil {
		r.refuse(client, err)
		return
	}
	defer r.hold(target)()
	w := &wire{relay: r}
	var both sync.WaitGroup
	both.Go(func() { pass(client, target, w.requests, func() {}) })
	both.Go(func() {
		pass(target, client, w.answers, func() { w.unanswered("the connection was closed without an answer") })
	})
	both.Wait()
	w.unanswered("the connection was closed before the request was over")
}

// refuse is what is left of a connection that was refused further on: nobody answers. Its first request is recorded.
func (r *Relay) refuse(client net.Conn, reason error) {
	w := &wire{relay: r}
	if err := client.SetReadDeadline(time.Now().Add(dialTimeout)); err == nil {
		w.request(newTap(client, io.Discard))
	}
	w.unanswered("no connection: " + reason.Error())
	reset(client)
}

// pass sends on what read takes in and what it leaves, then tells that this is the end, then passes on the end: a closed
// connection as closed, a broken one as reset.
func pass(from, to net.Conn, read func(*tap), ended func()) {
	t := newTap(from, to)
	read(t)
	t.rest()
	ended()
	if t.readErr != nil && !errors.Is(t.readErr, io.EOF) {
		reset(to)
		return
	}
	// Where t.writeErr is set, the other direction ends too, and with it both connections.
	if half, ok := to.(interface{ CloseWrite() error }); ok && t.writeErr == nil {
		_ = half.CloseWrite() // the other side has gone already if this fails
	}
}

func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // the connection has gone already if this fails
	}
	conn.Close()
}
