// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"time"

	"github.com/go-jose/go-jose/v4"
)

// What the zero Config stands for. They are published so that a test or a reader need not guess.
const (
	DefaultIssuer       = "http://127.0.0.1:8080"
	DefaultClientID     = "mockidp-client"
	DefaultClientSecret = "mockidp-secret"
	DefaultUsername     = "alice"
)

// Config describes the provider, its clients and its users. The zero value works: see DefaultIssuer, DefaultClients and
// DefaultUsers. The yaml names are those of the configuration file.
type Config struct {
	// Issuer is the issuer identifier, an http or https URL without query or fragment. It is the prefix of every
	// endpoint, path included, and never changes with the host a request came by.
	Issuer string `yaml:"issuer"`
	// Dialect is the real provider to be like: keycloak, google, entra, okta, okta-org, auth0, dex or github; empty means plain.
	// See Dialects.
	Dialect string `yaml:"dialect"`
	// BackchannelURLs are other origins (scheme://host[:port]) by which relying parties reach the provider. See the
	// package documentation, split horizon.
	BackchannelURLs []string `yaml:"backchannel_urls"`
	// AutoLogin names the user who is signed in without a page, for tests. A login_hint in the request picks another.
	AutoLogin string `yaml:"auto_login"`
	// EnableTestMint serves POST /test/mint, which hands an ID token to anyone who asks. Test-only; off by default.
	EnableTestMint bool `yaml:"enable_test_mint"`
	// EnableRegistration serves POST /register, by which any client may register itself and be called at the logout URI it
	// names (Dynamic Client Registration 1.0, RFC 7591). Off by default.
	EnableRegistration bool `yaml:"enable_registration"`
	// Tenants are further issuers in the same process.
	Tenants []Tenant `yaml:"tenants"`
	// SigningAlgs are JWS algorithms to have keys for, besides RS256, ES256 and those the clients name: RS256, RS384, RS512,
	// PS256, PS384, PS512, ES256, ES384, ES512, EdDSA.
	SigningAlgs []jose.SignatureAlgorithm `yaml:"signing_algs"`
	// Scopes are further scopes a client may ask for, besides those of OpenID Connect and groups. They stand for the
	// clients' own APIs, and are all that a client may ask for itself (client_credentials).
	Scopes []string `yaml:"scopes"`
	// AuthenticationContexts are what acr_values may ask for; the first is what a login has when nothing is asked for.
	// Empty means DefaultAuthenticationContexts.
	AuthenticationContexts []AuthenticationContext `yaml:"authentication_contexts"`
	// AllowEndpointAudience lets a client assertion name the endpoint it is sent to, or the token endpoint, as its aud. By
	// default only the issuer will do.
	AllowEndpointAudience bool `yaml:"allow_endpoint_audience"`
	// RequireDPoPNonce makes DPoP proofs carry a nonce that the provider gives (RFC 9449 section 8).
	RequireDPoPNonce bool `yaml:"require_dpop_nonce"`
	// ClientCertificateAuthorities are certificates in PEM, of those who certify clients for tls_client_auth. What the authority of
	// ServeTLS certifies is believed besides.
	ClientCertificateAuthorities string `yaml:"client_certificate_authorities"`
	// RefreshTokenGracePeriod forgives a client that uses a refresh token again, as long after the first use: each use gives new tokens
	// of the same family, which reuse ends only later (RFC 9700 section 4.14.2). Zero, the default, forgives nothing.
	RefreshTokenGracePeriod time.Duration `yaml:"refresh_token_grace_period"`
	// OfflineAccessNeedsConsent ignores the scope offline_access in an authorization request without prompt=consent (Core 1.0 section
	// 11). By default a client gets what it asks for.
	OfflineAccessNeedsConsent bool `yaml:"offline_access_needs_consent"`
	// AllowAnyUser lets a person who types a name on the login page sign in under it, whoever that is: with that name, a sub made of it,
	// an email address at example.com unless the name is one, and whatever claims are typed. Unset: where no users are configured.
	AllowAnyUser *bool `yaml:"allow_any_user"`
	// Lifetimes bound what the provider remembers.
	Lifetimes Lifetimes `yaml:"lifetimes"`
	// MaxEntries bounds how many of each kind the provider remembers: login pages, codes, access tokens, refresh tokens,
	// sessions and so on. The oldest make room, and are then unknown. Default: 10,000. Raise it for load tests.
	MaxEntries int `yaml:"max_entries"`
	// Clients may ask for tokens. Empty means DefaultClients.
	Clients []Client `yaml:"clients"`
	// Users may sign in. Empty means DefaultUsers.
	Users []User `yaml:"users"`
}

