// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/ingress-auth/conformance/suites/browser"
)

func authEndpointChecks() []Check {
	return []Check{
		authCheck("auth-service/any-method", anyMethod, "PROXY-AUTH-ANY-METHOD"),
		authCheck("auth-service/accept", acceptIgnored, "PROXY-AUTH-ACCEPT-IGNORED"),
		authCheck("auth-service/verdict-cookies", verdictCookies, "PROXY-AUTH-401-SETS-NO-COOKIE", "PROXY-AUTH-401-DELETES-COOKIE", "PROXY-AUTH-403-KEEPS-SESSION"),
		authCheck("auth-service/constraints", constraints, "PROXY-AUTH-CONSTRAINTS-AND", "PROXY-AUTH-GROUPS-REPEATED", "PROXY-AUTH-EMAILS",
			"PROXY-AUTH-EMAIL-SUBDOMAINS", "PROXY-AUTH-EMAIL-SUFFIX-403"),
		authCheck("auth-service/constraints-body", constraintsFromURL, "PROXY-AUTH-CONSTRAINTS-FROM-URL"),
		authCheck("auth-service/verdict-identity", verdictIdentity, "PROXY-AUTH-IDENTITY", "PROXY-AUTH-GROUPS-ONE-FIELD", "PROXY-AUTH-202-EMPTY",
			"PROXY-AUTH-SPOOF-NOT-ECHOED", "PROXY-AUTH-DENIED-NAMES-NOBODY"),
		authCheck("auth-service/userinfo", userInfoAnswer, "PROXY-USERINFO-FIELDS", "PROXY-USERINFO-NO-TOKEN"),
		authCheck("auth-service/ping", pingAnswer, "PROXY-PING-NO-COOKIE"),
		authCheck("auth-service/no-store", endpointsNoStore, "PROXY-ENDPOINTS-NO-STORE"),
		authCheck("auth-service/unknown-path", unknownPaths, "PROXY-UNKNOWN-PATH-CLOSED"),
		authCheck("auth-service/forwarded", forwardedNotTrusted, "PROXY-FORWARDED-NOT-TRUSTED"),
		authCheck("auth-service/preflight", preflightDenied, "PROXY-PREFLIGHT-401"),
	}
}

func anyMethod(ctx context.Context, t *Trial) error {
	b, err := t.session(ctx, userAlice)
	if err != nil {
		return err
	}
	for _, method := range []string{http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete} {
		for _, row := range []struct {
			b    *browser.Browser
			want int
		}{{t.Browser(), 401}, {b, 202}} {
			response, err := row.b.Do(ctx, browser.Request{Method: method, URL: authURL("/oauth2/auth")})
			if err != nil {
				return err
			}
			Equal(t, "PROXY-AUTH-ANY-METHOD", method+" status", row.want, response.Status)
		}
	}
	return nil
}

