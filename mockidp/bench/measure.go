// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/ingress-auth/conformance/mockidp/peers"
)

// parallel is how many logins are under way at a time in the second part of a round.
const parallel = 4

// trial is what one provider did in one round.
type trial struct {
	start   float64 // milliseconds
	single  float64 // logins in a second, one at a time
	several float64 // logins in a second, several at a time
	memory  float64 // MiB after all logins
}

type measured struct {
	providers []provider
	trials    [][]trial // by provider, then by round
	signGo    []float64 // bare signatures in a second on one thread, by round
	signNode  []float64
}

// measure runs the rounds. In each the providers take turns, and each round begins with another, so that whatever else the
// machine does falls on all of them.
func measure(ctx context.Context, s settings, providers []provider, node peers.Node) (measured, error) {
	m := measured{providers: providers, trials: make([][]trial, len(providers))}
	for round := range s.rounds {
		signGo, err := signaturesInGo()
		if err != nil {
			return m, err
		}
		printed, err := peers.Output(ctx, node.Dir, node.Path, "sign.mjs")
		if err != nil {
			return m, err
		}
		signNode, err := strconv.ParseFloat(printed, 64)
		if err != nil {
			return m, err
		}
		m.signGo, m.signNode = append(m.signGo, signGo), append(m.signNode, signNode)
		for turn := range providers {
			i := (round + turn) % len(providers)
			t, err := s.try(ctx, providers[i])
			if err != nil {
				return m, fmt.Errorf("%s: %w", providers[i].name, err)
			}
			m.trials[i] = append(m.trials[i], t)
			fmt.Fprintf(os.Stderr, "round %d of %d: %s: %.1f ms, %.0f and %.0f logins/s, %.1f MiB\n", round+1, s.rounds, providers[i].name, t.start, t.single, t.several, t.memory)
		}
	}
	return m, nil
}

// try starts the provider several times and lets the last one live for the logins: a tenth one at a time, the rest several at
// a time.
func (s settings) try(ctx context.Context, p provider) (t trial, err error) {
	var starts []float64
	for range s.starts - 1 {
		r, err := p.start(ctx)
		if err != nil {
			return t, err
		}
		starts = append(starts, milliseconds(r.started))
		if err := r.stop(ctx); err != nil {
			return t, err
		}
	}
	r, err := p.start(ctx)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, r.stop(ctx)) }()
	t.start = median(append(starts, milliseconds(r.started)))
	rp, err := newRelyingParty(ctx, r.issuer)
	if err != nil {
		return t, err
	}
	if t.single, err = rp.logins(ctx, s.logins/10, 1); err != nil {
		return t, err
	}
	if t.several, err = rp.logins(ctx, s.logins-s.logins/10, parallel); err != nil {
		return t, err
	}
	memory, err := r.residentBytes()
	t.memory = float64(memory) / (1 << 20)
	return t, err
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// signaturesInGo counts bare RS256 signatures with 2048 bits on one thread: no login can be cheaper than one of them.
func signaturesInGo() (float64, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return 0, err
	}
	n, start := 0, time.Now()
	for ; time.Since(start) < time.Second; n++ {
		digest := sha256.Sum256([]byte(strconv.Itoa(n)))
		if _, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:]); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(start).Seconds(), nil
}

// median is that of a list that is not empty.
func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}
