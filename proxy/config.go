// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

// The values of Config.SessionStoreType.
const (
	SessionStoreCookie = "cookie"
	SessionStoreRedis  = "redis"
)

// Config is everything the proxy can be told. Start from DefaultConfig: the zero value is not valid. The flag of the
// same meaning stands behind each field (see flags.go).
type Config struct {
	// HTTPAddress is where the binary listens, host:port.
	HTTPAddress string
	// MetricsAddress is where the binary serves metrics for Prometheus, host:port; empty: nowhere.
	MetricsAddress string
	// ProxyPrefix is the path under which the proxy's own endpoints live, without a slash at the end.
	ProxyPrefix string
	// PingPath and ReadyPath are additional health paths outside ProxyPrefix; empty disables one.
	PingPath  string
	ReadyPath string

	// IssuerURL is the identity provider's issuer, compared character by character (OpenID Connect Discovery §4.3).
	IssuerURL string
	// DiscoveryURL is where to fetch the discovery document when IssuerURL is not reachable from here. The document
	// must still name IssuerURL as its issuer.
	DiscoveryURL string
	// LoginURL, RedeemURL, JWKSURL and ProfileURL replace the discovered endpoint of the same purpose.
	LoginURL   string
	RedeemURL  string
	JWKSURL    string
	ProfileURL string
	// ProviderCAFiles are PEM files of authorities trusted for the identity provider, beside the system's.
	ProviderCAFiles []string
	// ProviderName is what the sign-in button calls the identity provider; default: the issuer's host.
	ProviderName     string
	ClientID         string
	ClientSecret     string
	ClientSecretFile string
	// Scope is the space-separated scope; empty means "openid email profile", with " groups" when AllowedGroups is set.
	Scope string
	// Prompt is sent to the identity provider as is (OpenID Connect Core §3.1.2.1).
	Prompt string
	// GroupsClaim names the ID token claim that lists groups.
	GroupsClaim string
	// AllowUnverifiedEmail admits an email address that the identity provider says is not verified.
	AllowUnverifiedEmail bool
	// ExtraAudiences are accepted in bearer tokens beside ClientID.
	ExtraAudiences []string
	// ExtraJWTIssuers are further issuers of bearer tokens, each as "issuer=audience".
	ExtraJWTIssuers []string
	// RedirectURL is the callback URL registered with the identity provider. Empty: derived from each request's host.
	RedirectURL string

	CookieName       string
	CookieSecret     string
	CookieSecretFile string
	CookieDomain     string
	CookieSecure     bool
	// CookieSameSite is "", "lax", "strict" or "none". Empty means lax.
	CookieSameSite string
	// CookieExpire is the absolute lifetime of a session, enforced inside the encrypted cookie. Refreshing does not extend it.
	CookieExpire time.Duration
	// CookieRefresh is the age at which a session is renewed by its refresh token; 0 never renews.
	CookieRefresh time.Duration
	// CSRFExpire is how long a login may take.
	CSRFExpire time.Duration
	// PreviousCookieSecretFiles hold secrets that were in use before: what was sealed with them still opens.
	PreviousCookieSecretFiles []string

	// SessionStoreType is "cookie", or "redis" for sessions kept in Options.Store.
	SessionStoreType string
	// Redis says where the store is, for the program that opens it: package proxy itself knows no Redis.
	Redis RedisConfig
	// BackchannelLogout lets the identity provider end sessions (OpenID Connect Back-Channel Logout 1.0). It needs a store.
	BackchannelLogout bool

	// EmailDomains lists who may sign in: "example.com", ".example.com" (subdomains too) or "*" (everyone).
	EmailDomains []string
	// AllowedGroups, when not empty, requires membership of one of them.
	AllowedGroups []string
	// WhitelistDomains are hosts that an absolute rd may name: "host", ".domain" (and subdomains), either with :port or :*.
	WhitelistDomains []string

	// Upstream is "", "static://<status>" or an http(s) URL.
	Upstream string
	// UpstreamTimeout bounds the wait for an upstream's response header.
	UpstreamTimeout time.Duration

	SetXAuthRequest     bool
	PassAccessToken     bool
	SkipProviderButton  bool
	SkipJWTBearerTokens bool
	// ReverseProxy says that a proxy stands in front: X-Forwarded-Host and X-Forwarded-Proto count when the request comes
	// from one of TrustedProxies.
	ReverseProxy bool
	// TrustedProxies are IP addresses and networks (CIDR). Empty: loopback and the private ranges.
	TrustedProxies []string
	// EndSession sends the browser to the identity provider's end_session endpoint on sign-out.
	EndSession bool
	// AuthSuccessStatus is what /auth answers when it allows: 202 or 200.
	AuthSuccessStatus int

	// RequestLogging writes one line for each request; logins, refusals and troubles are logged without it too.
	RequestLogging bool
}

// RedisConfig is how to reach Redis or Valkey.
type RedisConfig struct {
	// ConnectionURL is redis://, rediss:// or unix://.
	ConnectionURL string
	Username      string
	Password      string
	PasswordFile  string
	// CAFile holds the authorities trusted for rediss://, in place of the system's.
	CAFile string
}

// DefaultConfig returns the defaults, which are those of oauth2-proxy where the setting is the same.
func DefaultConfig() Config {
	return Config{
		HTTPAddress: "127.0.0.1:4180", ProxyPrefix: "/oauth2", PingPath: "/ping", ReadyPath: "/ready",
		GroupsClaim: "groups", CookieName: "_oauth2_proxy", CookieSecure: true,
		SessionStoreType: SessionStoreCookie,
		CookieExpire:     168 * time.Hour, CSRFExpire: 15 * time.Minute, UpstreamTimeout: 30 * time.Second,
		AuthSuccessStatus: http.StatusAccepted, RequestLogging: true,
	}
}

// forwards says whether authenticated requests go to a real upstream.
func (c Config) forwards() bool {
	return strings.HasPrefix(c.Upstream, "http://") || strings.HasPrefix(c.Upstream, "https://")
}

// scope is what the authorization request asks for.
func (c Config) scope() string {
	switch {
	case c.Scope != "":
		return c.Scope
	case len(c.AllowedGroups) > 0:
		return "openid email profile groups"
	}
	return "openid email profile"
}

func (c Config) sameSite() http.SameSite {
	switch c.CookieSameSite {
	case "strict":
		return http.SameSiteStrictMode
	case "none":
		return http.SameSiteNoneMode
	}
	return http.SameSiteLaxMode
}

// clientSecret reads the secret from where the configuration says it is. Line ends after it are not part of it.
func (c Config) clientSecret() (string, error) {
	if c.ClientSecretFile == "" {
		return c.ClientSecret, nil
	}
	b, err := os.ReadFile(c.ClientSecretFile)
	if err != nil {
		return "", fmt.Errorf("read --client-secret-file: %w", err)
	}
	secret := strings.TrimRight(string(b), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("--client-secret-file=%s is empty", c.ClientSecretFile)
	}
	return secret, nil
}
