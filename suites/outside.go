// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"

	"github.com/ingress-auth/conformance/suites/browser"
	"github.com/ingress-auth/conformance/suites/subject"
)

// Outside is something that already runs, by the addresses at which any client may ask it.
type Outside struct {
	// Gateway is a protected page; Auth the auth service's endpoint (…/oauth2/auth); SignIn its sign-in URL
	// (…/oauth2/sign_in or …/oauth2/start). Auth and SignIn may be "".
	Gateway, Auth, SignIn string
}

// FromOutside is the catalogue for a subject of which only answers can be seen: a few checks of their own that need no
// session, and every other requirement not applicable. What such a check sees can refute a requirement; where it does not,
// the requirement holds as far as answers show.
func (c *Catalogue) FromOutside(o Outside) *Catalogue {
	checks := o.checks()
	judged := map[string]bool{}
	for _, check := range checks {
		for _, id := range check.Requirements {
			judged[id] = true
		}
	}
	rest := Check{
		ID: "outside/the-rest", Features: []subject.Feature{subject.FeatureInside},
		Run: func(context.Context, *Trial) error { return errors.New("this cannot be judged from outside") },
	}
	for _, r := range c.Contract.Judged() {
		if !judged[r.ID] {
			rest.Requirements = append(rest.Requirements, r.ID)
		}
	}
	return &Catalogue{Contract: c.Contract, Checks: append(checks, rest), Gateways: c.Gateways}
}

// OutsideNote tells a reader what a verdict from outside is worth.
const OutsideNote = "Judged from outside, without a session: that a requirement holds means that no answer showed otherwise."

func (o Outside) checks() []Check {
	signIn, authURL := []subject.Feature{subject.FeatureSignIn}, []subject.Feature{subject.FeatureAuthURL}
	checks := []Check{
		{ID: "outside/door", Requirements: []string{"STATUS-DENIED-NEVER-REACHES-BACKEND"}, Run: o.door},
		{ID: "outside/no-session", Requirements: []string{"PROXY-AUTH-NO-SESSION-401", "PROXY-NO-STORE"}, Features: authURL, Run: o.noSession},
		{ID: "outside/health", Requirements: []string{"PROXY-PING-READY"}, Features: authURL, Run: o.health},
		{ID: "outside/authorization-request", Requirements: []string{"SIGNIN-PKCE", "SIGNIN-STATE-NONCE"}, Features: signIn, Run: o.authorizationRequest},
		{ID: "outside/login-cookie", Requirements: []string{"LOGIN-COOKIE-SECURE", "LOGIN-COOKIE-HTTPONLY", "LOGIN-COOKIE-SAMESITE"}, Features: signIn, Run: o.loginCookie},
		{ID: "outside/rd", Requirements: []string{"REDIRECT-RD-FOREIGN-HOST"}, Features: signIn, Run: o.foreignRd},
		{ID: "outside/sign-out", Requirements: []string{"SIGNOUT-RD"}, Features: signIn, Run: o.signOutRd},
	}
	if o.SignIn == "" {
		return append(checks, Check{ID: "outside/denied", Requirements: []string{"STATUS-AUTH-401-DENIES"}, Run: o.denied})
	}
	return append(checks, Check{
		ID: "outside/sign-in", Requirements: []string{"STATUS-AUTH-401-SIGNIN", "REDIRECT-SIGNIN-RD-APPENDED"}, Features: signIn, Run: o.redirected,
	})
}

// at is the URL of another endpoint beside the sign-in.
func (o Outside) at(endpoint string) string {
	base, _, _ := strings.Cut(o.SignIn, "?")
	return base[:strings.LastIndexByte(base, '/')+1] + endpoint
}

func (o Outside) denied(ctx context.Context, t *Trial) error {
	response, err := t.Browser().Do(ctx, browser.Request{URL: o.Gateway})
	if err != nil {
		return err
	}
	t.Holds("STATUS-AUTH-401-DENIES", response.Status == http.StatusUnauthorized, "a 401", describe(response))
	return nil
}

// redirected asks for a page with a query, and reads from the redirect where the sign-in would lead back.
func (o Outside) redirected(ctx context.Context, t *Trial) error {
	asked, err := url.Parse(o.Gateway)
	if err != nil {
		return err
	}
	asked.RawQuery = "a=1&b=x+y"
	response, err := t.Browser().Do(ctx, browser.Request{URL: asked.String()})
	if err != nil {
		return err
	}
	t.Holds("STATUS-AUTH-401-SIGNIN", response.Status == http.StatusFound && o.leadsToSignIn(response), "a 302 to "+o.SignIn, describe(response))
	rd := rdOf(response)
	back := rd == asked.String() || rd == asked.RequestURI()
	t.Holds("REDIRECT-SIGNIN-RD-APPENDED", back, "rd to be "+asked.String(), describe(response))
	return nil
}

