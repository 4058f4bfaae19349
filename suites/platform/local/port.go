// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// loopback is the only address this package listens on.
const loopback = "127.0.0.1"

// Listen opens a TCP listener on a free loopback port.
func Listen(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return nil, fmt.Errorf("listen on a free loopback port: %w", err)
	}
	return l, nil
}

// The ports of FreeAddrs are below those that systems hand out by themselves, to outgoing connections too: between the
// look and the use nothing takes them by accident.
const (
	firstPort = 20_000
	lastPort  = 32_000
	// portAttempts bounds the search; a machine with this many ports taken in a row is not a usable one.
	portAttempts = 1_000
)

// FreeAddrs returns n different loopback addresses that were free a moment ago. Whoever binds one must be ready to find
// it taken and ask again; use Listen where the listener can be handed over.
func FreeAddrs(ctx context.Context, n int) (addrs []string, err error) {
	listeners := make([]net.Listener, 0, n)
	defer func() {
		for _, l := range listeners {
			err = errors.Join(err, l.Close())
		}
	}()
	for range n {
		l, err := listenSomewhere(ctx)
		if err != nil {
			return nil, err
		}
		listeners = append(listeners, l)
		addrs = append(addrs, l.Addr().String())
	}
	return addrs, nil
}

func listenSomewhere(ctx context.Context) (l net.Listener, err error) {
	var lc net.ListenConfig
	for range portAttempts {
		l, err = lc.Listen(ctx, "tcp", joinPort(firstPort+rand.IntN(lastPort-firstPort)))
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("find a free loopback port between %d and %d: %w", firstPort, lastPort, err)
	}
	return l, nil
}

func joinPort(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }
