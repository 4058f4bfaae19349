// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Config is everything the proxy can be told. Start from DefaultConfig: the zero value is not valid. The flag of the
// same meaning stands behind each field (see flags.go).
type Config struct {
	// HTTPAddress is where the binary listens, host:port.
	HTTPAddress string
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
	// ReverseProxy says that a trusted proxy stands in front and its X-Forwarded-Host and X-Forwarded-Proto count.
	ReverseProxy bool
	// EndSession sends the browser to the identity provider's end_session endpoint on sign-out.
	EndSession bool
	// AuthSuccessStatus is what /auth answers when it allows: 202 or 200.
	AuthSuccessStatus int

	// RequestLogging writes one line for each request; logins, refusals and troubles are logged without it too.
	RequestLogging bool
}

// DefaultConfig returns the defaults, which are those of oauth2-proxy where the setting is the same.
func DefaultConfig() Config {
	return Config{
		HTTPAddress: "127.0.0.1:4180", ProxyPrefix: "/oauth2", PingPath: "/ping", ReadyPath: "/ready",
		GroupsClaim: "groups", CookieName: "_oauth2_proxy", CookieSecure: true,
		CookieExpire: 168 * time.Hour, CSRFExpire: 15 * time.Minute, UpstreamTimeout: 30 * time.Second,
		AuthSuccessStatus: http.StatusAccepted, RequestLogging: true,
	}
}

var (
	cookieNamePattern  = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$") // RFC 6265 §4.1.1 token
	chunkSuffixPattern = regexp.MustCompile(`_[0-9]+$`)
	prefixPattern      = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)
)

// Validate returns every mistake in c, each naming the setting to mend.
func (c Config) Validate() error {
	return errors.Join(
		c.validateProvider(),
		c.validateCookie(),
		c.validateAdmission(),
		c.validateServing(),
	)
}

func (c Config) validateProvider() error {
	var errs []error
	if c.ClientID == "" {
		errs = append(errs, errors.New("--client-id is missing: give the client ID registered with the identity provider"))
	}
	if c.ClientSecret != "" && c.ClientSecretFile != "" {
		errs = append(errs, errors.New("--client-secret and --client-secret-file contradict each other: give one of them"))
	}
	if c.IssuerURL == "" {
		errs = append(errs, errors.New("--oidc-issuer-url is missing: give the issuer exactly as the identity provider's discovery document spells it"))
	}
	for _, u := range []struct{ flag, value string }{
		{"--oidc-issuer-url", c.IssuerURL}, {"--oidc-discovery-url", c.DiscoveryURL}, {"--login-url", c.LoginURL},
		{"--redeem-url", c.RedeemURL}, {"--oidc-jwks-url", c.JWKSURL}, {"--profile-url", c.ProfileURL}, {"--redirect-url", c.RedirectURL},
	} {
		if u.value == "" {
			continue
		}
		if err := checkHTTPURL(u.value); err != nil {
			errs = append(errs, fmt.Errorf("%s is not usable: %w", u.flag, err))
		}
	}
	if c.Scope != "" && !slices.Contains(strings.Fields(c.Scope), "openid") {
		errs = append(errs, fmt.Errorf("--scope=%q lacks \"openid\": without it the identity provider issues no ID token", c.Scope))
	}
	if c.GroupsClaim == "" {
		errs = append(errs, errors.New("--oidc-groups-claim is empty: name a claim, for example groups"))
	}
	if len(c.ExtraAudiences) > 0 && !c.SkipJWTBearerTokens {
		errs = append(errs, errors.New("--oidc-extra-audience has no effect without --skip-jwt-bearer-tokens: add that or remove this"))
	}
	return errors.Join(errs...)
}

func checkHTTPURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return errors.New("it cannot be read as a URL") // not quoted: it may carry credentials
	case u.User != nil:
		return fmt.Errorf("the URL for host %q must not carry credentials", u.Host)
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return fmt.Errorf("%q must be an absolute http or https URL", raw)
	case u.Fragment != "":
		return fmt.Errorf("%q must not have a fragment", raw)
	}
	return nil
}

