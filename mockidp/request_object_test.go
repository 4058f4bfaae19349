// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ingress-auth/conformance/mockidp"
)

// documents serves what clients publish, by URL or as "redirect:" to another, and counts how often each was asked for.
type documents struct {
	mu    sync.Mutex
	at    map[string]string
	asked map[string]int
}

func (d *documents) put(rawURL, body string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at == nil {
		d.at = map[string]string{}
	}
	d.at[rawURL] = body
}

func (d *documents) RoundTrip(r *http.Request) (*http.Response, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := httptest.NewRecorder()
	if d.asked == nil {
		d.asked = map[string]int{}
	}
	body, ok := d.at[r.URL.String()]
	if d.asked[r.URL.String()]++; !ok {
		w.WriteHeader(http.StatusNotFound)
	}
	if to, ok := strings.CutPrefix(body, "redirect:"); ok {
		http.Redirect(w, r, to, http.StatusFound)
		return w.Result(), nil
	}
	_, _ = w.WriteString(body)
	return w.Result(), nil
}

func (d *documents) count(rawURL string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked[rawURL]
}

func signTyped(t testing.TB, alg jose.SignatureAlgorithm, key any, typ string, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	options := &jose.SignerOptions{}
	if typ != "" {
		options = options.WithType(jose.ContentType(typ))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	return must(signed.CompactSerialize())
}

func objectClaims(edit map[string]any) map[string]any {
	claims := map[string]any{"iss": "signs", "aud": issuer, "client_id": "signs", "redirect_uri": callback, "response_type": "code", "scope": "openid email",
		"state": "inner", "nonce": "inner-nonce", "max_age": 600, "claims": map[string]any{"id_token": map[string]any{"email": nil}}, "code_challenge": s256, "code_challenge_method": "S256"}
	maps.Copy(claims, edit)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == absent })
	return claims
}

