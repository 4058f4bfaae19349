// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ingress-auth/conformance/suites/platform/local"
)

// AuthServiceProgram is an auth service that runs as child processes in place of this repository's proxy.
type AuthServiceProgram struct {
	// Name and Version are those of the report and of the file of known deviations: "oauth2-proxy", "7.8.1".
	Name, Version string
	// Path is the program, Origin says where it came from.
	Path, Origin string
}

// Bounds of one child process: from its start until it answers, and from the request to end until it is killed.
const (
	programStart = 20 * time.Second
	programStop  = 2 * time.Second
)

// startPrograms starts the program once for each variant of the auth service.
func (s *localSubject) startPrograms(ctx context.Context) error {
	endpoints, err := s.discover(ctx)
	if err != nil {
		return err
	}
	secrets, err := s.oauth2ProxySecrets()
	if err != nil {
		return err
	}
	for _, service := range AuthServices() {
		if service.StoreAway {
			continue
		}
		args := append([]string{"--config=" + secrets}, endpoints...)
		args = append(args, oauth2ProxyArgs(service, newPlaceholders(s.placeholders()))...)
		args = append(args, "--http-address="+s.servers.addr(origin(service.Name)))
		if err := s.startProgram(ctx, service.Name, args); err != nil {
			return fmt.Errorf("start %s as %s: %w", s.options.AuthService.Name, service.Name, err)
		}
	}
	return nil
}

// startProgram returns when the program answers.
func (s *localSubject) startProgram(ctx context.Context, name string, args []string) error {
	log := local.NewLog()
	process, err := local.Start(ctx, local.Command{
		Path: s.options.AuthService.Path, Args: args, Dir: s.dir,
		Stop: []local.StopStep{{Signal: syscall.SIGTERM, Grace: programStop}},
	}, log)
	if err != nil {
		return err
	}
	s.programs = append(s.programs, program{name, log})
	s.onClose(process.Stop)
	ctx, cancel := context.WithTimeout(ctx, programStart)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if res, err := http.Get(s.servers.url(origin(name)) + "/ping"); err == nil {
			if err := res.Body.Close(); err != nil {
				return err
			}
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-process.Done():
			return fmt.Errorf("it ended at once (%w):\n%s", process.Err(), s.options.Redactor.Text(log.String()))
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", ctx.Err())
		}
	}
}

// discover reads what oauth2-proxy cannot discover by itself: it asks for the document at the issuer, whose host only the
// browser can reach.
func (s *localSubject) discover(ctx context.Context) ([]string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.servers.url(serverBackchannel)+"/.well-known/openid-configuration", nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the identity provider for its endpoints: %w", err)
	}
	defer res.Body.Close()
	var document struct {
		Authorization string `json:"authorization_endpoint"`
		Token         string `json:"token_endpoint"`
		JWKS          string `json:"jwks_uri"`
		UserInfo      string `json:"userinfo_endpoint"`
	}
	if err := json.NewDecoder(res.Body).Decode(&document); err != nil {
		return nil, fmt.Errorf("read the identity provider's endpoints: %w", err)
	}
	return []string{
		"--skip-oidc-discovery", "--login-url=" + document.Authorization, "--redeem-url=" + document.Token,
		"--oidc-jwks-url=" + document.JWKS, "--profile-url=" + document.UserInfo,
	}, nil
}

// oauth2ProxySecrets keeps the secrets off the command line, which every user of the machine can read.
func (s *localSubject) oauth2ProxySecrets() (string, error) {
	file := filepath.Join(s.dir, "oauth2-proxy.toml")
	text := fmt.Sprintf("client_secret = %q\ncookie_secret = %q\n", s.material.clientSecret, s.material.cookieSecret)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("write the secrets of the auth service: %w", err)
	}
	return file, nil
}

// oauth2ProxyArgs says to oauth2-proxy what authServiceArgs says to the proxy. What the proxy does by itself is switched on
// where oauth2-proxy has a switch: PKCE, the nonce, SameSite, a login cookie for each login, no tokens in the session.
func oauth2ProxyArgs(service AuthService, p placeholders) []string {
	args := []string{
		"--provider=oidc", "--code-challenge-method=S256", "--cookie-samesite=lax", "--cookie-csrf-per-request",
	}
	// It refuses to renew sessions that hold no tokens, and ends those whose renewed ID token has no nonce, which it should not
	// have (OpenID Connect Core section 12.2; oauth2-proxy issue 2876).
	if !slices.ContainsFunc(service.Args, func(arg string) bool { return flagName(arg) == cookieRefresh }) {
		args = append(args, "--session-cookie-minimal", "--insecure-oidc-skip-nonce=false")
	}
	for _, arg := range authServiceArgs(service, p) {
		switch flagName(arg) {
		case "--http-address", "--oidc-discovery-url", "--client-secret-file", "--cookie-secret-file", backchannelLogout:
			continue
		}
		args = append(args, arg)
	}
	return args
}

// program is a child process that serves a variant of the auth service.
type program struct {
	name string
	log  *local.Log
}

// programEvidence keeps what the child processes said.
func (s *localSubject) programEvidence(dir string) error {
	for _, p := range s.programs {
		name := filepath.Join(dir, strings.Join([]string{s.options.AuthService.Name, p.name, "log"}, "."))
		if err := os.WriteFile(name, []byte(s.options.Redactor.Text(p.log.String())), 0o600); err != nil {
			return fmt.Errorf("keep the log of %s: %w", p.name, err)
		}
	}
	return nil
}
