// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func env(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRun_MistakesAreOneSentenceAndAnExitCode(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	bad := write(t, "bad.yaml", "clients:\n  - client_idd: x\n    secret: y\n")
	wrong := write(t, "wrong.yaml", "issuer: x\nusers: [{email: a}]\n")
	for name, test := range map[string]struct {
		args []string
		env  map[string]string
		code int
		want string
	}{
		"port in use":             {[]string{"--listen", taken.Addr().String()}, nil, exitRuntime, "cannot listen on " + taken.Addr().String()},
		"unknown flag":            {[]string{"--lisen", "x"}, nil, exitUsage, "lisen"},
		"an argument":             {[]string{"serve"}, nil, exitUsage, `"serve"`},
		"address without a port":  {[]string{"--listen", "127.0.0.1"}, nil, exitUsage, "host:port"},
		"all interfaces":          {[]string{"--listen", ":0"}, nil, exitUsage, "--allow-remote"},
		"another interface":       {[]string{"--listen", "192.0.2.1:0"}, nil, exitUsage, "--allow-remote"},
		"absent configuration":    {[]string{"--config", "/nonexistent.yaml"}, nil, exitUsage, "/nonexistent.yaml"},
		"bad configuration":       {[]string{"--config", bad}, nil, exitUsage, "line 2: field client_idd not found"},
		"several mistakes":        {[]string{"--config", wrong}, nil, exitUsage, "name a host; line 2: users[0]"},
		"bad issuer":              {[]string{"--issuer", "idp"}, nil, exitUsage, "issuer"},
		"bad issuer in the env":   {nil, map[string]string{"MOCKIDP_ISSUER": "idp"}, exitUsage, "issuer"},
		"bad level in the env":    {nil, map[string]string{"MOCKIDP_LOG_LEVEL": "loud"}, exitUsage, "MOCKIDP_LOG_LEVEL"},
		"bad automatic user":      {[]string{"--auto-login", "zoe"}, nil, exitUsage, "zoe"},
		"bad back channel":        {[]string{"--backchannel-urls", "http://a.svc,b"}, nil, exitUsage, "backchannel_urls[1]"},
		"bad log format":          {[]string{"--log-format", "xml"}, nil, exitUsage, "xml"},
		"certificate without key": {[]string{"--tls-cert", "x"}, nil, exitUsage, "--tls-key"},
		"two sources of TLS":      {[]string{"--tls", "--tls-cert", "x"}, nil, exitUsage, "--tls-key"},
		"an authority's file":     {[]string{"--tls-ca-file", "x"}, nil, exitUsage, "--tls"},
		"a file in no folder":     {[]string{"--listen", "127.0.0.1:0", "--log-level", "error", "--tls", "--tls-ca-file", "/nonexistent/x"}, nil, exitRuntime, "--tls-ca-file"},
		"absent certificate":      {[]string{"--tls-cert", "/nonexistent", "--tls-key", "/nonexistent"}, nil, exitUsage, "/nonexistent"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs strings.Builder
			code := run(t.Context(), test.args, env(test.env), &out, &errs)
			if code != test.code || !strings.Contains(errs.String(), test.want) || strings.Count(errs.String(), "\n") != 1 {
				t.Errorf("exit code %d, output %q; want %d, %q", code, errs.String(), test.code, test.want)
			}
		})
	}
}

