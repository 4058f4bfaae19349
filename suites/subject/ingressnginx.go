// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ingress-auth/conformance/suites/platform/kube"
)

// IngressNginx is the ingress-nginx controller as a gateway: each GatewayConfig is a controller with its own IngressClass
// and ConfigMap, each Route an Ingress.
type IngressNginx struct {
	kube         *kube.Client
	placeholders placeholders
	gateways     map[string]GatewayConfig
	// addr is where a gateway listens on loopback.
	addr func(gateway, scheme string) (string, bool)
	// warm are the Services that every gateway keeps in its balancer, see witness.
	warm []string
	// balancerPatience is how long a gateway's balancer may take to learn of new backends before it is told again.
	balancerPatience time.Duration

	mu    sync.Mutex
	hosts map[string]string // host name → gateway
	// changed is when a gateway was last given something, see AwaitReloadFailure.
	changed map[string]time.Time
}

// How long things may take before they count as broken.
const (
	webhookPatience = 20 * time.Second // a webhook that was just deployed is not reachable at once
	settlePatience  = 60 * time.Second
	// The balancer looks for new backends once a second.
	balancerPatience = 2500 * time.Millisecond
)

// Apply implements Gateway.
func (n *IngressNginx) Apply(ctx context.Context, r Route) error {
	if _, ok := n.gateways[r.GatewayName()]; !ok {
		return fmt.Errorf("route %q is for gateway %q, which is not deployed", r.Name, r.GatewayName())
	}
	return n.apply(ctx, r, kube.ApplyOptions{})
}

func (n *IngressNginx) apply(ctx context.Context, r Route, options kube.ApplyOptions) error {
	n.remember(r.HostLabel()+"."+Domain, r.GatewayName())
	n.markChanged(r.GatewayName())
	err := n.patient(ctx, func(ctx context.Context) error {
		_, err := n.kube.Apply(ctx, []*kube.Object{renderRoute(r, n.placeholders)}, options)
		return err
	})
	return refusal(r.Name, err)
}

// patient repeats what failed only because the admission webhook could not be asked yet.
func (n *IngressNginx) patient(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, webhookPatience)
	defer cancel()
	var last error
	err := kube.WaitFor(ctx, "the admission webhook to answer", func(ctx context.Context) (bool, string, error) {
		err := do(ctx)
		if kube.IsWebhookUnavailable(err) {
			last = err
			return false, err.Error(), nil
		}
		return err == nil, "", err
	})
	if err != nil && last != nil && errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w (%w)", err, last)
	}
	return err
}

// refusal makes the API server's refusal of a route an *AdmissionError; other errors stay.
func refusal(route string, err error) error {
	if kube.IsWebhookUnavailable(err) {
		return err
	}
	if code, message, ok := kube.Refusal(err); ok && code >= 400 && code < 500 && code != 429 {
		return &AdmissionError{Route: route, Code: code, Message: message}
	}
	if err != nil {
		return fmt.Errorf("apply route %q: %w", route, err)
	}
	return nil
}

// ApplyManifest implements ManifestApplier. As kubectl apply does, it refuses unknown fields. An Ingress without a
// namespace goes where the other routes are.
func (n *IngressNginx) ApplyManifest(ctx context.Context, manifest []byte, dryRun bool) error {
	objects, err := kube.Decode([]byte(n.placeholders.expand(string(manifest))))
	if err != nil {
		return fmt.Errorf("the manifest does not parse: %w", err)
	}
	for _, object := range objects {
		if object.GetNamespace() == "" {
			object.SetNamespace(RouteNamespace)
		}
		err := n.patient(ctx, func(ctx context.Context) error { return n.kube.Put(ctx, object, dryRun) })
		var unknown *kube.NoKindError
		if errors.As(err, &unknown) {
			return &AdmissionError{Route: object.GetName(), Code: 404, Message: unknown.Error()}
		}
		if err := refusal(object.GetName(), err); err != nil {
			return err
		}
	}
	return nil
}

// Withdraw implements Gateway.
func (n *IngressNginx) Withdraw(ctx context.Context, r Route) error {
	if err := n.kube.Delete(ctx, kube.Ingress, RouteNamespace, r.Name); err != nil {
		return fmt.Errorf("withdraw route %q: %w", r.Name, err)
	}
	return nil
}

