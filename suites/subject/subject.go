// SPDX-License-Identifier: Apache-2.0

// Package subject is what is under test: a gateway, an auth service and an identity provider, assembled on a platform.
//
//	browser ──▶ gateway ──▶ backend
//	              │ auth-url
//	              ▼
//	         auth service ──▶ identity provider
//
// A check asks for Routes and judges what it observes through them; it does not know how a gateway is configured.
package subject

import (
	"context"
	"crypto/x509"
	"time"

	"github.com/ingress-auth/conformance/suites/exchange"
)

// Domain is the parent of every host name of a run (RFC 6761 reserves .test). No name is looked up in DNS: the browser
// is told where each host listens.
const Domain = "ingress-auth.test"

// Feature names something a subject may lack. Requirements list the features they need.
type Feature string

// Features that requirements and cases may ask for.
const (
	FeatureSignIn               Feature = "signin"                 // a 401 of the auth service becomes a redirect to a sign-in URL
	FeatureSignInAppendsRd      Feature = "signin-appends-rd"      // the gateway adds the original URL to the sign-in URL by itself
	FeatureCustomHTTPErrors     Feature = "custom-http-errors"     // error pages of its own, for the gateway and for a route
	FeatureDisableIntercept     Feature = "disable-intercept"      // an opt-out of error interception
	FeatureSnippets             Feature = "snippets"               // configuration text per route and per gateway
	FeatureDefaultBackend       Feature = "default-backend"        // a service that renders error pages
	FeatureAdmission            Feature = "admission"              // refuses a bad route when it is applied
	FeatureDynamic              Feature = "dynamic"                // routes can be added and removed while it runs
	FeatureGlobalAuth           Feature = "global-auth"            // auth-url for every route of the gateway
	FeatureCanary               Feature = "canary"                 // a second backend for part of a route's traffic
	FeatureGRPC                 Feature = "grpc"                   // gRPC backends
	FeatureClientCertificates   Feature = "client-certificates"    // mutual TLS with an error page
	FeatureSettings             Feature = "gateway-settings"       // the gateway's settings can be changed while it runs
	FeatureManifests            Feature = "manifests"              // routes are Kubernetes manifests
	FeatureOldestSnippetWins    Feature = "oldest-snippet-wins"    // several routes may bring a server snippet for one host
	FeatureInheritedErrorBypass Feature = "auth-location-inherits" // the auth request's location inherits gateway-wide error pages
	FeatureAnnotations          Feature = "annotations"            // routes are configured by annotations of ingress-nginx
	FeatureConfigMap            Feature = "configmap"              // a gateway is configured by a ConfigMap of ingress-nginx
	FeatureCORS                 Feature = "cors"                   // CORS answers of the gateway's own
	FeatureAuthCache            Feature = "auth-cache"             // answers of the auth service can be kept
	FeatureAccessList           Feature = "access-list"            // routes for some client addresses only, and satisfy
	FeatureRouteRedirect        Feature = "route-redirect"         // a route that is only a redirect
	FeatureSharedSessions       Feature = "shared-sessions"        // two auth services behind one session store
	FeatureStoreAway            Feature = "session-store-away"     // an auth service that cannot reach its session store
	FeatureBackchannelLogout    Feature = "backchannel-logout"     // the identity provider can end sessions of the auth service
	FeatureTracedRenewals       Feature = "traced-renewals"        // the auth service tells the identity provider on behalf of which request it renews
)

// The roles of the parts that make the subject; any other role is a component beside them.
const (
	RoleGateway     = "gateway"
	RoleAuthService = "auth service"
	RoleIdP         = "identity provider"
	RoleBackend     = "backend"
)

// roleSessionStore is a component beside them: where the auth services that share sessions keep them.
const roleSessionStore = "session store"

// Part is one component of the subject, for the report.
type Part struct {
	Role    string `json:"role"`
	Name    string `json:"name"`
	Version string `json:"version"`
	Origin  string `json:"origin"`
	StandIn bool   `json:"standIn,omitempty"`
}

// Recorder tells what the parts inside the subject received, by the request IDs the browser sent.
type Recorder interface {
	// Recorded returns the hops that carried one of the request IDs, oldest first.
	Recorded(ctx context.Context, requestIDs ...string) ([]exchange.Exchange, error)
}

// UnknownVersion is the version of a gateway that does not tell it. Checks that are bound to versions do not apply to it.
const UnknownVersion = "unknown"

// DeclinedError says that the subject does not do what a check asked of it, by right: the check does not apply.
type DeclinedError struct {
	// Reason is in words for the report.
	Reason string
}

// Error implements error.
func (e *DeclinedError) Error() string { return e.Reason }

// Subject is an assembled subject, ready to be judged.
type Subject struct {
	// Platform is "kind", "local", "existing" or "outside".
	Platform string
	// Gateway applies routes; GatewayName and GatewayVersion say what it is, e.g. "ingress-nginx", "1.11.0".
	Gateway        Gateway
	GatewayName    string
	GatewayVersion string
	// Declines says why the subject does not serve a route, in words for the report, or "". It is asked before routes are
	// exposed and again afterwards, when more may be known. Nil declines none.
	Declines func(Route) string
	// Missing maps each feature the subject lacks to the reason, in words for the report.
	Missing map[Feature]string
	// Resolve tells the browser where a host listens on loopback: ("https", "app.ingress-auth.test") → "127.0.0.1:43211".
	Resolve func(scheme, host string) (addr string, ok bool)
	// Roots verifies the gateway's certificates.
	Roots *x509.CertPool
	// Recorder reads what the parts received.
	Recorder Recorder
	// Parts lists every component with version and origin.
	Parts []Part
	// Mint returns an ID token of the subject's identity provider for a bearer-token check.
	Mint func(ctx context.Context, user string, expiresIn time.Duration, audience string) (string, error)
	// Evidence writes what helps to explain a failure (logs, events, rendered configuration) into dir.
	Evidence func(ctx context.Context, dir string) error
	// Close takes down what was started for the run.
	Close func(ctx context.Context) error
}
