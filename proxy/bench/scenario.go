// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/ingress-auth/conformance/mockidp"
)

const (
	validSession       = "valid session"
	validSessionLogged = "valid session, requests logged"
)

func comparedServers() []string { return []string{limitName, proxyName, compareName} }

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
		{validSession, http.StatusAccepted, false, sessionCookies},
		{validSessionLogged, http.StatusAccepted, true, sessionCookies},
		{"no session", http.StatusUnauthorized, false, noCredentials},
		{"bearer token", http.StatusAccepted, false, bearerTokens},
	}
}

func sessionCookies(ctx context.Context, b *bench, s *server) ([]string, error) {
	cookies, err := b.browser.logins(ctx, s.url(), b.Connections)
	if err != nil {
		return nil, fmt.Errorf("sign in at %s: %w", s.name, err)
	}
	for i, c := range cookies {
		cookies[i] = "Cookie: " + c + "\r\n"
	}
	return cookies, nil
}

func noCredentials(_ context.Context, b *bench, _ *server) ([]string, error) {
	return make([]string, b.Connections), nil
}

func bearerTokens(_ context.Context, b *bench, _ *server) ([]string, error) {
	tokens := make([]string, b.Connections)
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

// Title is the heading of the scenario.
func (r result) Title() string { return strings.ToUpper(r.name[:1]) + r.name[1:] }

func (b *bench) run(ctx context.Context, sc scenario) (result, error) {
	out := result{scenario: sc, rounds: map[string][]figures{}, header: map[string]int{}}
	plans, servers := map[string]loadPlan{}, map[string]*server{}
	for _, name := range comparedServers() {
		s, err := b.start(ctx, name, sc.logged)
		if err != nil {
			return out, err
		}
		servers[name] = s
	}
	for _, name := range comparedServers() {
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
		plan := loadPlan{Addr: s.addr, Status: status, WarmUp: b.WarmUp, Measured: b.Measured, PID: s.pid()}
		for _, c := range credentials {
			plan.Requests = append(plan.Requests, authRequest(c))
		}
		plans[name], out.header[name] = plan, len(credentials[0])
	}
	if err := sameIdentity(ctx, plans); err != nil {
		return out, err
	}
	for round := range b.Rounds {
		for _, name := range comparedServers() {
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

// sameIdentity makes sure that both proxies say the same about the first session, header by header: who says less is quicker.
func sameIdentity(ctx context.Context, plans map[string]loadPlan) error {
	said := map[string]map[string]string{}
	for _, name := range []string{proxyName, compareName} {
		identity, err := identityIn(ctx, plans[name])
		if err != nil {
			return fmt.Errorf("ask %s: %w", name, err)
		}
		said[name] = identity
	}
	if !maps.Equal(said[proxyName], said[compareName]) {
		return fmt.Errorf("the proxies do not say the same: %v", said)
	}
	return nil
}

// identityIn are the X-Auth-Request headers of the answer to the first request.
func identityIn(ctx context.Context, plan loadPlan) (map[string]string, error) {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", plan.Addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(plan.Requests[0])); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != plan.Status {
		return nil, fmt.Errorf("status %d where %d was awaited", resp.StatusCode, plan.Status)
	}
	identity := map[string]string{}
	for name, values := range resp.Header {
		if strings.HasPrefix(name, "X-Auth-Request-") {
			identity[name] = strings.Join(values, ",")
		}
	}
	return identity, nil
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
