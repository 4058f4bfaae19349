// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ingress-auth/conformance/mockidp"
	"github.com/ingress-auth/conformance/mockidp/peers"
)

// openidClient is panva's openid-client on Node.js: see peers/node/openid-client.mjs for what it does.
func openidClient(ctx context.Context) (client, error) {
	node, err := peers.InstallNode(ctx)
	if err != nil {
		return client{}, err
	}
	version, err := node.Version(ctx, "openid-client")
	if err != nil {
		return client{}, err
	}
	runtime, err := peers.Output(ctx, "", node.Path, "--version")
	if err != nil {
		return client{}, err
	}
	return client{
		name: "panva/openid-client", version: version + " (Node.js " + runtime + ")",
		needs: []string{"discovery", "code", "PKCE S256", "nonce", "userinfo", "refresh", "logout", "PAR", "introspection", "revocation", "device"},
		start: func(_ context.Context, idp *provider) (*party, error) {
			return &party{
				login: func(ctx context.Context) error { return runOpenidClient(ctx, node, idp) },
				stop:  func(context.Context) error { return nil },
			}, nil
		},
	}, nil
}

func runOpenidClient(ctx context.Context, node peers.Node, idp *provider) error {
	said, err := peers.Output(ctx, node.Dir, node.Path, "openid-client.mjs", idp.Issuer(), mockidp.DefaultClientID, mockidp.DefaultClientSecret, goRedirect, "http://127.0.0.1/")
	if err != nil {
		return err
	}
	var outcome struct {
		OK    bool
		Error string
	}
	if err := json.Unmarshal([]byte(said), &outcome); err != nil {
		return fmt.Errorf("reading what it says: %w", err)
	}
	if !outcome.OK {
		return errors.New(outcome.Error)
	}
	return nil
}
