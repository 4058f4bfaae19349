// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ingress-auth/conformance/mockidp"
)

func TestParseConfig_TheExampleIsReadWhole(t *testing.T) {
	cfg, err := mockidp.LoadConfig("example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Issuer == "" || len(cfg.BackchannelURLs) == 0 || len(cfg.Clients) != 4 || len(cfg.Tenants) != 1 || len(cfg.Clients[3].JWKS.Keys) != 1 || len(cfg.Users) != 2 || cfg.Lifetimes.Code != time.Minute {
		t.Errorf("configuration %+v", cfg)
	}
	if cfg.Users[0].Claims["department"] != "engineering" {
		t.Errorf("claims %v", cfg.Users[0].Claims)
	}
	if _, err := mockidp.New(cfg, mockidp.WithSigningKeys(testKeys()...)); err != nil {
		t.Error(err)
	}
}

func TestParseConfig_NothingIsTheDefault(t *testing.T) {
	for _, text := range []string{"", "# only a comment\n", "---\n", "{}"} {
		cfg, err := mockidp.ParseConfig(strings.NewReader(text))
		if err != nil || len(cfg.Clients) != 0 || cfg.Issuer != "" {
			t.Errorf("%q: %+v, %v", text, cfg, err)
		}
	}
}

func TestParseConfig_MistakesAreNamed(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"an unknown field, with its line":    {"issuer: https://a.example\nclients:\n  - client_id: a\n    client_secert: b\n", "line 4: field client_secert not found; did you mean client_secret?"},
		"an unknown field at the top":        {"isuer: x", "line 1: field isuer not found; did you mean issuer?"},
		"a wrong type, with its line":        {"auto_login: alice\nusers: alice\n", "line 2: cannot unmarshal"},
		"a duration without a unit":          {"lifetimes: {code: 60}", "line 1"},
		"a field twice":                      {"issuer: https://a.example\nissuer: https://b.example", "line 2"},
		"not YAML":                           {"users: [", "line 1"},
		"two documents":                      {"issuer: https://a.example\n---\nissuer: https://b.example\n", "one YAML document"},
		"an issuer that is no URL":           {"issuer: idp.example", "issuer:"},
		"an issuer with a query":             {"issuer: https://a.example?x=1", "no query"},
		"an issuer with a fragment":          {"issuer: 'https://a.example#'", "no fragment"},
		"an issuer with dots":                {"issuer: https://a.example/x/../y", "plain"},
		"an issuer with braces":              {"issuer: 'https://a.example/{tenant}'", "plain"},
		"an issuer with a user":              {"issuer: https://u:p@a.example", "user name"},
		"a back channel with a path":         {"backchannel_urls: ['http://a.svc/x']", "backchannel_urls[0]"},
		"a back channel without a scheme":    {"backchannel_urls: ['a.svc:80']", "backchannel_urls[0]"},
		"a back channel on the issuer":       {"issuer: https://a.example\nbackchannel_urls: ['https://A.example:443']", "host of the issuer"},
		"a client without an ID":             {"clients: [{client_secret: x}]", "client_id is missing"},
		"a client twice":                     {"clients: [{client_id: a}, {client_id: a}]", "clients[1] (a): client_id is used twice"},
		"a method without a secret":          {"clients: [{client_id: a, token_endpoint_auth_method: client_secret_basic}]", "client_secret is missing"},
		"none with a secret":                 {"clients: [{client_id: a, client_secret: b, token_endpoint_auth_method: none}]", "is none"},
		"an unknown method":                  {"clients: [{client_id: a, client_secret: b, token_endpoint_auth_method: tls}]", "must be one of"},
		"an unknown algorithm":               {"clients: [{client_id: a, id_token_signed_response_alg: none}]", "must be one of RS256, ES256"},
		"an unknown application type":        {"clients: [{client_id: a, application_type: desktop}]", "must be one of"},
		"an unknown refresh policy":          {"clients: [{client_id: a, issue_refresh_token: maybe}]", "must be one of"},
		"a client's automatic user unknown":  {"clients: [{client_id: a, auto_login: zoe}]", "not one of the users"},
		"a relative redirect":                {"clients: [{client_id: a, redirect_uris: [/callback]}]", "redirect_uris[0]"},
		"a redirect with a fragment":         {"clients: [{client_id: a, redirect_uris: ['https://a.example/#x']}]", "fragment"},
		"a redirect that runs code":          {"clients: [{client_id: a, redirect_uris: ['javascript:alert(1)']}]", "redirect_uris[0]"},
		"a redirect that is not ASCII":       {"clients: [{client_id: a, redirect_uris: ['https://a.example/é']}]", "ASCII"},
		"a redirect without a host":          {"clients: [{client_id: a, redirect_uris: ['https:///x']}]", "no host"},
		"a logout redirect":                  {"clients: [{client_id: a, post_logout_redirect_uris: [x]}]", "post_logout_redirect_uris[0]"},
		"an automatic user unknown":          {"auto_login: zoe", `"zoe" is not one of the users`},
		"a user without a name":              {"users: [{email: a@b.example}]", "username is missing"},
		"a user twice":                       {"users: [{username: a}, {username: a, sub: b}]", "username is used twice"},
		"a sub twice":                        {"users: [{username: a}, {username: b, sub: a}]", `sub "a" is used twice`},
		"a sub that is too long":             {"users: [{username: a, sub: " + strings.Repeat("x", 256) + "}]", "255"},
		"a sub that is not ASCII":            {"users: [{username: é}]", "ASCII"},
		"a claim of the protocol":            {"users: [{username: a, claims: {aud: x}}]", "claims.aud"},
		"a claim that is no JSON":            {"users: [{username: a, claims: {x: {1: 2}}}]", "JSON"},
		"a number that is no JSON":           {"users: [{username: a, claims: {x: .nan}}]", "JSON"},
		"a response type":                    {"clients: [{client_id: a, response_types: [token]}]", "response_types[0]"},
		"a grant type":                       {"clients: [{client_id: a, grant_types: [password]}]", "grant_types[0]"},
		"an access token format":             {"clients: [{client_id: a, access_token_format: xml}]", "access_token_format"},
		"a userinfo algorithm":               {"clients: [{client_id: a, userinfo_signed_response_alg: HS256}]", "userinfo_signed_response_alg"},
		"a short secret for HS256":           {"clients: [{client_id: a, client_secret: b, token_endpoint_auth_method: client_secret_jwt}]", "32 bytes"},
		"private_key_jwt without keys":       {"clients: [{client_id: a, token_endpoint_auth_method: private_key_jwt}]", "jwks must hold"},
		"tls_client_auth of nobody":          {"clients: [{client_id: a, token_endpoint_auth_method: tls_client_auth}]", "exactly one of"},
		"tls_client_auth of two":             {"clients: [{client_id: a, token_endpoint_auth_method: tls_client_auth, tls_client_auth_san_dns: a, tls_client_auth_san_ip: 192.0.2.1}]", "exactly one of"},
		"a subject that is no name":          {"clients: [{client_id: a, token_endpoint_auth_method: tls_client_auth, tls_client_auth_subject_dn: app}]", "tls_client_auth_subject_dn"},
		"an address that is none":            {"clients: [{client_id: a, token_endpoint_auth_method: tls_client_auth, tls_client_auth_san_ip: 192.0.2}]", "tls_client_auth_san_ip"},
		"a subject for another method":       {"clients: [{client_id: a, client_secret: b, tls_client_auth_san_dns: a.example}]", "go with"},
		"a certificate that is not there":    {"clients: [{client_id: a, token_endpoint_auth_method: self_signed_tls_client_auth, jwks: {keys: [{kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}]}}]", "x5c"},
		"an authority that is no PEM":        {"client_certificate_authorities: x", "PEM"},
		"a key that is none":                 {"clients: [{client_id: a, jwks: {keys: [{kty: x}]}}]", "jwks"},
		"a private key":                      {"clients: [{client_id: a, jwks: {keys: [{kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo, d: nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A}]}}]", "public key"},
		"a logout URI that is not http":      {"clients: [{client_id: a, backchannel_logout_uri: 'com.app:/x'}]", "backchannel_logout_uri"},
		"a logout URI that ends a policy":    {"clients: [{client_id: a, frontchannel_logout_uri: 'https://a.example;x/'}]", "frontchannel_logout_uri"},
		"a mistake with its line":            {"users:\n  - username: a\n  - username: b\n    sub: a\n", "line 4: users[1] (b): sub"},
		"a mistake deep down, with its line": {"clients:\n  - client_id: a\n    redirect_uris:\n      - https://a.example\n      - /b\n", "line 5: clients[0] (a): redirect_uris[1]"},
		"two mistakes, with their lines":     {"auto_login: zoe\ntenants:\n  - path: /a\n    auto_login: zoe\n", "line 4: tenants[0]: auto_login"},
		"a signing algorithm":                {"signing_algs: [HS256]", "signing_algs[0]"},
		"a scope with a space":               {"scopes: ['a b']", "scopes[0]"},
		"a scope there is already":           {"scopes: [openid]", "scopes[0]"},
		"an acr that is no word":             {"authentication_contexts: [{acr: 'a b'}]", "authentication_contexts[0]"},
		"a tenant without a path":            {"tenants: [{auto_login: alice}]", "tenants[0]"},
		"a tenant over an endpoint":          {"tenants: [{path: /token}]", "hide the endpoint"},
		"a tenant twice":                     {"tenants: [{path: /a}, {path: /a/}]", "tenants[1]"},
		"a mistake in a tenant":              {"tenants: [{path: /a, auto_login: zoe}]", "tenants[0]: auto_login"},
		"a lifetime that is too short":       {"lifetimes: {id_token: 1ms}", "lifetimes.id_token"},
		"a code that lives too long":         {"lifetimes: {code: 11m}", "RFC 6749"},
		"a negative bound":                   {"max_entries: -1", "max_entries"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := mockidp.ParseConfig(strings.NewReader(test.text))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q in it", err, test.want)
			}
		})
	}
}

