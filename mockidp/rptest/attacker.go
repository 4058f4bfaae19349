// SPDX-License-Identifier: Apache-2.0

package rptest

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// attacker is a host that is nobody's business. It answers 404 and notes who asked.
type attacker struct {
	url    string
	server *http.Server

	mu      sync.Mutex
	asked   int
	learned bool // a code, token or secret came
}

func newAttacker(ctx context.Context) (*attacker, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("no port for the attacker's host: %w", err)
	}
	// By another name than the provider's: clients tell hosts by their names, not by their ports.
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return nil, err
	}
	a := &attacker{url: "http://localhost:" + port}
	a.server = &http.Server{Handler: a, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = a.server.Serve(listener) }() // ends with Close
	return a, nil
}

func (a *attacker) close() { _ = a.server.Close() }

// ServeHTTP looks into the request for what must not have come.
func (a *attacker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxPage)) // what came counts
	learned := r.Header.Get("Authorization") != ""
	for _, name := range []string{"code=", "client_secret=", "access_token=", "refresh_token=", "client_assertion=", "code_verifier="} {
		learned = learned || strings.Contains(r.URL.RawQuery, name) || strings.Contains(string(body), name)
	}
	a.mu.Lock()
	a.asked++
	a.learned = a.learned || learned
	a.mu.Unlock()
	http.Error(w, "nothing is here", http.StatusNotFound)
}

func (a *attacker) seen() (asked int, learned bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked, a.learned
}
