// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/ingress-auth/conformance/mockidp"
	"github.com/ingress-auth/conformance/mockidp/mockidptest"
)

// TestDialect has a test for each quirk that dialects.yaml lists, and no other.
func TestDialect(t *testing.T) {
	tests := map[string]func(*testing.T, *idp){}
	for _, of := range []map[string]func(*testing.T, *idp){keycloakQuirks(), googleQuirks(), entraQuirks(), oktaQuirks(), auth0Quirks(), dexQuirks(), githubQuirks()} {
		maps.Copy(tests, of)
	}
	for _, d := range must(mockidp.Dialects()) {
		for quirk := range d.Quirks {
			name := d.Name + "/" + quirk
			test := tests[name]
			if quirk == "endpoints" {
				test = quirkEndpoints
			}
			if quirk == "no-iss" {
				test = quirkNoIss
			}
			delete(tests, name)
			t.Run(name, func(t *testing.T) {
				if test == nil {
					t.Fatal("the quirk is listed, and nothing here tests it")
				}
				test(t, newDialectIDP(t, d, autoLogin("alice")))
			})
		}
	}
	for name := range tests {
		t.Errorf("%s is tested, and dialects.yaml does not list it", name)
	}
}

// quirkEndpoints wants what the dialect places to be there and advertised there, and what it does not place to be absent.
func quirkEndpoints(t *testing.T, s *idp) {
	members := map[string]string{"jwks": "jwks_uri", "authorization": "authorization_endpoint", "token": "token_endpoint", "userinfo": "userinfo_endpoint",
		"end_session": "end_session_endpoint", "introspection": "introspection_endpoint", "revocation": "revocation_endpoint",
		"pushed_authorization_request": "pushed_authorization_request_endpoint", "device_authorization": "device_authorization_endpoint"}
	posted := []string{"token", "introspection", "revocation", "pushed_authorization_request", "device_authorization"}
	doc := map[string]any{}
	if !s.dialect.OAuthOnly {
		doc = discovery(t, s, s.at("discovery"))
	}
	for name, member := range members {
		path, placed := s.dialect.Endpoints[name]
		advertised, _ := doc[member].(string)
		if !s.dialect.OAuthOnly && placed != (advertised == s.base()+path) {
			t.Errorf("%s: %q is advertised, want %q", member, advertised, path)
		}
		if !placed {
			path = "/" + name
		}
		visit := s.get
		if slices.Contains(posted, name) {
			visit = func(rawURL string) answer { return s.post(rawURL, url.Values{}) }
		}
		if a := visit(s.base() + path); placed == (a.StatusCode == http.StatusNotFound) {
			t.Errorf("%s: status %d at %s", name, a.StatusCode, path)
		}
	}
	if s.dialect.OAuthOnly {
		for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/jwks"} {
			if a := s.get(s.base() + path); a.StatusCode != http.StatusNotFound {
				t.Errorf("%s: status %d", path, a.StatusCode)
			}
		}
	}
}

func quirkNoIss(t *testing.T, s *idp) {
	if q := s.redirected(s.authorize(), callback); q.Has("iss") || q.Get("code") == "" {
		t.Errorf("answer %v", q)
	}
}

// signedIn is what a login gives: the ID token's claims, the access token's where it is a JWT, and userinfo's.
type signedIn struct {
	tokens               tokens
	id, access, userinfo map[string]any
	response             map[string]any
}

func (s *idp) signIn(overrides ...string) signedIn {
	s.t.Helper()
	a := s.token(codeParams(s.code("alice", overrides...)))
	got := signedIn{tokens: s.tokens(a), response: object(s.t, a.body)}
	got.id, got.access = payload(s.t, got.tokens.IDToken), payload(s.t, got.tokens.AccessToken)
	got.userinfo = object(s.t, s.userinfo(got.tokens.AccessToken).body)
	return got
}

func object(t testing.TB, text string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return out
}

// payload is nil for what is no JWT.
func payload(t testing.TB, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	return object(t, string(raw))
}

