// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"errors"
	"io"

	"github.com/spf13/pflag"
)

// ErrDone is returned by ParseConfig when what was asked for (help, the schema, a check) has been written.
var ErrDone = errors.New("what was asked for has been written")

// commandFlags are asked on the command line only.
var commandFlags = []string{"config", "check-config", "print-schema"}

// ParseConfig reads flags (without the program's name), for those not given OAUTH2_PROXY_* from environ (as from
// os.Environ), and for those not given either the file of --config. Lists are repeated or, but for the file,
// comma-separated. What --help, --check-config and --print-schema ask for goes to out; ErrDone says so. The result is valid;
// the error names every setting to mend and where it was given.
func ParseConfig(args, environ []string, out io.Writer) (Config, error) {
	cfg := DefaultConfig()
	s := sources{flags: newFlagSet(&cfg), origins: map[string]string{}}
	s.flags.SetOutput(out)
	file := s.flags.String("config", "", "YAML file with settings by their flag names; flags and environment come first")
	check := s.flags.Bool("check-config", false, "say whether the configuration is right, and what it is, and end")
	schema := s.flags.Bool("print-schema", false, "print the JSON Schema of the file and end")
	if err := s.commandLine(args); errors.Is(err, pflag.ErrHelp) {
		return Config{}, ErrDone
	} else if err != nil {
		return Config{}, err
	}
	if *schema {
		return Config{}, errors.Join(writeSchema(out), ErrDone)
	}
	err := s.environment(environ)
	if *file != "" {
		err = errors.Join(err, s.file(*file))
	}
	if err == nil {
		err = s.located(cfg.Validate())
	}
	if *check && err == nil {
		err = s.located(cfg.checkFiles())
		if err == nil {
			err = errors.Join(s.writeEffective(out), ErrDone)
		}
	}
	return cfg, err
}