// Lifetimes say how long things live. Zero means the default.
type Lifetimes struct {
	Code         time.Duration `yaml:"code"`          // 60 s; RFC 6749 section 4.1.2 allows at most 10 minutes
	AccessToken  time.Duration `yaml:"access_token"`  // 5 min
	IDToken      time.Duration `yaml:"id_token"`      // 5 min
	RefreshToken time.Duration `yaml:"refresh_token"` // 24 h, counted again at each rotation
	Session      time.Duration `yaml:"session"`       // 8 h, the single sign-on session of a browser
	Login        time.Duration `yaml:"login"`         // 10 min, for a person to answer the login page
	// PushedRequest is how long a request_uri lives, 60 s (RFC 9126 section 2.2).
	PushedRequest time.Duration `yaml:"pushed_request"`
	// DeviceCode is how long a device waits for a person, 10 min (RFC 8628 section 3.2).
	DeviceCode time.Duration `yaml:"device_code"`
}

// Client is a relying party. The names are those of OpenID Connect Dynamic Client Registration 1.0 where it has one.
type Client struct {
	ClientID     string `yaml:"client_id"`
	ClientSecret string `yaml:"client_secret"`
	// ClientName is shown on the login page; empty means the client_id.
	ClientName string `yaml:"client_name"`
	// TokenEndpointAuthMethod is client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt, tls_client_auth,
	// self_signed_tls_client_auth (RFC 8705) or none. It holds for every endpoint that clients call. Empty: basic or post if there is a secret, private_key_jwt if there are
	// keys only, none if there is neither.
	TokenEndpointAuthMethod string `yaml:"token_endpoint_auth_method"`
	// JWKS holds the public keys for private_key_jwt, or the certificates (x5c) for self_signed_tls_client_auth.
	JWKS *JWKS `yaml:"jwks"`
	// JWKSURI is where those keys are instead, so that the client can change them.
	JWKSURI string `yaml:"jwks_uri"`
	// RequestURIs are where request objects may be fetched from (request_uri, RFC 9101), compared as exact strings.
	RequestURIs []string `yaml:"request_uris"`
	// RequestObjectSigningAlg is the one algorithm of the client's request objects; empty means any that fits its keys.
	RequestObjectSigningAlg jose.SignatureAlgorithm `yaml:"request_object_signing_alg"`
	// RequireSignedRequestObject refuses authorization requests without one (RFC 9101 section 10.5).
	RequireSignedRequestObject bool `yaml:"require_signed_request_object"`
	// DPoPBoundAccessTokens refuses token requests without a DPoP proof (RFC 9449 section 5.2). Any client may send one.
	DPoPBoundAccessTokens bool `yaml:"dpop_bound_access_tokens"`
	// TLSClientAuthSubjectDN is the subject of the certificate for tls_client_auth, such as CN=app,O=Example (RFC 4514). It or one of
	// the four that follow is needed for that method.
	TLSClientAuthSubjectDN string `yaml:"tls_client_auth_subject_dn"`
	// TLSClientAuthSANDNS is a DNS name in the certificate instead.
	TLSClientAuthSANDNS string `yaml:"tls_client_auth_san_dns"`
	// TLSClientAuthSANURI is a URI in it.
	TLSClientAuthSANURI string `yaml:"tls_client_auth_san_uri"`
	// TLSClientAuthSANIP is an IP address in it.
	TLSClientAuthSANIP string `yaml:"tls_client_auth_san_ip"`
	// TLSClientAuthSANEmail is an email address in it.
	TLSClientAuthSANEmail string `yaml:"tls_client_auth_san_email"`
	// TLSClientCertificateBoundAccessTokens binds access tokens to the certificate of the token request, which has to have one (RFC
	// 8705 section 3). It goes with any token_endpoint_auth_method.
	TLSClientCertificateBoundAccessTokens bool `yaml:"tls_client_certificate_bound_access_tokens"`
	// SubjectType is public (default) or pairwise: a sub that clients with redirect URIs on other hosts cannot compare (Core 1.0
	// section 8.1). For pairwise all redirect URIs are on one host, or there is a SectorIdentifierURI.
	SubjectType string `yaml:"subject_type"`
	// SectorIdentifierURI is an https URL whose host stands for the client in a pairwise sub, so that several clients have the same. A
	// client that registers itself must list all its redirect URIs there, as a JSON array (Dynamic Client Registration 1.0 section 5);
	// one that is configured here is believed.
	SectorIdentifierURI string `yaml:"sector_identifier_uri"`
	// GrantTypes are those the client may use at the token endpoint; empty means authorization_code and refresh_token.
	GrantTypes []string `yaml:"grant_types"`
	// RequirePushedRequests refuses authorization requests that were not pushed (RFC 9126 section 6).
	RequirePushedRequests bool `yaml:"require_pushed_authorization_requests"`
	// ApplicationType is web (default) or native. For a native client the port of a loopback redirect URI is free
	// (RFC 8252 section 7.3); everything else is compared as an exact string.
	ApplicationType        string   `yaml:"application_type"`
	RedirectURIs           []string `yaml:"redirect_uris"`
	PostLogoutRedirectURIs []string `yaml:"post_logout_redirect_uris"`
	// ResponseTypes are those the client may ask for, such as "code id_token"; empty means code alone.
	ResponseTypes []string `yaml:"response_types"`
	// IDTokenSignedResponseAlg is RS256 (default) or any other of Config.SigningAlgs.
	IDTokenSignedResponseAlg jose.SignatureAlgorithm `yaml:"id_token_signed_response_alg"`
	// UserinfoSignedResponseAlg makes userinfo a signed JWT (Core 1.0 section 5.3.2); empty means JSON.
	UserinfoSignedResponseAlg jose.SignatureAlgorithm `yaml:"userinfo_signed_response_alg"`
	// AccessTokenFormat is opaque (default), jwt (RFC 9068), or jwt_for_audience: a JWT for a request with the parameter audience.
	AccessTokenFormat string `yaml:"access_token_format"`
	// BackchannelLogoutURI is called when a session in which the client took part ends (Back-Channel Logout 1.0).
	BackchannelLogoutURI string `yaml:"backchannel_logout_uri"`
	// BackchannelLogoutSessionRequired asks for sid in the logout token, where it always is.
	BackchannelLogoutSessionRequired bool `yaml:"backchannel_logout_session_required"`
	// FrontchannelLogoutURI is loaded in a frame when such a session ends in a browser (Front-Channel Logout 1.0).
	FrontchannelLogoutURI string `yaml:"frontchannel_logout_uri"`
	// FrontchannelLogoutSessionRequired adds iss and sid to it.
	FrontchannelLogoutSessionRequired bool `yaml:"frontchannel_logout_session_required"`
	// RequirePKCE refuses authorization requests without code_challenge. Unset: only a client without a secret must use
	// PKCE (RFC 9700 section 2.1.1).
	RequirePKCE *bool `yaml:"require_pkce"`
	// IssueRefreshToken is offline_access (default: when that scope is granted), always, never, or access_type_offline: with that
	// parameter, at the first login of a user or with prompt=consent.
	IssueRefreshToken string `yaml:"issue_refresh_token"`
	// RequireConsent asks the person on a page of its own which scopes the client may have, once in each session. Unset, signing
	// in is consent. auto_login agrees to everything.
	RequireConsent bool `yaml:"require_consent"`
	// AutoLogin overrides Config.AutoLogin for this client.
	AutoLogin string `yaml:"auto_login"`
}

