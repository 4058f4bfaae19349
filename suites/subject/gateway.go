// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"context"
	"fmt"
)

// GatewayConfig is one instance of a gateway with the settings its administrator gave it. For ingress-nginx it is a
// controller with its own IngressClass and ConfigMap; for plain nginx a process with its own http block.
//
// The fields are named after ingress-nginx's ConfigMap keys, because those are the words users search for.
type GatewayConfig struct {
	// Name is a DNS label, unique among the gateways of a run. "main" is the one that serves the sign-in flow over TLS.
	Name string `json:"name"`
	// Purpose says in one sentence what this instance is for.
	Purpose string `json:"purpose"`
	// CustomHTTPErrors is ConfigMap custom-http-errors.
	CustomHTTPErrors []int `json:"customHTTPErrors,omitempty"`
	// DisableInterceptErrors is ConfigMap disable-proxy-intercept-errors.
	DisableInterceptErrors bool `json:"disableInterceptErrors,omitempty"`
	// ForbidSnippets refuses snippet annotations (allow-snippet-annotations: "false").
	ForbidSnippets bool `json:"forbidSnippets,omitempty"`
	// HTTPSnippet, ServerSnippet and LocationSnippet are the ConfigMap snippets.
	HTTPSnippet     string `json:"httpSnippet,omitempty"`
	ServerSnippet   string `json:"serverSnippet,omitempty"`
	LocationSnippet string `json:"locationSnippet,omitempty"`
	// GlobalAuthURL and GlobalAuthSignIn are global-auth-url and global-auth-signin; placeholders as in Route.AuthURL.
	GlobalAuthURL    string `json:"globalAuthURL,omitempty"`
	GlobalAuthSignIn string `json:"globalAuthSignIn,omitempty"`
	// DefaultBackend is "" (the controller's own 404), "x-code" (a page whose status is the X-Code header) or
	// "always-200" (a page that answers 200 whatever X-Code says).
	DefaultBackend string `json:"defaultBackend,omitempty"`
	// Settings are further ConfigMap entries, for gateways that have a ConfigMap.
	Settings map[string]string `json:"settings,omitempty"`
	// TLS serves TLS too, with the run's wildcard certificate, on a port of its own.
	TLS bool `json:"tls,omitempty"`
	// NoAdmission leaves the validating webhook out for this instance.
	NoAdmission bool `json:"noAdmission,omitempty"`
	// Disposable marks an instance that checks may break; nothing else runs on it.
	Disposable bool `json:"disposable,omitempty"`
}

// MainGateway is the name of the gateway that serves the sign-in flow over TLS.
const MainGateway = "main"

// Gateway is the ingress under test. Implementations render routes in their own language.
type Gateway interface {
	// Apply hands the route to the gateway and does not wait for it to take effect. A refusal by the gateway's
	// admission control is an *AdmissionError.
	Apply(ctx context.Context, r Route) error
	// Withdraw removes the route and does not wait. A route that is not there is no error.
	Withdraw(ctx context.Context, r Route) error
	// Expose applies all routes and returns when each is observed to be served.
	Expose(ctx context.Context, routes []Route) error
}

// ManifestApplier is a gateway whose routes are manifests, and that takes one as it is written. The documents that users
// copy are judged through it.
type ManifestApplier interface {
	// ApplyManifest sends one YAML manifest with placeholders replaced. With dryRun the platform validates and admits it but
	// keeps nothing. A refusal by the API or by admission control is an *AdmissionError; YAML that does not parse is any
	// other error.
	ApplyManifest(ctx context.Context, manifest []byte, dryRun bool) error
}

// AdmissionError is a refusal by the gateway's admission control.
type AdmissionError struct {
	Route string
	// Code is the HTTP status of the refusal; Message is the gateway's own text.
	Code    int
	Message string
}

// Error implements error.
func (e *AdmissionError) Error() string {
	return fmt.Sprintf("the gateway refused route %q (HTTP %d): %s", e.Route, e.Code, e.Message)
}

// ReloadWatcher is a gateway that tells when it could not take a configuration.
type ReloadWatcher interface {
	// AwaitReloadFailure returns when the gateway has refused a configuration that is newer than the last call's.
	AwaitReloadFailure(ctx context.Context, gateway string) error
}

// Reconfigurer is a gateway whose settings can be changed while it runs.
type Reconfigurer interface {
	// Reconfigure replaces the settings of the gateway of that name and returns a function that puts the old ones back and
	// waits until they are in force.
	Reconfigure(ctx context.Context, g GatewayConfig) (restore func(context.Context) error, err error)
}
