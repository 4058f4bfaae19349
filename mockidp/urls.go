// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"net/url"
	"strings"
)

// Where each endpoint is, below the issuer's path. Health alone is at the root.
const (
	pathDiscovery         = "/.well-known/openid-configuration"
	pathMetadata          = "/.well-known/oauth-authorization-server"
	pathJWKS              = "/jwks"
	pathAuthorize         = "/authorize"
	pathLogin             = "/login"
	pathConsent           = "/consent"
	pathDebugger          = "/debugger"
	pathToken             = "/token"
	pathUserinfo          = "/userinfo"
	pathEndSession        = "/end_session"
	pathEndSessionConfirm = "/end_session/confirm"
	pathIntrospection     = "/introspect"
	pathRevocation        = "/revoke"
	pathPushedRequest     = "/par"
	pathDeviceAuth        = "/device_authorization"
	pathDevice            = "/device"
	pathDeviceDecide      = "/device/decide"
	pathRegistration      = "/register"
	pathTestMint          = "/test/mint"
	pathHealth            = "/healthz"
)

// endpointPaths lists them.
func endpointPaths() []string {
	return []string{pathDiscovery, pathMetadata, pathJWKS, pathAuthorize, pathLogin, pathConsent, pathDebugger, pathToken, pathUserinfo, pathEndSession,
		pathEndSessionConfirm, pathIntrospection, pathRevocation, pathPushedRequest, pathDeviceAuth, pathDevice, pathDeviceDecide,
		pathRegistration, pathTestMint, pathHealth}
}

// urls knows the issuer's base and the others (split horizon).
type urls struct {
	issuer       string
	base         string            // the issuer without the suffix of its dialect and a trailing slash
	root         string            // the path of base
	secure       bool              // the issuer is https, so are its cookies
	backchannels map[string]string // Host header in lower case -> base, issuer's path included
	dialect      *Dialect
}

func newURLs(issuer string, backchannels []string, dialect *Dialect) urls {
	base := strings.TrimSuffix(strings.TrimSuffix(issuer, dialect.IssuerSuffix), "/")
	parsed, _ := url.Parse(base) // validated before
	u := urls{
		issuer:       issuer,
		base:         base,
		dialect:      dialect,
		root:         strings.TrimSuffix(parsed.Path, "/"),
		secure:       parsed.Scheme == "https",
		backchannels: map[string]string{},
	}
	for _, b := range backchannels {
		parsed, _ := url.Parse(b)
		for _, host := range hostsOf(parsed) {
			if _, taken := u.backchannels[host]; !taken {
				u.backchannels[host] = strings.TrimSuffix(b, "/") + u.root
			}
		}
	}
	return u
}

// hostsOf returns the Host headers a client sends for u: with and without the port where it is the scheme's own.
func hostsOf(u *url.URL) []string {
	host := strings.ToLower(u.Host)
	standard := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	switch {
	case u.Port() == "":
		return []string{host, host + standard}
	case ":"+u.Port() == standard:
		return []string{host, strings.TrimSuffix(host, standard)}
	default:
		return []string{host}
	}
}

// path returns where an endpoint is served.
func (u urls) path(endpoint string) string { return u.root + u.local(endpoint) }

// local is an endpoint's place below base; serves says whether it has one.
func (u urls) local(endpoint string) string {
	moved, _ := u.dialect.place(endpoint)
	return moved
}

func (u urls) serves(endpoint string) bool {
	_, served := u.dialect.place(endpoint)
	return served
}

// front is the URL browsers visit: always on the issuer's base. It is "" for an endpoint that is not served.
func (u urls) front(endpoint string) string { return u.on(u.base, endpoint) }

func (u urls) on(base, endpoint string) string {
	if !u.serves(endpoint) {
		return ""
	}
	return base + u.local(endpoint)
}

// back is the URL relying parties call, on the base they came by if it is a configured one.
func (u urls) back(requestHost, endpoint string) string {
	if base, ok := u.backchannels[strings.ToLower(requestHost)]; ok {
		return u.on(base, endpoint)
	}
	return u.on(u.base, endpoint)
}

// baseFor is the base that a request came by.
func (u urls) baseFor(requestHost string) string {
	if base, ok := u.backchannels[strings.ToLower(requestHost)]; ok {
		return base
	}
	return u.base
}

// authorizationServerMetadataPath puts the well-known part before the issuer's path, as RFC 8414 section 3.1 has it.
func (u urls) authorizationServerMetadataPath() string { return pathMetadata + u.root }

// cookiePath scopes cookies to the issuer.
func (u urls) cookiePath() string {
	if u.root == "" {
		return "/"
	}
	return u.root
}
