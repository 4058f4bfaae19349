// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"slices"
	"strings"
	"testing"
)

func testSite(config GatewayConfig) nginxSite {
	return nginxSite{
		config: config, httpAddr: "127.0.0.1:80", httpsAddr: "127.0.0.1:443", certificate: "/c", key: "/k",
		expand:   newPlaceholders(map[string]string{"standin": "http://127.0.0.1:1", "auth": "https://auth.x"}),
		backends: map[string]string{"": "http://127.0.0.1:2"}, pages: map[string]string{"x-code": "http://127.0.0.1:3"},
	}
}

// TestOrderInALocation holds the order on which the truth table rests: the sign-in redirect before the route's snippet
// before the gateway's before the route's error pages.
func TestOrderInALocation(t *testing.T) {
	conf, err := testSite(GatewayConfig{Name: "g", LocationSnippet: "# gateway snippet", DefaultBackend: "x-code"}).render([]Route{{
		Name: "r", AuthURL: "{standin}/", AuthSignIn: "{auth}/s", ConfigurationSnippet: "# route snippet", CustomHTTPErrors: []int{401},
	}})
	if err != nil {
		t.Fatal(err)
	}
	_, location, _ := strings.Cut(conf, "location / {\n            # route r")
	var at []int
	for _, text := range []string{"error_page 401 = @gateway_signin_0", "# route snippet", "# gateway snippet", "proxy_intercept_errors on", "error_page 401 = @gateway_page_401"} {
		at = append(at, strings.Index(location, text))
	}
	if !slices.IsSorted(at) || at[0] < 0 {
		t.Errorf("positions %v in:\n%s", at, location)
	}
}

func TestMatches(t *testing.T) {
	for _, tc := range []struct {
		path, pathType string
		want           []string
	}{
		{"", "", []string{"/"}},
		{"/", "Prefix", []string{"/"}},
		{"/a", "Prefix", []string{"/a/", "= /a"}},
		{"/a/", "", []string{"/a/", "= /a"}},
		{"/a", "Exact", []string{"= /a"}},
		{"/a", "ImplementationSpecific", []string{"/a"}},
		{"/a", "Regex", nil},
		{"a", "", nil},
		{"/a{", "Exact", nil},
	} {
		got, err := nginxMatches(Route{Path: tc.path, PathType: tc.pathType})
		if !slices.Equal(got, tc.want) || (err != nil) != (tc.want == nil) {
			t.Errorf("%q %s: got %q, %v; want %q", tc.path, tc.pathType, got, err, tc.want)
		}
	}
}

func TestWithRd(t *testing.T) {
	const back = "=$scheme://$gateway_host$escaped_request_uri"
	for _, tc := range []struct{ url, param, want string }{
		{"https://a/s", "", "https://a/s?rd" + back},
		{"https://a/s?x=1", "", "https://a/s?x=1&rd" + back},
		{"https://a/s?rd=$request_uri", "", "https://a/s?rd=$request_uri"},
		{"https://a/s?rd=", "", "https://a/s?rd=&rd" + back},
		{"https://$host/s?rd=x", "orig", "https://$host/s?rd=x&orig" + back},
	} {
		if got, err := withRd(tc.url, tc.param); err != nil || got != tc.want {
			t.Errorf("%s: got %s, %v; want %s", tc.url, got, err, tc.want)
		}
	}
}

func TestRenderRefusesWhatItCannotServe(t *testing.T) {
	for name, tc := range map[string]struct {
		config GatewayConfig
		route  Route
	}{
		"an unknown backend":         {GatewayConfig{}, Route{Backend: "nowhere"}},
		"an unknown default backend": {GatewayConfig{DefaultBackend: "nowhere"}, Route{}},
		"an auth URL without host":   {GatewayConfig{}, Route{AuthURL: "/auth"}},
		"an unreadable sign-in URL":  {GatewayConfig{}, Route{AuthURL: "{standin}", AuthSignIn: "https://a b:x/%"}},
	} {
		if _, err := testSite(tc.config).render([]Route{tc.route}); err == nil {
			t.Errorf("%s is rendered", name)
		}
	}
}

func TestRouteAt(t *testing.T) {
	config := "http {\n    server {\n        x;\n        location / {\n            # route r\n            bad;\n        }\n    }\n    server {\n        other;\n"
	for line, want := range map[int]string{1: "", 3: "", 6: "r", 7: "r", 10: "", 1000: "", 0: ""} {
		if got := routeAt(config, line); got != want {
			t.Errorf("line %d: got %q, want %q", line, got, want)
		}
	}
}

func TestQuoteNginx(t *testing.T) {
	if got := quoteNginx(`a"b\c $d`); got != `"a\"b\\c $d"` {
		t.Errorf("got %s", got)
	}
}