func TestAuthorize_RFC9101_RequestObjects(t *testing.T) {
	const uri = "https://app.example/request.jwt"
	published := &documents{}
	s := newIDP(t, func(c *mockidp.Config) {
		c.AutoLogin = "alice"
		for i := range c.Clients {
			if c.Clients[i].ClientID == "signs" {
				c.Clients[i].RequestURIs = []string{uri, "https://app.example/absent"}
			}
		}
		c.Clients = append(c.Clients, mockidp.Client{ClientID: "careful", ClientSecret: "s", JWKS: clientKeys(), RequireSignedRequestObject: true, RequestObjectSigningAlg: jose.ES256, RedirectURIs: []string{callback}})
	}, mockidp.WithHTTPClient(&http.Client{Transport: published}))
	key := testKeys()[0].Key
	object := func(edit map[string]any, typ string) string {
		return signTyped(t, jose.RS256, key, typ, objectClaims(edit))
	}
	ask := func(params url.Values) answer { return s.get(issuer + "/authorize?" + params.Encode()) }
	outer := func(pairs ...string) url.Values {
		return override(url.Values{"client_id": {"signs"}, "response_type": {"code"}, "scope": {"openid"}}, pairs)
	}
	t.Run("6.1: the parameters are those of the object", func(t *testing.T) {
		q := s.redirected(ask(outer("request", object(nil, ""), "state", "outer", "redirect_uri", "https://evil.example/")), callback)
		if q.Get("state") != "inner" || q.Get("code") == "" {
			t.Fatalf("answer %v", q)
		}
	})
	t.Run("Core 6.1: without the typ of RFC 9101 what only the query has counts too; with it, not (RFC 9101 6.3)", func(t *testing.T) {
		for typ, want := range map[string]string{"": "outer", "oauth-authz-req+jwt": ""} {
			q := s.redirected(ask(outer("request", object(map[string]any{"state": absent}, typ), "state", "outer")), callback)
			if q.Get("state") != want || q.Get("code") == "" {
				t.Errorf("typ %q: answer %v", typ, q)
			}
		}
	})
	t.Run("5.2: by reference, where the client has registered it", func(t *testing.T) {
		published.put(uri, object(nil, ""))
		if q := s.redirected(ask(outer("request_uri", uri+"#hash")), callback); q.Get("state") != "inner" || q.Get("code") == "" {
			t.Errorf("answer %v", q)
		}
	})
	t.Run("10.4.1: nothing else is fetched", func(t *testing.T) {
		for _, other := range []string{"https://app.example/other", "http://169.254.169.254/"} {
			s.wantError(ask(outer("request_uri", other, "redirect_uri", callback)), "invalid_request_uri")
			if published.count(other) != 0 {
				t.Errorf("%s was fetched", other)
			}
		}
		s.wantError(ask(outer("request_uri", "https://app.example/absent", "redirect_uri", callback)), "invalid_request_uri")
	})
	now := s.clock.Now().Unix()
	for name, request := range map[string]string{
		"4: unsigned":                          "eyJhbGciOiJub25lIn0.e30.",
		"6.2: no JWT":                          "x",
		"6.2: another key":                     signTyped(t, jose.ES256, must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), "", objectClaims(nil)),
		"4: iss is another client":             object(map[string]any{"iss": "app"}, ""),
		"4: aud is another issuer":             object(map[string]any{"aud": "https://other.example"}, ""),
		"Core 6.1: client_id is another":       object(map[string]any{"client_id": "app"}, ""),
		"4: request inside":                    object(map[string]any{"request": "x"}, ""),
		"4: request_uri inside":                object(map[string]any{"request_uri": uri}, ""),
		"RFC 7519 4.1.4: expired":              object(map[string]any{"exp": now}, ""),
		"RFC 7519 4.1.5: not yet":              object(map[string]any{"nbf": now + 3600}, ""),
		"RFC 7519 4.1.4: exp is not a number":  object(map[string]any{"exp": "soon"}, ""),
		"RFC 8725 3.1: HMAC with a public key": signTyped(t, jose.HS256, []byte(strings.Repeat("k", 32)), "", objectClaims(nil)),
	} {
		t.Run(name, func(t *testing.T) {
			s := *s
			s.t = t
			s.wantError(ask(outer("request", request, "redirect_uri", callback, "state", "x")), "invalid_request_object")
		})
	}
	t.Run("Core 6.1: response_type must not differ", func(t *testing.T) {
		s.wantError(ask(outer("request", object(map[string]any{"response_type": "id_token"}, ""), "redirect_uri", callback, "state", "x")), "invalid_request")
	})
	t.Run("RFC 6749 4.1.2.1: a problem without a redirect URI that is good is told to the person", func(t *testing.T) {
		s.wantPage(ask(outer("request", "x")), http.StatusBadRequest, "redirect_uri is missing")
		s.wantPage(ask(outer("request", object(map[string]any{"redirect_uri": "https://evil.example/"}, ""))), http.StatusBadRequest, "not registered")
	})
	t.Run("10.5: a client may have to sign, with one algorithm", func(t *testing.T) {
		s.wantError(ask(outer("client_id", "careful", "redirect_uri", callback)), "invalid_request")
		claims := objectClaims(map[string]any{"iss": "careful", "client_id": "careful"})
		s.wantError(ask(outer("client_id", "careful", "redirect_uri", callback, "request", signTyped(t, jose.RS256, key, "", claims))), "invalid_request_object")
		if q := s.redirected(ask(outer("client_id", "careful", "request", signTyped(t, jose.ES256, testKeys()[1].Key, "", claims))), callback); q.Get("code") == "" {
			t.Errorf("answer %v", q)
		}
	})
	t.Run("RFC 9126 3: it may be pushed", func(t *testing.T) {
		assertion := signAssertion(t, jose.RS256, key, "", map[string]any{"iss": "signs", "sub": "signs", "aud": issuer, "jti": "par", "exp": now + 60})
		form := url.Values{"request": {object(nil, "")}, "client_assertion_type": {assertionType}, "client_assertion": {assertion}}
		a := s.post(issuer+"/par", form)
		if a.StatusCode != http.StatusCreated {
			t.Fatalf("status %d: %s", a.StatusCode, a.body)
		}
		if q := s.redirected(ask(url.Values{"client_id": {"signs"}, "request_uri": {object1(t, a.body, "request_uri")}}), callback); q.Get("state") != "inner" {
			t.Errorf("answer %v", q)
		}
	})
}

