// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net/http"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// No session lives longer than it should, and none is lost by a small step, whatever the clock does after the login.
func TestClockJumps(t *testing.T) {
	for _, tc := range []struct {
		name  string
		steps []time.Duration
		want  int
	}{
		{"just before the end", []time.Duration{time.Hour - time.Second}, http.StatusAccepted},
		{"to the end", []time.Duration{time.Hour}, http.StatusUnauthorized},
		{"far ahead", []time.Duration{1000 * time.Hour}, http.StatusUnauthorized},
		{"a little back", []time.Duration{-time.Minute}, http.StatusAccepted},
		{"as far back as clocks differ", []time.Duration{-maxClockStep}, http.StatusAccepted},
		{"further back: the session was made by a clock that was ahead", []time.Duration{-maxClockStep - time.Second}, http.StatusUnauthorized},
		{"a day back", []time.Duration{-24 * time.Hour}, http.StatusUnauthorized},
		{"ahead and back again", []time.Duration{30 * time.Minute, -30 * time.Minute}, http.StatusAccepted},
		{"back and ahead again", []time.Duration{-4 * time.Minute, 4 * time.Minute}, http.StatusAccepted},
		{"back and then to the end", []time.Duration{-4 * time.Minute, time.Hour + 4*time.Minute}, http.StatusUnauthorized},
	} {
		for _, kind := range []string{SessionStoreCookie, SessionStoreRedis} {
			t.Run(tc.name+", "+kind, func(t *testing.T) {
				server := miniredis.RunT(t)
				f := newFixture(t, func(c *Config) {
					if kind == SessionStoreRedis {
						storedAt(server.Addr())(c)
					}
					c.CookieExpire, c.CookieRefresh = time.Hour, 0
				})
				f.login("/")
				value := f.cookie("_oauth2_proxy")
				for _, step := range tc.steps {
					f.clock.Advance(step)
				}
				other := f.another() // net/http's jar has a clock of its own
				other.setCookie("_oauth2_proxy", value)
				wantStatus(t, other.get("/oauth2/auth"), tc.want)
			})
		}
	}
}

func TestRenewalAcrossClockJumps(t *testing.T) {
	for _, tc := range []struct {
		name  string
		steps []time.Duration // each followed by a request
		want  []int
		hits  int // at the token endpoint, the login included
	}{
		{"a small step back does not renew again", []time.Duration{time.Minute, -30 * time.Second, time.Second}, []int{202, 202, 202}, 2},
		{"a small step back delays the next renewal no longer than itself", []time.Duration{time.Minute, -30 * time.Second, 90 * time.Second}, []int{202, 202, 202}, 3},
		{"a jump ahead renews once", []time.Duration{50 * time.Minute, 0, 0}, []int{202, 202, 202}, 2},
		{"a jump past the end does not renew at all", []time.Duration{2 * time.Hour}, []int{401}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t, refreshing)
			f.login("/")
			for i, step := range tc.steps {
				f.clock.Advance(step)
				wantStatus(t, f.get("/oauth2/auth"), tc.want[i])
			}
			if hits, _ := f.op.hits(); hits != tc.hits {
				t.Errorf("the token endpoint was asked %d times, want %d", hits, tc.hits)
			}
		})
	}
}

func TestALoginBegunByAClockThatWasAheadIsRefused(t *testing.T) {
	f := newFixture(t, nil)
	back := f.atProvider(f.begin("/"))
	f.clock.Advance(-maxClockStep - time.Second)
	wantStatus(t, f.get(back), http.StatusForbidden)
}