func TestLoadConfig_NamesTheFile(t *testing.T) {
	if _, err := mockidp.LoadConfig(t.TempDir() + "/absent.yaml"); err == nil || !strings.Contains(err.Error(), "absent.yaml") {
		t.Errorf("error %v", err)
	}
	path := t.TempDir() + "/bad.yaml"
	if err := os.WriteFile(path, []byte("x: 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := mockidp.LoadConfig(path); err == nil || !strings.Contains(err.Error(), "bad.yaml") {
		t.Errorf("error %v", err)
	}
}

func TestNew_ZeroConfigurationWorks(t *testing.T) {
	p, err := mockidp.New(mockidp.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if p.Issuer() != mockidp.DefaultIssuer {
		t.Errorf("issuer %s", p.Issuer())
	}
	if _, err := p.MintIDToken(mockidp.DefaultUsername, mockidp.DefaultClientID); err != nil {
		t.Error(err)
	}
}

func TestNew_RefusesUnfitKeys(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := testKeys()[0]
	for name, keys := range map[string][]mockidp.SigningKey{
		"RFC 7518 3.3: RSA below 2048 bits": {{Algorithm: jose.RS256, Key: small}},
		"RFC 7518 3.4: ES256 is P-256":      {{Algorithm: jose.ES256, Key: p384}},
		"algorithm of another kind":         {{Algorithm: jose.ES256, Key: good.Key}},
		"no key":                            {{Algorithm: jose.RS256}},
		"a kid twice":                       {good, good},
	} {
		if _, err := mockidp.New(mockidp.Config{}, mockidp.WithSigningKeys(keys...)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestNew_RefusesWhatParseConfigRefuses(t *testing.T) {
	if _, err := mockidp.New(mockidp.Config{AutoLogin: "zoe"}); err == nil {
		t.Error("accepted")
	}
}