func acceptIgnored(ctx context.Context, t *Trial) error {
	for _, header := range []http.Header{
		{"Accept": {"text/html"}}, {"Accept": {"application/json"}}, {"Accept": {"*/*"}}, {"Accept": {}},
		{"X-Requested-With": {"XMLHttpRequest"}}, {"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}},
	} {
		response, err := t.Browser().Do(ctx, browser.Request{URL: authURL("/oauth2/auth"), Header: header})
		if err != nil {
			return err
		}
		t.Holds("PROXY-AUTH-ACCEPT-IGNORED", response.Status == 401 && response.Header.Get("Location") == "", fmt.Sprintf("a 401 without Location for %v", header), describe(response))
	}
	return nil
}

func verdictCookies(ctx context.Context, t *Trial) error {
	response, _, err := hasSession(ctx, t.Browser())
	if err != nil {
		return err
	}
	t.Holds("PROXY-AUTH-401-SETS-NO-COOKIE", response.Status == 401 && len(response.Header.Values("Set-Cookie")) == 0, "a 401 without Set-Cookie", describe(response))
	b := t.Browser()
	dead, err := b.Do(ctx, withCookie("/oauth2/auth", sessionCookieName+"=worthless"))
	if err != nil {
		return err
	}
	t.Holds("PROXY-AUTH-401-DELETES-COOKIE", dead.Status == 401 && deletes(dead, isSessionCookie), "a 401 that deletes the worthless session cookie", describe(dead))
	bob, err := t.session(ctx, userBob)
	if err != nil {
		return err
	}
	forbidden, err := bob.Do(ctx, browser.Request{URL: authEndpoint("?allowed_groups=admins")})
	if err != nil {
		return err
	}
	t.Holds("PROXY-AUTH-403-KEEPS-SESSION", forbidden.Status == 403 && !deletes(forbidden, isSessionCookie), "a 403 that deletes no cookie", describe(forbidden))
	after, known, err := hasSession(ctx, bob)
	if err != nil {
		return err
	}
	t.Holds("PROXY-AUTH-403-KEEPS-SESSION", known, "the session afterwards", describe(after))
	return nil
}

func constraints(ctx context.Context, t *Trial) error {
	b, err := t.session(ctx, userAlice)
	if err != nil {
		return err
	}
	for _, row := range []struct {
		requirement, query string
		want               int
	}{
		{"PROXY-AUTH-CONSTRAINTS-AND", "?allowed_groups=users&allowed_emails=alice@allowed.example", 202},
		{"PROXY-AUTH-CONSTRAINTS-AND", "?allowed_groups=users&allowed_emails=carol@allowed.example", 403},
		{"PROXY-AUTH-CONSTRAINTS-AND", "?allowed_groups=others&allowed_emails=alice@allowed.example", 403},
		{"PROXY-AUTH-CONSTRAINTS-AND", "?allowed_email_domains=allowed.example&allowed_groups=others", 403},
		{"PROXY-AUTH-GROUPS-REPEATED", "?allowed_groups=others&allowed_groups=admins", 202},
		{"PROXY-AUTH-GROUPS-REPEATED", "?allowed_groups=others&allowed_groups=more,stillmore", 403},
		{"PROXY-AUTH-EMAILS", "?allowed_emails=carol@allowed.example,alice@allowed.example", 202},
		{"PROXY-AUTH-EMAILS", "?allowed_emails=lice@allowed.example", 403},
		{"PROXY-AUTH-EMAILS", "?allowed_emails=alice@allowed.example.org", 403},
		{"PROXY-AUTH-EMAIL-SUBDOMAINS", "?allowed_email_domains=.example", 202},
		{"PROXY-AUTH-EMAIL-SUBDOMAINS", "?allowed_email_domains=*.example", 202},
		{"PROXY-AUTH-EMAIL-SUFFIX-403", "?allowed_email_domains=lowed.example", 403},
		{"PROXY-AUTH-EMAIL-SUFFIX-403", "?allowed_email_domains=.lowed.example", 403},
		{"PROXY-AUTH-EMAIL-SUFFIX-403", "?allowed_email_domains=example", 403},
		{"PROXY-AUTH-EMAIL-SUFFIX-403", "?allowed_email_domains=allowed.example.org", 403},
	} {
		response, err := b.Do(ctx, browser.Request{URL: authEndpoint(row.query)})
		if err != nil {
			return err
		}
		Equal(t, row.requirement, "for "+row.query+" status", row.want, response.Status)
	}
	return nil
}

func constraintsFromURL(ctx context.Context, t *Trial) error {
	b, err := t.session(ctx, userBob)
	if err != nil {
		return err
	}
	for _, row := range []struct {
		query, body string
		want        int
	}{{"?allowed_groups=admins", "allowed_groups=users", 403}, {"", "allowed_groups=admins", 202}} {
		response, err := b.Do(ctx, browser.Request{
			Method: http.MethodPost, URL: authEndpoint(row.query), Body: []byte(row.body), Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
		})
		if err != nil {
			return err
		}
		Equal(t, "PROXY-AUTH-CONSTRAINTS-FROM-URL", fmt.Sprintf("for the query %q and the body %q status", row.query, row.body), row.want, response.Status)
	}
	return nil
}

// spoofedIdentity is what a client sends that wants to be somebody else.
func spoofedIdentity() http.Header {
	return http.Header{
		"X-Auth-Request-User": {"mallory"}, "X-Auth-Request-Email": {"mallory@evil.example"}, "X-Auth-Request-Groups": {"root"},
		"X-Auth-Request-Preferred-Username": {"mallory"}, "X-Forwarded-User": {"mallory"}, "X-Forwarded-Email": {"mallory@evil.example"},
		"X-Forwarded-Groups": {"root"}, "X-Forwarded-Preferred-Username": {"mallory"},
	}
}

func verdictIdentity(ctx context.Context, t *Trial) error {
	b, err := t.session(ctx, userAlice)
	if err != nil {
		return err
	}
	plain, err := b.Do(ctx, browser.Request{URL: authEndpoint("")})
	if err != nil {
		return err
	}
	h := plain.Header
	t.Holds("PROXY-AUTH-IDENTITY", h.Get("X-Auth-Request-User") != "" && h.Get("X-Auth-Request-Email") == "alice@allowed.example" && h.Get("X-Auth-Request-Preferred-Username") == "alice" &&
		strings.Contains(strings.Join(h.Values("X-Auth-Request-Groups"), ","), "admins"), "a user, alice@allowed.example, alice and her groups", identityOf(h))
	t.Holds("PROXY-AUTH-GROUPS-ONE-FIELD", slices.Equal(h.Values("X-Auth-Request-Groups"), []string{"users,admins"}), `one field "users,admins"`, fmt.Sprintf("%q", h.Values("X-Auth-Request-Groups")))
	t.Holds("PROXY-AUTH-202-EMPTY", plain.Status == 202 && len(plain.Body) == 0, "a 202 without a body", describe(plain))
	spoofing, err := b.Do(ctx, browser.Request{URL: authEndpoint(""), Header: spoofedIdentity()})
	if err != nil {
		return err
	}
	t.Holds("PROXY-AUTH-SPOOF-NOT-ECHOED", identityOf(spoofing.Header) == identityOf(h), identityOf(h), identityOf(spoofing.Header))
	nobody := identityOf(http.Header{})
	for _, row := range []struct {
		who   string
		b     *browser.Browser
		query string
	}{{"without a session", t.Browser(), ""}, {"with a session that is not allowed", b, "?allowed_groups=others"}} {
		response, err := row.b.Do(ctx, browser.Request{URL: authEndpoint(row.query), Header: spoofedIdentity()})
		if err != nil {
			return err
		}
		t.Holds("PROXY-AUTH-DENIED-NAMES-NOBODY", denied(response) && identityOf(response.Header) == nobody, row.who+" a refusal that names nobody", describe(response)+", "+identityOf(response.Header))
	}
	return nil
}

// userInfo is what /oauth2/userinfo says.
type userInfo struct {
	User              string   `json:"user"`
	Email             string   `json:"email"`
	Groups            []string `json:"groups"`
	PreferredUsername string   `json:"preferredUsername"`
}

func parseUserInfo(r *browser.Response) (userInfo, error) {
	var info userInfo
	if err := json.Unmarshal(r.Body, &info); err != nil {
		return info, fmt.Errorf("reading the answer of /oauth2/userinfo: %w", err)
	}
	return info, nil
}

func userInfoAnswer(ctx context.Context, t *Trial) error {
	b, err := t.session(ctx, userAlice)
	if err != nil {
		return err
	}
	response, err := b.Do(ctx, browser.Request{URL: authURL("/oauth2/userinfo")})
	if err != nil {
		return err
	}
	t.Holds("PROXY-USERINFO-NO-TOKEN", response.Status == 200 && !strings.Contains(string(response.Body), "eyJ") && !strings.Contains(strings.ToLower(string(response.Body)), "token"),
		"a 200 without a token", fmt.Sprintf("%d, a token in the body: %t", response.Status, strings.Contains(string(response.Body), "eyJ")))
	info, err := parseUserInfo(response)
	if err != nil {
		t.Holds("PROXY-USERINFO-FIELDS", false, "a JSON object", describe(response))
		return nil
	}
	t.Holds("PROXY-USERINFO-FIELDS", strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") && info.User != "" && info.PreferredUsername == "alice" && slices.Equal(info.Groups, []string{"users", "admins"}),
		"application/json with user, groups and preferredUsername", fmt.Sprintf("%s: %s", response.Header.Get("Content-Type"), describe(response)))
	return nil
}

func pingAnswer(ctx context.Context, t *Trial) error {
	for _, target := range []string{"/ping", "/ping?x=1"} {
		response, err := t.Browser().Do(ctx, browser.Request{URL: authURL(target)})
		if err != nil {
			return err
		}
		t.Holds("PROXY-PING-NO-COOKIE", response.Status == 200 && strings.TrimSpace(string(response.Body)) == "OK" && len(response.Header.Values("Set-Cookie")) == 0, target+": 200 OK without a cookie", describe(response))
	}
	return nil
}

func endpointsNoStore(ctx context.Context, t *Trial) error {
	b := t.Browser()
	callback, err := t.pendingCallback(ctx, b, "/", userAlice)
	if err != nil {
		return err
	}
	for _, address := range []string{authURL("/oauth2/sign_in"), authURL("/oauth2/start?rd=%2F"), callback, authURL("/oauth2/sign_out")} {
		response, err := b.Do(ctx, browser.Request{URL: address})
		if err != nil {
			return err
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(address, authURL("")), "?")
		t.Holds("PROXY-ENDPOINTS-NO-STORE", strings.Contains(response.Header.Get("Cache-Control"), "no-store"), name+" with no-store", fmt.Sprintf("%d with Cache-Control %q", response.Status, response.Header.Get("Cache-Control")))
	}
	return nil
}

func unknownPaths(ctx context.Context, t *Trial) error {
	for _, path := range []string{
		"/oauth2/auth/", "/oauth2/authx", "/oauth2/auth;x", "/oauth2/auth%2f", "/oauth2/%61uth", "/oauth2//auth", "//oauth2/auth", "/oauth2/./auth",
		"/oauth2/x/../auth", "/OAUTH2/AUTH", "/oauth2/nope", "/oauth2/", "/oauth2", "/oauth2/userinfo/", "/oauth2/static/../auth",
	} {
		response, err := t.Browser().Do(ctx, browser.Request{URL: authURL("/"), Target: path})
		if err != nil {
			return err
		}
		t.Holds("PROXY-UNKNOWN-PATH-CLOSED", response.Status >= 300, path+" not answered with success", describe(response))
	}
	return nil
}

func forwardedNotTrusted(ctx context.Context, t *Trial) error {
	for _, header := range []http.Header{
		{"X-Forwarded-Uri": {"/ping"}}, {"X-Forwarded-Uri": {"/oauth2/sign_in"}}, {"X-Forwarded-Uri": {"/robots.txt"}}, {"X-Forwarded-Uri": {"//x/ping"}},
		{"X-Original-Url": {authURL("/ping")}}, {"X-Original-Uri": {"/ping"}}, {"X-Rewrite-Url": {"/ping"}},
		{"X-Forwarded-For": {"127.0.0.1"}}, {"X-Real-Ip": {"127.0.0.1"}}, {"Forwarded": {"for=127.0.0.1;host=localhost"}}, {"X-Forwarded-Host": {"localhost"}},
		{"X-Original-Method": {"OPTIONS"}}, {"X-Forwarded-Method": {"OPTIONS"}}, {"X-Http-Method-Override": {"OPTIONS"}},
		spoofedIdentity(), {"Gap-Auth": {"alice@allowed.example"}}, {"Remote-User": {"alice"}},
	} {
		response, err := t.Browser().Do(ctx, browser.Request{URL: authEndpoint(""), Header: header})
		if err != nil {
			return err
		}
		t.Holds("PROXY-FORWARDED-NOT-TRUSTED", response.Status == 401, fmt.Sprintf("a 401 with %v", header), describe(response))
	}
	return nil
}

func preflightDenied(ctx context.Context, t *Trial) error {
	response, err := t.Browser().Do(ctx, browser.Request{Method: http.MethodOptions, URL: authEndpoint(""), Header: http.Header{
		"Origin": {"https://evil.example"}, "Access-Control-Request-Method": {"POST"},
	}})
	if err != nil {
		return err
	}
	t.Holds("PROXY-PREFLIGHT-401", response.Status == 401, "a 401", describe(response))
	return nil
}