func wantClaims(t *testing.T, got map[string]any, want map[string]any) {
	t.Helper()
	for name, value := range want {
		actual, there := got[name]
		switch {
		case value == absent:
			if there {
				t.Errorf("%s is %v, want none", name, actual)
			}
		case value == present:
			if !there {
				t.Errorf("%s is absent", name)
			}
		case !sameJSON(t, actual, value):
			t.Errorf("%s is %v, want %v", name, actual, value)
		}
	}
}

const (
	absent  = "\x00absent"
	present = "\x00present"
)

func wantMatch(t *testing.T, what string, got any, pattern string) {
	t.Helper()
	if text := fmt.Sprint(got); !regexp.MustCompile(pattern).MatchString(text) {
		t.Errorf("%s is %q, want %s", what, text, pattern)
	}
}

const uuid = `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`

// bob has no sub of his own, so he has the dialect's.
func subOf(s *idp, want string) func(*testing.T) {
	return func(t *testing.T) {
		token, err := s.MintIDToken("bob", "app")
		if err != nil {
			t.Fatal(err)
		}
		wantMatch(t, "sub", payload(t, token)["sub"], want)
	}
}

func quirkSub(pattern string) func(*testing.T, *idp) {
	return func(t *testing.T, s *idp) { subOf(s, pattern)(t) }
}

// wrongSecret and badGrant are the two errors that every provider words in its own way.
func wrongSecret(s *idp) answer {
	return s.token(codeParams("x"), basicAuth("app", "wrong"), accept("application/json"))
}

func badGrant(s *idp) answer {
	return s.token(codeParams("x"), basicAuth("app", "s3cret"), accept("application/json"))
}

func badRefresh(s *idp) answer {
	return s.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}}, basicAuth("app", "s3cret"))
}

func accept(mediaType string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Accept", mediaType) }
}

func wantTokenAnswer(t *testing.T, a answer, status int, want map[string]any) {
	t.Helper()
	if a.StatusCode != status {
		t.Errorf("status %d, want %d: %s", a.StatusCode, status, a.body)
	}
	wantClaims(t, object(t, a.body), want)
}

func keycloakQuirks() map[string]func(*testing.T, *idp) {
	return map[string]func(*testing.T, *idp){
		"keycloak/sub": quirkSub(uuid),
		"keycloak/groups": func(t *testing.T, s *idp) {
			wantClaims(t, s.signIn().id, map[string]any{"groups": []string{"/admins", "/a,b"}})
		},
		"keycloak/roles": func(t *testing.T, s *idp) {
			got := s.signIn()
			wantClaims(t, got.access, map[string]any{"typ": "Bearer", "azp": "app", "preferred_username": "alice", "email": "alice@example.com",
				"realm_access":    map[string]any{"roles": []string{"admins", "a,b"}},
				"resource_access": map[string]any{"account": map[string]any{"roles": []string{"manage-account", "view-profile"}}},
				"allowed-origins": []string{"https://app.example"}, "sid": got.id["sid"], "scope": "openid"})
			if a := s.authorize("id_token_hint", got.tokens.AccessToken); s.redirected(a, callback).Get("error") != "invalid_request" {
				t.Error("the access token passes for an ID token")
			}
		},
		"keycloak/audience": func(t *testing.T, s *idp) {
			wantClaims(t, s.signIn().access, map[string]any{"aud": "account"})
		},
		"keycloak/id-token": func(t *testing.T, s *idp) {
			wantClaims(t, s.signIn().id, map[string]any{"typ": "ID", "aud": "app", "azp": "app", "acr": "1", "sid": present, "jti": present, "at_hash": present})
		},
		"keycloak/refresh": func(t *testing.T, s *idp) {
			if got := s.signIn("scope", "openid"); got.tokens.RefreshToken == "" {
				t.Error("no refresh token")
			}
		},
		"keycloak/token-response": func(t *testing.T, s *idp) {
			got := s.signIn()
			wantClaims(t, got.response, map[string]any{"not-before-policy": 0, "session_state": got.id["sid"], "refresh_expires_in": 86400, "expires_in": 300})
		},
		"keycloak/errors": func(t *testing.T, s *idp) {
			wantTokenAnswer(t, wrongSecret(s), 401, map[string]any{"error": "unauthorized_client", "error_description": "Invalid client or Invalid client credentials"})
			wantTokenAnswer(t, badGrant(s), 400, map[string]any{"error": "invalid_grant", "error_description": "Code not valid"})
			wantTokenAnswer(t, badRefresh(s), 400, map[string]any{"error": "invalid_grant", "error_description": "Token is not active"})
		},
	}
}

