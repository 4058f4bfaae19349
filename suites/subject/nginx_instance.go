// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ingress-auth/conformance/suites/platform/local"
)

// startAttempts bounds how often a gateway is started again because another program took its port in the meantime.
const startAttempts = 5

// observeTimeout bounds the wait for nginx to serve a configuration when the caller sets no deadline.
const observeTimeout = 30 * time.Second

// nginxInstance is one gateway process and its routes.
type nginxInstance struct {
	lifetime context.Context
	process  *local.Instance

	mu      sync.Mutex
	site    nginxSite
	routes  []Route
	running bool
}

// admit asks nginx whether it would take the configuration.
func (i *nginxInstance) admit(ctx context.Context, r Route, block string) error {
	err := i.process.Test(ctx, block)
	if refused := (*local.ConfigError)(nil); errors.As(err, &refused) {
		return &AdmissionError{Route: r.Name, Message: refused.Message}
	}
	return err
}

func (i *nginxInstance) expose(ctx context.Context, routes []Route) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	before := i.routes
	for _, r := range routes {
		i.routes = withRoute(i.routes, r)
	}
	err := i.serve(ctx)
	if err == nil {
		return nil
	}
	i.routes = before
	if refused := (*local.ConfigError)(nil); errors.As(err, &refused) {
		if route := routeAt(refused.Config, refused.Line); route != "" {
			return fmt.Errorf("route %q: %w", route, err)
		}
	}
	return err
}

// serve makes the running process, or a new one, serve the routes, and returns when it does.
func (i *nginxInstance) serve(ctx context.Context) error {
	if !i.running {
		return i.start(ctx)
	}
	block, err := i.site.render(i.routes)
	if err != nil {
		return err
	}
	if err := i.process.Load(i.lifetime, block); err != nil {
		return err
	}
	return i.observe(ctx)
}

// start starts the process with the routes there are, unless it runs, on ports that are free.
func (i *nginxInstance) start(ctx context.Context) error {
	for attempt := 1; !i.running; attempt++ {
		err := i.startOnce(ctx)
		i.running = err == nil
		if err != nil && (!local.AddressInUse(err) || attempt == startAttempts) {
			return err
		}
		if err != nil {
			addrs, err := local.FreeAddrs(ctx, 2)
			if err != nil {
				return err
			}
			i.site.httpAddr, i.site.httpsAddr = addrs[0], addrs[1]
		}
	}
	return nil
}

func (i *nginxInstance) startOnce(ctx context.Context) error {
	block, err := i.site.render(i.routes)
	if err != nil {
		return err
	}
	if err := i.process.Load(i.lifetime, block); err != nil {
		return err
	}
	return i.observe(ctx)
}

func (i *nginxInstance) observe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, observeTimeout)
	defer cancel()
	return i.process.Observe(ctx)
}

// withRoute returns the routes with r in its place: where it was, or at the end.
func withRoute(routes []Route, r Route) []Route {
	routes = slices.Clone(routes)
	if at := slices.IndexFunc(routes, func(other Route) bool { return other.Name == r.Name }); at >= 0 {
		routes[at] = r
		return routes
	}
	return append(routes, r)
}