func object1(t *testing.T, body, member string) string {
	text, _ := object(t, body)[member].(string)
	return text
}

// signsRequests signs in by a request object of one algorithm.
func signsRequests(t *testing.T, d mockidp.Dialect, alg jose.SignatureAlgorithm) {
	client := mockidp.Client{ClientID: "asks", ClientSecret: strings.Repeat("k", 64), RedirectURIs: []string{callback}}
	key := any([]byte(client.ClientSecret))
	if !strings.HasPrefix(string(alg), "HS") {
		keys := keysFor(t, alg)
		signing := keys[len(keys)-1]
		key, client.JWKS = signing.Key, &mockidp.JWKS{}
		client.JWKS.Keys = []jose.JSONWebKey{{Key: signing.Key.Public(), Algorithm: string(alg)}}
	}
	s := newDialectIDP(t, d, func(c *mockidp.Config) { c.AutoLogin, c.Clients = "alice", append(c.Clients, client) })
	claims := objectClaims(map[string]any{"iss": "asks", "client_id": "asks", "aud": s.Issuer()})
	if q := s.redirected(s.get(s.at("authorization")+"?"+url.Values{"client_id": {"asks"}, "request": {signTyped(t, alg, key, "", claims)}}.Encode()), callback); q.Get("code") == "" {
		t.Errorf("answer %v", q)
	}
}

func jwksOf(t testing.TB, keys ...mockidp.SigningKey) string {
	t.Helper()
	set := jose.JSONWebKeySet{}
	for i, k := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.Key.Public(), KeyID: fmt.Sprint(i), Algorithm: string(k.Algorithm)})
	}
	return string(must(json.Marshal(set)))
}

func TestToken_RFC7591_2_KeysAtJWKSURI(t *testing.T) {
	const uri = "https://app.example/jwks"
	published := &documents{}
	s := newIDP(t, func(c *mockidp.Config) {
		c.Clients = append(c.Clients, mockidp.Client{ClientID: "remote", JWKSURI: uri, RedirectURIs: []string{callback}})
	}, mockidp.WithHTTPClient(&http.Client{Transport: published}))
	jti := 0
	authenticate := func(k mockidp.SigningKey) string {
		jti++
		claims := map[string]any{"iss": "remote", "sub": "remote", "aud": issuer, "jti": fmt.Sprint(jti), "exp": s.clock.Now().Unix() + 60}
		form := codeParams("x", "client_assertion_type", assertionType, "client_assertion", signAssertion(t, k.Algorithm, k.Key, "", claims))
		return object1(t, s.token(form, func(*http.Request) {}).body, "error")
	}
	old, rotated := testKeys()[0], testKeys()[1]
	if got := authenticate(old); got != "invalid_client" {
		t.Errorf("nothing is published: %s", got)
	}
	published.put(uri, jwksOf(t, old))
	if got := authenticate(old); got != "invalid_grant" {
		t.Errorf("published: %s", got)
	}
	before := published.count(uri)
	if got := authenticate(old); got != "invalid_grant" || published.count(uri) != before {
		t.Errorf("it is not remembered: %s, fetched %d times", got, published.count(uri)-before)
	}
	t.Run("Core 10.1.1: a key that is new is found at once", func(t *testing.T) {
		published.put(uri, jwksOf(t, rotated))
		if got := authenticate(rotated); got != "invalid_grant" {
			t.Errorf("%s", got)
		}
		if got := authenticate(old); got != "invalid_client" {
			t.Errorf("the old key still serves: %s", got)
		}
	})
	t.Run("a key that is gone is believed for five minutes at most", func(t *testing.T) {
		published.put(uri, jwksOf(t, old))
		s.clock.advance(6 * time.Minute)
		if got := authenticate(rotated); got != "invalid_client" {
			t.Errorf("%s", got)
		}
	})
	t.Run("what is no set of public keys is refused", func(t *testing.T) {
		s.clock.advance(6 * time.Minute)
		for _, body := range []string{"x", "{}", `{"keys":[{"kty":"oct","k":"AAAA"}]}`, strings.Repeat(" ", 70_000)} {
			published.put(uri, body)
			if got := authenticate(old); got != "invalid_client" {
				t.Errorf("%.20q: %s", body, got)
			}
		}
	})
}

