// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

func TestOAuth2ProxyGetsEveryFlagOfTheProxyThatItKnows(t *testing.T) {
	service := AuthService{Name: "x", Host: "auth-x", Args: []string{"--cookie-name=_x", "--upstream={upstream}"}}
	p := newPlaceholders(map[string]string{"upstream": "http://127.0.0.1:1", "idp-backchannel": "http://127.0.0.1:2"})
	args := oauth2ProxyArgs(service, p)
	for _, want := range []string{"--cookie-name=_x", "--upstream=http://127.0.0.1:1", "--redirect-url=https://auth-x.ingress-auth.test/oauth2/callback", "--code-challenge-method=S256", "--insecure-oidc-skip-nonce=false"} {
		if !slices.Contains(args, want) {
			t.Errorf("%s is missing in %q", want, args)
		}
	}
	for _, arg := range args {
		if name := flagName(arg); strings.HasSuffix(name, "-file") || name == "--oidc-discovery-url" || name == "--http-address" {
			t.Errorf("%s is for the proxy of this repository only", name)
		}
	}
}

func TestFindAuthServiceKnowsTheProxyAndRefusesOthers(t *testing.T) {
	silent := func(string) {}
	if program, err := FindAuthService(t.Context(), AuthServiceProxy, silent); program != nil || err != nil {
		t.Errorf("the proxy needs no program: %v %v", program, err)
	}
	if _, err := FindAuthService(t.Context(), "oauth2-proxy-0.0.0", silent); err == nil || !strings.Contains(err.Error(), "oauth2-proxy-7.8.1") {
		t.Errorf("an unknown version: %v", err)
	}
}

func TestEveryOAuth2ProxyVersionIsPinnedByItsModule(t *testing.T) {
	for _, version := range oauth2ProxyVersions() {
		dir, err := oauth2ProxySource(version)
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		file, err := modfile.Parse("go.mod", data, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(file.Require, func(r *modfile.Require) bool {
			return r.Mod.Path == oauth2ProxyModule && r.Mod.Version == "v"+version
		}) {
			t.Errorf("%s does not require %s v%s", dir, oauth2ProxyModule, version)
		}
	}
}

func TestAProgramThatEndsAtOnceIsSaidToHave(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho this is why >&2\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := NewLocal(t.Context(), LocalOptions{
		Gateways: []GatewayConfig{{Name: MainGateway, TLS: true}}, AuthService: &AuthServiceProgram{Name: "broken", Version: "1", Path: program},
	})
	if err == nil || !strings.Contains(err.Error(), "this is why") {
		t.Errorf("got %v", err)
	}
}

func TestANamedAuthServiceIsAPartOfTheSubject(t *testing.T) {
	s := &localSubject{options: LocalOptions{AuthService: &AuthServiceProgram{Name: "oauth2-proxy", Version: "7.8.1", Origin: "somewhere"}}}
	want := Part{Role: RoleAuthService, Name: "oauth2-proxy", Version: "7.8.1", Origin: "somewhere"}
	if !slices.Contains(s.parts(), want) {
		t.Errorf("%+v is none of %+v", want, s.parts())
	}
	if err := s.programEvidence(t.TempDir()); err != nil {
		t.Error(err)
	}
}
