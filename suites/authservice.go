// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ingress-auth/conformance/suites/browser"
	"github.com/ingress-auth/conformance/suites/subject"
)

// authEndpoint is the auth service's verdict, asked as a client: the gateway forwards to the proxy without asking it.
func authEndpoint(query string) string { return publicURL("auth") + "/oauth2/auth" + query }

func authServiceChecks() []Check {
	app := appRoute("auth-service")
	check := func(name string, run func(ctx context.Context, t *Trial, r subject.Route) error, requirements ...string) Check {
		return Check{
			ID: "auth-service/" + name, Requirements: requirements, Routes: []subject.Route{app}, Features: []subject.Feature{subject.FeatureSignIn},
			Run: func(ctx context.Context, t *Trial) error { return run(ctx, t, app) },
		}
	}
	checks := []Check{
		check("no-session", noSession, "PROXY-AUTH-NO-SESSION-401", "PROXY-NO-STORE"),
		check("session", validSession, "PROXY-AUTH-SESSION-202", "PROXY-USERINFO"),
		check("tampered", tamperedSession, "PROXY-AUTH-TAMPERED-401"),
		check("groups", groups, "PROXY-AUTH-GROUP-403", "PROXY-AUTH-GROUP-ALLOWED", "PROXY-AUTH-GROUP-EMPTY-403", "PROXY-AUTH-EMAIL-DOMAIN-403"),
		check("identity", identity, "PROXY-IDENTITY-HEADERS", "PROXY-IDENTITY-NOT-SPOOFED"),
		check("cookie", sessionCookie, "PROXY-COOKIE-SECURE", "PROXY-COOKIE-HTTPONLY", "PROXY-COOKIE-SAMESITE", "PROXY-COOKIE-OPAQUE"),
		check("bearer", bearer, "PROXY-BEARER-VALID", "PROXY-BEARER-EXPIRED", "PROXY-BEARER-AUDIENCE", "PROXY-BEARER-CHALLENGE"),
		check("health", health, "PROXY-PING-READY"),
		expiredSessionCheck(),
		emailDomainCheck(),
		upstreamCheck(),
	}
	return slices.Concat(checks, authEndpointChecks(), loginChecks(), callbackChecks(), signInPageChecks(), sessionChecks(), storeChecks(), renewalChecks(), bearerChecks(), upstreamChecks(), rdCorpusChecks())
}

func noSession(ctx context.Context, t *Trial, _ subject.Route) error {
	response, _, err := hasSession(ctx, t.Browser())
	if err != nil {
		return err
	}
	t.Holds("PROXY-AUTH-NO-SESSION-401", response.Status == 401 && response.Header.Get("Location") == "", "a 401 and no Location", describe(response))
	t.Holds("PROXY-NO-STORE", strings.Contains(response.Header.Get("Cache-Control"), "no-store"), "Cache-Control with no-store", response.Header.Get("Cache-Control"))
	return nil
}

func validSession(ctx context.Context, t *Trial, r subject.Route) error {
	b := t.Browser()
	anonymous, err := b.Do(ctx, browser.Request{URL: publicURL("auth") + "/oauth2/userinfo"})
	if err != nil {
		return err
	}
	t.Holds("PROXY-USERINFO", anonymous.Status == 401, "a 401 without a session", describe(anonymous))
	if err := t.signIn(ctx, b, r, userAlice); err != nil {
		return err
	}
	response, _, err := hasSession(ctx, b)
	if err != nil {
		return err
	}
	t.Holds("PROXY-AUTH-SESSION-202", response.Status == http.StatusAccepted, "a 202", describe(response))
	info, err := b.Do(ctx, browser.Request{URL: publicURL("auth") + "/oauth2/userinfo"})
	if err != nil {
		return err
	}
	var user struct {
		Email string `json:"email"`
	}
	err = json.Unmarshal(info.Body, &user)
	t.Holds("PROXY-USERINFO", err == nil && info.Status == 200 && user.Email == "alice@allowed.example", "a 200 that names alice@allowed.example", describe(info))
	return nil
}

// sessionCookieName is the cookie of the reference proxy.
const sessionCookieName = "_oauth2_proxy"

// sessionValue returns the first chunk of the browser's session cookie.
func sessionValue(b *browser.Browser) (name, value string, err error) {
	cookies, err := b.Cookies(publicURL("auth") + "/")
	if err != nil {
		return "", "", err
	}
	for _, c := range cookies {
		if c.Name == sessionCookieName || c.Name == sessionCookieName+"_0" {
			return c.Name, c.Value, nil
		}
	}
	return "", "", fmt.Errorf("the browser holds no session cookie %s", sessionCookieName)
}