func TestDefaultIssuer_IsWhereThisMachineReachesIt(t *testing.T) {
	for address, want := range map[string]string{"127.0.0.1:80": "http://127.0.0.1:80", "0.0.0.0:8080": "http://localhost:8080", "[::]:8080": "http://localhost:8080", "[::1]:1": "http://[::1]:1"} {
		addr, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if got := (settings{}).defaultIssuer(addr); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

func TestRun_HelpNamesEveryFlag(t *testing.T) {
	var out strings.Builder
	if code := run(t.Context(), []string{"--help"}, env(nil), &out, io.Discard); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	for _, name := range []string{"-config", "-listen", "-issuer", "-tls-cert", "-allow-remote", "MOCKIDP_"} {
		if !strings.Contains(out.String(), name) {
			t.Errorf("the help does not name %s", name)
		}
	}
}

// started runs the program until stop is called, which returns the exit code.
func started(t *testing.T, args []string, getenv func(string) string) (banner map[string]any, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	exit := make(chan int, 1)
	go func() {
		exit <- run(ctx, args, getenv, io.Discard, writer)
		_ = writer.Close()
	}()
	lines := bufio.NewScanner(reader)
	if !lines.Scan() {
		t.Fatal("it said nothing")
	}
	if err := json.Unmarshal(lines.Bytes(), &banner); err != nil {
		cancel()
		t.Fatalf("%v: %s", err, lines.Text())
	}
	go func() { _, _ = io.Copy(io.Discard, reader) }()
	return banner, func() int { cancel(); return <-exit }
}

func TestRun_ServesUntilItIsToldToStop(t *testing.T) {
	banner, stop := started(t, []string{"--listen", "127.0.0.1:0"}, env(map[string]string{"MOCKIDP_LOG_FORMAT": "json"}))
	issuer := banner["issuer"].(string)
	response, err := http.Get(issuer + "/.well-known/openid-configuration") //nolint:noctx
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var doc struct{ Issuer string }
	if err := json.NewDecoder(response.Body).Decode(&doc); err != nil || doc.Issuer != issuer {
		t.Errorf("issuer %q, want %q; %v", doc.Issuer, issuer, err)
	}
	if code := stop(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	if _, err := http.Get(issuer + "/healthz"); err == nil { //nolint:noctx
		t.Error("it still answers")
	}
}

func TestRun_FlagsWinOverEnvironmentOverFile(t *testing.T) {
	file := write(t, "c.yaml", "issuer: https://file.example\n")
	for want, test := range map[string]struct {
		args []string
		env  map[string]string
	}{
		"https://file.example": {nil, nil},
		"https://env.example":  {nil, map[string]string{"MOCKIDP_ISSUER": "https://env.example"}},
		"https://flag.example": {[]string{"--issuer", "https://flag.example"}, map[string]string{"MOCKIDP_ISSUER": "https://env.example"}},
	} {
		args := append([]string{"--listen", "127.0.0.1:0", "--log-format", "json", "--config", file}, test.args...)
		banner, stop := started(t, args, env(test.env))
		if banner["issuer"] != want {
			t.Errorf("issuer %v, want %s", banner["issuer"], want)
		}
		stop()
	}
}

func TestRun_ServesHTTPS(t *testing.T) {
	cert, key, roots := certificate(t)
	banner, stop := started(t, []string{"--listen", "127.0.0.1:0", "--log-format", "json", "--tls-cert", cert, "--tls-key", key}, env(nil))
	defer stop()
	issuer := banner["issuer"].(string)
	if !strings.HasPrefix(issuer, "https://127.0.0.1:") {
		t.Fatalf("issuer %s", issuer)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer client.CloseIdleConnections()
	response, err := client.Get(issuer + "/.well-known/openid-configuration") //nolint:noctx
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var doc struct {
		Bound bool `json:"tls_client_certificate_bound_access_tokens"`
	}
	if err := json.NewDecoder(response.Body).Decode(&doc); err != nil || !doc.Bound {
		t.Errorf("clients with certificates are not served: %+v, %v", doc, err)
	}
}

// With --tls it needs no certificates of anybody, and the host of the issuer selects what is wrong with a connection.
func TestRun_ServesHTTPSByItsOwnAuthority(t *testing.T) {
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	banner, stop := started(t, []string{"--listen", "127.0.0.1:0", "--log-format", "json", "--tls", "--tls-ca-file", caFile, "--issuer", "https://idp.example"}, env(nil))
	defer stop()
	address := banner["listen"].(string)
	get := func(url string) error {
		roots := x509.NewCertPool()
		if pem, err := os.ReadFile(caFile); err == nil {
			roots.AppendCertsFromPEM(pem)
		}
		client := &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "tcp", address)
			},
		}}
		response, err := client.Get(url) //nolint:noctx
		if err == nil {
			response.Body.Close()
		}
		return err
	}
	if err := get("https://idp.example/healthz"); err != nil {
		t.Error(err)
	}
	if err := get("https://h-tls-expired.idp.example/healthz"); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("%v", err)
	}
}

func certificate(t *testing.T) (certFile, keyFile string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(certPEM)
	return write(t, "cert.pem", string(certPEM)),
		write(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))), roots
}