func (c Config) validateCookie() error {
	var errs []error
	switch {
	case c.CookieSecret == "" && c.CookieSecretFile == "":
		errs = append(errs, errors.New("--cookie-secret is missing: make one with `openssl rand -base64 32`"))
	case c.CookieSecret != "" && c.CookieSecretFile != "":
		errs = append(errs, errors.New("--cookie-secret and --cookie-secret-file contradict each other: give one of them"))
	case c.CookieSecret != "":
		if _, err := decodeSecret(c.CookieSecret); err != nil {
			errs = append(errs, fmt.Errorf("--cookie-secret %w", err))
		}
	}
	if !cookieNamePattern.MatchString(c.CookieName) {
		errs = append(errs, fmt.Errorf("--cookie-name=%q is not a cookie name: use up to 64 letters, digits, - and _", c.CookieName))
	}
	if chunkSuffixPattern.MatchString(c.CookieName) {
		errs = append(errs, fmt.Errorf("--cookie-name=%q ends like a part of a split cookie: let it not end in _ and digits", c.CookieName))
	}
	if strings.HasPrefix(c.CookieName, "__Host-") && (!c.CookieSecure || c.CookieDomain != "") {
		errs = append(errs, errors.New("--cookie-name starts with __Host-: browsers then require --cookie-secure=true and no --cookie-domain"))
	}
	if strings.HasPrefix(c.CookieName, "__Secure-") && !c.CookieSecure {
		errs = append(errs, errors.New("--cookie-name starts with __Secure-: browsers then require --cookie-secure=true"))
	}
	if d := strings.TrimPrefix(c.CookieDomain, "."); c.CookieDomain != "" && !hostPattern.MatchString(d) {
		errs = append(errs, fmt.Errorf("--cookie-domain=%q is not a domain name: give the name only, without scheme or port", c.CookieDomain))
	}
	switch c.CookieSameSite {
	case "", "lax", "strict":
	case "none":
		if !c.CookieSecure {
			errs = append(errs, errors.New("--cookie-samesite=none needs --cookie-secure=true: browsers drop the cookie otherwise"))
		}
	default:
		errs = append(errs, fmt.Errorf("--cookie-samesite=%q is unknown: use lax, strict or none", c.CookieSameSite))
	}
	if c.CookieExpire < time.Second {
		errs = append(errs, fmt.Errorf("--cookie-expire=%s: a session must end; give at least 1s", c.CookieExpire))
	}
	if c.CookieRefresh < 0 || (c.CookieRefresh > 0 && c.CookieRefresh < time.Second) {
		errs = append(errs, fmt.Errorf("--cookie-refresh=%s: give 0 (never) or at least 1s", c.CookieRefresh))
	}
	if c.CookieRefresh >= c.CookieExpire && c.CookieRefresh > 0 {
		errs = append(errs, fmt.Errorf("--cookie-refresh=%s must be shorter than --cookie-expire=%s", c.CookieRefresh, c.CookieExpire))
	}
	if c.CSRFExpire < time.Second {
		errs = append(errs, fmt.Errorf("--cookie-csrf-expire=%s: a login needs time; give at least 1s", c.CSRFExpire))
	}
	return errors.Join(errs...)
}

func (c Config) validateAdmission() error {
	var errs []error
	if len(c.EmailDomains) == 0 {
		errs = append(errs, errors.New("--email-domain is missing: say who may sign in, or * for everyone the identity provider knows"))
	}
	for _, d := range c.EmailDomains {
		if d != "*" && !hostPattern.MatchString(bareDomain(d)) {
			errs = append(errs, fmt.Errorf("--email-domain=%q is not a domain name: use example.com, .example.com or *", d))
		}
	}
	for _, g := range c.AllowedGroups {
		if strings.TrimSpace(g) == "" {
			errs = append(errs, errors.New("--allowed-group is empty: name a group or remove the setting"))
		}
	}
	for _, w := range c.WhitelistDomains {
		if _, err := parseAllowedHost(w); err != nil {
			errs = append(errs, fmt.Errorf("--whitelist-domain=%q %w", w, err))
		}
	}
	return errors.Join(errs...)
}

func (c Config) validateServing() error {
	var errs []error
	if !prefixPattern.MatchString(c.ProxyPrefix) {
		errs = append(errs, fmt.Errorf("--proxy-prefix=%q must start with a slash, not end with one and use plain characters", c.ProxyPrefix))
	}
	for _, p := range []struct{ flag, value string }{{"--ping-path", c.PingPath}, {"--ready-path", c.ReadyPath}} {
		if p.value != "" && !prefixPattern.MatchString(p.value) {
			errs = append(errs, fmt.Errorf("%s=%q must be empty or a path such as /health", p.flag, p.value))
		}
	}
	if c.AuthSuccessStatus != http.StatusOK && c.AuthSuccessStatus != http.StatusAccepted {
		errs = append(errs, fmt.Errorf("--auth-success-status=%d is not offered: use 202 or 200", c.AuthSuccessStatus))
	}
	if c.UpstreamTimeout <= 0 {
		errs = append(errs, fmt.Errorf("--upstream-timeout=%s must be positive", c.UpstreamTimeout))
	}
	if _, err := parseUpstream(c.Upstream); err != nil {
		errs = append(errs, fmt.Errorf("--upstream %w", err))
	}
	if c.PassAccessToken && !c.SetXAuthRequest && !c.forwards() {
		errs = append(errs, errors.New("--pass-access-token has no effect without --set-xauthrequest or an http --upstream: add one or remove it"))
	}
	return errors.Join(errs...)
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

// upstreamTarget is a parsed --upstream: nothing, a fixed status, or a server.
type upstreamTarget struct {
	status int
	server *url.URL
}

func parseUpstream(raw string) (upstreamTarget, error) {
	if raw == "" {
		return upstreamTarget{}, nil
	}
	if code, ok := strings.CutPrefix(raw, "static://"); ok {
		n, err := strconv.Atoi(code)
		if err != nil || n < 200 || n > 599 {
			return upstreamTarget{}, errors.New("needs a status from 200 to 599, for example static://202")
		}
		return upstreamTarget{status: n}, nil
	}
	if err := checkHTTPURL(raw); err != nil {
		return upstreamTarget{}, fmt.Errorf("is neither static://<status> nor a server: %w", err)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return upstreamTarget{}, err
	}
	if u.RawQuery != "" {
		return upstreamTarget{}, errors.New("must not have a query")
	}
	return upstreamTarget{server: u}, nil
}

// isNumericHost says whether a browser would read host as an IP address: its last label is a number (WHATWG URL §3.5).
func isNumericHost(host string) bool {
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	last := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	if last == "" {
		return false
	}
	if _, err := strconv.ParseUint(last, 10, 64); err == nil {
		return true
	}
	return strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x")
}
