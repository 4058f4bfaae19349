// SPDX-License-Identifier: Apache-2.0

package kube

import "k8s.io/apimachinery/pkg/runtime/schema"

// The kinds that callers ask for by name.
var (
	Pod        = schema.GroupVersionKind{Version: "v1", Kind: "Pod"}
	Node       = schema.GroupVersionKind{Version: "v1", Kind: "Node"}
	Event      = schema.GroupVersionKind{Version: "v1", Kind: "Event"}
	Secret     = schema.GroupVersionKind{Version: "v1", Kind: "Secret"}
	Namespace  = schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}
	Service    = schema.GroupVersionKind{Version: "v1", Kind: "Service"}
	Deployment = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	ConfigMap  = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}
	Ingress    = schema.GroupVersionKind{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"}

	IngressClass = schema.GroupVersionKind{Group: "networking.k8s.io", Version: "v1", Kind: "IngressClass"}
)
