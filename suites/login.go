// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ingress-auth/conformance/suites/browser"
	"github.com/ingress-auth/conformance/suites/subject"
)

func loginChecks() []Check {
	return []Check{
		authCheck("auth-service/login-request", loginRequest, "LOGIN-REQUEST-PARAMETERS", "LOGIN-REQUEST-NOT-OVERRIDDEN", "LOGIN-STATE-LENGTH", "LOGIN-PKCE-FRESH"),
		authCheck("auth-service/login-cookie", loginCookie, "LOGIN-COOKIE-SECURE", "LOGIN-COOKIE-HTTPONLY", "LOGIN-COOKIE-SAMESITE", "LOGIN-COOKIE-SHORT", "LOGIN-COOKIE-OPAQUE"),
		authCheck("auth-service/login-tabs", loginTabs, "LOGIN-TWO-TABS"),
		authCheck("auth-service/login-pending", loginPending, "LOGIN-PENDING-BOUNDED"),
		authCheck("auth-service/login-again", loginAgain, "LOGIN-START-AGAIN", "LOGIN-REPLACES-USER"),
		authCheck("auth-service/login-expired", loginExpired, "LOGIN-EXPIRED"),
		authCheck("auth-service/login-two-at", loginTwoAt, "LOGIN-EMAIL-TWO-AT"),
		authCheck("auth-service/fixation", fixation, "LOGIN-NO-FIXATION"),
	}
}

// loginOverrides are parameters by which a link could steer the authorization request.
func loginOverrides() url.Values {
	return url.Values{
		"rd": {"/"}, "client_id": {"evil-client"}, "redirect_uri": {"https://evil.example/"}, "scope": {"openid evil"}, "response_type": {"token"},
		"response_mode": {"fragment"}, "state": {"evil-state"}, "nonce": {"evil-nonce"}, "code_challenge": {"evil-challenge"}, "code_challenge_method": {"plain"},
	}
}

func loginRequest(ctx context.Context, t *Trial) error {
	_, first, err := t.begin(ctx, t.Browser(), "/")
	if err != nil {
		return err
	}
	_, second, err := t.begin(ctx, t.Browser(), "/")
	if err != nil {
		return err
	}
	q := first.Query()
	redirect := authURL("/oauth2/callback")
	t.Holds("LOGIN-REQUEST-PARAMETERS", q.Get("response_type") == "code" && q.Get("client_id") == clientID && q.Get("redirect_uri") == redirect && strings.Contains(" "+q.Get("scope")+" ", " openid "),
		"response_type code, client_id "+clientID+", redirect_uri "+redirect+" and a scope with openid",
		fmt.Sprintf("response_type %q, client_id %q, redirect_uri %q, scope %q", q.Get("response_type"), q.Get("client_id"), q.Get("redirect_uri"), q.Get("scope")))
	challenge, other := q.Get("code_challenge"), second.Query().Get("code_challenge")
	t.Holds("LOGIN-PKCE-FRESH", len(challenge) == 43 && challenge != other, "a code_challenge of 43 characters, another one each time", fmt.Sprintf("%d characters, the same twice: %t", len(challenge), challenge == other))
	random, _, _ := strings.Cut(q.Get("state"), ":")
	again, _, _ := strings.Cut(second.Query().Get("state"), ":")
	t.Holds("LOGIN-STATE-LENGTH", len(random) >= 22 && random != again, "a state that begins with at least 22 random characters", fmt.Sprintf("%d, the same twice: %t", len(random), random == again))
	overrides := loginOverrides()
	response, err := t.Browser().Do(ctx, browser.Request{URL: authURL("/oauth2/start?" + overrides.Encode())})
	if err != nil {
		return err
	}
	location, err := url.Parse(response.Header.Get("Location"))
	if err != nil {
		return fmt.Errorf("reading where the login leads: %w", err)
	}
	var taken []string
	for name, values := range overrides {
		if got := location.Query()[name]; len(got) > 1 || strings.Contains(strings.Join(got, " "), values[0]) && name != "rd" {
			taken = append(taken, name)
		}
	}
	t.Holds("LOGIN-REQUEST-NOT-OVERRIDDEN", len(taken) == 0, "none of the link's own parameters", "the link's "+strings.Join(taken, ", "))
	return nil
}