// tamperedSession changes one character at several places of the cookie; each alone must spoil it.
func tamperedSession(ctx context.Context, t *Trial, r subject.Route) error {
	b := t.Browser()
	if err := t.signIn(ctx, b, r, userAlice); err != nil {
		return err
	}
	name, value, err := sessionValue(b)
	if err != nil {
		return err
	}
	stranger := t.Browser()
	send := func(value string) (*browser.Response, error) {
		return stranger.Do(ctx, browser.Request{URL: authEndpoint(""), Header: http.Header{"Cookie": {name + "=" + value}}})
	}
	if whole, err := send(value); err != nil || whole.Status != http.StatusAccepted {
		return errors.Join(err, errors.New("the untouched cookie is not accepted, so the tampered one proves nothing"))
	}
	for _, at := range []int{0, len(value) / 3, len(value) / 2, len(value) - 2} {
		response, err := send(value[:at] + flip(value[at]) + value[at+1:])
		if err != nil {
			return err
		}
		t.Holds("PROXY-AUTH-TAMPERED-401", response.Status == 401, fmt.Sprintf("a 401 for a change at %d of %d", at, len(value)), describe(response))
	}
	return nil
}

func flip(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

func groups(ctx context.Context, t *Trial, r subject.Route) error {
	b := t.Browser()
	if err := t.signIn(ctx, b, r, userBob); err != nil {
		return err
	}
	for _, row := range []struct {
		requirement, query string
		want               int
	}{
		{"PROXY-AUTH-GROUP-ALLOWED", "?allowed_groups=users", 202},
		{"PROXY-AUTH-GROUP-ALLOWED", "?allowed_groups=admins,users", 202},
		{"PROXY-AUTH-GROUP-403", "?allowed_groups=admins", 403},
		{"PROXY-AUTH-GROUP-403", "?allowed_groups=user", 403},
		{"PROXY-AUTH-GROUP-EMPTY-403", "?allowed_groups=", 403},
		{"PROXY-AUTH-EMAIL-DOMAIN-403", "?allowed_email_domains=allowed.example", 403},
		{"PROXY-AUTH-EMAIL-DOMAIN-403", "?allowed_email_domains=other.example", 202},
	} {
		response, err := b.Do(ctx, browser.Request{URL: authEndpoint(row.query)})
		if err != nil {
			return err
		}
		Equal(t, row.requirement, "for "+row.query+" status", row.want, response.Status)
	}
	return nil
}

func identity(ctx context.Context, t *Trial, r subject.Route) error {
	b := t.Browser()
	if err := t.signIn(ctx, b, r, userAlice); err != nil {
		return err
	}
	for _, ask := range []struct {
		requirement string
		header      http.Header
	}{
		{"PROXY-IDENTITY-HEADERS", nil},
		{"PROXY-IDENTITY-NOT-SPOOFED", http.Header{"X-Auth-Request-User": {"mallory"}, "X-Auth-Request-Email": {"mallory@evil.example"}, "X-Auth-Request-Groups": {"root"}}},
	} {
		response, err := t.Ask(ctx, b, r, Request{Header: ask.header})
		if err != nil {
			return err
		}
		received, err := parseEcho(response)
		if err != nil {
			return err
		}
		user := strings.Join(received.Values("X-Auth-Request-User"), ", ")
		email := strings.Join(received.Values("X-Auth-Request-Email"), ", ")
		memberships := strings.Join(received.Values("X-Auth-Request-Groups"), ",")
		t.Holds(ask.requirement, user != "" && user != "mallory" && email == "alice@allowed.example" && memberships == "users,admins",
			"alice@allowed.example with the groups users,admins", fmt.Sprintf("user %q, e-mail %q, groups %q", user, email, memberships))
	}
	return nil
}

func sessionCookie(ctx context.Context, t *Trial, r subject.Route) error {
	callback, err := stop(ctx, t.Browser(), URL(r, "/"), userAlice, isCallback)
	if err != nil {
		return err
	}
	for _, line := range callback.Header.Values("Set-Cookie") {
		cookie, err := http.ParseSetCookie(line)
		if err != nil || !strings.HasPrefix(cookie.Name, sessionCookieName) || cookie.Value == "" || strings.Contains(cookie.Name, "csrf") {
			continue
		}
		t.Holds("PROXY-COOKIE-SECURE", cookie.Secure, "Secure", cookieAttributes(cookie))
		t.Holds("PROXY-COOKIE-HTTPONLY", cookie.HttpOnly, "HttpOnly", cookieAttributes(cookie))
		t.Holds("PROXY-COOKIE-SAMESITE", cookie.SameSite == http.SameSiteLaxMode || cookie.SameSite == http.SameSiteStrictMode, "SameSite Lax or Strict", cookieAttributes(cookie))
		t.Holds("PROXY-COOKIE-OPAQUE", !shows(cookie.Value, "alice", "allowed.example", "eyJ"), "a value that shows nothing", "a value in which the user or a token can be read")
	}
	return nil
}

func cookieAttributes(c *http.Cookie) string {
	bare := *c
	bare.Value = ""
	return bare.String()
}

// shows looks for words in the value as it is and under one layer of base64.
func shows(value string, words ...string) bool {
	texts := []string{value}
	for _, encoding := range []*base64.Encoding{base64.RawURLEncoding, base64.RawStdEncoding} {
		for _, part := range strings.FieldsFunc(value, func(r rune) bool { return r == '|' || r == '.' }) {
			if decoded, err := encoding.DecodeString(strings.TrimRight(part, "=")); err == nil {
				texts = append(texts, string(decoded))
			}
		}
	}
	for _, text := range texts {
		for _, word := range words {
			if strings.Contains(text, word) {
				return true
			}
		}
	}
	return false
}

// clientID is the client of fixtures/manifests/idp.yaml.
const clientID = "ingress-auth"

func bearer(ctx context.Context, t *Trial, r subject.Route) error {
	ask := func(url string, expires time.Duration, audience string) (*browser.Response, error) {
		token, err := t.Subject.Mint(ctx, userAlice, expires, audience)
		if err != nil {
			return nil, fmt.Errorf("minting a bearer token: %w", err)
		}
		return t.Browser().Do(ctx, browser.Request{URL: url, Header: http.Header{"Authorization": {"Bearer " + token}}})
	}
	valid, err := ask(URL(r, "/"), time.Hour, clientID)
	if err != nil {
		return err
	}
	t.Holds("PROXY-BEARER-VALID", valid.Status == 200, "the backend's 200", describe(valid))
	expired, err := ask(authEndpoint(""), -time.Hour, clientID)
	if err != nil {
		return err
	}
	t.Holds("PROXY-BEARER-EXPIRED", expired.Status == 401, "a 401", describe(expired))
	t.Holds("PROXY-BEARER-CHALLENGE", strings.HasPrefix(expired.Header.Get("WWW-Authenticate"), "Bearer"), "a Bearer challenge", describe(expired))
	other, err := ask(authEndpoint(""), time.Hour, "somebody-else")
	if err != nil {
		return err
	}
	t.Holds("PROXY-BEARER-AUDIENCE", other.Status == 401, "a 401", describe(other))
	return nil
}

func health(ctx context.Context, t *Trial, _ subject.Route) error {
	for _, path := range []string{"/ping", "/ready"} {
		response, err := t.Browser().Do(ctx, browser.Request{URL: publicURL("auth") + path})
		if err != nil {
			return err
		}
		t.Holds("PROXY-PING-READY", response.Status == 200, path+" 200", describe(response))
	}
	return nil
}

// expiredSessionCheck keeps sending the cookie of a session that lasts one second until the auth service refuses it.
func expiredSessionCheck() Check {
	const requirement = "PROXY-AUTH-EXPIRED-401"
	r := appRoute("expired")
	r.AuthURL, r.AuthSignIn = "{proxy-short}/oauth2/auth", "https://auth-short.{domain}/oauth2/sign_in"
	return Check{
		ID: "auth-service/expired", Requirements: []string{requirement}, Routes: []subject.Route{r}, Slow: true,
		Features: []subject.Feature{subject.FeatureSignIn, subject.FeatureSignInAppendsRd},
		Run: func(ctx context.Context, t *Trial) error {
			callback, err := stop(ctx, t.Browser(), URL(r, "/"), userAlice, isCallback)
			if err != nil {
				return err
			}
			cookie, err := firstCookie(callback, "_short")
			if err != nil {
				return err
			}
			stranger := t.Browser()
			ask := browser.Request{URL: publicURL("auth-short") + "/oauth2/auth", Header: http.Header{"Cookie": {cookie}}}
			response, err := pollUntil(ctx, 10*time.Second, func() (*browser.Response, error) { return stranger.Do(ctx, ask) },
				func(r *browser.Response) bool { return r.Status == 401 })
			if err != nil {
				return err
			}
			t.Holds(requirement, response.Status == 401, "a 401 within ten seconds for a session of one second", describe(response))
			return nil
		},
	}
}

func firstCookie(response *browser.Response, prefix string) (string, error) {
	for _, line := range response.Header.Values("Set-Cookie") {
		if cookie, err := http.ParseSetCookie(line); err == nil && strings.HasPrefix(cookie.Name, prefix) && !strings.Contains(cookie.Name, "csrf") && cookie.Value != "" {
			return cookie.Name + "=" + cookie.Value, nil
		}
	}
	return "", fmt.Errorf("the answer sets no cookie %s: %s", prefix, describe(response))
}

// pollUntil asks until the answer fits or the time is up, and returns the last answer.
func pollUntil(ctx context.Context, limit time.Duration, ask func() (*browser.Response, error), fits func(*browser.Response) bool) (*browser.Response, error) {
	deadline, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		response, err := ask()
		if err != nil || fits(response) {
			return response, err
		}
		select {
		case <-tick.C:
		case <-deadline.Done():
			return response, ctx.Err()
		}
	}
}

