// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/ingress-auth/conformance/mockidp"
)

// redeemed logs in under a fault by hand, with PKCE as every client here does, or without, and redeems the code that comes.
func (l *lab) redeemed(pkce bool) seen {
	l.t.Helper()
	params := authParams("nonce", "mine")
	if !pkce {
		params.Del("code_challenge")
		params.Del("code_challenge_method")
	}
	back, err := url.Parse(l.send(l.request("GET", l.issuer+"/authorize?"+params.Encode(), nil)).header.Get("Location"))
	if err != nil {
		l.t.Fatal(err)
	}
	form := codeParams(back.Query().Get("code"))
	if !pkce {
		form.Del("code_verifier")
	}
	return l.send(l.request("POST", l.issuer+"/token", form))
}

func (l *lab) claims(got seen) map[string]any {
	l.t.Helper()
	var claims map[string]any
	if err := json.Unmarshal(decodePart(l.t, strings.Split(tokenIn(got.body), ".")[1]), &claims); err != nil {
		l.t.Fatal(err)
	}
	return claims
}

// An injected code is good: whoever checks neither PKCE nor the nonce is logged in as somebody else.
func TestAttack_InjectedCodesAreGood(t *testing.T) {
	for _, test := range []struct {
		fault  string
		pkce   bool
		status int // of the token endpoint
	}{
		{"A-CODE-INJECT", false, 200}, // only the nonce can tell
		{"A-CODE-INJECT", true, 400},  // PKCE tells
		{"A-PKCE-DOWNGRADE", true, 200},
		{"A-CODE-OTHER-CLIENT", false, 400},
	} {
		l := newLab(t)
		if _, err := l.AddFault(mockidp.FaultRule{Fault: test.fault, Times: mockidp.FaultForever}); err != nil {
			t.Fatal(err)
		}
		got := l.redeemed(test.pkce)
		if got.status != test.status {
			t.Errorf("%s with PKCE %t: the token endpoint answers %d", test.fault, test.pkce, got.status)
			continue
		}
		if got.status == 200 {
			if claims := l.claims(got); claims["nonce"] == "mine" || claims["sub"] == "sub-alice" || !l.signedByUs(strings.Split(tokenIn(got.body), ".")) {
				t.Errorf("%s: %v", test.fault, claims)
			}
		}
	}
}

// The replayed ID token is a real one of the same user and client; only its nonce is another.
func TestAttack_TheReplayedIDTokenIsGood(t *testing.T) {
	l := newLab(t)
	if _, err := l.AddFault(mockidp.FaultRule{Fault: "C-NONCE-REPLAY"}); err != nil {
		t.Fatal(err)
	}
	got := l.redeemed(true)
	claims := l.claims(got)
	if claims["sub"] != "sub-alice" || claims["aud"] != "app" || claims["nonce"] == "mine" || !l.signedByUs(strings.Split(tokenIn(got.body), ".")) {
		t.Errorf("%v", claims)
	}
}

// The substituted access token works at userinfo, for another user.
func TestAttack_TheSubstitutedTokenIsGood(t *testing.T) {
	l := newLab(t)
	if _, err := l.AddFault(mockidp.FaultRule{Fault: "X-TOKEN-SUBST"}); err != nil {
		t.Fatal(err)
	}
	got := l.redeemed(true)
	var response tokens
	if err := json.Unmarshal(got.body, &response); err != nil {
		t.Fatal(err)
	}
	ask := l.request("GET", l.issuer+"/userinfo", nil)
	ask.Header.Set("Authorization", "Bearer "+response.AccessToken)
	var info map[string]any
	if err := json.Unmarshal(l.send(ask).body, &info); err != nil || info["sub"] == nil || info["sub"] == l.claims(got)["sub"] {
		t.Errorf("%v, %v", info, err)
	}
}

// In a mix-up the honest issuer answers with a code of its own and says who it is.
func TestAttack_MixUpHasTwoRealIssuers(t *testing.T) {
	l := newLab(t)
	if _, err := l.AddFault(mockidp.FaultRule{Fault: "X-MIXUP"}); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Issuer        string
		Authorization string `json:"authorization_endpoint"`
		Token         string `json:"token_endpoint"`
	}
	if err := json.Unmarshal(l.send(l.prepare(l.issuer, mockidp.EndpointDiscovery, "")).body, &doc); err != nil {
		t.Fatal(err)
	}
	back, err := url.Parse(l.send(l.request("GET", doc.Authorization+"?"+authParams().Encode(), nil)).header.Get("Location"))
	if err != nil || back.Query().Get("iss") == doc.Issuer || back.Query().Get("code") == "" {
		t.Fatalf("%s, %v", back, err)
	}
	// The code is worth something where it comes from, and nothing at the endpoint that the relying party was given.
	if got := l.send(l.request("POST", doc.Token, codeParams(back.Query().Get("code")))); got.status != 400 {
		t.Errorf("the wrong token endpoint answers %d", got.status)
	}
	honest := back.Query().Get("iss") + "/token"
	if got := l.send(l.request("POST", honest, codeParams(back.Query().Get("code")))); got.status != 200 {
		t.Errorf("the honest token endpoint answers %d: %s", got.status, got.body)
	}
}