func loginCookie(ctx context.Context, t *Trial) error {
	response, at, err := t.begin(ctx, t.Browser(), "/a-private-page")
	if err != nil {
		return err
	}
	found := false
	for _, c := range response.SetCookies() {
		if !isLoginCookie(c.Name) || c.Value == "" {
			continue
		}
		found = true
		t.Holds("LOGIN-COOKIE-SECURE", c.Secure, "Secure", c.String())
		t.Holds("LOGIN-COOKIE-HTTPONLY", c.HTTPOnly, "HttpOnly", c.String())
		t.Holds("LOGIN-COOKIE-SAMESITE", c.SameSite == browser.SameSiteLax, "SameSite=Lax", c.String())
		lives := c.Expires.Sub(response.Exchange.Time)
		t.Holds("LOGIN-COOKIE-SHORT", c.Persistent && lives > 0 && lives <= time.Hour, "a lifetime of at most an hour", c.String())
		t.Holds("LOGIN-COOKIE-OPAQUE", !shows(c.Value, "private-page", at.Query().Get("nonce"), "evil"), "a value that shows nothing of the login", "a value in which the way back or the nonce can be read")
	}
	if !found {
		return errors.New("the auth service sets no cookie that remembers the login, so there is nothing to judge")
	}
	return nil
}

// loginTabs begins two logins in one browser and ends them in the other order.
func loginTabs(ctx context.Context, t *Trial) error {
	b := t.Browser()
	var callbacks []string
	for _, rd := range []string{"/first", "/second"} {
		callback, err := t.pendingCallback(ctx, b, rd, userAlice)
		if err != nil {
			return err
		}
		callbacks = append(callbacks, callback)
	}
	for i, rd := range []string{"/second", "/first"} {
		response, err := b.Do(ctx, browser.Request{URL: callbacks[1-i]})
		if err != nil {
			return err
		}
		t.Holds("LOGIN-TWO-TABS", response.Status == 302 && strings.HasSuffix(response.Header.Get("Location"), rd), "each of two logins to lead back to its own page: "+rd, describe(response))
	}
	return nil
}

// pendingLogins is how many logins a browser may leave unfinished, by pages that poll or tabs that are restored; and
// headerRoom what servers accept in one header line by default (nginx: large_client_header_buffers 8k).
const (
	pendingLogins = 40
	headerRoom    = 8 << 10
)

func loginPending(ctx context.Context, t *Trial) error {
	b := t.Browser()
	for range pendingLogins {
		response, err := b.Do(ctx, browser.Request{URL: authURL("/oauth2/start?rd=%2F")})
		if err != nil {
			return err
		}
		if response.Status != 302 {
			t.Holds("LOGIN-PENDING-BOUNDED", false, fmt.Sprintf("a login to begin after %d unfinished ones", pendingLogins), describe(response))
			return nil
		}
	}
	cookies, err := b.Cookies(authURL("/"))
	if err != nil {
		return err
	}
	bytes := 0
	for _, c := range cookies {
		bytes += len(c.Name) + len(c.Value) + len("=; ")
	}
	t.Holds("LOGIN-PENDING-BOUNDED", bytes < headerRoom, fmt.Sprintf("less than %d bytes of cookies after %d unfinished logins", headerRoom, pendingLogins), fmt.Sprintf("%d bytes in %d cookies", bytes, len(cookies)))
	return nil
}

func loginAgain(ctx context.Context, t *Trial) error {
	b, err := t.session(ctx, userAlice)
	if err != nil {
		return err
	}
	response, err := b.Do(ctx, browser.Request{URL: authURL("/oauth2/start?rd=%2F")})
	if err != nil {
		return err
	}
	t.Holds("LOGIN-START-AGAIN", response.Status == 302 && leadsTo(publicURL("idp"))(response), "a redirect to the identity provider", describe(response))
	b.RemoveCookies(func(c browser.Cookie) bool {
		return c.HostOnly && c.Domain == "idp."+subject.Domain || strings.HasPrefix(c.Domain, "idp.")
	})
	if err := t.login(ctx, b, userBob); err != nil {
		return err
	}
	who, err := userOf(ctx, b, nil)
	if err != nil {
		return err
	}
	Equal(t, "LOGIN-REPLACES-USER", "after alice bob signed in, and the session is that of", "bob@other.example", who)
	return nil
}

