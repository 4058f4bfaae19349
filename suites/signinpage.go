// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/ingress-auth/conformance/suites/browser"
	"github.com/ingress-auth/conformance/suites/subject"
)

func signInPageChecks() []Check {
	return []Check{
		authCheck("auth-service/signin-page-rd", signInPageRd, "SIGNIN-PAGE-DEFAULT-RD", "SIGNIN-PAGE-FOREIGN-RD", "SIGNIN-PAGE-NO-LOOP", "SIGNIN-PAGE-ESCAPES"),
		authCheck("auth-service/signin-page-framing", signInPageFraming, "SIGNIN-PAGE-FRAMING"),
		authCheck("auth-service/signin-page-session", signInPageSession, "SIGNIN-PAGE-DEAD-COOKIE", "SIGNIN-PAGE-TELLS-SESSION"),
		authCheck("auth-service/skip-button", skipButton, "SKIP-BUTTON-SIGNIN", "SKIP-BUTTON-AUTH-401"),
		authCheck("auth-service/host-prefix", hostPrefix, "COOKIE-HOST-PREFIX"),
		authCheck("auth-service/sign-out", signOutAnswers, "SIGNOUT-NO-SESSION", "SIGNOUT-POST", "SIGNOUT-DELETES-COOKIE", "SIGNOUT-DEFAULT-RD", "SIGNOUT-OTHER-BROWSER"),
	}
}

// signInForm reads the page and the rd of its form.
func (t *Trial) signInForm(ctx context.Context, rd string) (page *browser.Response, value string, err error) {
	address := authURL("/oauth2/sign_in")
	if rd != "" {
		address += "?rd=" + url.QueryEscape(rd)
	}
	page, err = t.Browser().Do(ctx, browser.Request{URL: address})
	if err != nil {
		return nil, "", err
	}
	forms, err := page.Forms()
	if err != nil {
		return nil, "", fmt.Errorf("reading the sign-in page: %w", err)
	}
	for _, form := range forms {
		if value, ok := form.Get("rd"); ok && strings.Contains(form.Action, "/oauth2/start") {
			return page, value, nil
		}
	}
	return nil, "", fmt.Errorf("the sign-in page has no form that leads to /oauth2/start: %s", describe(page))
}

func signInPageRd(ctx context.Context, t *Trial) error {
	for _, row := range []struct{ requirement, rd string }{{"SIGNIN-PAGE-DEFAULT-RD", ""}, {"SIGNIN-PAGE-NO-LOOP", "/oauth2/sign_in"}} {
		_, value, err := t.signInForm(ctx, row.rd)
		if err != nil {
			return err
		}
		Equal(t, row.requirement, "rd of the form", "/", value)
	}
	for _, rd := range foreignAddresses() {
		if strings.HasPrefix(rd, "/%") {
			continue // a path on the same host, which the form may carry
		}
		_, value, err := t.signInForm(ctx, rd)
		if err != nil {
			return err
		}
		Equal(t, "SIGNIN-PAGE-FOREIGN-RD", fmt.Sprintf("for rd %q, rd of the form", rd), "/", value)
	}
	page, _, err := t.signInForm(ctx, `/x"><script>alert(1)</script>`)
	if err != nil {
		return err
	}
	t.Holds("SIGNIN-PAGE-ESCAPES", !strings.Contains(string(page.Body), "<script>alert(1)"), "rd shown as text", "rd stands in the page as markup")
	return nil
}

func signInPageFraming(ctx context.Context, t *Trial) error {
	page, _, err := t.signInForm(ctx, "/")
	if err != nil {
		return err
	}
	options, policy := page.Header.Get("X-Frame-Options"), page.Header.Get("Content-Security-Policy")
	t.Holds("SIGNIN-PAGE-FRAMING", options != "" || strings.Contains(policy, "frame-ancestors"), "X-Frame-Options or frame-ancestors", fmt.Sprintf("X-Frame-Options %q, Content-Security-Policy %q", options, policy))
	return nil
}