// User is somebody who can sign in. There are no passwords.
type User struct {
	// Username is what one picks on the login page and what login_hint and auto_login name.
	Username string `yaml:"username"`
	// Sub is the subject identifier; empty means Username.
	Sub   string `yaml:"sub"`
	Name  string `yaml:"name"`
	Email string `yaml:"email"`
	// EmailVerified is true where an email is given and this is not.
	EmailVerified *bool `yaml:"email_verified"`
	// PreferredUsername is Username where it is not given.
	PreferredUsername string   `yaml:"preferred_username"`
	Groups            []string `yaml:"groups"`
	// Claims are further claims, of any JSON type, and override those above; null removes one. A standard claim is
	// released with its scope (Core 1.0 section 5.4), groups with the scope groups, any other claim always.
	Claims map[string]any `yaml:"claims"`
}

// DefaultClients is one client that works from a laptop without configuration: a native application on any loopback port.
func DefaultClients() []Client {
	return []Client{{
		ClientID:        DefaultClientID,
		ClientSecret:    DefaultClientSecret,
		ClientName:      "Default client",
		ApplicationType: applicationNative,
		RedirectURIs: []string{
			"http://127.0.0.1/oauth2/callback", "http://localhost/oauth2/callback",
			"http://127.0.0.1/callback", "http://localhost/callback",
		},
		PostLogoutRedirectURIs: []string{"http://127.0.0.1/", "http://localhost/"},
		ResponseTypes:          supportedResponseTypes(),
		GrantTypes:             supportedGrantTypes(),
	}}
}

