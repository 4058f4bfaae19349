// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingress-auth/conformance/suites/contract"
)

func TestGatewayAddressesNameTheirScheme(t *testing.T) {
	for rule, row := range map[string]struct {
		values []string
		want   map[string]string
		says   string
	}{
		"none":                      {nil, map[string]string{}, ""},
		"a bare host is for both":   {[]string{"10.0.0.4"}, map[string]string{"http": "10.0.0.4:80", "https": "10.0.0.4:443"}, ""},
		"one for each":              {[]string{"http://a:8080", "https://b:8443/"}, map[string]string{"http": "a:8080", "https": "b:8443"}, ""},
		"the scheme's own port":     {[]string{"https://b"}, map[string]string{"https": "b:443"}, ""},
		"IPv6":                      {[]string{"[::1]", "http://[::1]:8080"}, map[string]string{"http": "[::1]:8080", "https": "[::1]:443"}, ""},
		"a port without its scheme": {[]string{"a:8080"}, nil, "http://a:8080"},
		"another scheme":            {[]string{"tcp://a:1"}, nil, "is not http"},
		"a path":                    {[]string{"http://a/x"}, nil, "is not http"},
		"nothing":                   {[]string{""}, nil, "which scheme"},
	} {
		got, err := gatewayAddresses(row.values)
		if (err != nil) != (row.says != "") || (err != nil && !strings.Contains(err.Error(), row.says)) {
			t.Errorf("%s: %v", rule, err)
		}
		if err == nil && !maps.Equal(got, row.want) {
			t.Errorf("%s: %v", rule, got)
		}
	}
}

func FuzzGatewayAddresses(f *testing.F) {
	for _, seed := range []string{"10.0.0.4", "http://a:8080", "https://[::1]", "a:1", "http://a:b:c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		addresses, err := gatewayAddresses([]string{value})
		if err != nil {
			return
		}
		for scheme, address := range addresses {
			if _, _, err := net.SplitHostPort(address); err != nil || (scheme != "http" && scheme != "https") {
				t.Errorf("%q became %s %q", value, scheme, address)
			}
		}
	})
}

func TestMistakesWithWhatTheUserBringsEndInOneSentence(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none")
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for rule, row := range map[string]struct {
		args []string
		want contract.ExitCode
		says string
	}{
		"no class":              {[]string{"run", "--platform", "existing"}, contract.ExitUsage, "--ingress-class"},
		"no scheme":             {[]string{"run", "--platform", "existing", "--ingress-class", "x", "--gateway-address", "a:1"}, contract.ExitUsage, "http://a:1"},
		"no gateway":            {[]string{"run", "--signin-url", "https://a.example/"}, contract.ExitUsage, "--gateway-url"},
		"no URL":                {[]string{"run", "--gateway-url", "app.example"}, contract.ExitUsage, "not an http or https URL"},
		"no certificates":       {[]string{"run", "--gateway-url", "https://a.example/", "--ca-file", empty}, contract.ExitEnvironmentNotReady, "holds no certificate"},
		"no kubeconfig":         {[]string{"down", "--platform", "existing", "--kubeconfig", missing}, contract.ExitEnvironmentNotReady, "--kubeconfig"},
		"no platform":           {[]string{"down", "--platform", "moon"}, contract.ExitUsage, "choose kind or existing"},
		"no revision":           {[]string{"run", "--revision", "1999-01"}, contract.ExitUsage, `no revision "1999-01"`},
		"a URL with a password": {[]string{"run", "--gateway-url", "https://a:b@a.example/"}, contract.ExitUsage, "--gateway-url"},
	} {
		var stdout, stderr bytes.Buffer
		code := execute(t.Context(), row.args, &stdout, &stderr)
		if code != row.want || !strings.Contains(stderr.String(), row.says) || strings.Count(stderr.String(), "\n") != 1 {
			t.Errorf("%s: exit %d, want %d; it said %q", rule, code, row.want, stderr.String())
		}
	}
}
