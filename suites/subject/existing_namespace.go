// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/rand"

	"github.com/ingress-auth/conformance/suites/platform"
	"github.com/ingress-auth/conformance/suites/platform/kube"
)

// existingNamespace is the one place of a user's cluster where a run changes anything.
type existingNamespace struct {
	kube *kube.Client
	name string
	// run tells this run's objects from those of others.
	run string
	// given is whether the user named it; made is whether the run made it, and so removes it as a whole.
	given bool
	made  *bool
}

// newExistingNamespace names a namespace, which ensure makes.
func newExistingNamespace(client *kube.Client, given string) existingNamespace {
	n := existingNamespace{kube: client, name: given, run: rand.String(8), given: given != "", made: new(bool)}
	if !n.given {
		n.name = "ingress-auth-" + n.run
	}
	return n
}

// ensure makes the namespace, or takes the one that the user named.
func (n existingNamespace) ensure(ctx context.Context) error {
	_, err := n.kube.Get(ctx, kube.Namespace, "", n.name)
	switch {
	case err == nil && n.given:
		return nil
	case err == nil:
		return fmt.Errorf("the namespace %s exists already", n.name)
	case kube.IsForbidden(err) && n.given:
		return nil // it may be there all the same; what is put into it tells
	case !kube.IsNotFound(err):
		return err
	}
	namespace := &kube.Object{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": n.name, "labels": map[string]any{labelRun: n.run}},
	}}
	_, err = n.kube.Apply(ctx, []*kube.Object{namespace}, kube.ApplyOptions{})
	if kube.IsForbidden(err) {
		return &platform.NotReadyError{What: "this account may not make a namespace", Err: err, Do: "name one that it may use with --namespace"}
	}
	*n.made = err == nil
	return err
}

// mark puts an object into the namespace and labels it, and the pods it makes, as this run's.
func (n existingNamespace) mark(o *kube.Object) {
	o.SetNamespace(n.name)
	setLabel(o.Object, n.run)
	spec, _ := o.Object["spec"].(map[string]any)
	if template, ok := spec["template"].(map[string]any); ok {
		setLabel(template, n.run)
	}
}

func setLabel(object map[string]any, run string) {
	metadata, ok := object["metadata"].(map[string]any)
	if !ok {
		metadata = map[string]any{}
		object["metadata"] = metadata
	}
	labels, ok := metadata["labels"].(map[string]any)
	if !ok {
		labels = map[string]any{}
		metadata["labels"] = labels
	}
	labels[labelRun] = run
}

// remove takes away what the run brought and waits until it is gone.
func (n existingNamespace) remove(ctx context.Context) error {
	if *n.made {
		return removeNamespace(ctx, n.kube, n.name)
	}
	return removeMarked(ctx, n.kube, n.name, labelRun+"="+n.run)
}

// removePatience bounds the wait for what was deleted to be gone.
const removePatience = 90 * time.Second

func removeNamespace(ctx context.Context, client *kube.Client, name string) error {
	ctx, cancel := context.WithTimeout(ctx, removePatience)
	defer cancel()
	// Routes first: a gateway that loses its backends before its routes would log errors for them.
	if err := removeMarked(ctx, client, name, labelRun); err != nil {
		return err
	}
	if err := client.Delete(ctx, kube.Namespace, "", name); err != nil {
		return err
	}
	return kube.WaitFor(ctx, "namespace "+name+" to be gone", func(ctx context.Context) (bool, string, error) {
		_, err := client.Get(ctx, kube.Namespace, "", name)
		if kube.IsNotFound(err) {
			return true, "", nil
		}
		return false, "it is still there", nil
	})
}

// markedKinds are the kinds that a run brings, in the order in which they go.
func markedKinds() []schema.GroupVersionKind {
	return []schema.GroupVersionKind{kube.Ingress, kube.Deployment, kube.Service, kube.Secret, kube.ConfigMap}
}

func removeMarked(ctx context.Context, client *kube.Client, namespace, selector string) error {
	var failed []error
	for _, kind := range markedKinds() {
		objects, err := client.List(ctx, kind, namespace, selector)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		for i := range objects {
			failed = append(failed, client.Delete(ctx, kind, namespace, objects[i].GetName()))
		}
	}
	return errors.Join(failed...)
}

// RemoveExisting removes what runs with NewExisting left in a cluster, because they could not end: in one namespace, or
// with "" in all that they made. It returns the namespaces concerned.
func RemoveExisting(ctx context.Context, client *kube.Client, namespace string) ([]string, error) {
	selector := labelRun
	if namespace != "" {
		selector += ",kubernetes.io/metadata.name=" + namespace
	}
	made, err := client.List(ctx, kube.Namespace, "", selector)
	if err != nil && (namespace == "" || !kube.IsForbidden(err)) {
		return nil, err
	}
	if len(made) == 0 && namespace != "" {
		return []string{namespace}, removeMarked(ctx, client, namespace, labelRun)
	}
	var names []string
	var failed []error
	for i := range made {
		names = append(names, made[i].GetName())
		failed = append(failed, removeNamespace(ctx, client, made[i].GetName()))
	}
	return names, errors.Join(failed...)
}
