// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"strings"
	"testing"
)

func TestRun_ListsAndExplainsFaults(t *testing.T) {
	for args, want := range map[string]string{"faults": "C-AUD ", "faults C-AUD": "Core 3.1.3.7", "faults x-clickjack": "Not staged", "faults h-tls-expired": "https://h-tls-expired.", "faults a-state-wrong": "not sent to the token endpoint", "faults t-basic-enc": "rptest", "faults --markdown": "# Faults of mockidp",
		"dialects": "keycloak ", "dialects okta": "00u", "dialects --markdown": "## Dex", "schema": "json-schema.org"} {
		var out strings.Builder
		if code := run(t.Context(), strings.Fields(args), env(nil), &out, io.Discard); code != exitOK || !strings.Contains(out.String(), want) {
			t.Errorf("%s: exit code %d, no %q in: %.200s", args, code, want, out.String())
		}
	}
	for _, args := range []string{"faults NOPE", "faults a b", "dialects nope", "dialects a b", "schema x"} {
		var out strings.Builder
		if code := run(t.Context(), strings.Fields(args), env(nil), io.Discard, &out); code != exitUsage || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("%s: exit code %d: %s", args, code, out.String())
		}
	}
}

func TestSettings_GuardTheControlAPI(t *testing.T) {
	for args, want := range map[string]string{
		"--control-listen 0.0.0.0:9":                   "--control-token",
		"--control-listen nowhere":                     "host:port",
		"--control-token x":                            "no --control-listen",
		"--control-listen 127.0.0.1:0":                 "",
		"--control-listen 0.0.0.0:9 --control-token x": "",
	} {
		s, err := parseSettings(strings.Fields(args), env(nil), io.Discard)
		if err == nil {
			err = s.check()
		}
		if (want == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}
