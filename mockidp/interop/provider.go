// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"slices"
	"time"

	"github.com/ingress-auth/conformance/mockidp"
	"github.com/ingress-auth/conformance/suites/platform/local"
)

// provider is a mockidp that signs alice in without a page and records what it receives.
type provider struct {
	*mockidp.Provider
	server *http.Server
}

func startProvider(ctx context.Context) (*provider, error) {
	listener, err := local.Listen(ctx)
	if err != nil {
		return nil, err
	}
	client := mockidp.DefaultClients()[0]
	client.IssueRefreshToken = "always"
	idp, err := mockidp.New(mockidp.Config{
		Issuer: "http://" + listener.Addr().String(), AutoLogin: mockidp.DefaultUsername, Clients: []mockidp.Client{client},
	}, mockidp.WithRecording())
	if err != nil {
		_ = listener.Close()
		return nil, err
	}
	p := &provider{idp, &http.Server{Handler: idp, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}}
	go func() { _ = p.server.Serve(listener) }() // ends with Close
	return p, nil
}

// step is a part of the protocol that the provider has seen a client take.
type step struct {
	name string
	seen func(r mockidp.ReceivedRequest) bool
}

// steps are recognised by what came in and was answered well, not by what the client says of itself.
func steps() []step {
	at := func(endpoint string, more func(mockidp.ReceivedRequest) bool) func(mockidp.ReceivedRequest) bool {
		return func(r mockidp.ReceivedRequest) bool {
			return r.Endpoint == endpoint && r.Status >= 200 && r.Status < 400 && (more == nil || more(r))
		}
	}
	param := func(name, value string) func(mockidp.ReceivedRequest) bool {
		return func(r mockidp.ReceivedRequest) bool {
			return len(r.Params[name]) == 1 && (value == "" || r.Params[name][0] == value)
		}
	}
	return []step{
		{"discovery", at("discovery", nil)},
		{"code", at("token", param("grant_type", "authorization_code"))},
		{"PKCE S256", at("authorization", param("code_challenge_method", "S256"))},
		{"nonce", at("authorization", param("nonce", ""))},
		{"userinfo", at("userinfo", nil)},
		{"refresh", at("token", param("grant_type", "refresh_token"))},
		{"logout", at("end_session", nil)},
		{"PAR", at("pushed_authorization_request", nil)},
		{"introspection", at("introspection", nil)},
		{"revocation", at("revocation", nil)},
		{"device", at("device_authorization", nil)},
	}
}

// seen lists the steps that the provider has seen.
func (p *provider) seen() []string {
	requests := p.Requests(mockidp.RequestFilter{})
	var names []string
	for _, s := range steps() {
		if slices.ContainsFunc(requests, s.seen) {
			names = append(names, s.name)
		}
	}
	return names
}

// awaitStep waits until the provider has seen a step; poke is called again and again to provoke it.
func (p *provider) awaitStep(ctx context.Context, name string, poke func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := poke(); err != nil {
			return err
		}
		if slices.Contains(p.seen(), name) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s was not seen", name)
		}
	}
}

// under stages a fault for as long as try runs, and says whether it took place.
func (p *provider) under(fault string, try func() error) (outcome error, staged bool, err error) {
	if _, err := p.AddFault(mockidp.FaultRule{Fault: fault, Times: mockidp.FaultForever}); err != nil {
		return nil, false, err
	}
	defer p.ClearFaults()
	outcome = try()
	active := p.ActiveFaults()
	return outcome, len(active) > 0 && active[0].Fired > 0, nil
}
