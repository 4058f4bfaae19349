// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"testing"

	"github.com/ingress-auth/conformance/suites/exchange"
)

// No control can make an auth service use a refresh token twice, so what would be counted then is tried here.
func TestEveryTokenRequestOfAnAuthServiceCounts(t *testing.T) {
	hop := func(from, to exchange.Party, method string) exchange.Exchange {
		return exchange.Exchange{From: from, To: to, Method: method}
	}
	renewal := hop(exchange.AuthService, exchange.IdP, "POST")
	for _, c := range []struct {
		name string
		hops []exchange.Exchange
		want int
	}{
		{"none", nil, 0},
		{"one", []exchange.Exchange{renewal}, 1},
		{"one by each of two", []exchange.Exchange{renewal, renewal}, 2},
		{"keys are no renewal", []exchange.Exchange{hop(exchange.AuthService, exchange.IdP, "GET"), renewal}, 1},
		{"nor is what a browser posts", []exchange.Exchange{hop(exchange.Gateway, exchange.IdP, "POST"), hop(exchange.Gateway, exchange.AuthService, "POST")}, 0},
	} {
		if got := tokenRequests(c.hops); got != c.want {
			t.Errorf("%s: %d token requests, want %d", c.name, got, c.want)
		}
	}
}
