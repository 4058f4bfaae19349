// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestOnlyProvidersWithGroupsByNameCanBeChosen(t *testing.T) {
	names, err := IdPNames()
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"mockidp", "mockidp-okta", "mockidp-okta-org", "mockidp-dex"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
	for name, reason := range map[string]string{
		"mockidp-keycloak": "groups as path", "mockidp-google": "tells no groups", "mockidp-auth0": "claim of another name",
		"mockidp-github": "no OpenID Connect", "mockidp-plain": "unknown", "keycloak": "unknown", "mockidp-": "unknown",
	} {
		if err := ValidateIdP(name); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: got %v, want an error with %q", name, err, reason)
		}
	}
}

func TestADialectChangesWhatTheIdentityProviderSays(t *testing.T) {
	if testing.Short() {
		t.Skip("starts nginx")
	}
	s, err := NewLocal(t.Context(), LocalOptions{Gateways: []GatewayConfig{{Name: MainGateway}}, IdP: "mockidp-dex"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	if !slices.ContainsFunc(s.Parts, func(p Part) bool { return p.Role == RoleIdP && p.Name == "mockidp-dex" }) {
		t.Errorf("the parts do not name the provider: %+v", s.Parts)
	}
	token, err := s.Mint(t.Context(), "alice", time.Hour, "ingress-auth")
	if err != nil {
		t.Fatal(err)
	}
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(claims), "federated_claims") && !strings.Contains(string(claims), `"sub":"Cg`) {
		t.Errorf("the token does not look like one of Dex: %s", claims)
	}
}
