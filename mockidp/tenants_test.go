// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/ingress-auth/conformance/mockidp"
)

func TestTenants_EachIsAnIssuerOfItsOwn(t *testing.T) {
	s := newIDP(t, func(c *mockidp.Config) {
		c.Tenants = []mockidp.Tenant{
			{Path: "/realms/staff", AutoLogin: "carol", Users: []mockidp.User{{Username: "carol"}}},
			{Path: "/realms/staff/inner"},
			{Path: "/slash/"},
		}
	})
	t.Run("Discovery 4.3: issuer and endpoints are below its path, at both well-known URLs", func(t *testing.T) {
		for path, iss := range map[string]string{"": issuer, "/realms/staff": issuer + "/realms/staff", "/realms/staff/inner": issuer + "/realms/staff/inner", "/slash": issuer + "/slash/"} {
			for _, at := range []string{issuer + path + "/.well-known/openid-configuration", issuer + "/.well-known/oauth-authorization-server" + path} {
				doc := discovery(t, s, at)
				if doc["issuer"] != iss || doc["token_endpoint"] != issuer+path+"/token" {
					t.Errorf("%s: issuer %v, token_endpoint %v", at, doc["issuer"], doc["token_endpoint"])
				}
			}
		}
	})
	t.Run("users, codes and keys are its own, clients inherited", func(t *testing.T) {
		base := issuer + "/realms/staff"
		a := s.get(base + "/authorize?" + authParams().Encode())
		q := s.redirected(a, callback)
		if q.Get("iss") != base {
			t.Errorf("iss %s", q.Get("iss"))
		}
		s.wantTokenError(s.token(codeParams(q.Get("code"))), 400, "invalid_grant")
		got := s.tokens(s.post(base+"/token", codeParams(q.Get("code")), basicAuth("app", "s3cret")))
		staff := &idp{Provider: s.Tenant("/realms/staff"), t: t, clock: s.clock}
		if err := s.verifyIndependently(got.IDToken, "RS256"); err == nil {
			t.Error("the first issuer's keys verify it")
		}
		if s.Tenant("/realms/staff").Issuer() != base || staff.Issuer() != base {
			t.Error("wrong tenant")
		}
		if s.get(issuer+"/jwks").body == s.get(base+"/jwks").body {
			t.Error("the keys are shared")
		}
		s.wantPage(s.authorize(), http.StatusOK, "Sign in")
	})
	t.Run("the issuers of faults are below each", func(t *testing.T) {
		for _, base := range []string{issuer, issuer + "/realms/staff"} {
			if doc := discovery(t, s, base+"/faults/NONE/.well-known/openid-configuration"); doc["issuer"] != base+"/faults/NONE" {
				t.Errorf("issuer %v", doc["issuer"])
			}
			if doc := discovery(t, s, strings.Replace(base, issuer, issuer+"/.well-known/oauth-authorization-server", 1)+"/faults/NONE"); doc["issuer"] != base+"/faults/NONE" {
				t.Errorf("issuer %v", doc["issuer"])
			}
		}
	})
	t.Run("an unknown path is nobody's", func(t *testing.T) {
		for _, path := range []string{"/realms", "/realms/staffx/token", "/realms/staff/nowhere", "/x/.well-known/openid-configuration"} {
			if a := s.get(issuer + path); a.StatusCode != http.StatusNotFound {
				t.Errorf("%s: status %d", path, a.StatusCode)
			}
		}
	})
}

func TestAddTenant_OneForEachTestInParallel(t *testing.T) {
	s := newIDP(t, autoLogin("alice"), quiet())
	var done sync.WaitGroup
	for i := range 4 {
		done.Go(func() {
			path := fmt.Sprintf("/t/%d", i)
			made, err := s.AddTenant(mockidp.Tenant{Path: path})
			if err != nil {
				t.Error(err)
				return
			}
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, made.Issuer()+"/authorize?"+authParams().Encode(), nil)
			if a, err := s.newBrowser().Do(r); err != nil || a.StatusCode != http.StatusFound {
				t.Errorf("%v, %v", a, err)
			}
			s.RemoveTenant(path)
			if s.Tenant(path) != nil {
				t.Error("still there")
			}
		})
	}
	done.Wait()
	if len(s.Tenants()) != 0 {
		t.Errorf("tenants %v", s.Tenants())
	}
}

func TestAddTenant_MistakesAreNamed(t *testing.T) {
	s := newIDP(t, nil)
	if _, err := s.AddTenant(mockidp.Tenant{Path: "/a"}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", "/", "a", "/a", "/a/", "/a//b", "/../x", "/device", "/test", "/end_session/confirm", "/faults", "/faults/x", "/x/.well-known", "/.well-known", "/a?b", "/%61", "/{a}"} {
		if _, err := s.AddTenant(mockidp.Tenant{Path: path}); err == nil {
			t.Errorf("%q is accepted", path)
		}
	}
}
