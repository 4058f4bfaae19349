// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var minimalArgs = []string{"--oidc-issuer-url=https://idp.test", "--client-id=app", "--cookie-secret=" + testSecret, "--email-domain=*"}

func TestFlagsAndEnvironment(t *testing.T) {
	cfg, err := ParseConfig(append([]string{"--cookie-expire=2h", "--whitelist-domain=.a.test,b.test:8443", "--whitelist-domain=c.test"}, minimalArgs...), []string{
		"OAUTH2_PROXY_CLIENT_SECRET=x", "OAUTH2_PROXY_COOKIE_EXPIRE=9h", "OAUTH2_PROXY_ALLOWED_GROUPS=dev,ops", "OAUTH2_PROXY_SET_XAUTHREQUEST=true", "OAUTH2_PROXY_UPSTREAMS=static://200",
		"OAUTH2_PROXY_SERVICE_HOST=10.0.0.1", "OAUTH2_PROXY_SERVICE_PORT_HTTP=80", "OAUTH2_PROXY_PORT=tcp://10.0.0.1:80", "OAUTH2_PROXY_PORT_80_TCP_ADDR=10.0.0.1", "PATH=/bin",
	}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.CookieExpire != 2*time.Hour {
		t.Errorf("a flag must win over the environment: %s", cfg.CookieExpire)
	}
	if got := strings.Join(cfg.WhitelistDomains, " "); got != ".a.test b.test:8443 c.test" {
		t.Errorf("lists: %s", got)
	}
	if cfg.ClientSecret != "x" || strings.Join(cfg.AllowedGroups, " ") != "dev ops" || !cfg.SetXAuthRequest || cfg.Upstream != "static://200" {
		t.Errorf("environment: %+v", cfg)
	}
	if cfg.CookieName != "_oauth2_proxy" || !cfg.CookieSecure || cfg.AuthSuccessStatus != 202 || cfg.CSRFExpire != 15*time.Minute {
		t.Errorf("defaults: %+v", cfg)
	}
}

func TestMistakesNameTheSettingToMend(t *testing.T) {
	without := func(flag string) []string {
		var out []string
		for _, a := range minimalArgs {
			if !strings.HasPrefix(a, flag+"=") {
				out = append(out, a)
			}
		}
		return out
	}
	with := func(args ...string) []string { return append(args, minimalArgs...) }
	for _, tc := range []struct {
		args    []string
		environ []string
		want    string
	}{
		{without("--oidc-issuer-url"), nil, "--oidc-issuer-url is missing"},
		{without("--client-id"), nil, "--client-id is missing"},
		{without("--cookie-secret"), nil, "--cookie-secret is missing"},
		{without("--email-domain"), nil, "--email-domain is missing"},
		{append(without("--cookie-secret"), "--cookie-secret=short"), nil, "--cookie-secret has 5 bytes"},
		{append(without("--cookie-secret"), "--cookie-secret=aaaaaaaaaaaaaaaa!!!!!!!!!!!!!!!!"), nil, "can be guessed"},
		{append(without("--oidc-issuer-url"), "--oidc-issuer-url=idp.test"), nil, "--oidc-issuer-url is not usable"},
		{with("--cookie-secret-file=x"), nil, "--cookie-secret and --cookie-secret-file contradict"},
		{with("--client-secret=a", "--client-secret-file=x"), nil, "--client-secret and --client-secret-file contradict"},
		{with("--no-such-flag"), nil, "no-such-flag"},
		{with("stray"), nil, `"stray" is not a flag`},
		{with("--cookie-samesite=loose"), nil, "--cookie-samesite"},
		{with("--cookie-samesite=none", "--cookie-secure=false"), nil, "--cookie-samesite=none needs"},
		{with("--cookie-name=a b"), nil, "--cookie-name"},
		{with("--cookie-name=auth_1"), nil, "split cookie"},
		{with("--cookie-name=__Host-a", "--cookie-domain=a.test"), nil, "__Host-"},
		{with("--cookie-name=__Secure-a", "--cookie-secure=false"), nil, "__Secure-"},
		{with("--cookie-domain=https://a.test"), nil, "--cookie-domain"},
		{with("--cookie-expire=0"), nil, "--cookie-expire"},
		{with("--cookie-expire=1h", "--cookie-refresh=1h"), nil, "--cookie-refresh=1h0m0s must be shorter"},
		{with("--cookie-refresh=-1s"), nil, "--cookie-refresh"},
		{with("--cookie-csrf-expire=0"), nil, "--cookie-csrf-expire"},
		{with("--email-domain=a b"), nil, "--email-domain"},
		{with("--allowed-group= "), nil, "--allowed-group"},
		{with("--whitelist-domain=https://a.test"), nil, "--whitelist-domain"},
		{with("--proxy-prefix=/x/"), nil, "--proxy-prefix"},
		{with("--proxy-prefix="), nil, "--proxy-prefix"},
		{with("--ping-path=ping"), nil, "--ping-path"},
		{with("--auth-success-status=204"), nil, "--auth-success-status"},
		{with("--upstream=ftp://x"), nil, "--upstream"},
		{with("--upstream=static://99"), nil, "--upstream"},
		{with("--upstream=http://u:secret@x/"), nil, "--upstream"},
		{with("--upstream-timeout=0"), nil, "--upstream-timeout"},
		{with("--pass-access-token"), nil, "--pass-access-token has no effect"},
		{with("--oidc-extra-audience=x"), nil, "--oidc-extra-audience has no effect"},
		{with("--redirect-url=https://app.test"), nil, "let it end in /oauth2/callback"},
		{with("--redirect-url=http://app.test/oauth2/callback"), nil, "contradicts --cookie-secure=true"},
		{with("--redirect-url=https://app.test/oauth2/callback", "--cookie-domain=other.test"), nil, "is not within --cookie-domain"},
		{with("--redirect-url=https://badapp.test/oauth2/callback", "--cookie-domain=app.test"), nil, "is not within --cookie-domain"},
		{with("--http-address=4180"), nil, "--http-address=\"4180\" is not an address"},
		{with("--http-address="), nil, "is not an address"},
		{with("--metrics-address=unix:///run/x"), nil, "is not an address"},
		{with("--metrics-address=127.0.0.1:4180"), nil, "metrics need an address of their own"},
		{with("--trusted-proxy-ip=10.0.0.0/8"), nil, "--trusted-proxy-ip has no effect"},
		{with("--reverse-proxy", "--trusted-proxy-ip=ingress"), nil, "neither an IP address nor a network"},
		{with("--extra-jwt-issuers=https://other.test=api"), nil, "--extra-jwt-issuers has no effect"},
		{with("--skip-jwt-bearer-tokens", "--extra-jwt-issuers=https://other.test"), nil, "must be issuer=audience"},
		{with("--skip-jwt-bearer-tokens", "--extra-jwt-issuers=https://other.test="), nil, "must be issuer=audience"},
		{with("--skip-jwt-bearer-tokens", "--extra-jwt-issuers=other=api"), nil, "an issuer that is not usable"},
		{with("--skip-jwt-bearer-tokens", "--extra-jwt-issuers=https://idp.test=api"), nil, "by --oidc-extra-audience"},
		{with("--scope=email"), nil, "--scope"},
		{with("--session-store-type=file"), nil, "--session-store-type"},
		{with("--session-store-type=redis"), nil, "--redis-connection-url must say"},
		{with("--session-store-type=redis", "--redis-connection-url=http://u:secret@x/"), nil, "--redis-connection-url must say"},
		{with("--redis-connection-url=redis://x"), nil, "no effect with --session-store-type=cookie"},
		{with("--backchannel-logout"), nil, "--backchannel-logout needs --session-store-type=redis"},
		{with("--oidc-groups-claim="), nil, "--oidc-groups-claim"},
		{minimalArgs, []string{"OAUTH2_PROXY_COOKIE_SECRETE=x"}, "OAUTH2_PROXY_COOKIE_SECRETE is no setting"},
		{minimalArgs, []string{"OAUTH2_PROXY_COOKIE_EXPIRE=soon"}, "OAUTH2_PROXY_COOKIE_EXPIRE must be a duration"},
		{minimalArgs, []string{"OAUTH2_PROXY_ALLOWED_GROUP=a", "OAUTH2_PROXY_ALLOWED_GROUPS=b"}, "set the same thing"},
	} {
		_, err := ParseConfig(tc.args, tc.environ, io.Discard)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v %v: got %v, want a word about %q", tc.args, tc.environ, err, tc.want)
		}
		if err != nil && (strings.Contains(err.Error(), testSecret) || strings.Contains(err.Error(), "u:secret")) {
			t.Errorf("the error quotes a secret: %v", err)
		}
	}
}

