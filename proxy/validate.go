// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

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
		c.validateCallback(),
		c.validateStore(),
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
	if len(c.ExtraJWTIssuers) > 0 && !c.SkipJWTBearerTokens {
		errs = append(errs, errors.New("--extra-jwt-issuers has no effect without --skip-jwt-bearer-tokens: add that or remove this"))
	}
	switch extra, err := parseExtraIssuers(c.ExtraJWTIssuers); {
	case err != nil:
		errs = append(errs, err)
	case extra[c.IssuerURL] != nil:
		errs = append(errs, errors.New("--extra-jwt-issuers names the issuer of --oidc-issuer-url: give further audiences of it by --oidc-extra-audience"))
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

func (c Config) validateStore() error {
	var errs []error
	switch c.SessionStoreType {
	case SessionStoreCookie:
		if c.Redis != (RedisConfig{}) {
			errs = append(errs, errors.New("--redis-… settings have no effect with --session-store-type=cookie: set that to redis or remove them"))
		}
		if c.BackchannelLogout {
			errs = append(errs, errors.New("--backchannel-logout needs --session-store-type=redis: a session kept in a cookie cannot be ended from here"))
		}
	case SessionStoreRedis:
		scheme, _, _ := strings.Cut(c.Redis.ConnectionURL, "://")
		switch scheme {
		case "redis", "rediss", "unix":
		default: // not quoted: it may carry a password
			errs = append(errs, errors.New("--redis-connection-url must say where the server is: redis://host:6379/0, rediss://host:6379/0 or unix:///path"))
		}
	default:
		errs = append(errs, fmt.Errorf("--session-store-type=%q is unknown: use cookie or redis", c.SessionStoreType))
	}
	return errors.Join(errs...)
}

// validateCallback refuses a --redirect-url at which no login could end.
func (c Config) validateCallback() error {
	u, err := url.Parse(c.RedirectURL)
	if c.RedirectURL == "" || err != nil {
		return nil // the latter is named already
	}
	var errs []error
	if !strings.HasSuffix(u.Path, "/callback") {
		errs = append(errs, fmt.Errorf("--redirect-url=%q does not lead to the callback: let it end in %s/callback", c.RedirectURL, c.ProxyPrefix))
	}
	host := strings.ToLower(u.Hostname())
	if u.Scheme == "http" && c.CookieSecure && !isLoopback(host) {
		errs = append(errs, fmt.Errorf("--redirect-url=%q contradicts --cookie-secure=true: browsers keep such cookies from http; use https, or --cookie-secure=false to try things out", c.RedirectURL))
	}
	if d := bareDomain(c.CookieDomain); d != "" && host != d && !strings.HasSuffix(host, "."+d) {
		errs = append(errs, fmt.Errorf("--redirect-url=%q is not within --cookie-domain=%q: browsers would drop the cookies", c.RedirectURL, c.CookieDomain))
	}
	return errors.Join(errs...)
}

// isLoopback says whether browsers treat http at host as secure (W3C Secure Contexts §3.1).
func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || (err == nil && address.IsLoopback())
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
	for _, a := range []struct{ flag, value string }{{"--http-address", c.HTTPAddress}, {"--metrics-address", c.MetricsAddress}} {
		if a.value == "" && a.flag == "--metrics-address" {
			continue
		}
		_, port, err := net.SplitHostPort(a.value)
		if err == nil {
			_, err = net.LookupPort("tcp", port)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s=%q is not an address to listen on: use host:port, or :port for every address", a.flag, a.value))
		}
	}
	if c.MetricsAddress != "" && c.MetricsAddress == c.HTTPAddress {
		errs = append(errs, fmt.Errorf("--metrics-address and --http-address are both %s: metrics need an address of their own", c.HTTPAddress))
	}
	if _, err := parseTrustedProxies(c.TrustedProxies); err != nil {
		errs = append(errs, err)
	}
	if len(c.TrustedProxies) > 0 && !c.ReverseProxy {
		errs = append(errs, errors.New("--trusted-proxy-ip has no effect without --reverse-proxy: add that or remove this"))
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
