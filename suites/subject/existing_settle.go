// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ingress-auth/conformance/suites/platform"
	"github.com/ingress-auth/conformance/suites/platform/kube"
	"github.com/ingress-auth/conformance/suites/standin"
)

// How it is known that a user's gateway serves what it was given.
//
// Unlike the harness's own gateways (see ingressnginx_settle.go) it may be several pods of several workers behind a load
// balancer, with settings that are not known. So nothing is taken from one answer: an Ingress that is applied after all
// others, with a host name of its own each time, has to be served by the backend on many fresh connections in a row, over
// http and over https with the run's certificate. It leads to every Service that routes lead to, because the balancer
// inside a worker learns of backends after the configuration is loaded.

const (
	// settleConnections is how many fresh connections each path gets in a row. With the eight workers of a common node
	// and half a dozen paths the odds that a worker was never asked are below one in a thousand.
	settleConnections = 8
	// generationPatience is how long one witness may take before another is tried; a busy controller takes a
	// configuration every few seconds.
	generationPatience = 20 * time.Second
	existingPatience   = 2 * time.Minute
)

const existingWitness = "witness"

// settle waits until the gateway serves every Ingress of the run.
func (g *existingGateway) settle(ctx context.Context) error {
	digest, err := g.digest(ctx)
	if err != nil {
		return err
	}
	g.mu.Lock()
	done := g.settled == digest
	g.mu.Unlock()
	if done {
		return nil
	}
	whole, cancel := context.WithTimeout(ctx, existingPatience)
	defer cancel()
	for {
		g.mu.Lock()
		g.generation++
		generation := g.generation
		g.mu.Unlock()
		host := witnessHost(g.namespace.run, digest, generation)
		if _, err := g.kube.Apply(whole, []*kube.Object{g.witness(host, generation)}, kube.ApplyOptions{}); err != nil {
			return g.unserved(ctx, err)
		}
		some, cancel := context.WithTimeout(whole, generationPatience)
		err := g.awaitHost(some, host)
		cancel()
		switch {
		case err == nil:
			g.mu.Lock()
			g.settled = digest
			g.mu.Unlock()
			return nil
		case whole.Err() != nil || !errors.Is(err, context.DeadlineExceeded):
			return g.unserved(ctx, err)
		}
	}
}

func (g *existingGateway) unserved(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	return &platform.NotReadyError{
		What: fmt.Sprintf("the gateway does not serve the Ingresses of class %s in namespace %s", g.class, g.namespace.name), Err: err,
		Do: "see whether its controller watches that namespace and whether the addresses are its own (--gateway-address)",
	}
}

func (g *existingGateway) digest(ctx context.Context) (string, error) {
	items, err := g.kube.List(ctx, kube.Ingress, g.namespace.name, labelRun+"="+g.namespace.run)
	if err != nil {
		return "", err
	}
	present := map[string]*kube.Object{}
	for i := range items {
		present[items[i].GetName()] = &items[i]
	}
	return digestOf(present, g.class), nil
}

// witness is the Ingress that is applied last. Each generation leads to an upstream that the one before did not have.
func (g *existingGateway) witness(host string, generation int) *kube.Object {
	paths := []any{ingressPath("/", "Prefix", witnessService, witnessPort(generation))}
	for _, service := range warmServices() {
		paths = append(paths, ingressPath("/"+service, "Exact", service, "http"))
	}
	object := ingress(map[string]any{
		"name":   existingWitness,
		"labels": map[string]any{labelWitness: "true"},
		"annotations": map[string]any{
			annotationPrefix + "ssl-redirect":       "false",
			annotationPrefix + "force-ssl-redirect": "false",
			annotationPrefix + "enable-global-auth": "false",
		},
	}, map[string]any{
		"ingressClassName": g.class,
		"tls":              []any{map[string]any{"hosts": []any{host}, "secretName": certificateSecret}},
		"rules":            []any{ingressRule(host, paths...)},
	})
	g.namespace.mark(object)
	return object
}

// awaitHost asks until a whole round of fresh connections was served.
func (g *existingGateway) awaitHost(ctx context.Context, host string) error {
	return kube.WaitFor(ctx, "the gateway to serve "+host, func(ctx context.Context) (bool, string, error) {
		group, groupCtx := errgroup.WithContext(ctx)
		group.SetLimit(kube.Concurrency)
		for _, scheme := range []string{"http", "https"} {
			for _, path := range append([]string{"/"}, warmPaths()...) {
				for range settleConnections {
					group.Go(func() error { return g.ask(groupCtx, scheme, host, path) })
				}
			}
		}
		if err := group.Wait(); err != nil {
			return false, err.Error(), nil
		}
		return true, "", nil
	})
}

func warmPaths() []string {
	var paths []string
	for _, service := range warmServices() {
		paths = append(paths, "/"+service)
	}
	return paths
}

// ask sends one request on a connection of its own. The root has to be answered by the echo backend; behind the other
// paths anything but the gateway's own error will do.
func (g *existingGateway) ask(ctx context.Context, scheme, host, path string) error {
	transport := &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: g.roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, g.addresses[scheme])
		},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+host+path, nil)
	if err != nil {
		return err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err
	}
	if path != "/" {
		if response.StatusCode == http.StatusServiceUnavailable || response.StatusCode == http.StatusBadGateway {
			return fmt.Errorf("%s%s: HTTP %s", scheme, path, response.Status)
		}
		return nil
	}
	if _, err := standin.ParseEcho(body); response.StatusCode != http.StatusOK || err != nil {
		return fmt.Errorf("%s: HTTP %s, not from the echo backend", scheme, response.Status)
	}
	return nil
}