func TestCallbacksThatWorkAreAccepted(t *testing.T) {
	for _, args := range [][]string{
		{"--redirect-url=https://auth.app.test/oauth2/callback", "--cookie-domain=.app.test"},
		{"--redirect-url=https://APP.test/oauth2/callback", "--cookie-domain=app.test"},
		{"--redirect-url=https://app.test:8443/behind/a/prefix/oauth2/callback"},
		{"--redirect-url=http://localhost:4180/oauth2/callback"},
		{"--redirect-url=http://[::1]:4180/oauth2/callback"},
		{"--redirect-url=http://app.test/oauth2/callback", "--cookie-secure=false"},
	} {
		if _, err := ParseConfig(append(args, minimalArgs...), nil, io.Discard); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestAllMistakesAreNamedAtOnce(t *testing.T) {
	_, err := ParseConfig(nil, nil, io.Discard)
	for _, want := range []string{"--client-id", "--oidc-issuer-url", "--cookie-secret", "--email-domain"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named: %v", want, err)
		}
	}
}

func TestHelp(t *testing.T) {
	var out bytes.Buffer
	if _, err := ParseConfig([]string{"--help"}, nil, &out); !errors.Is(err, ErrDone) {
		t.Error(err)
	}
	if !strings.Contains(out.String(), "--oidc-issuer-url") {
		t.Errorf("help is %q", out.String())
	}
}

func TestSecretsFromFiles(t *testing.T) {
	write := func(content string) string {
		file := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	cfg := Config{CookieSecretFile: write("!" + testSecret[1:] + "\n"), ClientSecretFile: write("client secret\r\n")}
	if got, err := cfg.cookieSecret(); err != nil || string(got) != "!"+testSecret[1:] {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := cfg.clientSecret(); err != nil || got != "client secret" {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []Config{{CookieSecretFile: "missing"}, {CookieSecretFile: write("short")}, {CookieSecretFile: write("")}} {
		if _, err := bad.cookieSecret(); err == nil || !strings.Contains(err.Error(), "--cookie-secret-file") {
			t.Errorf("got %v", err)
		}
	}
	for _, bad := range []Config{{ClientSecretFile: "missing"}, {ClientSecretFile: write("\n")}} {
		if _, err := bad.clientSecret(); err == nil || !strings.Contains(err.Error(), "--client-secret-file") {
			t.Errorf("got %v", err)
		}
	}
}

func TestNewRefusesABadConfiguration(t *testing.T) {
	if _, err := New(context.Background(), Config{}, Options{}); err == nil {
		t.Error("the zero configuration is accepted")
	}
}

func TestServerHasEveryLimit(t *testing.T) {
	cfg := testConfig("https://idp.test")
	s := NewServer(cfg, nil)
	if s.ReadHeaderTimeout == 0 || s.ReadTimeout == 0 || s.WriteTimeout == 0 || s.IdleTimeout == 0 || s.MaxHeaderBytes == 0 {
		t.Errorf("%+v", s)
	}
	cfg.Upstream = "http://app.test"
	if s := NewServer(cfg, nil); s.WriteTimeout != 0 || s.ReadTimeout != 0 || s.ReadHeaderTimeout == 0 {
		t.Error("streams of an upstream would be cut")
	}
}

// No arguments or environment make the parser panic, and what it accepts is valid and can be served.
func FuzzConfig(f *testing.F) {
	f.Add("--upstream=static://200", "OAUTH2_PROXY_SCOPE=openid")
	f.Add("--whitelist-domain=[::1]:*", "OAUTH2_PROXY_PORT=tcp://1.2.3.4:5")
	f.Add("--cookie-domain=.", "=")
	f.Add("--email-domain=*.", "OAUTH2_PROXY_")
	f.Fuzz(func(t *testing.T, arg, env string) {
		cfg, err := ParseConfig(append([]string{arg}, minimalArgs...), []string{env}, io.Discard)
		if err != nil {
			return
		}
		if err := cfg.Validate(); err != nil {
			t.Errorf("accepted, then refused: %v", err)
		}
		p := &Proxy{cfg: cfg, now: time.Now}
		if cfg.CookieSecretFile == "" {
			if err := p.newStores(); err != nil {
				t.Errorf("%q %q is accepted but not usable: %v", arg, env, err)
			}
		}
	})
}
