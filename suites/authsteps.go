// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ingress-auth/conformance/suites/browser"
)

// The checks of the auth service speak to it as a client does, through the gateway, which forwards to it without asking it.

// authStep is what such a check does.
type authStep func(ctx context.Context, t *Trial) error

// authCheck needs no route of its own: the auth service's public hosts are there in every run.
func authCheck(id string, run authStep, requirements ...string) Check {
	return Check{ID: id, Requirements: requirements, Run: run}
}

// authURL is an address on the auth service's public host.
func authURL(target string) string { return publicURL("auth") + target }

// session returns a browser that has a session for the user.
func (t *Trial) session(ctx context.Context, user string) (*browser.Browser, error) {
	b := t.Browser()
	return b, t.login(ctx, b, user)
}

// login signs the browser in at the auth service itself.
func (t *Trial) login(ctx context.Context, b *browser.Browser, user string) error {
	if _, err := visit(ctx, b, browser.Request{URL: authURL("/oauth2/start?rd=%2F")}, user); err != nil {
		return fmt.Errorf("signing in as %s: %w", user, err)
	}
	response, known, err := hasSession(ctx, b)
	if err == nil && !known {
		err = fmt.Errorf("signing in as %s gave no session: %s", user, describe(response))
	}
	return err
}

// withCookie is a request by a client that has exactly this cookie.
func withCookie(target, cookie string) browser.Request {
	return browser.Request{URL: authURL(target), Header: http.Header{"Cookie": {cookie}}}
}

// sessionHeader is the Cookie field that carries the browser's session.
func sessionHeader(b *browser.Browser) (string, error) {
	cookies, err := b.Cookies(authURL("/"))
	if err != nil {
		return "", err
	}
	var pairs []string
	for _, c := range cookies {
		if isSessionCookie(c.Name) {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
	}
	if len(pairs) == 0 {
		return "", fmt.Errorf("the browser holds no session cookie %s", sessionCookieName)
	}
	return strings.Join(pairs, "; "), nil
}

// isSessionCookie says whether a cookie is the session or a part of it, and not that of a login on its way.
func isSessionCookie(name string) bool {
	rest, ok := strings.CutPrefix(name, sessionCookieName)
	return ok && (rest == "" || strings.Trim(rest, "_0123456789") == "")
}

// isLoginCookie says whether a cookie remembers a login on its way. It may have the prefix that binds it to its host
// (RFC 6265bis section 4.1.3.2).
func isLoginCookie(name string) bool {
	return strings.HasPrefix(strings.TrimPrefix(name, "__Host-"), sessionCookieName) && strings.Contains(name, "csrf")
}

// deletes says whether the answer deletes a cookie that fits.
func deletes(r *browser.Response, fits func(name string) bool) bool {
	for _, c := range r.SetCookies() {
		if fits(c.Name) && c.Value == "" && c.Persistent && !c.Expires.After(r.Exchange.Time) {
			return true
		}
	}
	return false
}

// refused says whether an answer is an error and no redirect.
func refused(r *browser.Response) bool { return r.Status >= 400 }

// denied says whether an answer is a refusal that is the client's to mend.
func denied(r *browser.Response) bool {
	return r.Status == http.StatusUnauthorized || r.Status == http.StatusForbidden
}

// identityOf lists the identity headers of an answer.
func identityOf(h http.Header) string {
	var b strings.Builder
	for _, name := range []string{"User", "Email", "Preferred-Username", "Groups"} {
		fmt.Fprintf(&b, "%s %q ", name, h.Values("X-Auth-Request-"+name))
	}
	return strings.TrimSpace(b.String())
}

// begin starts a login and returns the address at the identity provider that it leads to.
func (t *Trial) begin(ctx context.Context, b *browser.Browser, rd string) (*browser.Response, *url.URL, error) {
	response, err := b.Do(ctx, browser.Request{URL: authURL("/oauth2/start?rd=" + url.QueryEscape(rd))})
	if err != nil {
		return nil, nil, err
	}
	location, err := url.Parse(response.Header.Get("Location"))
	if err != nil || !strings.HasPrefix(location.Hostname(), "idp.") {
		return nil, nil, fmt.Errorf("the auth service did not lead to the identity provider: %s", describe(response))
	}
	return response, location, nil
}

// callbackOf walks a login that was begun up to the redirect to the auth service, and returns that address.
func (t *Trial) callbackOf(ctx context.Context, b *browser.Browser, at *url.URL, user string) (string, error) {
	response, err := stop(ctx, b, at.String(), user, func(r *browser.Response) bool {
		return strings.Contains(r.Header.Get("Location"), "/oauth2/callback?")
	})
	if err != nil {
		return "", err
	}
	return response.Location()
}

// pendingCallback begins a login as the user and returns the address that would end it.
func (t *Trial) pendingCallback(ctx context.Context, b *browser.Browser, rd, user string) (string, error) {
	_, at, err := t.begin(ctx, b, rd)
	if err != nil {
		return "", err
	}
	return t.callbackOf(ctx, b, at, user)
}

// userOf asks the auth service whom it takes the browser for; "" is nobody.
func userOf(ctx context.Context, b *browser.Browser, header http.Header) (string, error) {
	response, err := b.Do(ctx, browser.Request{URL: authURL("/oauth2/userinfo"), Header: header})
	if err != nil {
		return "", err
	}
	if response.Status != http.StatusOK {
		return "", nil
	}
	info, err := parseUserInfo(response)
	return info.Email, err
}

// mint returns an ID token for the client that every auth service of a run is.
func (t *Trial) mint(ctx context.Context, user string, expires time.Duration) (string, error) {
	token, err := t.Subject.Mint(ctx, user, expires, clientID)
	if err != nil {
		return "", fmt.Errorf("minting a bearer token: %w", err)
	}
	return token, nil
}

func bearerHeader(token string) http.Header {
	return http.Header{"Authorization": {"Bearer " + token}}
}

// base64JSON is a part of a JSON web token.
func base64JSON(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