// Expose implements Gateway. Routes that the cluster has already are left alone. Routes of one host are applied in the
// order given, because the oldest Ingress of a host wins; hosts go side by side. Then every gateway concerned is observed
// until it serves what is there, see settle.
func (n *IngressNginx) Expose(ctx context.Context, routes []Route) error {
	return n.expose(ctx, routes, gatewaysOf(routes))
}

func (n *IngressNginx) expose(ctx context.Context, routes []Route, gateways []string) error {
	present, err := n.present(ctx)
	if err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(kube.Concurrency)
	for _, sameHost := range byHost(routes) {
		group.Go(func() error { return n.exposeHost(groupCtx, sameHost, present) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return n.settle(ctx, gateways)
}

func (n *IngressNginx) exposeHost(ctx context.Context, routes []Route, present map[string]*kube.Object) error {
	for _, r := range routes {
		if _, ok := n.gateways[r.GatewayName()]; !ok {
			return fmt.Errorf("route %q is for gateway %q, which is not deployed", r.Name, r.GatewayName())
		}
		same, err := kube.Same(present[r.Name], renderRoute(r, n.placeholders))
		if err != nil {
			return err
		}
		if same {
			n.remember(r.HostLabel()+"."+Domain, r.GatewayName())
			continue
		}
		if err := n.apply(ctx, r, kube.ApplyOptions{}); err != nil {
			return err
		}
	}
	return nil
}

func (n *IngressNginx) present(ctx context.Context) (map[string]*kube.Object, error) {
	items, err := n.kube.List(ctx, kube.Ingress, RouteNamespace, "")
	if err != nil {
		return nil, fmt.Errorf("see which routes there are: %w", err)
	}
	present := make(map[string]*kube.Object, len(items))
	for i := range items {
		present[items[i].GetName()] = &items[i]
	}
	return present, nil
}

// Prune removes every route but those given. Use it on a cluster that is kept, before a run with other routes.
func (n *IngressNginx) Prune(ctx context.Context, keep []Route) error {
	present, err := n.present(ctx)
	if err != nil {
		return err
	}
	for _, r := range keep {
		delete(present, r.Name)
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(kube.Concurrency)
	for name, object := range present {
		if object.GetLabels()[labelWitness] != "" {
			continue
		}
		group.Go(func() error { return n.kube.Delete(groupCtx, kube.Ingress, RouteNamespace, name) })
	}
	return group.Wait()
}

// GatewayOf is the gateway that serves a host, as far as is known from the routes applied.
func (n *IngressNginx) GatewayOf(host string) (string, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	gateway, ok := n.hosts[host]
	return gateway, ok
}

func (n *IngressNginx) remember(host, gateway string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[host] = gateway
}

// learn remembers the hosts of the Ingresses in the cluster, whoever applied them. Where nobody claims an Ingress, because
// it names no class or another's, its host is asked of the main gateway, as DNS would have it.
func (n *IngressNginx) learn(ctx context.Context) error {
	present, err := n.present(ctx)
	if err != nil {
		return err
	}
	gateways := map[string]string{}
	for name := range n.gateways {
		gateways[ingressClass(name)] = name
	}
	for _, object := range present {
		gateway, ok := gateways[classOf(object)]
		if !ok {
			gateway = MainGateway
		}
		for _, host := range hostsOf(object) {
			n.remember(host, gateway)
		}
	}
	return nil
}

func classOf(ingress *kube.Object) string {
	spec, _ := ingress.Object["spec"].(map[string]any)
	if class, ok := spec["ingressClassName"].(string); ok {
		return class
	}
	return ingress.GetAnnotations()["kubernetes.io/ingress.class"]
}

func hostsOf(ingress *kube.Object) []string {
	spec, _ := ingress.Object["spec"].(map[string]any)
	rules, _ := spec["rules"].([]any)
	var hosts []string
	for _, rule := range rules {
		content, _ := rule.(map[string]any)
		if host, ok := content["host"].(string); ok && host != "" {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// byHost groups routes by their host, keeping their order within a host.
func byHost(routes []Route) [][]Route {
	index := map[string]int{}
	var groups [][]Route
	for _, r := range routes {
		i, ok := index[r.HostLabel()]
		if !ok {
			i = len(groups)
			index[r.HostLabel()] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], r)
	}
	return groups
}

func gatewaysOf(routes []Route) []string {
	seen := map[string]bool{}
	var names []string
	for _, r := range routes {
		if name := r.GatewayName(); !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}