func googleQuirks() map[string]func(*testing.T, *idp) {
	return map[string]func(*testing.T, *idp){
		"google/sub": quirkSub(`^1\d{20}$`),
		"google/hosted-domain": func(t *testing.T, s *idp) {
			wantClaims(t, s.signIn("scope", "openid email").id, map[string]any{"hd": "example.com", "email_verified": true})
			wantClaims(t, s.signIn("scope", "openid").id, map[string]any{"hd": absent})
			consumer := newDialectIDP(t, s.dialect, func(c *mockidp.Config) { c.AutoLogin, c.Users[0].Email = "alice", "alice@gmail.com" })
			wantClaims(t, consumer.signIn("scope", "openid email").id, map[string]any{"hd": absent, "email": "alice@gmail.com"})
		},
		"google/groups": func(t *testing.T, s *idp) {
			got := s.signIn("scope", "openid email groups")
			wantClaims(t, got.id, map[string]any{"groups": absent, "department": "R&D"})
			wantClaims(t, got.userinfo, map[string]any{"groups": absent})
			wantClaims(t, got.response, map[string]any{"scope": "openid email"})
		},
		"google/refresh": func(t *testing.T, s *idp) {
			for i, row := range []struct {
				params []string
				want   bool
			}{
				{nil, false}, {[]string{"access_type", "offline"}, true}, {[]string{"access_type", "offline"}, false},
				{[]string{"access_type", "offline", "prompt", "consent"}, true}, {[]string{"prompt", "consent"}, false},
			} {
				if got := s.signIn(row.params...); (got.tokens.RefreshToken != "") != row.want {
					t.Errorf("login %d with %v: refresh token %v, want %v", i, row.params, !row.want, row.want)
				}
			}
		},
		"google/errors": func(t *testing.T, s *idp) {
			wantTokenAnswer(t, badGrant(s), 400, map[string]any{"error": "invalid_grant", "error_description": "Malformed auth code."})
			wantTokenAnswer(t, badRefresh(s), 400, map[string]any{"error_description": "Token has been expired or revoked."})
			wantTokenAnswer(t, wrongSecret(s), 401, map[string]any{"error": "invalid_client"})
		},
	}
}

// withGroups gives alice so many groups.
func withGroups(t *testing.T, d mockidp.Dialect, n int) *idp {
	return newDialectIDP(t, d, func(c *mockidp.Config) {
		c.AutoLogin, c.Users[0].Groups = "alice", nil
		for i := range n {
			c.Users[0].Groups = append(c.Users[0].Groups, fmt.Sprintf("group-%03d", i))
		}
	})
}

func bearer(t *testing.T, s *idp, method, rawURL, scheme, token string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, rawURL, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", scheme+" "+token)
	return s.do(s.browser, r)
}