// DefaultUsers are two people, one with an address that is not verified.
func DefaultUsers() []User {
	unverified := false
	return []User{
		{Username: DefaultUsername, Name: "Alice Example", Email: "alice@example.com", Groups: []string{"admins", "developers"}},
		{Username: "bob", Name: "Bob Example", Email: "bob@example.com", EmailVerified: &unverified, Groups: []string{"developers"}},
	}
}

const (
	authMethodBasic = "client_secret_basic"
	authMethodPost  = "client_secret_post"
	authMethodNone  = "none"

	applicationWeb    = "web"
	applicationNative = "native"

	refreshOffline = "offline_access"
	refreshAlways  = "always"
	refreshNever   = "never"
	refreshOnce    = "access_type_offline"
)

// withDefaults returns a copy in which nothing is left to chance: every optional field has its value.
func (c Config) withDefaults() Config {
	if c.Issuer == "" {
		c.Issuer = DefaultIssuer + c.dialectOf().Path
	}
	if len(c.Clients) == 0 {
		c.Clients = DefaultClients()
	}
	if c.AllowAnyUser == nil {
		nobody := len(c.Users) == 0
		c.AllowAnyUser = &nobody
	}
	if len(c.Users) == 0 {
		c.Users = DefaultUsers()
	}
	if len(c.AuthenticationContexts) == 0 {
		c.AuthenticationContexts = DefaultAuthenticationContexts()
	}
	c.Lifetimes = c.Lifetimes.withDefaults()
	if c.MaxEntries == 0 {
		c.MaxEntries = maxEntries
	}
	dialect := c.dialectOf()
	clients := make([]Client, len(c.Clients))
	for i, client := range c.Clients {
		clients[i] = client.inDialect(dialect).withDefaults()
	}
	users := make([]User, len(c.Users))
	for i, user := range c.Users {
		users[i] = user.inDialect(dialect).withDefaults()
	}
	c.Clients, c.Users = clients, users
	return c
}