// emailDomainCheck signs in as a user whose e-mail domain the auth service does not allow, then as one whose it does.
func emailDomainCheck() Check {
	const requirement = "PROXY-LOGIN-EMAIL-DOMAIN-403"
	r := appRoute("email-domain")
	r.AuthURL, r.AuthSignIn = "{proxy-domain}/oauth2/auth", "https://auth-domain.{domain}/oauth2/sign_in"
	return Check{
		ID: "auth-service/email-domain", Requirements: []string{requirement}, Routes: []subject.Route{r},
		Features: []subject.Feature{subject.FeatureSignIn, subject.FeatureSignInAppendsRd},
		Run: func(ctx context.Context, t *Trial) error {
			if err := t.signIn(ctx, t.Browser(), r, userAlice); err != nil {
				return err
			}
			b := t.Browser()
			last, err := visit(ctx, b, browser.Request{URL: URL(r, "/")}, userBob)
			if err != nil {
				return err
			}
			t.Holds(requirement, last.Status == 403 && isCallback(last), "a 403 from the callback", last.URL+": "+describe(last))
			again, err := t.Ask(ctx, b, r, Request{})
			if err != nil {
				return err
			}
			t.Holds(requirement, again.Status == 302, "no session afterwards", describe(again))
			return nil
		},
	}
}

