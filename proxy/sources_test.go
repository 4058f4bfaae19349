// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

const minimalFile = `
oidc-issuer-url: https://idp.test
client-id: app
cookie-secret: ` + testSecret + `
email-domain: "*"
`

func configFile(t testing.TB, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "proxy.yaml")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestFlagsWinOverEnvironmentAndBothOverTheFile(t *testing.T) {
	file := configFile(t, minimalFile+`
cookie-name: from-file
cookie-expire: 1h
cookie-refresh: 1m
allowed-group: [a, "b,c"]
whitelist-domain: [x.test, y.test]
cookie-secure: false
auth-success-status: 200
`)
	cfg, err := ParseConfig([]string{"--config=" + file, "--cookie-expire=3h", "--whitelist-domain=z.test"},
		[]string{"OAUTH2_PROXY_COOKIE_EXPIRE=2h", "OAUTH2_PROXY_COOKIE_REFRESH=2m", "OAUTH2_PROXY_WHITELIST_DOMAINS=e.test"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.CookieExpire != 3*time.Hour || cfg.CookieRefresh != 2*time.Minute || cfg.CookieName != "from-file" {
		t.Errorf("precedence: %s, %s, %s", cfg.CookieExpire, cfg.CookieRefresh, cfg.CookieName)
	}
	if got := strings.Join(cfg.WhitelistDomains, " "); got != "z.test" {
		t.Errorf("a list of lower precedence is not added: %s", got)
	}
	if len(cfg.AllowedGroups) != 2 || cfg.AllowedGroups[1] != "b,c" {
		t.Errorf("in the file a comma separates nothing: %q", cfg.AllowedGroups)
	}
	if cfg.CookieSecure || cfg.AuthSuccessStatus != 200 || len(cfg.EmailDomains) != 1 {
		t.Errorf("%+v", cfg)
	}
}

func TestTheFileMayBeNamedByTheEnvironment(t *testing.T) {
	cfg, err := ParseConfig(nil, []string{"OAUTH2_PROXY_CONFIG=" + configFile(t, minimalFile)}, io.Discard)
	if err != nil || cfg.ClientID != "app" {
		t.Errorf("%q, %v", cfg.ClientID, err)
	}
}

func TestMistakesInTheFileNameTheLine(t *testing.T) {
	for _, tc := range []struct{ content, want string }{
		{"cookie-secrte: x", `proxy.yaml:1: cookie-secrte is no setting of this proxy: did you mean cookie-secret?`},
		{"\ncookie_secret: x", `proxy.yaml:2: cookie_secret is spelt cookie-secret here`},
		{"email_domains: x", `is spelt email-domain here`},
		{"skip-auth-routes: x", `is a setting of oauth2-proxy that this proxy does not have: make a route`},
		{"completely-different: x", `is no setting of this proxy: --help lists them`},
		{"config: other.yaml", `proxy.yaml:1: config`},
		{"check-config: true", `proxy.yaml:1: check-config`},
		{"client-id: a\nclient-id: b", `proxy.yaml:2: client-id stands on line 1 already`},
		{"client-id: 7", `proxy.yaml:1: client-id must be text; put it in quotes`},
		{"client-id:", `proxy.yaml:1: client-id must be text`},
		{"client-id: [a]", `client-id must be text`},
		{"cookie-secure: yes please", `cookie-secure must be true or false`},
		{"auth-success-status: \"200\"", `auth-success-status must be a whole number`},
		{"cookie-expire: soon", `proxy.yaml:1 must be a duration`},
		{"cookie-expire: 7", `cookie-expire must be a duration`},
		{"email-domain: {a: b}", `email-domain must be a list`},
		{"email-domain: [7]", `email-domain must be a list`},
		{"- a", `proxy.yaml:1: it must be a mapping`},
		{"a: b\n---\nc: d", `more than one YAML document`},
		{"a: [", `cannot be read`},
		{minimalFile + "cookie-samesite: loose", `[--cookie-samesite: proxy.yaml:6]`},
		{minimalFile + "cookie-secret-file: x", `[--cookie-secret: proxy.yaml:4, --cookie-secret-file: proxy.yaml:6]`},
	} {
		_, err := ParseConfig([]string{"--config=" + configFile(t, tc.content)}, nil, io.Discard)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: got %v, want a word about %q", tc.content, err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), testSecret) {
			t.Errorf("the error quotes a secret: %v", err)
		}
	}
	if _, err := ParseConfig([]string{"--config=/no/such/file"}, nil, io.Discard); err == nil || !strings.Contains(err.Error(), "read --config") {
		t.Errorf("a file that is not there: %v", err)
	}
	if cfg, err := ParseConfig(append([]string{"--config=" + configFile(t, "# nothing\n")}, minimalArgs...), nil, io.Discard); err != nil || cfg.ClientID != "app" {
		t.Errorf("an empty file: %v", err)
	}
}

func TestMistakesNameTheVariableThatMadeThem(t *testing.T) {
	_, err := ParseConfig(minimalArgs, []string{"OAUTH2_PROXY_COOKIE_SAMESITE=loose"}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "[--cookie-samesite: OAUTH2_PROXY_COOKIE_SAMESITE]") {
		t.Error(err)
	}
}

func TestAFlagOfOAuth2ProxyIsAnsweredWithWhatToDoInstead(t *testing.T) {
	for _, tc := range []struct {
		args, environ []string
		want          string
	}{
		{[]string{"--insecure-oidc-skip-nonce=false"}, nil, "--insecure-oidc-skip-nonce is a setting of oauth2-proxy that this proxy does not have: remove it: the nonce is always sent"},
		{nil, []string{"OAUTH2_PROXY_SKIP_AUTH_ROUTES=/a"}, "OAUTH2_PROXY_SKIP_AUTH_ROUTES is a setting of oauth2-proxy"},
		{[]string{"--cookie-secert=x"}, nil, "did you mean --cookie-secret?"},
		{nil, []string{"OAUTH2_PROXY_COOKIE_SECRETE=x"}, "did you mean OAUTH2_PROXY_COOKIE_SECRET?"},
	} {
		_, err := ParseConfig(tc.args, tc.environ, io.Discard)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("got %v, want %q", err, tc.want)
		}
	}
}