func (l Lifetimes) withDefaults() Lifetimes {
	set := func(d *time.Duration, otherwise time.Duration) {
		if *d == 0 {
			*d = otherwise
		}
	}
	set(&l.Code, time.Minute)
	set(&l.AccessToken, 5*time.Minute)
	set(&l.IDToken, 5*time.Minute)
	set(&l.RefreshToken, 24*time.Hour)
	set(&l.Session, 8*time.Hour)
	set(&l.Login, 10*time.Minute)
	set(&l.PushedRequest, time.Minute)
	set(&l.DeviceCode, 10*time.Minute)
	return l
}

// inDialect fills in what the dialect has for clients that say nothing.
func (c Client) inDialect(d *Dialect) Client {
	if c.IssueRefreshToken == "" {
		c.IssueRefreshToken = d.Clients.IssueRefreshToken
	}
	if c.AccessTokenFormat == "" {
		c.AccessTokenFormat = d.Clients.AccessTokenFormat
	}
	return c
}

func (c Client) withDefaults() Client {
	if c.ClientName == "" {
		c.ClientName = c.ClientID
	}
	if c.TokenEndpointAuthMethod == "" && c.ClientSecret == "" {
		c.TokenEndpointAuthMethod = authMethodNone
		if c.JWKS != nil || c.JWKSURI != "" {
			c.TokenEndpointAuthMethod = authMethodPrivateKey
		}
	}
	if c.SubjectType == "" {
		c.SubjectType = subjectPublic
	}
	if len(c.GrantTypes) == 0 {
		c.GrantTypes = []string{grantTypeCode, grantTypeRefresh}
	}
	if c.ApplicationType == "" {
		c.ApplicationType = applicationWeb
	}
	if len(c.ResponseTypes) == 0 {
		c.ResponseTypes = []string{"code"}
	}
	if c.AccessTokenFormat == "" {
		c.AccessTokenFormat = accessTokenOpaque
	}
	if c.IDTokenSignedResponseAlg == "" {
		c.IDTokenSignedResponseAlg = jose.RS256
	}
	if c.RequirePKCE == nil {
		public := c.public()
		c.RequirePKCE = &public
	}
	if c.IssueRefreshToken == "" {
		c.IssueRefreshToken = refreshOffline
	}
	return c
}

// algorithmsInUse lists what the provider needs keys for. RS256 is always there (Discovery 1.0 section 3).
func (c Config) algorithmsInUse() []jose.SignatureAlgorithm {
	inUse := append([]jose.SignatureAlgorithm{jose.RS256, jose.ES256}, c.SigningAlgs...)
	for _, client := range c.Clients {
		inUse = append(inUse, client.signingAlgorithms()...)
	}
	return inUse
}

// signingAlgorithms are those the client needs.
func (c Client) signingAlgorithms() []jose.SignatureAlgorithm {
	algs := []jose.SignatureAlgorithm{c.IDTokenSignedResponseAlg}
	if c.UserinfoSignedResponseAlg != "" {
		algs = append(algs, c.UserinfoSignedResponseAlg)
	}
	return algs
}

// public says whether the client cannot keep a secret (RFC 6749 section 2.1).
func (c Client) public() bool { return c.TokenEndpointAuthMethod == authMethodNone }

// needsSecret says whether the client authenticates with a secret.
func (c Client) needsSecret() bool {
	return !c.public() && c.TokenEndpointAuthMethod != authMethodPrivateKey && !byCertificate(c.TokenEndpointAuthMethod)
}

// inDialect gives the user a subject identifier of the dialect's form, unless there is one.
func (u User) inDialect(d *Dialect) User {
	if u.Sub == "" && d.Sub != "" {
		sub, _ := identifiers(u.Username).expandString(d.Sub)
		u.Sub, _ = sub.(string)
	}
	return u
}

func (u User) withDefaults() User {
	if u.Sub == "" {
		u.Sub = u.Username
	}
	if u.PreferredUsername == "" {
		u.PreferredUsername = u.Username
	}
	if u.EmailVerified == nil && u.Email != "" {
		verified := true
		u.EmailVerified = &verified
	}
	return u
}
