// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"

	"golang.org/x/sync/errgroup"
)

// Concurrency is how many objects Apply sends at a time.
const Concurrency = 8

// ApplyOptions say how Apply treats objects.
type ApplyOptions struct {
	// SkipUnchanged leaves alone what the cluster already has with the same content, as the hash that an earlier Apply
	// noted on it says.
	SkipUnchanged bool
	// DryRun has the API server validate and admit the objects without keeping them.
	DryRun bool
}

// Applied is what became of one object.
type Applied struct {
	// Object is as the cluster has it, with its UID and resource version.
	Object *Object
	// Changed is false when SkipUnchanged left the object alone.
	Changed bool
}

// Decode reads the documents of a YAML stream. Documents that hold nothing are left out.
func Decode(manifests []byte) ([]*Object, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifests), 4096)
	var objects []*Object
	for n := 1; ; n++ {
		var content map[string]any
		err := decoder.Decode(&content)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read YAML document %d: %w", n, err)
		}
		if len(content) == 0 {
			continue
		}
		object := &Object{Object: content}
		if object.GetKind() == "" || object.GetAPIVersion() == "" || object.GetName() == "" {
			return nil, fmt.Errorf("YAML document %d is no Kubernetes object: apiVersion, kind and metadata.name are needed", n)
		}
		objects = append(objects, object)
	}
}

// Apply brings the objects into the cluster by server-side apply, several at a time, and returns what became of each in
// the order given. Namespaces go first. At the first refusal it stops; errors.As finds the API server's *StatusError.
func (c *Client) Apply(ctx context.Context, objects []*Object, options ApplyOptions) ([]Applied, error) {
	prepared := make([]*Object, len(objects))
	for i, object := range objects {
		p, err := prepare(object)
		if err != nil {
			return nil, err
		}
		prepared[i] = p
	}
	present := map[string]*Object{}
	if options.SkipUnchanged {
		var err error
		if present, err = c.present(ctx, prepared); err != nil {
			return nil, err
		}
	}
	applied := make([]Applied, len(objects))
	for _, wave := range [][]int{indices(prepared, isNamespace), indices(prepared, func(o *Object) bool { return !isNamespace(o) })} {
		group, groupCtx := errgroup.WithContext(ctx)
		group.SetLimit(Concurrency)
		for _, i := range wave {
			if old, ok := present[key(prepared[i])]; ok && sameContent(old, prepared[i]) {
				applied[i] = Applied{Object: old}
				continue
			}
			group.Go(func() error {
				object, err := c.applyOne(groupCtx, prepared[i], options.DryRun)
				applied[i] = Applied{Object: object, Changed: true}
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return applied, err
		}
	}
	return applied, nil
}

func (c *Client) applyOne(ctx context.Context, object *Object, dryRun bool) (*Object, error) {
	resource, err := c.resource(ctx, object.GroupVersionKind(), object.GetNamespace())
	if err != nil {
		return nil, err
	}
	options := metav1.ApplyOptions{FieldManager: Manager, Force: true}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	result, err := resource.Apply(ctx, object.GetName(), object, options)
	if err != nil {
		return nil, fmt.Errorf("apply %s: %w", ref(object.GetKind(), object.GetNamespace(), object.GetName()), err)
	}
	return result, nil
}

// present finds what the cluster already has of these objects, by one request per kind and namespace.
func (c *Client) present(ctx context.Context, objects []*Object) (map[string]*Object, error) {
	type place struct {
		gvk       schema.GroupVersionKind
		namespace string
	}
	places := map[place]bool{}
	for _, o := range objects {
		places[place{o.GroupVersionKind(), o.GetNamespace()}] = true
	}
	found := map[string]*Object{}
	for p := range places {
		items, err := c.List(ctx, p.gvk, p.namespace, LabelManagedBy+"="+Manager)
		if err != nil {
			return nil, err
		}
		for i := range items {
			found[key(&items[i])] = &items[i]
		}
	}
	return found, nil
}

// prepare copies an object and notes on the copy who manages it and what it holds.
func prepare(object *Object) (*Object, error) {
	out := object.DeepCopy()
	labels := out.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[LabelManagedBy] = Manager
	out.SetLabels(labels)
	content, err := json.Marshal(out.Object) // map keys are sorted
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", ref(out.GetKind(), out.GetNamespace(), out.GetName()), err)
	}
	sum := sha256.Sum256(content)
	annotations := out.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[AnnotationContentHash] = hex.EncodeToString(sum[:12])
	out.SetAnnotations(annotations)
	return out, nil
}

func sameContent(a, b *Object) bool {
	return a.GetDeletionTimestamp() == nil && a.GetAnnotations()[AnnotationContentHash] == b.GetAnnotations()[AnnotationContentHash]
}

func key(o *Object) string {
	return strings.Join([]string{o.GetAPIVersion(), o.GetKind(), o.GetNamespace(), o.GetName()}, " ")
}

func isNamespace(o *Object) bool { return o.GetKind() == "Namespace" && o.GetAPIVersion() == "v1" }

func indices(objects []*Object, match func(*Object) bool) []int {
	var out []int
	for i, o := range objects {
		if match(o) {
			out = append(out, i)
		}
	}
	return out
}

// Refusal is the HTTP status and the message with which the API server refused a request, if err holds such an answer.
func Refusal(err error) (code int, message string, ok bool) {
	var status *apierrors.StatusError
	if !errors.As(err, &status) {
		return 0, "", false
	}
	return int(status.ErrStatus.Code), status.ErrStatus.Message, true
}

// IsWebhookUnavailable tells whether err says that an admission webhook could not be asked: it refused nothing, it was
// not there (yet).
func IsWebhookUnavailable(err error) bool {
	code, message, ok := Refusal(err)
	return ok && code == 500 && strings.Contains(message, "failed calling webhook")
}

// Same tells whether the cluster's object holds what Apply would bring. An object that is not there (nil) does not.
func Same(inCluster, wanted *Object) (bool, error) {
	if inCluster == nil {
		return false, nil
	}
	prepared, err := prepare(wanted)
	if err != nil {
		return false, err
	}
	return sameContent(inCluster, prepared), nil
}

// Put creates the object as it is, or replaces it, and refuses fields that its kind does not have, as kubectl apply does.
func (c *Client) Put(ctx context.Context, object *Object, dryRun bool) error {
	resource, err := c.resource(ctx, object.GroupVersionKind(), object.GetNamespace())
	if err != nil {
		return err
	}
	var dry []string
	if dryRun {
		dry = []string{metav1.DryRunAll}
	}
	_, err = resource.Create(ctx, object, metav1.CreateOptions{FieldManager: Manager, FieldValidation: metav1.FieldValidationStrict, DryRun: dry})
	if apierrors.IsAlreadyExists(err) {
		replacement := object.DeepCopy()
		old, getErr := resource.Get(ctx, object.GetName(), metav1.GetOptions{})
		if getErr != nil {
			return fmt.Errorf("replace %s: %w", ref(object.GetKind(), object.GetNamespace(), object.GetName()), getErr)
		}
		replacement.SetResourceVersion(old.GetResourceVersion())
		_, err = resource.Update(ctx, replacement, metav1.UpdateOptions{FieldManager: Manager, FieldValidation: metav1.FieldValidationStrict, DryRun: dry})
	}
	if err != nil {
		return fmt.Errorf("apply %s: %w", ref(object.GetKind(), object.GetNamespace(), object.GetName()), err)
	}
	return nil
}