func TestCheckConfigShowsWhatCountsWithoutSecrets(t *testing.T) {
	file := configFile(t, minimalFile+"cookie-refresh: 1m\n")
	var out bytes.Buffer
	_, err := ParseConfig([]string{"--config=" + file, "--check-config", "--client-secret=hunter2"}, []string{"OAUTH2_PROXY_SCOPE=openid email"}, &out)
	if !errors.Is(err, ErrDone) {
		t.Fatal(err)
	}
	for _, want := range []string{
		"client-id: app # proxy.yaml:3", "cookie-refresh: 1m0s # proxy.yaml:6", "scope: openid email # OAUTH2_PROXY_SCOPE", "cookie-name: _oauth2_proxy # default",
		"client-secret: (not shown) # --client-secret", "cookie-secret: (not shown) # proxy.yaml:4",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), testSecret) || strings.Contains(out.String(), "hunter2") {
		t.Error("a secret is shown")
	}
	var settings map[string]any
	if err := yaml.Unmarshal(out.Bytes(), &settings); err != nil {
		t.Errorf("it cannot be read back: %v", err)
	}
}

func TestCheckConfigReadsTheFiles(t *testing.T) {
	var args []string
	for _, a := range minimalArgs {
		if !strings.HasPrefix(a, "--cookie-secret") {
			args = append(args, a)
		}
	}
	args = append(args, "--check-config", "--cookie-secret-file=/no/such/cookie", "--client-secret-file=/no/such/client", "--provider-ca-file=/no/such/ca",
		"--session-store-type=redis", "--redis-connection-url=rediss://redis.test", "--redis-password-file=/no/such/password", "--redis-ca-path=/no/such/ca")
	_, err := ParseConfig(args, nil, io.Discard)
	for _, want := range []string{"--cookie-secret-file", "--client-secret-file", "--provider-ca-file", "--redis-password-file", "--redis-ca-path"} {
		if err == nil || errors.Is(err, ErrDone) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named: %v", want, err)
		}
	}
}