// leadsToSignIn compares all of the sign-in URL but its query, which the gateway adds to.
func (o Outside) leadsToSignIn(r *browser.Response) bool {
	base, _, _ := strings.Cut(o.SignIn, "?")
	to, _, _ := strings.Cut(r.Header.Get("Location"), "?")
	return to == base
}

func rdOf(r *browser.Response) string {
	location, err := url.Parse(r.Header.Get("Location"))
	if err != nil {
		return ""
	}
	return location.Query().Get("rd")
}

// attempt is one way to ask for the protected page without a session.
type attempt struct {
	what    string
	request browser.Request
}

// attempts are requests that some gateways have mistaken for others, or for somebody's: by method, by headers that parts
// trust among themselves, by credentials that are none, and by ways to write the path.
func (o Outside) attempts() []attempt {
	var all []attempt
	add := func(what string, r browser.Request) {
		r.URL = o.Gateway
		all = append(all, attempt{what, r})
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete} {
		add(method, browser.Request{Method: method})
	}
	for _, header := range [][2]string{
		{"X-Auth-Request-User", "alice"}, {"X-Auth-Request-Email", "alice@example.com"}, {"X-Forwarded-User", "alice"}, {"X-Forwarded-Email", "alice@example.com"},
		{"X_Auth_Request_User", "alice"}, {"Remote-User", "alice"}, {"X-Remote-User", "alice"},
		{"X-Original-URL", "/ping"}, {"X-Original-URI", "/oauth2/sign_in"}, {"X-Rewrite-URL", "/ping"}, {"X-Forwarded-Uri", "/ping"},
		{"X-Original-Method", "OPTIONS"}, {"X-HTTP-Method-Override", "OPTIONS"}, {"X-Forwarded-For", "127.0.0.1"}, {"X-Real-IP", "127.0.0.1"},
		{"Authorization", "Bearer e30.e30."}, {"Authorization", "Basic OjE="}, {"Cookie", "_oauth2_proxy=0"}, {"Upgrade", "websocket"},
	} {
		add("with "+header[0], browser.Request{Header: http.Header{header[0]: {header[1]}}})
	}
	for _, target := range o.paths() {
		add("as "+target, browser.Request{Target: target})
	}
	return all
}