func entraQuirks() map[string]func(*testing.T, *idp) {
	const home, consumers = "11111111-2222-4333-8444-555555555555", "9188040d-6c67-4c5b-b112-36a304b66dad"
	return map[string]func(*testing.T, *idp){
		"entra/issuer-template": func(t *testing.T, s *idp) {
			for segment, want := range map[string]struct{ discovery, token string }{
				"common": {"{tenantid}", home}, "organizations": {"{tenantid}", home}, "consumers": {consumers, consumers},
				"0f0f0f0f-0000-4000-8000-000000000000": {"0f0f0f0f-0000-4000-8000-000000000000", "0f0f0f0f-0000-4000-8000-000000000000"},
			} {
				s := newDialectIDP(t, s.dialect, func(c *mockidp.Config) { c.AutoLogin, c.Issuer = "alice", issuer+"/"+segment+"/v2.0" })
				if got := discovery(t, s, s.at("discovery"))["issuer"]; got != issuer+"/"+want.discovery+"/v2.0" {
					t.Errorf("%s: issuer %v", segment, got)
				}
				got := s.signIn()
				wantClaims(t, got.id, map[string]any{"iss": issuer + "/" + want.token + "/v2.0", "tid": want.token})
				if q := s.redirected(s.authorize("id_token_hint", got.tokens.IDToken), callback); q.Get("code") == "" {
					t.Errorf("%s: its own token is no hint: %v", segment, q)
				}
			}
			s = newDialectIDP(t, s.dialect, func(c *mockidp.Config) {
				c.AutoLogin, c.Issuer = "alice", issuer+"/common/v2.0"
				c.Users[0].Claims["tid"] = consumers
			})
			wantClaims(t, s.signIn().id, map[string]any{"iss": issuer + "/" + consumers + "/v2.0", "tid": consumers})
		},
		"entra/claims": func(t *testing.T, s *idp) {
			got := s.signIn("scope", "openid profile email").id
			wantClaims(t, got, map[string]any{"ver": "2.0", "tid": "9122040d-6c67-4c5b-b112-36a304b66dad", "email": "alice@example.com", "email_verified": absent, "at_hash": absent})
			wantMatch(t, "oid", got["oid"], uuid)
			hybrid := newDialectIDP(t, s.dialect, autoLogin("alice"))
			q := hybrid.fragment(hybrid.authorize("client_id", "hybrid", "response_type", "id_token token"))
			wantClaims(t, payload(t, q.Get("id_token")), map[string]any{"at_hash": present})
		},
		"entra/username": func(t *testing.T, s *idp) {
			wantClaims(t, s.signIn("scope", "openid profile").id, map[string]any{"preferred_username": "alice@example.com"})
			wantClaims(t, s.signIn("scope", "openid").id, map[string]any{"preferred_username": absent})
			nomail := newDialectIDP(t, s.dialect, autoLogin("nomail"))
			wantClaims(t, nomail.signIn("scope", "openid profile email").id, map[string]any{"email": absent, "preferred_username": "nomail@mockidp.example"})
		},
		"entra/groups": func(t *testing.T, s *idp) {
			groups, _ := s.signIn("scope", "openid").id["groups"].([]any)
			if len(groups) != 2 {
				t.Fatalf("groups %v", groups)
			}
			wantMatch(t, "a group", groups[0], uuid)
			given := newDialectIDP(t, s.dialect, func(c *mockidp.Config) { c.AutoLogin, c.Users[0].Groups = "alice", []string{home} })
			wantClaims(t, given.signIn().id, map[string]any{"groups": []string{home}})
		},
		"entra/groups-overage": func(t *testing.T, s *idp) {
			wantClaims(t, withGroups(t, s.dialect, 200).signIn().id, map[string]any{"groups": present, "_claim_names": absent})
			s = withGroups(t, s.dialect, 201)
			got := s.signIn()
			wantClaims(t, got.id, map[string]any{"groups": absent, "hasgroups": absent, "_claim_names": map[string]any{"groups": "src1"}})
			source := got.id["_claim_sources"].(map[string]any)["src1"].(map[string]any)["endpoint"].(string)
			ids, _ := object(t, bearer(t, s, "POST", source, "Bearer", got.tokens.AccessToken).body)["value"].([]any)
			if len(ids) != 201 {
				t.Errorf("the source has %d groups", len(ids))
			}
			for _, wrong := range []answer{bearer(t, s, "POST", source, "Bearer", "x"), bearer(t, s, "POST", s.base()+"/users/"+home+"/getMemberObjects", "Bearer", got.tokens.AccessToken)} {
				if wrong.StatusCode != 401 {
					t.Errorf("status %d", wrong.StatusCode)
				}
			}
			q := s.fragment(s.authorize("client_id", "hybrid", "response_type", "id_token"))
			wantClaims(t, payload(t, q.Get("id_token")), map[string]any{"groups": absent, "hasgroups": true, "_claim_names": absent})
		},
		"entra/graph": func(t *testing.T, s *idp) {
			s = withGroups(t, s.dialect, 250)
			token := s.signIn().tokens.AccessToken
			next, seen := s.base()+"/v1.0/me/transitiveMemberOf?$select=displayName,id&$top=100", []int{}
			for next != "" && len(seen) < 5 {
				page := object(t, bearer(t, s, "GET", next, "Bearer", token).body)
				seen = append(seen, len(page["value"].([]any)))
				next, _ = page["@odata.nextLink"].(string)
			}
			if !slices.Equal(seen, []int{100, 100, 50}) {
				t.Errorf("pages of %v", seen)
			}
		},
		"entra/keys": func(t *testing.T, s *idp) {
			first := s.get(s.at("jwks")).body
			for _, key := range object(t, first)["keys"].([]any) {
				wantClaims(t, key.(map[string]any), map[string]any{"alg": absent, "use": "sig", "kid": present, "x5c": present, "x5t": present, "issuer": s.Issuer(), "d": absent})
			}
			if s.get(s.at("jwks")).body != first {
				t.Error("the certificates change")
			}
		},
		"entra/errors": func(t *testing.T, s *idp) {
			a := wrongSecret(s)
			wantTokenAnswer(t, a, 401, map[string]any{"error": "invalid_client", "error_codes": []int{7000215}, "trace_id": present, "timestamp": present})
			wantMatch(t, "error_description", object(t, a.body)["error_description"], `^AADSTS7000215: .* Trace ID: [0-9a-f-]{36} `)
			wantTokenAnswer(t, badGrant(s), 400, map[string]any{"error": "invalid_grant", "error_codes": []int{70008}})
		},
		"entra/token-response": func(t *testing.T, s *idp) {
			wantClaims(t, s.signIn().response, map[string]any{"ext_expires_in": 300, "token_type": "Bearer"})
		},
	}
}