func signInPageSession(ctx context.Context, t *Trial) error {
	for _, value := range []string{"worthless", "eyJ|1|x", strings.Repeat("A", 600)} {
		page, err := t.Browser().Do(ctx, withCookie("/oauth2/sign_in", sessionCookieName+"="+value))
		if err != nil {
			return err
		}
		Equal(t, "SIGNIN-PAGE-DEAD-COOKIE", "with a worthless session cookie status", http.StatusOK, page.Status)
	}
	b, err := t.session(ctx, userAlice)
	if err != nil {
		return err
	}
	page, err := b.Do(ctx, browser.Request{URL: authURL("/oauth2/sign_in")})
	if err != nil {
		return err
	}
	_, known, err := hasSession(ctx, b)
	if err != nil {
		return err
	}
	told := strings.Contains(string(page.Body), "alice")
	t.Holds("SIGNIN-PAGE-TELLS-SESSION", !known || told, "the session ended, or a page that names who is signed in", fmt.Sprintf("session afterwards: %t, named: %t", known, told))
	return nil
}

// hostOnlyURL is an address on the auth service whose cookies are for its own host only, and that shows no button.
func hostOnlyURL(target string) string { return publicURL("auth-host") + target }

func skipButton(ctx context.Context, t *Trial) error {
	page, err := t.Browser().Do(ctx, browser.Request{URL: hostOnlyURL("/oauth2/sign_in?rd=%2F")})
	if err != nil {
		return err
	}
	t.Holds("SKIP-BUTTON-SIGNIN", page.Status == 302 && leadsTo(publicURL("idp"))(page), "a redirect to the identity provider", describe(page))
	verdict, err := t.Browser().Do(ctx, browser.Request{URL: hostOnlyURL("/oauth2/auth")})
	if err != nil {
		return err
	}
	t.Holds("SKIP-BUTTON-AUTH-401", verdict.Status == 401 && verdict.Header.Get("Location") == "", "a 401 and no Location", describe(verdict))
	return nil
}

func hostPrefix(ctx context.Context, t *Trial) error {
	const requirement = "COOKIE-HOST-PREFIX"
	b := t.Browser()
	last, err := visit(ctx, b, browser.Request{URL: hostOnlyURL("/oauth2/start?rd=%2F")}, userAlice)
	if err != nil {
		return err
	}
	verdict, err := b.Do(ctx, browser.Request{URL: hostOnlyURL("/oauth2/auth")})
	if err != nil {
		return err
	}
	t.Holds(requirement, verdict.Status == 202, "a session after signing in with cookies named __Host-", describe(verdict)+"; the login ended with "+describe(last))
	elsewhere, err := b.Cookies(publicURL("auth") + "/")
	if err != nil {
		return err
	}
	for _, c := range elsewhere {
		t.Holds(requirement, !strings.HasPrefix(c.Name, "__Host-"), "the cookie on its own host only", c.String())
	}
	return nil
}

func signOutAnswers(ctx context.Context, t *Trial) error {
	bare, err := t.Browser().Do(ctx, browser.Request{URL: authURL("/oauth2/sign_out")})
	if err != nil {
		return err
	}
	t.Holds("SIGNOUT-NO-SESSION", bare.Status == 302, "a redirect without a session", describe(bare))
	t.Holds("SIGNOUT-DEFAULT-RD", bare.Header.Get("Location") == "/", "Location /", describe(bare))
	other, err := t.session(ctx, userAlice)
	if err != nil {
		return err
	}
	for _, row := range []struct{ requirement, method string }{{"SIGNOUT-DELETES-COOKIE", http.MethodGet}, {"SIGNOUT-POST", http.MethodPost}} {
		b, err := t.session(ctx, userAlice)
		if err != nil {
			return err
		}
		response, err := b.Do(ctx, browser.Request{Method: row.method, URL: authURL("/oauth2/sign_out")})
		if err != nil {
			return err
		}
		var left []string
		for _, c := range b.AllCookies() {
			if isSessionCookie(c.Name) && strings.HasSuffix(c.Domain, subject.Domain) {
				left = append(left, c.String())
			}
		}
		t.Holds(row.requirement, response.Status == 302 && len(left) == 0, "a redirect, and no session cookie left in the browser", describe(response)+"; left: "+strings.Join(left, ", "))
	}
	verdict, err := other.Do(ctx, browser.Request{URL: authEndpoint("?after=sign-out")})
	if err != nil {
		return err
	}
	Equal(t, "SIGNOUT-OTHER-BROWSER", "in another browser status", http.StatusAccepted, verdict.Status)
	return nil
}
