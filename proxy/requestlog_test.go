// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTheProviderIsToldOnWhoseBehalfItIsAsked(t *testing.T) {
	f := newFixture(t, refreshing)
	callback := f.atProvider(f.begin("/"))
	f.op.rotateKey(t) // so that the keys are fetched again
	f.op.set(func() {
		delete(f.op.user, "email")
		f.op.userInfo = map[string]any{"sub": "u-1", "email": "ann@example.com"}
	})
	wantStatus(t, f.get(callback, "X-Request-Id", "the-callback"), http.StatusFound)
	f.clock.Advance(time.Minute)
	wantStatus(t, f.get("/oauth2/auth", "X-Request-Id", "the-renewal"), http.StatusAccepted)
	var heard []string
	f.op.set(func() { heard = slices.Clone(f.op.heard) })
	want := []string{
		"/.well-known/openid-configuration", "/jwks", // at the start, for nobody
		"/authorize", // from the browser
		"/token the-callback", "/jwks the-callback", "/userinfo the-callback",
		"/token the-renewal", "/userinfo the-renewal",
	}
	if !slices.Equal(heard, want) {
		t.Errorf("heard %q, want %q", heard, want)
	}
}

func TestAnIDThatCannotBeOneIsReplacedByOnesOwn(t *testing.T) {
	f := newFixture(t, nil)
	wantStatus(t, f.get(f.atProvider(f.begin("/")), "X-Request-Id", "two words"), http.StatusFound)
	f.op.set(func() {
		path, id, _ := strings.Cut(f.op.heard[len(f.op.heard)-1], " ")
		if path != "/token" || len(id) < 20 || strings.Contains(id, "two") {
			t.Errorf("%s was asked with the ID %q", path, id)
		}
	})
}
