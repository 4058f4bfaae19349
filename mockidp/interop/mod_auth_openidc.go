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
	"github.com/ingress-auth/conformance/mockidp/peers"
	"github.com/ingress-auth/conformance/suites/platform/local"
)

const (
	apacheModules = "/usr/lib/apache2/modules/"
	apachePackage = "libapache2-mod-auth-openidc"
)

// modAuthOpenidc is Debian's Apache with its OpenID Connect module, as a child process with a configuration of its own.
func modAuthOpenidc(ctx context.Context) (client, error) {
	if err := peers.NeedPrograms(ctx, map[string]string{"apache2": "apache2-bin", apacheModules + "mod_auth_openidc.so": apachePackage}); err != nil {
		return client{}, err
	}
	version, err := peers.Output(ctx, "", "dpkg-query", "--show", "--showformat=${Version}", apachePackage)
	if err != nil {
		return client{}, err
	}
	return client{
		name: "Apache mod_auth_openidc", version: version + " (Debian)", needs: []string{"discovery", "code", "PKCE S256", "nonce", "userinfo", "refresh", "logout"},
		start: startApache,
	}, nil
}

const apacheConfig = `
ServerRoot %[1]q
ServerName 127.0.0.1
Listen %[2]s
PidFile httpd.pid
ErrorLog error.log
DocumentRoot %[1]q
%[6]s
LoadModule mpm_event_module %[3]smod_mpm_event.so
LoadModule authn_core_module %[3]smod_authn_core.so
LoadModule authz_core_module %[3]smod_authz_core.so
LoadModule authz_user_module %[3]smod_authz_user.so
LoadModule headers_module %[3]smod_headers.so
LoadModule auth_openidc_module %[3]smod_auth_openidc.so
OIDCProviderMetadataURL %[4]s/.well-known/openid-configuration
OIDCClientID %[5]s
OIDCClientSecret %[7]s
OIDCRedirectURI http://%[2]s/callback
OIDCCryptoPassphrase a-passphrase-of-no-value
OIDCScope "openid email offline_access"
OIDCPKCEMethod S256
OIDCRemoteUserClaim email
OIDCRefreshAccessTokenBeforeExpiry 299
<Location />
  AuthType openid-connect
  Require valid-user
  Header set X-Remote-User "expr=%%{REMOTE_USER}"
</Location>
`

func startApache(ctx context.Context, idp *provider) (*party, error) {
	addrs, err := local.FreeAddrs(ctx, 1)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "interop-")
	if err != nil {
		return nil, err
	}
	account := ""
	if os.Geteuid() == 0 {
		account = "User www-data\nGroup www-data" // Apache refuses to serve as root
	}
	config := filepath.Join(dir, "httpd.conf")
	text := fmt.Appendf(nil, apacheConfig, dir, addrs[0], apacheModules, idp.Issuer(), mockidp.DefaultClientID, account, mockidp.DefaultClientSecret)
	if err := errors.Join(os.WriteFile(config, text, 0o600), os.WriteFile(filepath.Join(dir, "index.html"), []byte("hello\n"), 0o644), os.Chmod(dir, 0o755)); err != nil {
		return nil, err
	}
	program, err := startProgram(ctx, addrs[0], local.Command{Path: "apache2", Args: []string{"-d", dir, "-f", config, "-DFOREGROUND"}, Dir: dir})
	if err != nil {
		said, _ := os.ReadFile(filepath.Join(dir, "error.log"))
		return nil, errors.Join(err, errors.New(strings.TrimSpace(string(said))), os.RemoveAll(dir))
	}
	home := program.url + "/index.html"
	var last *browser
	return &party{
		login: func(ctx context.Context) error {
			last = newBrowser()
			_, res, err := last.get(ctx, home)
			if err == nil && res.Header.Get("X-Remote-User") != "alice@example.com" {
				err = errors.New("alice is not signed in")
			}
			return err
		},
		rest: func(ctx context.Context) error {
			if err := idp.awaitStep(ctx, "refresh", func() error { _, _, err := last.get(ctx, home); return err }); err != nil {
				return err
			}
			_, res, err := last.get(ctx, program.url+"/callback?"+url.Values{"logout": {program.url + "/"}}.Encode())
			if err != nil && res == nil {
				return err
			}
			return idp.awaitStep(ctx, "logout", func() error { return nil })
		},
		stop: func(ctx context.Context) error { return errors.Join(program.stop(ctx), os.RemoveAll(dir)) },
	}, nil
}
