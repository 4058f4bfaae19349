// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/ingress-auth/conformance/suites/browser"
)

// The hosts of auth services that share one session store, and of one that cannot reach it.
const (
	hostReplica      = "auth-redis"
	hostOtherReplica = "auth-redis-2"
	hostStoreAway    = "auth-redis-away"
	storeCookieName  = "_redis"
)

func storeChecks() []Check {
	return []Check{
		authCheck("auth-service/store-replicas", storeReplicas, "STORE-REPLICA-ACCEPTS", "STORE-SIGNOUT-EVERYWHERE"),
		authCheck("auth-service/store-away", storeAway, "STORE-AWAY-503", "STORE-AWAY-RETRY-AFTER", "STORE-AWAY-KEEPS-LOGIN", "STORE-AWAY-NO-TICKET-401"),
		authCheck("auth-service/backchannel-logout", backchannelLogout, "BACKCHANNEL-LOGOUT-ENDS-SESSION", "BACKCHANNEL-LOGOUT-OTHERS-STAY"),
		authCheck("auth-service/backchannel-logout-token", backchannelToken, "BACKCHANNEL-LOGOUT-REFUSES", "BACKCHANNEL-LOGOUT-NO-STORE"),
	}
}

// storeLogin signs a new browser in at a host of the auth services that share a store.
func (t *Trial) storeLogin(ctx context.Context, host, user string) (*browser.Browser, error) {
	b := t.Browser()
	if _, err := visit(ctx, b, browser.Request{URL: publicURL(host) + "/oauth2/start?rd=%2F"}, user); err != nil {
		return nil, fmt.Errorf("signing in at %s as %s: %w", host, user, err)
	}
	response, err := t.askReplica(ctx, host, storeCookie(b))
	if err == nil && response.Status != http.StatusAccepted {
		err = fmt.Errorf("signing in at %s as %s gave no session: %s", host, user, describe(response))
	}
	return b, err
}

// storeCookie is the Cookie field with the browser's ticket.
func storeCookie(b *browser.Browser) string { return cookieOf(b, storeCookieName) }

// cookieOf is the Cookie field with the browser's cookie of that name, or "".
func cookieOf(b *browser.Browser, name string) string {
	for _, c := range b.AllCookies() {
		if c.Name == name {
			return c.Name + "=" + c.Value
		}
	}
	return ""
}

// askReplica asks one host about a ticket, as a client that has this cookie and no other.
func (t *Trial) askReplica(ctx context.Context, host, cookie string) (*browser.Response, error) {
	request := browser.Request{URL: publicURL(host) + "/oauth2/auth"}
	if cookie != "" {
		request.Header = http.Header{"Cookie": {cookie}}
	}
	return t.Browser().Do(ctx, request)
}

func storeReplicas(ctx context.Context, t *Trial) error {
	b, err := t.storeLogin(ctx, hostReplica, userAlice)
	if err != nil {
		return err
	}
	cookie := storeCookie(b)
	here, err := t.askReplica(ctx, hostReplica, cookie)
	if err != nil {
		return err
	}
	there, err := t.askReplica(ctx, hostOtherReplica, cookie)
	if err != nil {
		return err
	}
	t.Holds("STORE-REPLICA-ACCEPTS", there.Status == http.StatusAccepted && identityOf(there.Header) == identityOf(here.Header),
		"202 with "+identityOf(here.Header), fmt.Sprintf("%s with %s", describe(there), identityOf(there.Header)))
	if _, err := b.Do(ctx, browser.Request{URL: publicURL(hostOtherReplica) + "/oauth2/sign_out"}); err != nil {
		return err
	}
	for _, host := range []string{hostReplica, hostOtherReplica} {
		after, err := t.askReplica(ctx, host, cookie)
		if err != nil {
			return err
		}
		t.Holds("STORE-SIGNOUT-EVERYWHERE", after.Status == http.StatusUnauthorized, "a 401 at "+host+" for a copy of the cookie", describe(after))
	}
	return nil
}