// upstreamCheck is about the proxy that clients talk to: the gateway only passes on.
func upstreamCheck() Check {
	r := subject.Route{Name: "upstream"}
	url := publicURL(r.Name)
	return Check{
		ID:           "auth-service/upstream",
		Requirements: []string{"PROXY-UPSTREAM-SIGNIN", "PROXY-UPSTREAM-IDENTITY", "PROXY-UPSTREAM-401", "PROXY-UPSTREAM-API-401"},
		Run: func(ctx context.Context, t *Trial) error {
			b := t.Browser()
			api, err := b.Do(ctx, browser.Request{URL: url + "/api", Header: http.Header{"Accept": {"application/json"}}})
			if err != nil {
				return err
			}
			t.Holds("PROXY-UPSTREAM-API-401", api.Status == 401 && api.Header.Get("Location") == "", "a 401 and no Location", describe(api))
			last, err := visit(ctx, b, browser.Request{URL: url + "/page?a=1&b=2"}, userAlice)
			if err != nil {
				return err
			}
			t.Holds("PROXY-UPSTREAM-SIGNIN", last.Status == 200 && last.URL == url+"/page?a=1&b=2", "the upstream's 200 at /page?a=1&b=2", last.URL+": "+describe(last))
			return upstreamAnswers(ctx, t, b, url)
		},
	}
}

func upstreamAnswers(ctx context.Context, t *Trial, b *browser.Browser, url string) error {
	spoofing, err := b.Do(ctx, browser.Request{URL: url + "/", Header: http.Header{"X-Forwarded-Email": {"mallory@evil.example"}}})
	if err != nil {
		return err
	}
	received, err := parseEcho(spoofing)
	if err != nil {
		return err
	}
	Equal(t, "PROXY-UPSTREAM-IDENTITY", "X-Forwarded-Email", "alice@allowed.example", strings.Join(received.Values("X-Forwarded-Email"), ", "))
	script := backendAnswers(401)
	refused, err := b.Do(ctx, browser.Request{URL: url + "/", Cookies: []*http.Cookie{script.Cookie()}})
	if err != nil {
		return err
	}
	ok, got := compareOutcome(outcomePass, script, refused)
	t.Holds("PROXY-UPSTREAM-401", ok, describeOutcome(outcomePass, script), got)
	return nil
}
