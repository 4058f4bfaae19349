// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/ingress-auth/conformance/suites/platform/kube"
)

// Why a gateway that belongs to somebody is not asked for something. They stand in the report.
const (
	declinedSettings  = "needs gateway-wide settings, and the gateway is yours"
	declinedAdmission = "needs a route that admission does not see, and the gateway is yours"
	declinedRisk      = "could break the configuration of the gateway, and the gateway is yours"
	declinedClass     = "needs an Ingress without a class or of another class, which controllers of yours might take up"
)

// errorPages is the annotation for the Service that renders the error pages of a route.
const errorPages = annotationPrefix + "default-backend"

// existingGateway is a user's gateway: routes are Ingresses of its class in the run's namespace.
type existingGateway struct {
	kube         *kube.Client
	namespace    existingNamespace
	class        string
	placeholders placeholders
	addresses    map[string]string
	roots        *x509.CertPool
	// missing is what probing found; see probe.
	missing map[Feature]string

	mu         sync.Mutex
	refused    map[string]string // route name → the cluster's words
	generation int
	settled    string // digest of the Ingresses that were last seen served
}

func newExistingGateway(client *kube.Client, namespace existingNamespace, class string, expand placeholders, addresses map[string]string, roots *x509.CertPool) *existingGateway {
	return &existingGateway{
		kube: client, namespace: namespace, class: class, placeholders: expand, addresses: addresses, roots: roots,
		refused: map[string]string{},
	}
}

// resolve implements Subject.Resolve: one gateway serves every host of the run.
func (g *existingGateway) resolve(scheme, host string) (string, bool) {
	if host != Domain && !strings.HasSuffix(host, "."+Domain) {
		return "", false
	}
	addr, ok := g.addresses[scheme]
	return addr, ok
}

// declines implements Subject.Declines.
func (g *existingGateway) declines(r Route) string {
	switch {
	case r.GatewayName() != MainGateway:
		return declinedSettings
	case r.SkipAdmission:
		return declinedAdmission
	case hasSnippet(r) && g.missing[FeatureSnippets] != "":
		return g.missing[FeatureSnippets]
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if words := g.refused[r.Name]; words != "" {
		return "the cluster refuses the route: " + words
	}
	return ""
}

func hasSnippet(r Route) bool {
	if r.AuthSnippet != "" || r.ServerSnippet != "" || r.ConfigurationSnippet != "" {
		return true
	}
	for key := range r.Annotations {
		if strings.HasSuffix(key, "-snippet") {
			return true
		}
	}
	return false
}

// render writes a route as an Ingress of the user's class.
func (g *existingGateway) render(r Route) *kube.Object {
	object := renderRoute(r, g.placeholders)
	g.namespace.mark(object)
	if annotations := object.GetAnnotations(); len(r.CustomHTTPErrors) > 0 && annotations[errorPages] == "" {
		// The user's gateway renders its error pages by a backend of its own, or none; a route may name another.
		annotations[errorPages] = "error-x-code"
		object.SetAnnotations(annotations)
	}
	spec, _ := object.Object["spec"].(map[string]any)
	spec["ingressClassName"] = g.class
	if entries, ok := spec["tls"].([]any); ok {
		for _, e := range entries {
			e.(map[string]any)["secretName"] = certificateSecret
		}
	}
	return object
}

// Apply implements Gateway. A route that may be refused is tried without being kept first. One with a snippet is not kept
// at all: what admission lets through by mistake would stop the user's gateway from taking any other change.
func (g *existingGateway) Apply(ctx context.Context, r Route) error {
	if reason := g.declines(r); reason != "" {
		return &DeclinedError{Reason: reason}
	}
	if err := g.apply(ctx, r, true); err != nil {
		return err
	}
	if hasSnippet(r) {
		return &DeclinedError{Reason: declinedRisk}
	}
	return g.apply(ctx, r, false)
}

func (g *existingGateway) apply(ctx context.Context, r Route, dryRun bool) error {
	_, err := g.kube.Apply(ctx, []*kube.Object{g.render(r)}, kube.ApplyOptions{DryRun: dryRun})
	return refusal(r.Name, err)
}

// Withdraw implements Gateway.
func (g *existingGateway) Withdraw(ctx context.Context, r Route) error {
	return g.kube.Delete(ctx, kube.Ingress, g.namespace.name, r.Name)
}

// Expose implements Gateway. A route that the cluster refuses does not keep the others from being served; declines tells
// of it.
func (g *existingGateway) Expose(ctx context.Context, routes []Route) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(kube.Concurrency)
	for _, sameHost := range byHost(routes) {
		group.Go(func() error {
			for _, r := range sameHost {
				if err := g.exposeOne(groupCtx, r); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return g.settle(ctx)
}

func (g *existingGateway) exposeOne(ctx context.Context, r Route) error {
	if reason := g.declines(r); reason != "" {
		return &DeclinedError{Reason: reason}
	}
	err := g.apply(ctx, r, false)
	var refused *AdmissionError
	if !errors.As(err, &refused) {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused[r.Name] = refused.Message
	return nil
}

// ApplyManifest implements ManifestApplier. What would be kept has to be of the user's class and in the run's namespace.
func (g *existingGateway) ApplyManifest(ctx context.Context, manifest []byte, dryRun bool) error {
	objects, err := kube.Decode([]byte(g.placeholders.expand(string(manifest))))
	if err != nil {
		return fmt.Errorf("the manifest does not parse: %w", err)
	}
	for _, object := range objects {
		if !dryRun && object.GroupVersionKind() == kube.Ingress && classOf(object) != g.class {
			return &DeclinedError{Reason: declinedClass}
		}
	}
	for _, object := range objects {
		g.namespace.mark(object)
		err := g.kube.Put(ctx, object, dryRun)
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