func storeAway(ctx context.Context, t *Trial) error {
	b, err := t.storeLogin(ctx, hostReplica, userAlice)
	if err != nil {
		return err
	}
	cookie := storeCookie(b)
	away, err := t.askReplica(ctx, hostStoreAway, cookie)
	if err != nil {
		return err
	}
	t.Holds("STORE-AWAY-503", away.Status == http.StatusServiceUnavailable, "a 503: nothing is known about the session", describe(away))
	t.Holds("STORE-AWAY-RETRY-AFTER", away.Header.Get("Retry-After") != "", "Retry-After", fmt.Sprintf("%q", away.Header.Get("Retry-After")))
	signOut, err := t.Browser().Do(ctx, browser.Request{URL: publicURL(hostStoreAway) + "/oauth2/sign_out", Header: http.Header{"Cookie": {cookie}}})
	if err != nil {
		return err
	}
	back, err := t.askReplica(ctx, hostReplica, cookie)
	if err != nil {
		return err
	}
	touched := len(away.Header.Values("Set-Cookie")) + len(signOut.Header.Values("Set-Cookie"))
	t.Holds("STORE-AWAY-KEEPS-LOGIN", touched == 0 && back.Status == http.StatusAccepted, "no Set-Cookie, and 202 when the store answers again",
		fmt.Sprintf("%d Set-Cookie, then %s", touched, describe(back)))
	none, err := t.askReplica(ctx, hostStoreAway, "")
	if err != nil {
		return err
	}
	t.Holds("STORE-AWAY-NO-TICKET-401", none.Status == http.StatusUnauthorized, "a 401 for a client without a cookie", describe(none))
	return nil
}

// backchannelLogout signs out at the identity provider in one of two browsers.
func backchannelLogout(ctx context.Context, t *Trial) error {
	var browsers []*browser.Browser
	var cookies []string
	for range 2 {
		b, err := t.storeLogin(ctx, hostReplica, userAlice)
		if err != nil {
			return err
		}
		browsers, cookies = append(browsers, b), append(cookies, storeCookie(b))
	}
	page, err := browsers[0].Do(ctx, browser.Request{URL: publicURL("idp") + "/end_session?client_id=" + clientID})
	if err != nil {
		return err
	}
	form, err := page.Form()
	if err != nil {
		return fmt.Errorf("the identity provider did not ask whether to sign out: %s: %w", describe(page), err)
	}
	form.Set("decision", "sign_out")
	if _, err := browsers[0].Do(ctx, form.Request()); err != nil {
		return err
	}
	// The provider answers when it has told everyone.
	ended, err := t.askReplica(ctx, hostReplica, cookies[0])
	if err != nil {
		return err
	}
	t.Holds("BACKCHANNEL-LOGOUT-ENDS-SESSION", ended.Status == http.StatusUnauthorized, "a 401 for a copy of the cookie after signing out at the identity provider", describe(ended))
	stays, err := t.askReplica(ctx, hostOtherReplica, cookies[1])
	if err != nil {
		return err
	}
	t.Holds("BACKCHANNEL-LOGOUT-OTHERS-STAY", stays.Status == http.StatusAccepted, "a 202 for the same person's session in another browser", describe(stays))
	return nil
}

// backchannelToken posts what is no logout token. An ID token is the nearest to one that anybody can come by.
func backchannelToken(ctx context.Context, t *Trial) error {
	idToken, err := t.mint(ctx, userAlice, sessionLifetime)
	if err != nil {
		return err
	}
	for name, token := range map[string]string{
		"no token": "", "no JWT": "x", "an ID token": idToken, "an unsigned token": strings.Join([]string{base64JSON(`{"alg":"none"}`), base64JSON(`{"sub":"alice"}`), ""}, "."),
	} {
		response, err := t.Browser().Do(ctx, browser.Request{
			Method: http.MethodPost, URL: publicURL(hostReplica) + "/oauth2/backchannel-logout", Body: []byte("logout_token=" + token),
			Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
		})
		if err != nil {
			return err
		}
		t.Holds("BACKCHANNEL-LOGOUT-REFUSES", response.Status == http.StatusBadRequest, "a 400 for "+name, describe(response))
		t.Holds("BACKCHANNEL-LOGOUT-NO-STORE", strings.Contains(response.Header.Get("Cache-Control"), "no-store"), "Cache-Control: no-store", fmt.Sprintf("%q", response.Header.Get("Cache-Control")))
	}
	return nil
}