// A setting whose name promises a secret must not be shown.
func TestSecretsAreMarked(t *testing.T) {
	cfg := DefaultConfig()
	newFlagSet(&cfg).VisitAll(func(f *pflag.Flag) {
		named := strings.Contains(f.Name, "secret") || strings.Contains(f.Name, "password")
		if named && !strings.HasSuffix(f.Name, "-file") && !has(f, secretAnnotation) {
			t.Errorf("--%s is not marked", f.Name)
		}
	})
}

func compiledSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	var out bytes.Buffer
	if _, err := ParseConfig([]string{"--print-schema"}, nil, &out); !errors.Is(err, ErrDone) {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(&out)
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("proxy.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("proxy.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// What an editor says by the schema is what the proxy says.
func TestTheSchemaAcceptsWhatTheProxyAccepts(t *testing.T) {
	schema := compiledSchema(t)
	for addition, want := range map[string]bool{
		"":                               true,
		"cookie-expire: 12h":             true,
		"cookie-expire: 1h30m":           true,
		"cookie-expire: 1.5h":            true,
		"cookie-refresh: \"0\"":          true,
		"cookie-secure: false":           true,
		"cookie-samesite: lax":           true,
		"cookie-samesite: \"\"":          true,
		"auth-success-status: 200":       true,
		"allowed-group: a":               true,
		"allowed-group: [a, b]":          true,
		"allowed-group: []":              true,
		"upstream: static://202":         true,
		"cookie-expire: 12":              false,
		"cookie-expire: soon":            false,
		"cookie-expire: 1d":              false,
		"cookie-expire: -1h":             false,
		"cookie-secure: \"false\"":       false,
		"cookie-secure: 0":               false,
		"cookie-samesite: loose":         false,
		"auth-success-status: 204":       false,
		"auth-success-status: \"200\"":   false,
		"allowed-group: [1]":             false,
		"allowed-group: {a: b}":          false,
		"upstream: 7":                    false,
		"upstream:":                      false,
		"config: x":                      false,
		"print-schema: true":             false,
		"no-such-setting: x":             false,
		"cookie_expire: 12h":             false,
		"reverse-proxy: on":              false,
		"http-address: ['127.0.0.1:80']": false,
	} {
		content := minimalFile + addition + "\n"
		_, err := ParseConfig([]string{"--config=" + configFile(t, content)}, nil, io.Discard)
		if (err == nil) != want {
			t.Errorf("%s: the proxy says %v", addition, err)
		}
		var document any
		if err := yaml.Unmarshal([]byte(content), &document); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(document); (err == nil) != want {
			t.Errorf("%s: the schema says %v", addition, err)
		}
	}
}

func TestTheSchemaHasEverySetting(t *testing.T) {
	var out bytes.Buffer
	if err := writeSchema(&out); err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties map[string]struct {
			Description string
			Default     any
		}
	}
	if err := json.Unmarshal(out.Bytes(), &schema); err != nil {
		t.Fatal(err)
	}
	count, cfg := 0, DefaultConfig()
	newFlagSet(&cfg).VisitAll(func(f *pflag.Flag) {
		count++
		if schema.Properties[f.Name].Description == "" {
			t.Errorf("%s is not described", f.Name)
		}
	})
	if count != len(schema.Properties) {
		t.Errorf("%d flags, %d properties", count, len(schema.Properties))
	}
	if schema.Properties["cookie-secure"].Default != true || schema.Properties["auth-success-status"].Default != 202.0 || schema.Properties["cookie-expire"].Default != "168h0m0s" {
		t.Errorf("defaults: %+v", schema.Properties)
	}
}

func FuzzConfigFile(f *testing.F) {
	f.Add(minimalFile)
	f.Add("a: &a [*a]")
	f.Add("<<: {client-id: x}")
	f.Add("? [a]: b")
	f.Add("client-id: !!binary aGk=\n---\n")
	f.Fuzz(func(t *testing.T, content string) {
		file := configFile(t, content)
		cfg, err := ParseConfig([]string{"--config=" + file}, nil, io.Discard)
		if err == nil && cfg.Validate() != nil {
			t.Error("accepted, and not valid")
		}
	})
}