func oktaQuirks() map[string]func(*testing.T, *idp) {
	errors := func(t *testing.T, s *idp) {
		wantTokenAnswer(t, wrongSecret(s), 401, map[string]any{"error": "invalid_client", "error_description": "The client secret supplied for a confidential client is invalid."})
		wantTokenAnswer(t, badGrant(s), 400, map[string]any{"error": "invalid_grant", "error_description": "The authorization code is invalid or has expired."})
		if doc := discovery(t, s, s.base()+"/.well-known/oauth-authorization-server"); doc["issuer"] != s.Issuer() {
			t.Errorf("the OAuth metadata below the issuer has the issuer %v", doc["issuer"])
		}
	}
	return map[string]func(*testing.T, *idp){
		"okta/sub":    quirkSub(`^00u\w{17}$`),
		"okta/errors": errors,
		"okta/access-token": func(t *testing.T, s *idp) {
			got := s.signIn("scope", "openid email")
			wantClaims(t, got.access, map[string]any{"ver": 1, "cid": "app", "uid": "sub-alice", "sub": "alice@example.com", "scp": []string{"openid", "email"}, "scope": absent, "aud": "api://default"})
			wantMatch(t, "jti", got.access["jti"], `^AT\.`)
		},
		"okta/id-token": func(t *testing.T, s *idp) {
			got := s.signIn().id
			wantClaims(t, got, map[string]any{"ver": 1, "idp": present, "amr": []string{"pwd"}, "sub": "sub-alice", "auth_time": present, "at_hash": present})
			wantMatch(t, "jti", got["jti"], `^ID\.`)
		},
		"okta/groups": func(t *testing.T, s *idp) {
			wantClaims(t, s.signIn("scope", "openid").id, map[string]any{"groups": absent})
			got := s.signIn("scope", "openid groups")
			wantClaims(t, got.id, map[string]any{"groups": []string{"admins", "a,b"}})
			wantClaims(t, got.userinfo, map[string]any{"groups": []string{"admins", "a,b"}})
		},
		"okta-org/groups": func(t *testing.T, s *idp) {
			got := s.signIn("scope", "openid groups")
			wantClaims(t, got.id, map[string]any{"groups": []string{"admins", "a,b"}})
			wantClaims(t, got.userinfo, map[string]any{"groups": absent})
		},
		"okta-org/access-token": func(t *testing.T, s *idp) {
			if got := s.signIn(); got.access != nil {
				t.Errorf("it says %v", got.access)
			}
		},
	}
}

