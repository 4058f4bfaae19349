// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"strings"
	"testing"
)

func TestTrustedProxies(t *testing.T) {
	for _, tc := range []struct {
		entries []string
		remote  string
		want    bool
	}{
		{nil, "127.0.0.1:1", true},
		{nil, "10.244.0.7:1", true},
		{nil, "[fd00::1]:1", true},
		{nil, "[::ffff:192.168.1.1]:1", true},
		{nil, "203.0.113.9:1", false},
		{nil, "[2001:db8::1]:1", false},
		{nil, "@", false},
		{nil, "", false},
		{[]string{"203.0.113.9"}, "203.0.113.9:1", true},
		{[]string{"203.0.113.9"}, "203.0.113.8:1", false},
		{[]string{"203.0.113.9"}, "127.0.0.1:1", false},
		{[]string{"10.0.0.0/24", "2001:db8::/32"}, "10.0.1.1:1", false},
		{[]string{"10.0.0.0/24", "2001:db8::/32"}, "[2001:db8::1]:1", true},
	} {
		trusted, err := parseTrustedProxies(tc.entries)
		if err != nil {
			t.Fatal(err)
		}
		if got := trusted.contain(tc.remote); got != tc.want {
			t.Errorf("%v, %s: %v", tc.entries, tc.remote, got)
		}
	}
	for _, bad := range []string{"", "x", "10.0.0.0/33", "fe80::1%eth0", "10.0.0.1:80"} {
		if _, err := parseTrustedProxies([]string{bad}); err == nil || !strings.Contains(err.Error(), "--trusted-proxy-ip") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// What a stranger says in X-Forwarded-* is not believed, even with --reverse-proxy.
func TestForwardedHeadersCountFromTrustedProxiesOnly(t *testing.T) {
	for network, believed := range map[string]bool{"127.0.0.1": true, "203.0.113.0/24": false} {
		f := newFixture(t, func(c *Config) { c.ReverseProxy, c.TrustedProxies = true, []string{network} })
		location := f.get("/oauth2/start", "X-Forwarded-Host", "app.evil.test").Header.Get("Location")
		if strings.Contains(location, "app.evil.test") != believed {
			t.Errorf("trusted %s: %s", network, location)
		}
	}
}