// paths are ways to write the path of the protected page.
func (o Outside) paths() []string {
	u, err := url.Parse(o.Gateway)
	if err != nil {
		return nil
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	inner := strings.TrimPrefix(path, "/")
	return []string{
		"/" + path, "/." + path, "/x/.." + path, "/%2e" + path, "/x/%2e%2e" + path, "/%2f" + inner, path + "?", path + "#", path + ";x", path + "%00", path + "%20",
		"/oauth2/../" + inner, "/oauth2/sign_in/.." + "/../" + inner, "/ping/.." + path, `/x\..` + path,
	}
}

// door tries every attempt: without a session none may be let in. A success that is no page of the sign-in is the backend.
func (o Outside) door(ctx context.Context, t *Trial) error {
	const requirement = "STATUS-DENIED-NEVER-REACHES-BACKEND"
	for _, a := range o.attempts() {
		response, err := t.Browser().Do(ctx, a.request)
		if err != nil {
			return fmt.Errorf("%s: %w", a.what, err)
		}
		t.Holds(requirement, response.Status < 200 || response.Status > 299, "no success without a session, asked "+a.what, describe(response))
	}
	return nil
}

func (o Outside) noSession(ctx context.Context, t *Trial) error {
	response, err := t.Browser().Do(ctx, browser.Request{URL: o.Auth})
	if err != nil {
		return err
	}
	t.Holds("PROXY-AUTH-NO-SESSION-401", response.Status == http.StatusUnauthorized && response.Header.Get("Location") == "", "a 401 and no Location", describe(response))
	t.Holds("PROXY-NO-STORE", strings.Contains(response.Header.Get("Cache-Control"), "no-store"), "Cache-Control with no-store", response.Header.Get("Cache-Control"))
	return nil
}

func (o Outside) health(ctx context.Context, t *Trial) error {
	u, err := url.Parse(o.Auth)
	if err != nil {
		return err
	}
	for _, path := range []string{"/ping", "/ready"} {
		response, err := t.Browser().Do(ctx, browser.Request{URL: u.Scheme + "://" + u.Host + path})
		if err != nil {
			return err
		}
		t.Holds("PROXY-PING-READY", response.Status == http.StatusOK, path+" 200", describe(response))
	}
	return nil
}

// start begins a sign-in and returns what the browser is sent to the identity provider with.
func (o Outside) start(ctx context.Context, t *Trial) (url.Values, error) {
	response, err := t.Browser().Do(ctx, browser.Request{URL: o.at("start") + "?rd=%2F"})
	if err != nil {
		return nil, err
	}
	location, err := url.Parse(response.Header.Get("Location"))
	if err != nil || location.Query().Get("client_id") == "" {
		return nil, fmt.Errorf("%s does not lead to an identity provider: %s", o.at("start"), describe(response))
	}
	return location.Query(), nil
}

func (o Outside) authorizationRequest(ctx context.Context, t *Trial) error {
	first, err := o.start(ctx, t)
	if err != nil {
		return err
	}
	second, err := o.start(ctx, t)
	if err != nil {
		return err
	}
	judgeAuthorizationRequests(t, first, second)
	return nil
}

// loginCookie looks at the cookie that binds a sign-in to the browser that began it, whatever its prefix.
func (o Outside) loginCookie(ctx context.Context, t *Trial) error {
	response, err := t.Browser().Do(ctx, browser.Request{URL: o.at("start") + "?rd=%2F"})
	if err != nil {
		return err
	}
	found := false
	for _, c := range response.SetCookies() {
		if !strings.Contains(strings.ToLower(c.Name), "csrf") || c.Value == "" {
			continue
		}
		found = true
		t.Holds("LOGIN-COOKIE-SECURE", c.Secure, "Secure", c.String())
		t.Holds("LOGIN-COOKIE-HTTPONLY", c.HTTPOnly, "HttpOnly", c.String())
		t.Holds("LOGIN-COOKIE-SAMESITE", c.SameSite == browser.SameSiteLax, "SameSite=Lax", c.String())
	}
	if !found {
		return &subject.DeclinedError{Reason: "no cookie whose name contains csrf was set, so the one that remembers a sign-in is not known"}
	}
	return nil
}

// foreignRd offers foreign addresses to the sign-in. Without a session it shows nothing but a redirect there at once, a page
// that carries the address on, or a state in which it can be read.
func (o Outside) foreignRd(ctx context.Context, t *Trial) error {
	for _, rd := range foreignAddresses() {
		for _, endpoint := range []string{"start", "sign_in"} {
			response, err := t.Browser().Do(ctx, browser.Request{URL: o.at(endpoint) + "?rd=" + url.QueryEscape(rd)})
			if err != nil {
				return err
			}
			t.Holds("REDIRECT-RD-FOREIGN-HOST", !takesUp(response, rd), fmt.Sprintf("%s not to take up rd %q", endpoint, rd), describe(response))
		}
	}
	return nil
}

// takesUp says whether an answer shows that the address was accepted. One that a browser reads as a path of the same host
// may be.
func takesUp(r *browser.Response, rd string) bool {
	if leadsAway(r) {
		return true
	}
	followed := *r
	followed.Header = http.Header{"Location": {rd}}
	if !leadsAway(&followed) {
		return false
	}
	location, err := url.Parse(r.Header.Get("Location"))
	inState := err == nil && strings.HasSuffix(location.Query().Get("state"), ":"+rd)
	return inState || strings.Contains(string(r.Body), `value="`+html.EscapeString(rd)+`"`)
}

func (o Outside) signOutRd(ctx context.Context, t *Trial) error {
	for _, rd := range foreignAddresses() {
		response, err := t.Browser().Do(ctx, browser.Request{URL: o.at("sign_out") + "?rd=" + url.QueryEscape(rd)})
		if err != nil {
			return err
		}
		t.Holds("SIGNOUT-RD", !leadsAway(response), fmt.Sprintf("for rd %q no redirect there", rd), describe(response))
	}
	return nil
}

// leadsAway says whether a browser would end at the host of foreignAddresses, or run what it was given. A way to an identity
// provider's own sign-out is no such thing.
func leadsAway(r *browser.Response) bool {
	location, err := r.Location()
	if err != nil || location == "" {
		return false
	}
	to, err := url.Parse(location)
	return err != nil || strings.Contains(strings.ToLower(to.Hostname()), "evil") || (to.Scheme != "http" && to.Scheme != "https")
}
