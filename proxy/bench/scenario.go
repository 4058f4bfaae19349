// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/ingress-auth/conformance/mockidp"
)

// scenario is one kind of request, put to every server.
type scenario struct {
	name   string
	status int
	logged bool
	// credentials returns the Cookie or Authorization line of each connection.
	credentials func(ctx context.Context, b *bench, s *server) ([]string, error)
}

func scenarios() []scenario {
	return []scenario{
		{"valid session", http.StatusAccepted, false, sessionCookies},
		{"valid session, requests logged", http.StatusAccepted, true, sessionCookies},
		{"no session", http.StatusUnauthorized, false, noCredentials},
		{"bearer token", http.StatusAccepted, false, bearerTokens},
	}
}

func sessionCookies(ctx context.Context, b *bench, s *server) ([]string, error) {
	cookies, err := b.browser.logins(ctx, s.url(), b.connections)
	if err != nil {
		return nil, fmt.Errorf("sign in at %s: %w", s.name, err)
	}
	for i, c := range cookies {
		cookies[i] = "Cookie: " + c + "\r\n"
	}
	return cookies, nil
}

func noCredentials(_ context.Context, b *bench, _ *server) ([]string, error) {
	return make([]string, b.connections), nil
}

func bearerTokens(_ context.Context, b *bench, _ *server) ([]string, error) {
	tokens := make([]string, b.connections)
	for i := range tokens {
		token, err := b.provider.MintIDToken(username(i), clientID, mockidp.ExpiresIn(time.Hour))
		if err != nil {
			return nil, err
		}
		tokens[i] = "Authorization: Bearer " + token + "\r\n"
	}
	return tokens, nil
}

// figures are those of one server in one round.
type figures struct {
	loadResult
	objects, bytes float64 // allocated per request
}

// result is a scenario's: for each server the figures of every round, and the length of its credential.
type result struct {
	scenario
	rounds map[string][]figures
	header map[string]int // bytes of the credential line
}

func (b *bench) run(ctx context.Context, sc scenario) (result, error) {
	out := result{scenario: sc, rounds: map[string][]figures{}, header: map[string]int{}}
	compared := []string{limitName, proxyName, compareName}
	plans, servers := map[string]loadPlan{}, map[string]*server{}
	for _, name := range compared {
		s, err := b.start(ctx, name, sc.logged)
		if err != nil {
			return out, err
		}
		servers[name] = s
	}
	for _, name := range compared {
		s, status := servers[name], sc.status
		from := s
		if name == limitName {
			// The bare handler gets what our proxy gets.
			from, status = servers[proxyName], http.StatusAccepted
		}
		credentials, err := sc.credentials(ctx, b, from)
		if err != nil {
			return out, err
		}
		plan := loadPlan{Addr: s.addr, Status: status, WarmUp: b.warmUp, Measured: b.measured, PID: s.pid()}
		for _, c := range credentials {
			plan.Requests = append(plan.Requests, authRequest(c))
		}
		plans[name], out.header[name] = plan, len(credentials[0])
	}
	for round := range b.rounds {
		for _, name := range compared {
			f, err := b.round(ctx, servers[name], plans[name])
			if err != nil {
				return out, fmt.Errorf("%s, %s, round %d: %w", sc.name, name, round+1, err)
			}
			out.rounds[name] = append(out.rounds[name], f)
			fmt.Fprintf(os.Stderr, "%-32s round %d  %-20s %8.0f/s  p50 %6.0f µs  p99 %6.0f µs  CPU %5.1f µs  busy %3.0f%%  %5.1f allocations\n",
				sc.name, round+1, name, f.perSecond(), us(f.P50), us(f.P99), f.cpuPerRequest(), 100*f.busy(), f.objects)
		}
	}
	return out, b.stopAll()
}

func us(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

func (b *bench) round(ctx context.Context, s *server, plan loadPlan) (figures, error) {
	objects, bytes, err := s.allocations(ctx)
	if err != nil {
		return figures{}, err
	}
	loaded, err := b.load(ctx, plan)
	if err != nil {
		return figures{}, err
	}
	objectsAfter, bytesAfter, err := s.allocations(ctx)
	if err != nil {
		return figures{}, err
	}
	n := float64(loaded.All)
	return figures{loadResult: loaded, objects: (objectsAfter - objects) / n, bytes: (bytesAfter - bytes) / n}, nil
}