func TestSubject_Core_8_1_Pairwise(t *testing.T) {
	s := newIDP(t, func(c *mockidp.Config) {
		add := func(id, host string) {
			c.Clients = append(c.Clients, mockidp.Client{ClientID: id, ClientSecret: "s", SubjectType: "pairwise", AccessTokenFormat: "jwt", IssueRefreshToken: "always",
				RedirectURIs: []string{"https://" + host + "/cb"}, BackchannelLogoutURI: "https://" + host + "/bcl"})
		}
		add("one", "one.example")
		add("one-more", "one.example")
		add("two", "two.example")
	}, mockidp.WithHTTPClient(&http.Client{Transport: &documents{}}))
	login := func(client, host string) tokens {
		redirect := "https://" + host + "/cb"
		code := s.code("alice", "client_id", client, "redirect_uri", redirect)
		return s.tokens(s.token(codeParams(code, "redirect_uri", redirect), basicAuth(client, "s")))
	}
	one, more, two := login("one", "one.example"), login("one-more", "one.example"), login("two", "two.example")
	sub := payload(t, one.IDToken)["sub"]
	if sub == "sub-alice" || sub != payload(t, more.IDToken)["sub"] || sub == payload(t, two.IDToken)["sub"] {
		t.Errorf("subs %v, %v, %v", sub, payload(t, more.IDToken)["sub"], payload(t, two.IDToken)["sub"])
	}
	for what, got := range map[string]any{
		"userinfo":          object(t, s.userinfo(one.AccessToken).body)["sub"],
		"the access token":  payload(t, one.AccessToken)["sub"],
		"introspection":     object(t, s.post(issuer+"/introspect", url.Values{"token": {one.AccessToken}}, basicAuth("one", "s")).body)["sub"],
		"a refreshed token": payload(t, s.tokens(s.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {one.RefreshToken}}, basicAuth("one", "s"))).IDToken)["sub"],
		"another start": payload(t, must(newIDP(t, func(c *mockidp.Config) {
			c.Clients = append(c.Clients, mockidp.Client{ClientID: "one", ClientSecret: "s", SubjectType: "pairwise", RedirectURIs: []string{"https://one.example/cb"}})
		}).MintIDToken("alice", "one")))["sub"],
		"a token by its sub": payload(t, must(s.MintIDToken(sub.(string), "one")))["sub"],
	} {
		if got != sub {
			t.Errorf("%s has %v, want %v", what, got, sub)
		}
	}
	t.Run("Core 3.1.2.1: hints of every client name the same user", func(t *testing.T) {
		for _, hint := range []string{one.IDToken, two.IDToken} {
			if q := s.redirected(s.authorize("prompt", "none", "id_token_hint", hint, "client_id", "two", "redirect_uri", "https://two.example/cb"), "https://two.example/cb"); q.Get("code") == "" {
				t.Errorf("answer %v", q)
			}
		}
		bob := must(s.MintIDToken("bob", "one"))
		if q := s.redirected(s.authorize("prompt", "none", "id_token_hint", bob), callback); q.Get("error") != "login_required" {
			t.Errorf("answer %v", q)
		}
	})
	t.Run("the redirect URIs must be of one host", func(t *testing.T) {
		_, err := mockidp.New(mockidp.Config{Clients: []mockidp.Client{{ClientID: "a", SubjectType: "pairwise", RedirectURIs: []string{"https://a.example", "https://b.example"}}}})
		if err == nil || !strings.Contains(err.Error(), "one host") {
			t.Errorf("%v", err)
		}
	})
}

