// SPDX-License-Identifier: Apache-2.0

package subject

// Route is one protected (or open) host and path of a gateway, as a check asks for it. An adapter renders it: an Ingress
// with annotations for ingress-nginx, a server block for plain nginx.
//
// URLs may hold placeholders that the adapter replaces by what the gateway can reach:
//
//	{standin}        the programmable auth service, e.g. {standin}/status/403
//	{proxy}          the reference proxy; {proxy-domain}, {proxy-short} … its variants (see AuthServices)
//	{refused}        an address that refuses connections
//	{unresolvable}   a host name that does not resolve
//	{backend}        the echo backend; {upstream} the same for an auth service that passes requests on
//	{auth}           the public base URL of the reference proxy, as the browser reaches it: https://auth.<domain>
//	{domain}         the parent domain of all hosts
type Route struct {
	// Name is a DNS label, unique in a run.
	Name string `json:"name"`
	// Host is the host's first label when it differs from Name (several routes on one host).
	Host string `json:"host,omitempty"`
	// Gateway is the GatewayConfig this route belongs to; "" is MainGateway.
	Gateway string `json:"gateway,omitempty"`
	// TLS serves the host over TLS, with plain HTTP redirected to it.
	TLS bool `json:"tls,omitempty"`
	// Path and PathType are the match; "" is "/" and "Prefix".
	Path     string `json:"path,omitempty"`
	PathType string `json:"pathType,omitempty"`
	// Backend is the service behind: "" is the echo backend; others: "standin" (the programmable auth service,
	// answering as a backend), "proxy" and its variants, "idp", "canary" (the echo
	// backend under another name), "grpc" (the echo backend over HTTP/2 without TLS).
	Backend string `json:"backend,omitempty"`

	// AuthURL is auth-url; "" leaves the route open.
	AuthURL string `json:"authURL,omitempty"`
	// AuthSignIn is auth-signin.
	AuthSignIn string `json:"authSignIn,omitempty"`
	// AuthResponseHeaders is auth-response-headers.
	AuthResponseHeaders []string `json:"authResponseHeaders,omitempty"`
	// AuthSnippet is auth-snippet: text for the auth request's location.
	AuthSnippet string `json:"authSnippet,omitempty"`

	// CustomHTTPErrors is the annotation custom-http-errors.
	CustomHTTPErrors []int `json:"customHTTPErrors,omitempty"`
	// DisableInterceptErrors is the annotation disable-proxy-intercept-errors.
	DisableInterceptErrors bool `json:"disableInterceptErrors,omitempty"`
	// ServerSnippet and ConfigurationSnippet are the annotations of these names.
	ServerSnippet        string `json:"serverSnippet,omitempty"`
	ConfigurationSnippet string `json:"configurationSnippet,omitempty"`
	// Annotations are further annotations, without the prefix nginx.ingress.kubernetes.io/, for gateways that know them.
	// A key that contains "/" is taken as it is.
	Annotations map[string]string `json:"annotations,omitempty"`

	// SkipAdmission creates the route where the gateway's admission webhook does not look.
	SkipAdmission bool `json:"skipAdmission,omitempty"`
	// Probe is a path that Expose may GET to see the route served; "" is "/". The answer's status does not matter, only
	// that it is this route's and not the gateway's answer for unknown hosts.
	Probe string `json:"probe,omitempty"`
}

// HostLabel is the first label of the route's host name.
func (r Route) HostLabel() string {
	if r.Host != "" {
		return r.Host
	}
	return r.Name
}

// GatewayName is the gateway of the route, with the default applied.
func (r Route) GatewayName() string {
	if r.Gateway == "" {
		return MainGateway
	}
	return r.Gateway
}

// MatchPath is the path of the route, with the default applied.
func (r Route) MatchPath() string {
	if r.Path == "" {
		return "/"
	}
	return r.Path
}