func auth0Quirks() map[string]func(*testing.T, *idp) {
	return map[string]func(*testing.T, *idp){
		"auth0/issuer-slash": func(t *testing.T, s *idp) {
			got := s.signIn()
			wantMatch(t, "issuer", discovery(t, s, s.at("discovery"))["issuer"], `[^/]/$`)
			wantClaims(t, got.id, map[string]any{"iss": s.Issuer()})
			if _, err := mockidp.New(mockidp.Config{Dialect: "auth0", Issuer: issuer}); err == nil || !strings.Contains(err.Error(), "write "+issuer+"/") {
				t.Errorf("without the slash: %v", err)
			}
		},
		"auth0/sub": quirkSub(`^auth0\|[0-9a-f]{24}$`),
		"auth0/namespaced-groups": func(t *testing.T, s *idp) {
			wantClaims(t, s.signIn("scope", "openid").id, map[string]any{"groups": absent, "https://mockidp.example/groups": []string{"admins", "a,b"}})
		},
		"auth0/access-token": func(t *testing.T, s *idp) {
			if got := s.signIn(); got.access != nil {
				t.Errorf("without an audience it says %v", got.access)
			}
			got := s.signIn("audience", "https://api.example")
			wantClaims(t, got.access, map[string]any{"aud": []string{"https://api.example", s.at("userinfo")}, "permissions": []string{"admins", "a,b"}, "azp": "app", "scope": "openid"})
			wantClaims(t, got.userinfo, map[string]any{"sub": "sub-alice"})
		},
		"auth0/errors": func(t *testing.T, s *idp) {
			wantTokenAnswer(t, wrongSecret(s), 401, map[string]any{"error": "access_denied", "error_description": "Unauthorized"})
			wantTokenAnswer(t, badGrant(s), 403, map[string]any{"error": "invalid_grant", "error_description": "Invalid authorization code"})
		},
	}
}

func dexQuirks() map[string]func(*testing.T, *idp) {
	return map[string]func(*testing.T, *idp){
		"dex/sub": func(t *testing.T, s *idp) {
			quirkSub("^"+base64.RawURLEncoding.EncodeToString([]byte("\n\x03bob\x12\x05local"))+"$")(t, s)
		},
		"dex/federated-claims": func(t *testing.T, s *idp) {
			wantClaims(t, s.signIn("scope", "openid").id, map[string]any{"federated_claims": absent})
			wantClaims(t, s.signIn("scope", "openid federated:id").id, map[string]any{"federated_claims": map[string]any{"connector_id": "local", "user_id": "alice"}})
		},
		"dex/groups": func(t *testing.T, s *idp) {
			wantClaims(t, s.signIn("scope", "openid").id, map[string]any{"groups": absent})
			wantClaims(t, s.signIn("scope", "openid groups").id, map[string]any{"groups": []string{"admins", "a,b"}})
		},
		"dex/errors": func(t *testing.T, s *idp) {
			wantTokenAnswer(t, badRefresh(s), 400, map[string]any{"error": "invalid_request"})
			wantTokenAnswer(t, badGrant(s), 400, map[string]any{"error": "invalid_grant"})
		},
	}
}