func TestRegistration_RFC7592_2_Management(t *testing.T) {
	s := newIDP(t, open)
	_, made := s.register(`{"redirect_uris":["` + callback + `"],"client_name":"Old","jwks_uri":"https://a.example/jwks"}`)
	id, secret, token, at := made["client_id"].(string), made["client_secret"].(string), made["registration_access_token"].(string), made["registration_client_uri"].(string)
	manage := func(method, bearer, body string) answer {
		r, err := http.NewRequestWithContext(t.Context(), method, at, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+bearer)
		r.Header.Set("Content-Type", "application/json")
		return s.do(s.browser, r)
	}
	got := s.tokens(s.token(codeParams(s.code("alice", "client_id", id)), basicAuth(id, secret)))
	t.Run("2.2: the new metadata replaces all of the old", func(t *testing.T) {
		a := manage("PUT", token, `{"client_id":"`+id+`","client_secret":"`+secret+`","redirect_uris":["https://new.example/cb"],"subject_type":"pairwise"}`)
		if a.StatusCode != http.StatusOK {
			t.Fatalf("status %d: %s", a.StatusCode, a.body)
		}
		wantClaims(t, object(t, a.body), map[string]any{"client_id": id, "client_secret": secret, "redirect_uris": []string{"https://new.example/cb"}, "client_name": absent, "jwks_uri": absent,
			"subject_type": "pairwise", "registration_access_token": token, "registration_client_uri": at})
		wantClaims(t, object(t, manage("GET", token, "").body), map[string]any{"redirect_uris": []string{"https://new.example/cb"}})
		s.wantPage(s.authorize("client_id", id), http.StatusBadRequest, "not registered")
		s.code("alice", "client_id", id, "redirect_uri", "https://new.example/cb")
	})
	t.Run("2.2: what is not the client's own is refused, and changes nothing", func(t *testing.T) {
		for _, body := range []string{`{"redirect_uris":["https://new.example/cb"]}`, `{"client_id":"other","redirect_uris":["https://x.example/"]}`,
			`{"client_id":"` + id + `","client_secret":"x","redirect_uris":["https://x.example/"]}`, `{"client_id":"` + id + `","registration_access_token":"x","redirect_uris":["https://x.example/"]}`,
			`{"client_id":"` + id + `","client_secret_expires_at":0,"redirect_uris":["https://x.example/"]}`, `{"client_id":"` + id + `"}`, `x`} {
			if a := manage("PUT", token, body); a.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: status %d: %s", body, a.StatusCode, a.body)
			}
		}
		wantClaims(t, object(t, manage("GET", token, "").body), map[string]any{"redirect_uris": []string{"https://new.example/cb"}})
	})
	t.Run("3: only with its token", func(t *testing.T) {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			if a := manage(method, "x", "{}"); a.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s: status %d", method, a.StatusCode)
			}
		}
	})
	t.Run("2.3: a client that is removed is gone, and so is what it was given", func(t *testing.T) {
		if a := manage("DELETE", token, ""); a.StatusCode != http.StatusNoContent || a.body != "" {
			t.Fatalf("status %d: %s", a.StatusCode, a.body)
		}
		if a := manage("GET", token, ""); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("status %d", a.StatusCode)
		}
		s.wantTokenError(s.token(codeParams("x"), basicAuth(id, secret)), 401, "invalid_client")
		if a := s.userinfo(got.AccessToken); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("userinfo: status %d", a.StatusCode)
		}
		wantClaims(t, object(t, s.post(issuer+"/introspect", url.Values{"token": {got.AccessToken}}, basicAuth("app", "s3cret")).body), map[string]any{"active": false})
	})
}

func FuzzRequestObject(f *testing.F) {
	s := newIDP(f, autoLogin("alice"), quiet())
	key := testKeys()[0].Key
	for _, claims := range []string{`{}`, `{"redirect_uri":"` + callback + `","response_type":"code","scope":"openid"}`, `{"exp":1e400}`, `{"claims":{"id_token":null},"max_age":-1}`, `{"resource":["a","b"],"state":[]}`, `[]`} {
		f.Add(claims)
	}
	f.Fuzz(func(t *testing.T, claims string) {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, nil)
		if err != nil {
			t.Fatal(err)
		}
		request := must(must(signer.Sign([]byte(claims))).CompactSerialize())
		s := *s
		s.t = t
		a := s.get(issuer + "/authorize?" + url.Values{"client_id": {"signs"}, "redirect_uri": {callback}, "response_type": {"code"}, "request": {request}}.Encode())
		if a.StatusCode >= http.StatusInternalServerError {
			t.Errorf("status %d: %s", a.StatusCode, a.body)
		}
	})
}
