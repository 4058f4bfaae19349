// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

// Validate reports everything that is wrong with the configuration, in the words of the configuration file. Fields left
// empty have their defaults.
func (c Config) Validate() error {
	given := c
	c = c.withDefaults()
	var errs []error
	errs = append(errs, validateIssuer(c.Issuer), c.validateDialect())
	for i, base := range c.BackchannelURLs {
		if err := validateBackchannelURL(base, c.Issuer); err != nil {
			errs = append(errs, fmt.Errorf("backchannel_urls[%d]: %w", i, err))
		}
	}
	errs = append(errs, given.validateTenants())
	for i, alg := range c.SigningAlgs {
		if _, ok := findAlgorithm(alg); !ok {
			errs = append(errs, fmt.Errorf("signing_algs[%d]: %q must be one of %s", i, alg, joined(algorithmNames())))
		}
	}
	for i, scope := range c.Scopes {
		if !validScope(scope) || slices.Contains(userScopes(), scope) {
			errs = append(errs, fmt.Errorf("scopes[%d]: %q must be a new word of printable ASCII (RFC 6749 section 3.3)", i, scope))
		}
	}
	for i, ac := range c.AuthenticationContexts {
		if ac.ACR == "" || strings.ContainsAny(ac.ACR, " \t\r\n") {
			errs = append(errs, fmt.Errorf("authentication_contexts[%d]: acr %q must be a word", i, ac.ACR))
		}
	}
	if c.MaxEntries < 0 {
		errs = append(errs, fmt.Errorf("max_entries: %d must not be negative", c.MaxEntries))
	}
	if c.RefreshTokenGracePeriod < 0 {
		errs = append(errs, fmt.Errorf("refresh_token_grace_period: %s must not be negative", c.RefreshTokenGracePeriod))
	}
	if _, err := parseAuthorities(c.ClientCertificateAuthorities); err != nil {
		errs = append(errs, fmt.Errorf("client_certificate_authorities: %w", err))
	}
	errs = append(errs, c.Lifetimes.validate())
	users := newDirectory(c.Clients, c.Users)
	errs = append(errs, validateUsers(c.Users), validateClients(c.Clients, users))
	if c.AutoLogin != "" && users.findUser(c.AutoLogin) == nil {
		errs = append(errs, fmt.Errorf("auto_login: %q is not one of the users", c.AutoLogin))
	}
	return errors.Join(errs...)
}

// validateTenants checks each as the configuration it amounts to.
func (c Config) validateTenants() error {
	var errs []error
	seen := map[string]bool{}
	for i, t := range c.Tenants {
		err := c.checkTenant(t)
		if root := strings.TrimSuffix(t.Path, "/"); err == nil && seen[root] {
			err = fmt.Errorf("path %q is used twice", t.Path)
		} else {
			seen[root] = true
		}
		if err == nil {
			err = c.tenantConfig(t).Validate()
		}
		errs = append(errs, prefixed(fmt.Sprintf("tenants[%d]", i), err))
	}
	return errors.Join(errs...)
}

// joined lists names for a message.
func joined[S ~string](names []S) string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = string(name)
	}
	return strings.Join(list, ", ")
}