func githubQuirks() map[string]func(*testing.T, *idp) {
	token := func(s *idp, scope string) tokens {
		return s.tokens(s.token(codeParams(s.code("alice", "scope", scope)), basicAuth("app", "s3cret"), accept("application/json")))
	}
	return map[string]func(*testing.T, *idp){
		"github/no-id-token": func(t *testing.T, s *idp) {
			for _, scope := range []string{"", "openid", "openid user"} {
				if got := token(s, scope); got.IDToken != "" || got.AccessToken == "" {
					t.Errorf("%q: %+v", scope, got)
				}
			}
		},
		"github/form-encoded": func(t *testing.T, s *idp) {
			for scope, want := range map[string]string{"user,read:org": "user,read:org", "user:email repo": "user:email,repo"} {
				a := s.token(codeParams(s.code("alice", "scope", scope)))
				wantMatch(t, "Content-Type", a.Header.Get("Content-Type"), "^application/x-www-form-urlencoded")
				form, err := url.ParseQuery(a.body)
				if err != nil || form.Get("access_token") == "" || form.Get("token_type") != "bearer" || form.Get("scope") != want || form.Has("expires_in") {
					t.Errorf("%s, %v", a.body, err)
				}
			}
			a := s.token(codeParams(s.code("alice", "scope", "user")), basicAuth("app", "s3cret"), accept("application/json"))
			wantClaims(t, object(t, a.body), map[string]any{"expires_in": absent, "scope": "user"})
		},
		"github/errors": func(t *testing.T, s *idp) {
			wantTokenAnswer(t, wrongSecret(s), 200, map[string]any{"error": "incorrect_client_credentials", "error_uri": present})
			wantTokenAnswer(t, badGrant(s), 200, map[string]any{"error": "bad_verification_code", "error_description": "The code passed is incorrect or expired."})
			a := s.token(codeParams("x"))
			if form, _ := url.ParseQuery(a.body); a.StatusCode != 200 || form.Get("error") != "bad_verification_code" {
				t.Errorf("status %d: %s", a.StatusCode, a.body)
			}
		},
		"github/user-api": func(t *testing.T, s *idp) {
			got := token(s, "user").AccessToken
			for _, path := range []string{"/user", "/api/v3/user"} {
				for _, scheme := range []string{"Bearer", "token"} {
					user := object(t, bearer(t, s, "GET", s.base()+path, scheme, got).body)
					wantClaims(t, user, map[string]any{"login": "alice", "name": "Alice", "email": "alice@example.com"})
					wantMatch(t, "id", user["id"], `^[\d.e+]+$`)
				}
			}
			if a := bearer(t, s, "GET", s.base()+"/user", "Bearer", "x"); a.StatusCode != 401 || object(t, a.body)["message"] != "Bad credentials" {
				t.Errorf("status %d: %s", a.StatusCode, a.body)
			}
		},
		"github/private-email": func(t *testing.T, s *idp) {
			plain := token(s, "").AccessToken
			wantClaims(t, object(t, bearer(t, s, "GET", s.base()+"/user", "Bearer", plain).body), map[string]any{"email": nil})
			if a := bearer(t, s, "GET", s.base()+"/user/emails", "Bearer", plain); a.StatusCode != 404 {
				t.Errorf("status %d", a.StatusCode)
			}
			var list []map[string]any
			body := bearer(t, s, "GET", s.base()+"/user/emails", "Bearer", token(s, "user:email").AccessToken).body
			if err := json.Unmarshal([]byte(body), &list); err != nil || len(list) != 2 {
				t.Fatalf("%s, %v", body, err)
			}
			wantClaims(t, list[0], map[string]any{"email": "alice@example.com", "primary": true, "verified": true})
			wantClaims(t, list[1], map[string]any{"primary": false})
		},
		"github/teams-paging": func(t *testing.T, s *idp) {
			s = newDialectIDP(t, s.dialect, func(c *mockidp.Config) {
				c.AutoLogin, c.Users[0].Groups = "alice", []string{"acme", "acme/core", "acme/Web", "other/ops"}
			})
			got := token(s, "read:org").AccessToken
			next, slugs := s.base()+"/user/teams?per_page=2", []string{}
			for next != "" && len(slugs) < 9 {
				a := bearer(t, s, "GET", next, "Bearer", got)
				var list []struct {
					Slug         string
					Organization struct{ Login string }
				}
				if err := json.Unmarshal([]byte(a.body), &list); err != nil {
					t.Fatalf("%v: %s", err, a.body)
				}
				for _, team := range list {
					slugs = append(slugs, team.Organization.Login+"/"+team.Slug)
				}
				next = ""
				if m := regexp.MustCompile(`<([^>]+)>; rel="next"`).FindStringSubmatch(a.Header.Get("Link")); m != nil {
					next = m[1]
				}
			}
			if !slices.Equal(slugs, []string{"acme/core", "acme/web", "other/ops"}) {
				t.Errorf("teams %v", slugs)
			}
			var orgs []map[string]any
			if err := json.Unmarshal([]byte(bearer(t, s, "GET", s.base()+"/user/orgs", "Bearer", got).body), &orgs); err != nil || len(orgs) != 2 {
				t.Errorf("organisations %v, %v", orgs, err)
			}
			if a := bearer(t, s, "GET", s.base()+"/user/teams", "Bearer", token(s, "user").AccessToken); a.StatusCode != 404 {
				t.Errorf("status %d without read:org", a.StatusCode)
			}
		},
		"github/token-prefix": func(t *testing.T, s *idp) { wantMatch(t, "access_token", token(s, "").AccessToken, `^gho_[\w-]`) },
	}
}

