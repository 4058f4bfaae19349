// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ingress-auth/conformance/mockidp"
)

// BenchmarkNew is what a program pays before it can listen to the first request. No key is made for it.
func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := mockidp.New(mockidp.Config{AutoLogin: "alice"}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDiscovery(b *testing.B) {
	p, err := mockidp.New(mockidp.Config{}, mockidp.WithSigningKeys(testKeys()...))
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/.well-known/openid-configuration", nil)
	b.ReportAllocs()
	for b.Loop() {
		p.ServeHTTP(httptest.NewRecorder(), r)
	}
}

// BenchmarkLogin is a whole authorization code flow without a network: one RS256 signature with 2048 bits is most of it.
func BenchmarkLogin(b *testing.B) {
	s := newIDP(b, autoLogin("alice"))
	b.ReportAllocs()
	for b.Loop() {
		s.browser = s.newBrowser()
		s.tokens(s.token(codeParams(s.code("alice"))))
	}
}