// validScope keeps to RFC 6749 section 3.3.
func validScope(scope string) bool {
	return scope != "" && printableASCII(scope) && !strings.ContainsAny(scope, ` "\`)
}

func validateIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	switch {
	case err != nil:
		return fmt.Errorf("issuer: %q is not a URL", issuer)
	case (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		return fmt.Errorf("issuer: %q must start with https:// or http:// and name a host", issuer)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(issuer, "#"):
		return fmt.Errorf("issuer: %q must have no query and no fragment (Discovery 1.0 section 3)", issuer)
	case u.User != nil:
		return fmt.Errorf("issuer: %q must not hold a user name or password", issuer)
	case u.EscapedPath() != u.Path || strings.ContainsAny(u.Path, "{}") || !cleanPath(u.Path):
		return fmt.Errorf("issuer: the path of %q must be plain, without escapes, braces, dots or empty segments", issuer)
	}
	return nil
}

func cleanPath(p string) bool {
	p = strings.TrimSuffix(p, "/")
	return p == "" || path.Clean(p) == p
}

func validateBackchannelURL(base, issuer string) error {
	u, err := url.Parse(base)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		return fmt.Errorf("%q must be scheme://host[:port], for example http://mockidp.ns.svc:8080", base)
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%q must have no path: the issuer's path is served on every host", base)
	}
	if i, err := url.Parse(issuer); err == nil && slices.ContainsFunc(hostsOf(i), func(h string) bool { return slices.Contains(hostsOf(u), h) }) {
		return fmt.Errorf("%q has the host of the issuer, where everything is served already", base)
	}
	return nil
}

func (l Lifetimes) validate() error {
	for name, d := range map[string]time.Duration{"code": l.Code, "access_token": l.AccessToken, "id_token": l.IDToken,
		"refresh_token": l.RefreshToken, "session": l.Session, "login": l.Login, "pushed_request": l.PushedRequest,
		"device_code": l.DeviceCode} {
		if d < time.Second {
			return fmt.Errorf("lifetimes.%s: %s is too short, give at least 1s", name, d)
		}
	}
	if l.Code > 10*time.Minute {
		return fmt.Errorf("lifetimes.code: %s is too long, at most 10m (RFC 6749 section 4.1.2)", l.Code)
	}
	return nil
}

func validateClients(clients []Client, users *directory) error {
	var errs []error
	seen := map[string]bool{}
	for i, c := range clients {
		fail := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("clients[%d] (%s): %w", i, c.ClientID, fmt.Errorf(format, args...)))
		}
		if c.ClientID == "" {
			fail("client_id is missing")
		}
		if seen[c.ClientID] {
			fail("client_id is used twice")
		}
		seen[c.ClientID] = true
		oneOf := func(name, value string, allowed ...string) {
			if !slices.Contains(allowed, value) {
				fail("%s: %q must be one of %s", name, value, strings.Join(allowed, ", "))
			}
		}
		oneOf("token_endpoint_auth_method", c.TokenEndpointAuthMethod, "", authMethodBasic, authMethodPost, authMethodSecretJWT, authMethodPrivateKey, authMethodTLS, authMethodSelfSigned, authMethodNone)
		if c.ClientSecret == "" && c.needsSecret() {
			fail("client_secret is missing, and token_endpoint_auth_method is %s", c.TokenEndpointAuthMethod)
		}
		if c.ClientSecret != "" && c.public() {
			fail("client_secret is given, but token_endpoint_auth_method is none")
		}
		if c.TokenEndpointAuthMethod == authMethodSecretJWT && len(c.ClientSecret) < minHMACSecret {
			fail("client_secret must be %d bytes or more for client_secret_jwt (RFC 7518 section 3.2)", minHMACSecret)
		}
		if c.JWKS != nil && c.JWKSURI != "" {
			fail("jwks and jwks_uri are given; one of them will do (RFC 7591 section 2)")
		}
		if c.JWKS != nil || c.TokenEndpointAuthMethod == authMethodPrivateKey && c.JWKSURI == "" {
			if err := c.JWKS.check(); err != nil {
				fail("%w", err)
			}
		}
		if err := c.checkTLSMetadata(); err != nil {
			fail("%w", err)
		}
		for j, name := range c.GrantTypes {
			oneOf(fmt.Sprintf("grant_types[%d]", j), name, supportedGrantTypes()...)
		}
		if _, ok := findAlgorithm(c.UserinfoSignedResponseAlg); !ok && c.UserinfoSignedResponseAlg != "" {
			fail("userinfo_signed_response_alg: %q must be one of %s", c.UserinfoSignedResponseAlg, joined(algorithmNames()))
		}
		oneOf("subject_type", c.SubjectType, subjectPublic, subjectPairwise)
		if c.SubjectType == subjectPairwise && !c.oneSector() {
			fail("subject_type: pairwise needs redirect_uris that are all on one host, or a sector_identifier_uri (Core 1.0 section 8.1)")
		}
		if err := validateSectorIdentifier(c.SectorIdentifierURI); c.SectorIdentifierURI != "" && err != nil {
			fail("sector_identifier_uri: %w", err)
		}
		if alg := c.RequestObjectSigningAlg; alg != "" && !slices.Contains(assertionAlgorithms(), alg) {
			fail("request_object_signing_alg: %q must be one of %s", alg, joined(assertionAlgorithms()))
		}
		for j, uri := range c.RequestURIs {
			if err := validateLogoutURI(uri); err != nil {
				fail("request_uris[%d]: %w", j, err)
			}
		}
		oneOf("application_type", c.ApplicationType, applicationWeb, applicationNative)
		if _, ok := findAlgorithm(c.IDTokenSignedResponseAlg); !ok {
			fail("id_token_signed_response_alg: %q must be one of %s", c.IDTokenSignedResponseAlg, joined(algorithmNames()))
		}
		oneOf("access_token_format", c.AccessTokenFormat, accessTokenOpaque, accessTokenJWT, accessTokenForAudience)
		for j, name := range c.ResponseTypes {
			if _, ok := parseResponseType(name); !ok {
				fail("response_types[%d]: %q must be one of: %s", j, name, joined(supportedResponseTypes()))
			}
		}
		oneOf("issue_refresh_token", c.IssueRefreshToken, refreshOffline, refreshAlways, refreshNever, refreshOnce)
		if c.AutoLogin != "" && users.findUser(c.AutoLogin) == nil {
			fail("auto_login: %q is not one of the users", c.AutoLogin)
		}
		for j, uri := range c.RedirectURIs {
			if err := validateRedirectURI(uri); err != nil {
				fail("redirect_uris[%d]: %w", j, err)
			}
		}
		for name, uri := range map[string]string{"jwks_uri": c.JWKSURI, "backchannel_logout_uri": c.BackchannelLogoutURI, "frontchannel_logout_uri": c.FrontchannelLogoutURI} {
			if err := validateLogoutURI(uri); uri != "" && err != nil {
				fail("%s: %w", name, err)
			}
		}
		for j, uri := range c.PostLogoutRedirectURIs {
			if err := validateRedirectURI(uri); err != nil {
				fail("post_logout_redirect_uris[%d]: %w", j, err)
			}
		}
	}
	return errors.Join(errs...)
}

// validateRedirectURI keeps to RFC 6749 section 3.1.2: absolute, no fragment. Schemes that run code in the browser are
// refused, since the URI ends in a Location header.
func validateRedirectURI(uri string) error {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme == "" || slices.Contains([]string{"javascript", "data", "vbscript"}, strings.ToLower(u.Scheme)) {
		return fmt.Errorf("%q must be an absolute URL", uri)
	}
	if (u.Scheme == "http" || u.Scheme == "https") && u.Host == "" {
		return fmt.Errorf("%q names no host", uri)
	}
	if strings.Contains(uri, "#") {
		return fmt.Errorf("%q must have no fragment", uri)
	}
	if !printableASCII(uri) || strings.Contains(uri, " ") {
		return fmt.Errorf("%q must be ASCII, without spaces: percent-encode the rest", uri)
	}
	return nil
}

// validateLogoutURI is validateRedirectURI, for http and https alone: the provider or a frame of its page loads it. What
// would end the source of a frame in the page's policy is refused.
func validateLogoutURI(uri string) error {
	if err := validateRedirectURI(uri); err != nil {
		return err
	}
	u, err := url.Parse(uri)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || strings.ContainsAny(u.Host, ";,'\"*") || u.User != nil {
		return fmt.Errorf("%q must be an http or https URL", uri)
	}
	return nil
}

// protocolClaims are set by the protocol, so a user cannot carry them.
func protocolClaims() []string {
	return []string{"iss", "sub", "aud", "exp", "iat", "nbf", "nonce", "at_hash", "c_hash", "s_hash", "auth_time", "azp", "sid"}
}

func validateUsers(users []User) error {
	var errs []error
	names, subs := map[string]bool{}, map[string]bool{}
	for i, u := range users {
		fail := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("users[%d] (%s): %w", i, u.Username, fmt.Errorf(format, args...)))
		}
		if u.Username == "" {
			fail("username is missing")
			continue
		}
		if names[u.Username] {
			fail("username is used twice")
		}
		if subs[u.Sub] {
			fail("sub %q is used twice", u.Sub)
		}
		names[u.Username], subs[u.Sub] = true, true
		if len(u.Sub) > 255 || !printableASCII(u.Sub) {
			fail("sub must be at most 255 ASCII characters (Core 1.0 section 2); the username serves as sub if none is given")
		}
		for _, name := range protocolClaims() {
			if _, ok := u.Claims[name]; ok {
				fail("claims.%s: the protocol sets this claim", name)
			}
		}
		if _, err := json.Marshal(u.Claims); err != nil {
			fail("claims cannot be written as JSON: %w", err)
		}
	}
	return errors.Join(errs...)
}

func printableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