// An independent client signs in through every dialect that has OpenID Connect.
func TestDialect_GoOIDCSignsIn(t *testing.T) {
	for _, d := range must(mockidp.Dialects()) {
		if d.OAuthOnly {
			continue
		}
		t.Run(d.Name, func(t *testing.T) {
			cfg := mockidp.Config{Dialect: d.Name, AutoLogin: "alice", Clients: []mockidp.Client{{ClientID: "rp", ClientSecret: "s", RedirectURIs: []string{callback}}}}
			server := mockidptest.StartTLS(t, cfg, mockidp.WithSigningKeys(testKeys()...))
			ctx := oidc.ClientContext(t.Context(), server.Client)
			goOIDCVerifies(t, ctx, server, must(oidc.NewProvider(ctx, server.Issuer())), oidc.Config{ClientID: "rp"})
		})
	}
	t.Run("entra, common", func(t *testing.T) {
		cfg := mockidp.Config{AutoLogin: "alice", Clients: []mockidp.Client{{ClientID: "rp", ClientSecret: "s", RedirectURIs: []string{callback}}},
			Tenants: []mockidp.Tenant{{Path: "/common/v2.0", Dialect: "entra"}}}
		server := mockidptest.StartTLS(t, cfg, mockidp.WithSigningKeys(testKeys()...))
		common := server.URL + "/common/v2.0"
		ctx := oidc.ClientContext(t.Context(), server.Client)
		if _, err := oidc.NewProvider(ctx, common); err == nil {
			t.Error("go-oidc takes a template for an issuer")
		}
		provider, err := oidc.NewProvider(oidc.InsecureIssuerURLContext(ctx, server.URL+"/{tenantid}/v2.0"), common)
		if err != nil {
			t.Fatal(err)
		}
		goOIDCVerifies(t, ctx, server, provider, oidc.Config{ClientID: "rp", SkipIssuerCheck: true})
	})
}

func goOIDCVerifies(t *testing.T, ctx context.Context, server *mockidptest.Server, provider *oidc.Provider, cfg oidc.Config) {
	t.Helper()
	rp := &oauth2.Config{ClientID: "rp", ClientSecret: "s", Endpoint: provider.Endpoint(), RedirectURL: callback, Scopes: []string{"openid", "email", "profile"}}
	code, pkce := visit(t, server, rp)
	token, err := rp.Exchange(ctx, code, oauth2.VerifierOption(pkce))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := token.Extra("id_token").(string)
	idToken, err := provider.Verifier(&cfg).Verify(ctx, raw)
	if err != nil {
		t.Fatal(err)
	}
	info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil || info.Subject != idToken.Subject || info.Email != "alice@example.com" {
		t.Errorf("userinfo %+v, %v", info, err)
	}
}
