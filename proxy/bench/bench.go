// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/ingress-auth/conformance/mockidp"
	"github.com/ingress-auth/conformance/suites/platform/local"
	"github.com/ingress-auth/conformance/suites/subject"
)

const (
	clientID     = "bench"
	clientSecret = "not-a-secret"
	cookieSecret = "0123456789abcdefghijklmnopqrstuv"

	limitName   = "bare net/http"
	proxyName   = "this proxy"
	compareName = "oauth2-proxy 7.8.1"
)

func username(i int) string { return "user-" + strconv.Itoa(i) }

// bench is what stands while it is measured.
type bench struct {
	settings
	self     string // this program
	dir      string
	provider *mockidp.Provider
	issuer   *http.Server
	url      string // of the issuer
	programs map[string]string
	running  []*server
	browser  browser
}

func newBench(ctx context.Context, s settings) (*bench, error) {
	b := &bench{settings: s, programs: map[string]string{}, browser: newBrowser()}
	var err error
	if b.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if b.dir, err = os.MkdirTemp("", "proxy-bench-"); err != nil {
		return nil, err
	}
	if err := b.prepare(ctx); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *bench) prepare(ctx context.Context) error {
	var err error
	if b.programs[proxyName], err = buildProxy(ctx, b.dir); err != nil {
		return err
	}
	compared, err := subject.FindAuthService(ctx, "oauth2-proxy-7.8.1", func(s string) { fmt.Fprintln(os.Stderr, s) })
	if err != nil {
		return err
	}
	b.programs[compareName] = compared.Path
	return b.serveProvider(ctx)
}

func (b *bench) serveProvider(ctx context.Context) error {
	listener, err := local.Listen(ctx)
	if err != nil {
		return err
	}
	b.url = "http://" + listener.Addr().String()
	users := make([]mockidp.User, max(b.Sessions, b.Connections))
	for i := range users {
		users[i] = mockidp.User{Username: username(i), Email: username(i) + "@example.com", Groups: []string{"developers", "operators", "wiki-editors"}}
	}
	b.provider, err = mockidp.New(mockidp.Config{
		Issuer: b.url, AutoLogin: username(0), Users: users,
		Clients: []mockidp.Client{{
			ClientID: clientID, ClientSecret: clientSecret, ApplicationType: "native", RedirectURIs: []string{"http://127.0.0.1/oauth2/callback"},
		}},
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	b.issuer = &http.Server{Handler: b.provider}
	go func() { _ = b.issuer.Serve(listener) }() // until close
	return nil
}

func (b *bench) close() error {
	errs := []error{b.stopAll()}
	if b.issuer != nil {
		errs = append(errs, b.issuer.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(b.dir))...)
}

// stopAll stops the servers that run.
func (b *bench) stopAll() error {
	var errs []error
	for _, s := range b.running {
		errs = append(errs, s.stop())
	}
	b.running = nil
	return errors.Join(errs...)
}

// start starts the server of that name, with or without a line of log for each request.
func (b *bench) start(ctx context.Context, name string, logged bool) (*server, error) {
	addrs, err := local.FreeAddrs(ctx, 2)
	if err != nil {
		return nil, err
	}
	addr, metrics := addrs[0], addrs[1]
	s := server{name: name, addr: addr, metrics: "http://" + metrics + "/metrics"}
	args := []string{
		"--http-address=" + addr, "--metrics-address=" + metrics,
		"--oidc-issuer-url=" + b.url, "--client-id=" + clientID, "--client-secret=" + clientSecret, "--scope=openid email profile groups",
		"--cookie-secret=" + cookieSecret, "--cookie-secure=false", "--cookie-samesite=lax", "--email-domain=*",
		"--set-xauthrequest", "--skip-jwt-bearer-tokens", "--redirect-url=http://" + addr + "/oauth2/callback",
		"--request-logging=" + strconv.FormatBool(logged),
	}
	program := b.programs[name]
	switch name {
	case limitName:
		program, args = b.self, []string{"limit", addr, metrics}
	case compareName:
		// What our proxy does always. Without --session-cookie-minimal its cookie would hold three tokens more than ours.
		args = append(args, "--provider=oidc", "--upstream=static://202", "--code-challenge-method=S256", "--insecure-oidc-skip-nonce=false", "--session-cookie-minimal")
	}
	started, err := startServer(ctx, b.dir, s, serverCPU, program, args...)
	if err != nil {
		return nil, err
	}
	b.running = append(b.running, started)
	return started, nil
}

// load runs the load generator as a process of its own.
func (b *bench) load(ctx context.Context, plan loadPlan) (loadResult, error) {
	in, err := json.Marshal(plan)
	if err != nil {
		return loadResult{}, err
	}
	cmd := pinned(ctx, generatorCPU, b.self, "load")
	var complaint bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &complaint
	out, err := cmd.Output()
	if err != nil {
		return loadResult{}, fmt.Errorf("%w: %s", err, strings.TrimSpace(complaint.String()))
	}
	var result loadResult
	return result, json.Unmarshal(out, &result)
}

// authRequest is what ingress-nginx asks the auth service, byte for byte but for names.
func authRequest(credential string) string {
	return "GET /oauth2/auth HTTP/1.1\r\n" +
		"X-Request-ID: 3f1b8e0c9a7d4e52b6c08f1d2a3e4b5c\r\n" +
		"Host: auth.example.com\r\n" +
		"X-Original-URL: https://app.example.com/reports/2026?page=2\r\n" +
		"X-Original-Method: GET\r\n" +
		"X-Sent-From: nginx-ingress-controller\r\n" +
		"X-Real-IP: 192.0.2.17\r\n" +
		"X-Forwarded-For: 192.0.2.17\r\n" +
		"X-Auth-Request-Redirect: /reports/2026?page=2\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
		"Accept-Language: en-GB,en;q=0.9\r\n" +
		"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
		credential + "\r\n"
}
