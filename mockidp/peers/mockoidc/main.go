// SPDX-License-Identifier: Apache-2.0

// Command mockoidc serves oauth2-proxy's mockoidc on a loopback port, as its README does, with the RSA key it brings along.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"

	"github.com/oauth2-proxy/mockoidc"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(port, clientID, clientSecret string) error {
	server, err := mockoidc.NewServer(nil)
	if err != nil {
		return err
	}
	server.ClientID, server.ClientSecret = clientID, clientSecret
	if err := server.AddMiddleware(guardStore()); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		return err
	}
	if err := server.Start(listener, nil); err != nil {
		return err
	}
	select {}
}

// guardStore keeps two requests from changing the map of sessions at once, which would end the process: mockoidc has no
// lock there. Token requests only read it and run side by side.
func guardStore() func(http.Handler) http.Handler {
	var mu sync.RWMutex
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == mockoidc.AuthorizationEndpoint {
				mu.Lock()
				defer mu.Unlock()
			} else {
				mu.RLock()
				defer mu.RUnlock()
			}
			next.ServeHTTP(w, r)
		})
	}
}
