// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ingress-auth/conformance/suites/browser"
	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/subject"
)

// The hosts of auth services whose sessions are to be renewed after subject.RenewalAge: one that keeps them in the browser,
// two that share a session store.
const (
	hostRenew             = "auth-renew"
	hostRenewReplica      = "auth-redis-renew"
	hostRenewOtherReplica = "auth-redis-renew-2"
	renewCookieName       = "_renew"
)

// A round of requests is over before the session that it renewed is to be renewed again, or nothing is concluded from it. Auth
// services count age in whole seconds, our proxy from the second a session was renewed in, oauth2-proxy to the second that is
// over: a session is to be renewed a second before its age or a second after.
const (
	renewAfter  = subject.RenewalAge + time.Second
	renewWindow = subject.RenewalAge - time.Second
	renewRounds = 5
)

func renewalChecks() []Check {
	checks := []Check{
		authCheck("auth-service/cookie-renewal", cookieRenewal, "SESSION-RENEW-PARALLEL", "SESSION-RENEW-COOKIE"),
		authCheck("auth-service/store-renewal", storeRenewal, "STORE-RENEW-ALLOWS"),
		authCheck("auth-service/store-renewal-once", storeRenewalOnce, "STORE-RENEW-ONCE", "STORE-RENEW-SHARED"),
	}
	for i := range checks {
		checks[i].Slow = true
	}
	return checks
}

// renewalRound signs a new browser in at a host, lets its session come of age and hands its cookie to ask. It does so again
// if ask took too long for its answers to be those of one renewal. judge is told the answers.
func (t *Trial) renewalRound(ctx context.Context, host, cookieName string, ask func(cookie string) ([]*browser.Response, error), judge func([]*browser.Response) error) error {
	for range renewRounds {
		b := t.Browser()
		if _, err := visit(ctx, b, browser.Request{URL: publicURL(host) + "/oauth2/start?rd=%2F"}, userAlice); err != nil {
			return fmt.Errorf("signing in at %s: %w", host, err)
		}
		cookie := cookieOf(b, cookieName)
		if cookie == "" {
			return fmt.Errorf("signing in at %s gave no session", host)
		}
		select {
		case <-time.After(renewAfter):
		case <-ctx.Done():
			return ctx.Err()
		}
		begun := time.Now()
		answers, err := ask(cookie)
		if err != nil {
			return err
		}
		if time.Since(begun) < renewWindow {
			return judge(answers)
		}
	}
	return fmt.Errorf("in %d rounds the answers took longer than %s, so that a session may have been renewed twice by right: this machine is too busy to tell", renewRounds, renewWindow)
}

// askAtOnce asks hosts in parallel about the same cookie.
func (t *Trial) askAtOnce(ctx context.Context, cookie string, hosts ...string) ([]*browser.Response, error) {
	answers := make([]*browser.Response, len(hosts))
	group, ctx := errgroup.WithContext(ctx)
	for i, host := range hosts {
		group.Go(func() (err error) {
			answers[i], err = t.askReplica(ctx, host, cookie)
			return err
		})
	}
	return answers, group.Wait()
}

// askReplicas asks both replicas at once, and then each of them again: answers 0 to 3 and 4 to 5.
func (t *Trial) askReplicas(ctx context.Context, cookie string) ([]*browser.Response, error) {
	answers, err := t.askAtOnce(ctx, cookie, hostRenewReplica, hostRenewOtherReplica, hostRenewReplica, hostRenewOtherReplica)
	for _, host := range []string{hostRenewOtherReplica, hostRenewReplica} {
		if err != nil {
			return nil, err
		}
		var later *browser.Response
		later, err = t.askReplica(ctx, host, cookie)
		answers = append(answers, later)
	}
	return answers, err
}

// atOnce is how many of the answers of askReplicas are to requests that were sent at once.
const atOnce = 4

func storeRenewal(ctx context.Context, t *Trial) error {
	return t.renewalRound(ctx, hostRenewReplica, storeCookieName,
		func(cookie string) ([]*browser.Response, error) { return t.askReplicas(ctx, cookie) },
		func(answers []*browser.Response) error {
			for i, answer := range answers {
				when := "at once with others"
				if i >= atOnce {
					when = "after the renewal"
				}
				t.Holds("STORE-RENEW-ALLOWS", answer.Status == http.StatusAccepted, "a 202 for a request "+when, describe(answer))
			}
			return nil
		})
}

func storeRenewalOnce(ctx context.Context, t *Trial) error {
	return t.renewalRound(ctx, hostRenewReplica, storeCookieName,
		func(cookie string) ([]*browser.Response, error) { return t.askReplicas(ctx, cookie) },
		func(answers []*browser.Response) error {
			together, err := t.renewals(ctx, answers[:atOnce])
			if err != nil {
				return err
			}
			later, err := t.renewals(ctx, answers[atOnce:])
			if err != nil {
				return err
			}
			Equal(t, "STORE-RENEW-ONCE", "token requests for one session in two auth services:", 1, together)
			allowed := 0
			for _, answer := range answers[atOnce:] {
				if answer.Status == http.StatusAccepted {
					allowed++
				}
			}
			t.Holds("STORE-RENEW-SHARED", allowed == 2 && later == 0, "a 202 of each, and no further token request", fmt.Sprintf("%d of 2, %d token requests", allowed, later))
			return nil
		})
}

// renewals counts what the identity provider was asked for on behalf of these requests.
func (t *Trial) renewals(ctx context.Context, answers []*browser.Response) (int, error) {
	n := 0
	for _, answer := range answers {
		hops, err := t.Received(ctx, answer, exchange.IdP)
		if err != nil {
			return 0, err
		}
		n += tokenRequests(hops)
	}
	return n, nil
}

// tokenRequests counts POST to the identity provider by auth services. About a session that exists they can only be renewals.
func tokenRequests(hops []exchange.Exchange) int {
	n := 0
	for _, hop := range hops {
		if hop.From == exchange.AuthService && hop.To == exchange.IdP && hop.Method == http.MethodPost {
			n++
		}
	}
	return n
}

func cookieRenewal(ctx context.Context, t *Trial) error {
	ask := func(cookie string) ([]*browser.Response, error) {
		answers, err := t.askAtOnce(ctx, cookie, hostRenew, hostRenew, hostRenew, hostRenew)
		if err != nil {
			return nil, err
		}
		// Without a renewed cookie this asks as nobody, and is refused.
		after, err := t.askReplica(ctx, hostRenew, renewedCookie(answers))
		return append(answers, after), err
	}
	return t.renewalRound(ctx, hostRenew, renewCookieName, ask, func(answers []*browser.Response) error {
		last := len(answers) - 1
		for _, answer := range answers[:last] {
			t.Holds("SESSION-RENEW-PARALLEL", answer.Status == http.StatusAccepted, "a 202 for each of the requests sent at once", describe(answer))
		}
		if renewedCookie(answers[:last]) == "" {
			t.Holds("SESSION-RENEW-COOKIE", false, "a renewed cookie", "none in any answer")
			return nil
		}
		t.Holds("SESSION-RENEW-COOKIE", answers[last].Status == http.StatusAccepted, "a 202 for the renewed cookie", describe(answers[last]))
		return nil
	})
}

// renewedCookie is the Cookie field with the session that the last of the answers sets, or "".
func renewedCookie(answers []*browser.Response) string {
	cookie := ""
	for _, answer := range answers {
		if set, err := firstCookie(answer, renewCookieName); err == nil {
			cookie = set
		}
	}
	return cookie
}