func newFlagSet(c *Config) *pflag.FlagSet {
	f := pflag.NewFlagSet("proxy", pflag.ContinueOnError)
	f.SortFlags = false

	f.StringVar(&c.HTTPAddress, "http-address", c.HTTPAddress, "address to listen on")
	f.StringVar(&c.MetricsAddress, "metrics-address", c.MetricsAddress, "address to serve metrics for Prometheus on; empty: none")
	f.StringVar(&c.ProxyPrefix, "proxy-prefix", c.ProxyPrefix, "path of the proxy's own endpoints")
	f.StringVar(&c.PingPath, "ping-path", c.PingPath, "liveness path outside the prefix; empty: none")
	f.StringVar(&c.ReadyPath, "ready-path", c.ReadyPath, "readiness path outside the prefix; empty: none")
	f.BoolVar(&c.RequestLogging, "request-logging", c.RequestLogging, "log each request")
	f.BoolVar(&c.ReverseProxy, "reverse-proxy", c.ReverseProxy, "a proxy stands in front: use its X-Forwarded-Host and X-Forwarded-Proto")
	f.StringSliceVar(&c.TrustedProxies, "trusted-proxy-ip", c.TrustedProxies, "address or network (CIDR) of the proxy in front; default: loopback and private networks")

	f.StringVar(&c.IssuerURL, "oidc-issuer-url", c.IssuerURL, "issuer of the identity provider, exactly as its discovery document spells it")
	f.StringVar(&c.DiscoveryURL, "oidc-discovery-url", c.DiscoveryURL, "where to fetch the discovery document when the issuer is not reachable from here")
	f.StringVar(&c.LoginURL, "login-url", c.LoginURL, "replaces the discovered authorization endpoint")
	f.StringVar(&c.RedeemURL, "redeem-url", c.RedeemURL, "replaces the discovered token endpoint")
	f.StringVar(&c.JWKSURL, "oidc-jwks-url", c.JWKSURL, "replaces the discovered JWKS URL")
	f.StringVar(&c.ProfileURL, "profile-url", c.ProfileURL, "replaces the discovered userinfo endpoint")
	f.StringSliceVar(&c.ProviderCAFiles, "provider-ca-file", c.ProviderCAFiles, "PEM file of authorities to trust for the identity provider, beside the system's")
	f.StringVar(&c.ProviderName, "provider-display-name", c.ProviderName, "what the sign-in button calls the identity provider")
	f.StringVar(&c.ClientID, "client-id", c.ClientID, "OAuth client ID")
	f.StringVar(&c.ClientSecret, "client-secret", c.ClientSecret, "OAuth client secret; none for a public client")
	f.StringVar(&c.ClientSecretFile, "client-secret-file", c.ClientSecretFile, "file with the OAuth client secret")
	f.StringVar(&c.RedirectURL, "redirect-url", c.RedirectURL, "callback URL registered with the identity provider; default: this host's")
	f.StringVar(&c.Scope, "scope", c.Scope, "space-separated scope; default: openid email profile, and groups with --allowed-group")
	f.StringVar(&c.Prompt, "prompt", c.Prompt, "prompt parameter of the authorization request")
	f.StringVar(&c.GroupsClaim, "oidc-groups-claim", c.GroupsClaim, "claim that lists groups")
	f.BoolVar(&c.AllowUnverifiedEmail, "insecure-oidc-allow-unverified-email", c.AllowUnverifiedEmail, "admit email addresses the identity provider has not verified")
	f.StringSliceVar(&c.ExtraAudiences, "oidc-extra-audience", c.ExtraAudiences, "further audience accepted in bearer tokens")
	f.StringSliceVar(&c.ExtraJWTIssuers, "extra-jwt-issuers", c.ExtraJWTIssuers, "further issuer of bearer tokens, as issuer=audience")
	f.BoolVar(&c.EndSession, "oidc-end-session", c.EndSession, "on sign-out, end the identity provider's session too")

	f.StringVar(&c.CookieName, "cookie-name", c.CookieName, "name of the session cookie")
	f.StringVar(&c.CookieSecret, "cookie-secret", c.CookieSecret, "16, 24 or 32 random bytes, or their base64")
	f.StringVar(&c.CookieSecretFile, "cookie-secret-file", c.CookieSecretFile, "file with the cookie secret")
	f.StringVar(&c.CookieDomain, "cookie-domain", c.CookieDomain, "domain that gets the cookies; default: this host only")
	f.BoolVar(&c.CookieSecure, "cookie-secure", c.CookieSecure, "send cookies over https only")
	f.StringVar(&c.CookieSameSite, "cookie-samesite", c.CookieSameSite, "lax, strict or none; default: lax")
	f.DurationVar(&c.CookieExpire, "cookie-expire", c.CookieExpire, "absolute lifetime of a session")
	f.DurationVar(&c.CookieRefresh, "cookie-refresh", c.CookieRefresh, "age at which a session is renewed by its refresh token; 0: never")
	f.DurationVar(&c.CSRFExpire, "cookie-csrf-expire", c.CSRFExpire, "how long a login may take")
	f.StringSliceVar(&c.PreviousCookieSecretFiles, "cookie-secret-previous-file", c.PreviousCookieSecretFiles, "file with a cookie secret that was in use before: its cookies stay valid")

	f.StringVar(&c.SessionStoreType, "session-store-type", c.SessionStoreType, "where sessions are kept: cookie, or redis for several replicas")
	f.StringVar(&c.Redis.ConnectionURL, "redis-connection-url", c.Redis.ConnectionURL, "Redis or Valkey server: redis://host:6379/0, rediss:// with TLS, unix:///path")
	f.StringVar(&c.Redis.Username, "redis-username", c.Redis.Username, "user name at the Redis server")
	f.StringVar(&c.Redis.Password, "redis-password", c.Redis.Password, "password at the Redis server")
	f.StringVar(&c.Redis.PasswordFile, "redis-password-file", c.Redis.PasswordFile, "file with the password, read for each connection")
	f.StringVar(&c.Redis.CAFile, "redis-ca-path", c.Redis.CAFile, "PEM file of the authorities to trust for rediss://, in place of the system's")
	f.BoolVar(&c.BackchannelLogout, "backchannel-logout", c.BackchannelLogout, "let the identity provider end sessions at <proxy-prefix>/backchannel-logout; needs --session-store-type=redis")

	f.StringSliceVar(&c.EmailDomains, "email-domain", c.EmailDomains, "who may sign in: example.com, .example.com (subdomains too) or *")
	f.StringSliceVar(&c.AllowedGroups, "allowed-group", c.AllowedGroups, "group of which one must be a member")
	f.StringSliceVar(&c.WhitelistDomains, "whitelist-domain", c.WhitelistDomains, "host to which rd may lead: host, .domain; with :port or :*")

	f.StringVar(&c.Upstream, "upstream", c.Upstream, "where authenticated requests go: http(s) URL or static://<status>; none when only an ingress asks")
	f.DurationVar(&c.UpstreamTimeout, "upstream-timeout", c.UpstreamTimeout, "how long to wait for the upstream's response header")
	f.BoolVar(&c.SetXAuthRequest, "set-xauthrequest", c.SetXAuthRequest, "set X-Auth-Request-* headers on answers of the auth endpoint")
	f.BoolVar(&c.PassAccessToken, "pass-access-token", c.PassAccessToken, "pass the access token beside the identity headers")
	f.BoolVar(&c.SkipProviderButton, "skip-provider-button", c.SkipProviderButton, "go to the identity provider without showing a page first")
	f.BoolVar(&c.SkipJWTBearerTokens, "skip-jwt-bearer-tokens", c.SkipJWTBearerTokens, "accept the issuer's JWTs in Authorization: Bearer")
	f.IntVar(&c.AuthSuccessStatus, "auth-success-status", c.AuthSuccessStatus, "what the auth endpoint answers when it allows: 202 or 200")

	annotate(f, secretAnnotation, "client-secret")
	annotate(f, secretAnnotation, "cookie-secret")
	annotate(f, secretAnnotation, "redis-password")
	annotate(f, secretAnnotation, "redis-connection-url") // it may carry a password
	annotate(f, choicesAnnotation, "cookie-samesite", "", "lax", "strict", "none")
	annotate(f, choicesAnnotation, "session-store-type", SessionStoreCookie, SessionStoreRedis)
	annotate(f, choicesAnnotation, "auth-success-status", "202", "200")
	return f
}

func annotate(f *pflag.FlagSet, annotation, flag string, values ...string) {
	if err := f.SetAnnotation(flag, annotation, values); err != nil {
		panic(err) // the flag stands above
	}
}
