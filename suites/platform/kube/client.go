// SPDX-License-Identifier: Apache-2.0

// Package kube talks to a Kubernetes cluster: it applies manifests, waits for observed effects and fetches evidence.
//
// It works on unstructured objects only. The typed clients of Kubernetes would take longer to compile than a run takes.
package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// Object is a Kubernetes object of any kind.
type Object = unstructured.Unstructured

// Manager is the field manager of everything this harness applies, and the value of the managed-by label it sets.
const Manager = "ingress-auth-conformance"

// Labels and annotations that Apply sets.
const (
	LabelManagedBy        = "app.kubernetes.io/managed-by"
	AnnotationContentHash = "ingress-auth.test/content-hash"
)

// Client is a connection to one cluster. It is safe for concurrent use.
type Client struct {
	config  *rest.Config
	http    *http.Client
	dynamic dynamic.Interface

	mu    sync.Mutex
	kinds map[schema.GroupVersion]map[string]metav1.APIResource
}

// New connects to the cluster that config describes; nothing is sent yet.
func New(config *rest.Config) (*Client, error) {
	config = rest.CopyConfig(config)
	// The API server is on this machine and its priority and fairness bounds what it takes; callers bound concurrency.
	config.QPS = -1
	config.UserAgent = Manager
	config.WarningHandler = rest.NoWarnings{}
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("prepare the connection to the cluster at %s: %w", config.Host, err)
	}
	dyn, err := dynamic.NewForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("prepare the connection to the cluster at %s: %w", config.Host, err)
	}
	return &Client{
		config: config, http: httpClient, dynamic: dyn,
		kinds: map[schema.GroupVersion]map[string]metav1.APIResource{},
	}, nil
}

// Get fetches one object; IsNotFound tells whether the error says that there is none. Namespace is "" for kinds that
// have none.
func (c *Client) Get(ctx context.Context, gvk schema.GroupVersionKind, namespace, name string) (*Object, error) {
	resource, err := c.resource(ctx, gvk, namespace)
	if err != nil {
		return nil, err
	}
	object, err := resource.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", ref(gvk.Kind, namespace, name), err)
	}
	return object, nil
}

// List fetches the objects of a kind that a label selector matches ("" matches all), in one namespace or, with "", in all.
func (c *Client) List(ctx context.Context, gvk schema.GroupVersionKind, namespace, selector string) ([]Object, error) {
	resource, err := c.resource(ctx, gvk, namespace)
	if err != nil {
		return nil, err
	}
	list, err := resource.List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, fmt.Errorf("list %s in namespace %q: %w", gvk.Kind, namespace, err)
	}
	return list.Items, nil
}

// Delete removes one object and its dependents and does not wait for them to be gone. An object that is not there is no
// error.
func (c *Client) Delete(ctx context.Context, gvk schema.GroupVersionKind, namespace, name string) error {
	resource, err := c.resource(ctx, gvk, namespace)
	if err != nil {
		return err
	}
	background := metav1.DeletePropagationBackground
	err = resource.Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: &background})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete %s: %w", ref(gvk.Kind, namespace, name), err)
	}
	return nil
}

// IsNotFound tells whether err says that an object does not exist.
func IsNotFound(err error) bool { return apierrors.IsNotFound(err) }

// IsForbidden tells whether err says that the account may not do what it asked for.
func IsForbidden(err error) bool { return apierrors.IsForbidden(err) }

// resource is the REST resource of a kind. The namespace is dropped for kinds that have none.
func (c *Client) resource(ctx context.Context, gvk schema.GroupVersionKind, namespace string) (dynamic.ResourceInterface, error) {
	kinds, err := c.kindsOf(ctx, gvk.GroupVersion())
	if err != nil {
		return nil, err
	}
	kind, ok := kinds[gvk.Kind]
	if !ok {
		return nil, &NoKindError{gvk}
	}
	resource := c.dynamic.Resource(gvk.GroupVersion().WithResource(kind.Name))
	if !kind.Namespaced || namespace == "" {
		return resource, nil
	}
	return resource.Namespace(namespace), nil
}

// kindsOf asks the cluster once which kinds a group version has.
func (c *Client) kindsOf(ctx context.Context, gv schema.GroupVersion) (map[string]metav1.APIResource, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if kinds, ok := c.kinds[gv]; ok {
		return kinds, nil
	}
	path := "/apis/" + gv.String()
	if gv.Group == "" {
		path = "/api/" + gv.Version
	}
	var list metav1.APIResourceList
	err := c.getJSON(ctx, path, &list)
	var status *statusError
	if errors.As(err, &status) && status.code == http.StatusNotFound {
		return nil, nil // the group version is not served, so it has no kinds
	}
	if err != nil {
		return nil, fmt.Errorf("ask the cluster which kinds %s has: %w", gv, err)
	}
	kinds := make(map[string]metav1.APIResource, len(list.APIResources))
	for _, r := range list.APIResources {
		if _, seen := kinds[r.Kind]; !seen { // a subresource such as pods/log repeats its owner's or another kind
			kinds[r.Kind] = r
		}
	}
	c.kinds[gv] = kinds
	return kinds, nil
}

func ref(kind, namespace, name string) string {
	if namespace == "" {
		return kind + " " + name
	}
	return kind + " " + namespace + "/" + name
}

// NoKindError says that the cluster does not serve a kind, or not in that version.
type NoKindError struct{ Kind schema.GroupVersionKind }

// Error implements error, in the words kubectl has for it.
func (e *NoKindError) Error() string {
	return fmt.Sprintf("no matches for kind %q in version %q", e.Kind.Kind, e.Kind.GroupVersion())
}