// fixation plants an attacker's session in the victim's browser, has the victim sign in, and asks whom the planted cookie
// stands for afterwards.
func fixation(ctx context.Context, t *Trial) error {
	attacker, err := t.session(ctx, userBob)
	if err != nil {
		return err
	}
	planted, err := sessionHeader(attacker)
	if err != nil {
		return err
	}
	victim := t.Browser()
	for _, c := range attacker.AllCookies() {
		if isSessionCookie(c.Name) {
			cookie, err := parseCookie(c.Name + "=" + c.Value + "; Domain=" + c.Domain + "; Path=/; Secure; HttpOnly")
			if err != nil {
				return err
			}
			if err := victim.SetCookie(authURL("/"), cookie); err != nil {
				return err
			}
		}
	}
	if err := t.login(ctx, victim, userAlice); err != nil {
		return err
	}
	after, err := sessionHeader(victim)
	if err != nil {
		return err
	}
	request := withCookie("/oauth2/userinfo", planted)
	who, err := userOf(ctx, t.Browser(), request.Header)
	if err != nil {
		return err
	}
	t.Holds("LOGIN-NO-FIXATION", after != planted && who != "alice@allowed.example", "a new session, and the planted cookie not alice's",
		fmt.Sprintf("the planted cookie kept: %t, and it stands for %q", after == planted, who))
	return nil
}

// loginExpired ends a login after the browser itself has dropped its cookie, and sends that cookie all the same. The auth
// service it asks gives a login one second.
func loginExpired(ctx context.Context, t *Trial) error {
	host := publicURL("auth-hasty")
	b := t.Browser()
	begun, err := b.Do(ctx, browser.Request{URL: host + "/oauth2/start?rd=%2F"})
	if err != nil {
		return err
	}
	at, err := url.Parse(begun.Header.Get("Location"))
	if err != nil {
		return fmt.Errorf("reading where the login leads: %w", err)
	}
	// From the answer and not from the browser, which may have dropped them by now.
	var pairs []string
	for _, c := range begun.SetCookies() {
		if strings.Contains(c.Name, "csrf") && c.Value != "" {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
	}
	if len(pairs) == 0 {
		return errors.New("the auth service sets no cookie that remembers the login, so there is nothing to send late")
	}
	callback, err := t.callbackOf(ctx, b, at, userAlice)
	if err != nil {
		return err
	}
	if err := dropped(ctx, b, host+"/", "csrf"); err != nil {
		return err
	}
	response, err := t.Browser().Do(ctx, browser.Request{URL: callback, Header: http.Header{"Cookie": {strings.Join(pairs, "; ")}}})
	if err != nil {
		return err
	}
	t.Holds("LOGIN-EXPIRED", refused(response), "an error for a login of one second that took longer", describe(response))
	return nil
}

// dropped waits until the browser has dropped the cookies whose names contain a word, because their time is over.
func dropped(ctx context.Context, b *browser.Browser, address, word string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		cookies, err := b.Cookies(address)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(cookies, func(c browser.Cookie) bool { return strings.Contains(c.Name, word) }) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the browser to drop its cookies of the login: %w", ctx.Err())
		}
	}
}

// loginTwoAt signs in as somebody whose address ends in an allowed domain and has another one before it.
func loginTwoAt(ctx context.Context, t *Trial) error {
	b := t.Browser()
	last, err := visit(ctx, b, browser.Request{URL: publicURL("auth-domain") + "/oauth2/start?rd=%2F"}, userEve)
	if err != nil {
		return err
	}
	verdict, err := b.Do(ctx, browser.Request{URL: publicURL("auth-domain") + "/oauth2/auth"})
	if err != nil {
		return err
	}
	t.Holds("LOGIN-EMAIL-TWO-AT", denied(verdict), "no session for eve@evil.example@allowed.example where allowed.example may enter", fmt.Sprintf("%s after a login that ended with %s", describe(verdict), describe(last)))
	return nil
}
