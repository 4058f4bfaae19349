// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/websocket"

	"github.com/ingress-auth/conformance/suites/subject"
)

// streamChecks are about connections that outlive one answer.
func streamChecks() []Check {
	r := subject.Route{Name: "websocket-messages", AuthURL: "{standin}/"}
	return []Check{{
		ID: "upgrades/websocket-messages", Requirements: []string{"WEBSOCKET-AUTHENTICATED"}, Routes: []subject.Route{r},
		Run: func(ctx context.Context, t *Trial) error { return websocketMessages(ctx, t, r) },
	}}
}

// websocketMessages sends two messages and compares what the echo backend sends back.
func websocketMessages(ctx context.Context, t *Trial, r subject.Route) error {
	const requirement = "WEBSOCKET-AUTHENTICATED"
	addr, ok := t.Subject.Resolve("http", Host(r))
	if !ok {
		return fmt.Errorf("no address is known for %s", Host(r))
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("connecting to %s: %w", Host(r), err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	config, err := websocket.NewConfig("ws://"+Host(r)+"/ws", "http://"+Host(r))
	if err != nil {
		return err
	}
	config.Header = http.Header{"Cookie": {signedIn().Cookie().String()}, "User-Agent": {"ingress-auth-conformance (" + t.check.ID + t.agent + ")"}}
	ws, err := websocket.NewClient(config, conn)
	if err != nil {
		t.Holds(requirement, false, "the handshake to succeed", err.Error())
		return nil
	}
	for _, sent := range []string{"first", "second"} {
		var got string
		err := websocket.Message.Send(ws, sent)
		if err == nil {
			err = websocket.Message.Receive(ws, &got)
		}
		if err != nil {
			got = err.Error()
		}
		t.Holds(requirement, got == sent, fmt.Sprintf("the message %q back", sent), got)
	}
	return nil
}
