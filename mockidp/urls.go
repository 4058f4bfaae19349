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
	return []string{pathDiscovery, pathMetadata, pathJWKS, pathAuthorize, pathLogin, pathToken, pathUserinfo, pathEndSession,
		pathEndSessionConfirm, pathIntrospection, pathRevocation, pathPushedRequest, pathDeviceAuth, pathDevice, pathDeviceDecide,
		pathRegistration, pathTestMint, pathHealth}
}

// urls knows the issuer's base and the others (split horizon).
type urls struct {
	issuer       string
	base         string            // the issuer without a trailing slash
	root         string            // the issuer's path without a trailing slash
	secure       bool              // the issuer is https, so are its cookies
	backchannels map[string]string // Host header in lower case -> base, issuer's path included
}

func newURLs(issuer string, backchannels []string) urls {
	parsed, _ := url.Parse(issuer) // validated before
	u := urls{
		issuer:       issuer,
		base:         strings.TrimSuffix(issuer, "/"),
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
func (u urls) path(endpoint string) string { return u.root + endpoint }

// front is the URL browsers visit: always on the issuer's base.
func (u urls) front(endpoint string) string { return u.base + endpoint }

// back is the URL relying parties call, on the base they came by if it is a configured one.
func (u urls) back(requestHost, endpoint string) string {
	if base, ok := u.backchannels[strings.ToLower(requestHost)]; ok {
		return base + endpoint
	}
	return u.base + endpoint
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
