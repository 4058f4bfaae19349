// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"errors"
	"fmt"
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
		l, err := Listen(ctx)
		if err != nil {
			return nil, err
		}
		listeners = append(listeners, l)
		addrs = append(addrs, l.Addr().String())
	}
	return addrs, nil
}

func joinPort(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }
