// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/ingress-auth/conformance/mockidp"
	"github.com/ingress-auth/conformance/suites/platform/local"
	"github.com/ingress-auth/conformance/suites/subject"
)

// oauth2Proxy is the real one, compiled from its module. It has no logout at the provider of its own: sign_out sends the
// browser where rd says, and the provider's logout is allowed for that.
func oauth2Proxy(ctx context.Context, progress func(string)) (client, error) {
	const version = "7.8.1"
	found, err := subject.FindAuthService(ctx, "oauth2-proxy-"+version, progress)
	if err != nil {
		return client{}, err
	}
	return client{
		name: "oauth2-proxy", version: version, needs: []string{"discovery", "code", "PKCE S256", "nonce", "userinfo", "refresh", "logout"},
		start: func(ctx context.Context, idp *provider) (*party, error) {
			return startOAuth2Proxy(ctx, found.Path, idp)
		},
	}, nil
}

// startOAuth2Proxy runs it twice. It looks for the nonce in refreshed ID tokens, too, where Core 1.0 section 12.2 has none, and so
// cannot refresh while it verifies nonces (oauth2-proxy/oauth2-proxy#2876): the second one, which does not, refreshes.
func startOAuth2Proxy(ctx context.Context, path string, idp *provider) (*party, error) {
	strict, err := newOAuth2Proxy(ctx, path, idp, false)
	if err != nil {
		return nil, err
	}
	return &party{
		login: strict.login,
		rest: func(ctx context.Context) (err error) {
			if err := strict.logout(ctx); err != nil {
				return err
			}
			lax, err := newOAuth2Proxy(ctx, path, idp, true)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, lax.stop(ctx)) }()
			if err := lax.login(ctx); err != nil {
				return err
			}
			return idp.awaitStep(ctx, "refresh", func() error { _, _, err := lax.browser.get(ctx, lax.url+"/oauth2/auth"); return err })
		},
		stop: strict.stop,
	}, nil
}

// oauth2ProxyProcess is one that runs, and the browser of its last login.
type oauth2ProxyProcess struct {
	*program
	idp     *provider
	dir     string
	browser *browser
}

func newOAuth2Proxy(ctx context.Context, path string, idp *provider, skipNonce bool) (*oauth2ProxyProcess, error) {
	addrs, err := local.FreeAddrs(ctx, 1)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "interop-")
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "oauth2-proxy.toml")
	issuer, _ := url.Parse(idp.Issuer())
	text := fmt.Appendf(nil, oauth2ProxyConfig, idp.Issuer(), mockidp.DefaultClientID, mockidp.DefaultClientSecret, addrs[0], skipNonce, issuer.Host)
	if err := os.WriteFile(config, text, 0o600); err != nil {
		return nil, err
	}
	program, err := startProgram(ctx, addrs[0], local.Command{Path: path, Args: []string{"--config=" + config}, Dir: dir})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &oauth2ProxyProcess{program: program, idp: idp, dir: dir}, nil
}

const oauth2ProxyConfig = `
provider = "oidc"
oidc_issuer_url = %[1]q
client_id = %[2]q
client_secret = %[3]q
cookie_secret = "0123456789abcdef0123456789abcdef"
redirect_url = "http://%[4]s/oauth2/callback"
http_address = %[4]q
upstreams = ["static://200"]
email_domains = ["*"]
scope = "openid email groups offline_access"
code_challenge_method = "S256"
insecure_oidc_skip_nonce = %[5]t
cookie_secure = false
cookie_refresh = "1s"
skip_provider_button = true
whitelist_domains = [%[6]q]
`

func (p *oauth2ProxyProcess) login(ctx context.Context) error {
	p.browser = newBrowser()
	if _, _, err := p.browser.get(ctx, p.url+"/"); err != nil {
		return err
	}
	who, _, err := p.browser.get(ctx, p.url+"/oauth2/userinfo")
	if err == nil && !strings.Contains(who, `"alice@example.com"`) {
		err = errors.New("alice is not signed in")
	}
	return err
}

func (p *oauth2ProxyProcess) logout(ctx context.Context) error {
	end := p.idp.Issuer() + "/end_session?" + url.Values{"client_id": {mockidp.DefaultClientID}}.Encode()
	if _, _, err := p.browser.get(ctx, p.url+"/oauth2/sign_out?"+url.Values{"rd": {end}}.Encode()); err != nil {
		return err
	}
	if _, _, err := p.browser.get(ctx, p.url+"/oauth2/auth"); err == nil {
		return errors.New("alice is signed in after the logout")
	}
	return nil
}

func (p *oauth2ProxyProcess) stop(ctx context.Context) error {
	return errors.Join(p.program.stop(ctx), os.RemoveAll(p.dir))
}
