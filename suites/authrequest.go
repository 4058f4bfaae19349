// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/ingress-auth/conformance/suites/browser"
	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/standin"
	"github.com/ingress-auth/conformance/suites/subject"
)

// authRequestTarget has what a rewrite, a decoder or a normaliser would change.
const authRequestTarget = "/a%20b/c%2Fd/caf%C3%A9?x=1&y=%26&z=a+b"

func authRequestChecks() []Check {
	route := subject.Route{Name: "auth-request", AuthURL: "{standin}/", AuthResponseHeaders: []string{"X-Auth-Request-User", "X-Auth-Request-Groups"}}
	check := func(name string, run func(ctx context.Context, t *Trial, r subject.Route) error, requirements ...string) Check {
		return Check{
			ID: "status-codes/auth-request-" + name, Requirements: requirements, Routes: []subject.Route{route},
			Run: func(ctx context.Context, t *Trial) error { return run(ctx, t, route) },
		}
	}
	return []Check{
		check("shape", authRequestShape, "AUTHREQUEST-METHOD-GET", "AUTHREQUEST-NO-BODY", "AUTHREQUEST-ORIGINAL-URL",
			"AUTHREQUEST-ORIGINAL-METHOD", "AUTHREQUEST-REDIRECT-HEADER", "AUTHREQUEST-CREDENTIALS", "AUTHREQUEST-REQUEST-ID"),
		check("spoofed", authRequestSpoofed, "AUTHREQUEST-SPOOFED-HEADERS"),
		check("identity", identityHeaders, "IDENTITY-FROM-AUTH", "IDENTITY-REMOVED"),
	}
}

// asked returns the one request that the auth service received for a response's request.
func (t *Trial) asked(ctx context.Context, response *browser.Response) (exchange.Exchange, error) {
	received, err := t.Received(ctx, response, exchange.AuthService)
	if err != nil {
		return exchange.Exchange{}, err
	}
	if len(received) != 1 {
		return exchange.Exchange{}, fmt.Errorf("the auth service recorded %d requests for request %s, want 1", len(received), response.RequestID)
	}
	return received[0], nil
}

func authRequestShape(ctx context.Context, t *Trial, r subject.Route) error {
	const body = "name=value"
	response, err := t.Ask(ctx, t.Browser(), r, Request{
		Method: http.MethodPost, Target: authRequestTarget, Body: body, Auth: signedIn(),
		Header: http.Header{"Authorization": {"Basic aGFybmVzczpoYXJuZXNz"}, "Content-Type": {"application/x-www-form-urlencoded"}},
	})
	if err != nil {
		return err
	}
	asked, err := t.asked(ctx, response)
	if err != nil {
		return err
	}
	h := asked.RequestHeader
	Equal(t, "AUTHREQUEST-METHOD-GET", "method", http.MethodGet, asked.Method)
	t.Holds("AUTHREQUEST-NO-BODY", asked.RequestBodyBytes == 0 && h.Get("Content-Length") == "" && h.Get("Transfer-Encoding") == "", "no body, Content-Length or Transfer-Encoding",
		fmt.Sprintf("%d bytes, Content-Length %q, Transfer-Encoding %q", asked.RequestBodyBytes, h.Get("Content-Length"), h.Get("Transfer-Encoding")))
	Equal(t, "AUTHREQUEST-ORIGINAL-URL", "X-Original-URL", URL(r, authRequestTarget), h.Get("X-Original-Url"))
	Equal(t, "AUTHREQUEST-ORIGINAL-METHOD", "X-Original-Method", http.MethodPost, h.Get("X-Original-Method"))
	Equal(t, "AUTHREQUEST-REDIRECT-HEADER", "X-Auth-Request-Redirect", authRequestTarget, h.Get("X-Auth-Request-Redirect"))
	t.Holds("AUTHREQUEST-CREDENTIALS", strings.Contains(h.Get("Cookie"), standin.AuthCookie+"=") && h.Get("Authorization") != "", "the client's Cookie and Authorization",
		fmt.Sprintf("Cookie present: %t, Authorization present: %t", h.Get("Cookie") != "", h.Get("Authorization") != ""))
	reached, err := t.Received(ctx, response, exchange.Backend)
	if err != nil {
		return err
	}
	t.Holds("AUTHREQUEST-REQUEST-ID", h.Get("X-Request-Id") == response.RequestID && len(reached) == 1, "the client's X-Request-ID at the auth service and the backend",
		fmt.Sprintf("auth service: same %t, backend: same %t", h.Get("X-Request-Id") == response.RequestID, len(reached) == 1))
	return nil
}

func authRequestSpoofed(ctx context.Context, t *Trial, r subject.Route) error {
	const spoofed = "spoofed.example"
	response, err := t.Ask(ctx, t.Browser(), r, Request{Target: "/private", Auth: signedIn(), Header: http.Header{
		"X-Original-Url": {"https://" + spoofed + "/public"}, "X-Original-Method": {spoofed},
		"X-Auth-Request-Redirect": {"https://" + spoofed + "/"}, "X-Real-Ip": {spoofed},
	}})
	if err != nil {
		return err
	}
	asked, err := t.asked(ctx, response)
	if err != nil {
		return err
	}
	var arrived []string
	for _, name := range []string{"X-Original-Url", "X-Original-Method", "X-Auth-Request-Redirect", "X-Real-Ip"} {
		if strings.Contains(strings.Join(asked.RequestHeader.Values(name), ","), spoofed) {
			arrived = append(arrived, name)
		}
	}
	t.Holds("AUTHREQUEST-SPOOFED-HEADERS", len(arrived) == 0, "none of the client's values", "the client's "+strings.Join(arrived, ", "))
	return nil
}

// parseEcho reads what the echo backend says it received.
func parseEcho(r *browser.Response) (standin.Echo, error) {
	if r.Status != http.StatusOK {
		return standin.Echo{}, fmt.Errorf("the backend was not reached: the client got %s", describe(r))
	}
	received, err := standin.ParseEcho(r.Body)
	if err != nil {
		return received, fmt.Errorf("reading the backend's echo: %w", err)
	}
	return received, nil
}

func identityHeaders(ctx context.Context, t *Trial, r subject.Route) error {
	script := signedIn()
	script.Headers = [][2]string{{"X-Auth-Request-User", "alice"}} // and no groups
	response, err := t.Ask(ctx, t.Browser(), r, Request{Auth: script, Header: http.Header{
		"X-Auth-Request-User": {"mallory"}, "X-Auth-Request-Groups": {"admins"},
	}})
	if err != nil {
		return err
	}
	received, err := parseEcho(response)
	if err != nil {
		return err
	}
	Equal(t, "IDENTITY-FROM-AUTH", "X-Auth-Request-User at the backend", "alice", strings.Join(received.Values("X-Auth-Request-User"), ", "))
	Equal(t, "IDENTITY-REMOVED", "X-Auth-Request-Groups at the backend", "", strings.Join(received.Values("X-Auth-Request-Groups"), ", "))
	return nil
}
