// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/ingress-auth/conformance/mockidp"
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

// pretender is a relying party that lets in whoever comes back, after it has asked the provider's token endpoint.
func pretender(t *testing.T, issuer string) string {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	mux.HandleFunc("/oauth2/start", func(w http.ResponseWriter, r *http.Request) {
		query := url.Values{"client_id": {mockidp.DefaultClientID}, "response_type": {"code"}, "scope": {"openid"}, "redirect_uri": {server.URL + "/oauth2/callback"}}
		http.Redirect(w, r, issuer+"/authorize?"+query.Encode(), http.StatusFound)
	})
	mux.HandleFunc("/oauth2/callback", func(w http.ResponseWriter, r *http.Request) {
		form := url.Values{"grant_type": {"authorization_code"}, "code": {r.FormValue("code")}, "redirect_uri": {server.URL + "/oauth2/callback"},
			"client_id": {mockidp.DefaultClientID}, "client_secret": {mockidp.DefaultClientSecret}}
		response, err := http.PostForm(issuer+"/token", form)
		if err != nil || response.StatusCode != http.StatusOK {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		response.Body.Close()
		http.SetCookie(w, &http.Cookie{Name: "_oauth2_proxy", Value: "x", Path: "/"})
	})
	mux.HandleFunc("/oauth2/auth", func(w http.ResponseWriter, r *http.Request) {
		if _, err := r.Cookie("_oauth2_proxy"); err != nil {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	return server.URL
}

func TestRun_JudgesARelyingPartyThatRuns(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	rp := pretender(t, "http://"+address)
	var out, errs strings.Builder
	code := run(t.Context(), []string{"faults", "run", "--rp-url", rp, "--listen", address, "C-AUD-NUMBER", "T-400", "D-404"}, env(nil), &out, &errs)
	if code != exitFailed || !strings.Contains(out.String(), "1 pass, 2 fail, 1 not judged, 0 blocked") {
		t.Errorf("exit code %d: %s%s", code, out.String(), errs.String())
	}
	if code := run(t.Context(), []string{"faults", "run", "--rp-url", rp, "--listen", address, "T-ERR-HTML"}, env(nil), io.Discard, io.Discard); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	for args, want := range map[string]string{
		"--rp-url x": "--rp-url", "": "--rp-url", "--rp-url http://x NOPE": "NOPE", "--rp-url http://x --listen 0.0.0.0:1": "--listen", "--zz": "--help", "--rp-url http://x H-TLS": "H-TLS",
	} {
		errs.Reset()
		if code := run(t.Context(), append([]string{"faults", "run"}, strings.Fields(args)...), env(nil), io.Discard, &errs); code != exitUsage || !strings.Contains(errs.String(), want) {
			t.Errorf("%s: exit code %d: %s", args, code, errs.String())
		}
	}
}
