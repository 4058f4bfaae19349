// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/ingress-auth/conformance/suites/browser"
)

func callbackChecks() []Check {
	return []Check{
		authCheck("auth-service/callback-no-state", callbackNoState, "CALLBACK-NO-STATE", "CALLBACK-NO-STATE-4XX"),
		authCheck("auth-service/callback-state", callbackState, "CALLBACK-STATE-ALTERED", "CALLBACK-STATE-FOREIGN-RD", "CALLBACK-NO-LOGIN-COOKIE"),
		authCheck("auth-service/callback-error", callbackError, "CALLBACK-ERROR-REFUSED", "CALLBACK-ERROR-ESCAPED"),
		authCheck("auth-service/callback-code", callbackCode, "CALLBACK-NO-CODE", "CALLBACK-BAD-CODE"),
		authCheck("auth-service/callback-success", callbackSuccess, "CALLBACK-LOCATION-CLEAN", "CALLBACK-CLEARS-LOGIN-COOKIE", "CALLBACK-REPLAY"),
	}
}

// end sends the browser to the callback and takes down whether that is an error that leaves it without a session.
func (t *Trial) endsInError(ctx context.Context, b *browser.Browser, requirement, what, address string) (*browser.Response, error) {
	response, err := b.Do(ctx, browser.Request{URL: address})
	if err != nil {
		return nil, err
	}
	_, known, err := hasSession(ctx, b)
	if err != nil {
		return nil, err
	}
	t.Holds(requirement, refused(response) && !known, what+" an error and no session", fmt.Sprintf("%s; session: %t", describe(response), known))
	return response, nil
}

func callbackNoState(ctx context.Context, t *Trial) error {
	for _, query := range []string{"", "?code=made-up", "?code=made-up&state=", "?code=made-up&state=short", "?code=made-up&state=made-up-state-of-some-length:/"} {
		response, err := t.endsInError(ctx, t.Browser(), "CALLBACK-NO-STATE", "for the query "+query, authURL("/oauth2/callback"+query))
		if err != nil {
			return err
		}
		t.Holds("CALLBACK-NO-STATE-4XX", response.Status >= 400 && response.Status < 500, "for the query "+query+" a 4xx", describe(response))
	}
	return nil
}

func callbackState(ctx context.Context, t *Trial) error {
	edit := func(address string, change func(state string) string) (string, error) {
		at, err := url.Parse(address)
		if err != nil {
			return "", fmt.Errorf("reading the callback: %w", err)
		}
		query := at.Query()
		query.Set("state", change(query.Get("state")))
		at.RawQuery = query.Encode()
		return at.String(), nil
	}
	b := t.Browser()
	callback, err := t.pendingCallback(ctx, b, "/", userAlice)
	if err != nil {
		return err
	}
	altered, err := edit(callback, func(s string) string {
		at := min(12, len(s)-1)
		return s[:at] + flip(s[at]) + s[at+1:]
	})
	if err != nil {
		return err
	}
	if _, err := t.endsInError(ctx, b, "CALLBACK-STATE-ALTERED", "for an altered state", altered); err != nil {
		return err
	}
	elsewhere := t.Browser()
	if callback, err = t.pendingCallback(ctx, elsewhere, "/", userAlice); err != nil {
		return err
	}
	bare := t.Browser()
	if _, err := t.endsInError(ctx, bare, "CALLBACK-NO-LOGIN-COOKIE", "in a browser that began no login", callback); err != nil {
		return err
	}
	foreign, err := edit(callback, func(s string) string {
		random, _, _ := strings.Cut(s, ":")
		return random + ":https://evil.example/"
	})
	if err != nil {
		return err
	}
	response, err := elsewhere.Do(ctx, browser.Request{URL: foreign})
	if err != nil {
		return err
	}
	t.Holds("CALLBACK-STATE-FOREIGN-RD", staysInside(response), "no way to a foreign host by an altered state", describe(response))
	return nil
}

func callbackError(ctx context.Context, t *Trial) error {
	const script = "<script>alert(1)</script>"
	for _, answer := range []url.Values{
		{"error": {"access_denied"}},
		{"error": {script}, "error_description": {script}, "error_uri": {"javascript:alert(1)"}},
	} {
		b := t.Browser()
		_, at, err := t.begin(ctx, b, "/")
		if err != nil {
			return err
		}
		answer.Set("state", at.Query().Get("state"))
		response, err := t.endsInError(ctx, b, "CALLBACK-ERROR-REFUSED", "for the identity provider's error", authURL("/oauth2/callback?"+answer.Encode()))
		if err != nil {
			return err
		}
		t.Holds("CALLBACK-ERROR-ESCAPED", !strings.Contains(string(response.Body), script), "the error shown as text", "the error stands in the page as markup")
	}
	return nil
}

func callbackCode(ctx context.Context, t *Trial) error {
	for _, row := range []struct{ requirement, what, code string }{
		{"CALLBACK-NO-CODE", "without a code", ""}, {"CALLBACK-BAD-CODE", "for a code that was never issued", "made-up-code"},
	} {
		b := t.Browser()
		_, at, err := t.begin(ctx, b, "/")
		if err != nil {
			return err
		}
		query := url.Values{"state": {at.Query().Get("state")}}
		if row.code != "" {
			query.Set("code", row.code)
		}
		if _, err := t.endsInError(ctx, b, row.requirement, row.what, authURL("/oauth2/callback?"+query.Encode())); err != nil {
			return err
		}
	}
	return nil
}

func callbackSuccess(ctx context.Context, t *Trial) error {
	const rd = "/where?a=1&b=2"
	b := t.Browser()
	callback, err := t.pendingCallback(ctx, b, rd, userAlice)
	if err != nil {
		return err
	}
	response, err := b.Do(ctx, browser.Request{URL: callback})
	if err != nil {
		return err
	}
	if response.Status != http.StatusFound {
		return errors.New("the callback does not redirect: " + describe(response))
	}
	t.Holds("CALLBACK-LOCATION-CLEAN", response.Header.Get("Location") == rd, "Location "+rd+" and nothing else", describe(response))
	cookies, err := b.Cookies(authURL("/"))
	if err != nil {
		return err
	}
	var left []string
	for _, c := range cookies {
		if isLoginCookie(c.Name) && c.Value != "" {
			left = append(left, c.String())
		}
	}
	t.Holds("CALLBACK-CLEARS-LOGIN-COOKIE", len(left) == 0, "no login cookie afterwards", strings.Join(left, ", "))
	again, err := b.Do(ctx, browser.Request{URL: callback})
	if err != nil {
		return err
	}
	_, known, err := hasSession(ctx, b)
	if err != nil {
		return err
	}
	t.Holds("CALLBACK-REPLAY", refused(again) && known, "an error for the same callback again, and the session kept", fmt.Sprintf("%s; session: %t", describe(again), known))
	return nil
}
