// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/ingress-auth/conformance/suites/browser"
	"github.com/ingress-auth/conformance/suites/contract"
	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/subject"
)

// storiesOf runs checks against a subject on loopback and returns what each finding tells, hop by hop.
func storiesOf(t *testing.T, o subject.LocalOptions, checks ...Check) map[string][]string {
	t.Helper()
	o.Gateways = []subject.GatewayConfig{{Name: subject.MainGateway, TLS: true}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := subject.NewLocal(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	})
	stories := map[string][]string{}
	for _, result := range (&Judge{Subject: s, Redactor: exchange.NewRedactor()}).Run(ctx, checks) {
		f := result.Findings[0]
		if f.Verdict != contract.Pass {
			t.Fatalf("%s: %s", f.Check, f.Reason)
		}
		for _, e := range f.Exchanges {
			stories[f.Check] = append(stories[f.Check], hopOf(e))
		}
	}
	return stories
}

// hopOf says of a hop who asked whom for what, and what came back.
func hopOf(e exchange.Exchange) string {
	u, err := url.Parse(e.URL)
	if err != nil {
		return err.Error()
	}
	host := ""
	if e.From == exchange.Browser {
		host, _, _ = strings.Cut(u.Hostname(), ".")
	}
	return fmt.Sprintf("%s→%s %s %s%s %d", e.From, e.To, e.Method, host, u.Path, e.Status)
}

// signInCheck opens a protected page and signs in on the way.
func signInCheck(name string) Check {
	route := appRoute(name)
	return Check{
		ID: name, Requirements: []string{"A-ONE"}, Routes: []subject.Route{route},
		Run: func(ctx context.Context, t *Trial) error {
			err := t.signIn(ctx, t.Browser(), route, userAlice)
			t.Holds("A-ONE", err == nil, "to be signed in", fmt.Sprint(err))
			return err
		},
	}
}

// fullLogin is the story of a first visit: every lane, every hop, in order.
func fullLogin(app string) []string {
	return []string{
		"browser→gateway GET " + app + "/ 302", "gateway→auth-service GET /oauth2/auth 401",
		"browser→gateway GET auth/oauth2/sign_in 200", "gateway→auth-service GET /oauth2/sign_in 200",
		"browser→gateway GET auth/oauth2/start 302", "gateway→auth-service GET /oauth2/start 302",
		"browser→gateway GET idp/authorize 200", "gateway→idp GET /authorize 200",
		"browser→gateway POST idp/login 303", "gateway→idp POST /login 303",
		"browser→gateway GET auth/oauth2/callback 302", "gateway→auth-service GET /oauth2/callback 302", "auth-service→idp POST /token 200",
		"browser→gateway GET " + app + "/ 200", "gateway→auth-service GET /oauth2/auth 202", "gateway→backend GET / 200",
	}
}

func TestTheStoryOfALoginIsWholeAndOfNoOtherLogin(t *testing.T) {
	if testing.Short() {
		t.Skip("starts nginx")
	}
	var checks []Check
	for i := range 12 { // the judge runs several at once
		checks = append(checks, signInCheck(fmt.Sprintf("story-%d", i)))
	}
	for name, story := range storiesOf(t, subject.LocalOptions{}, checks...) {
		if want := fullLogin(name); !slices.Equal(story, want) {
			t.Errorf("%s tells\n%s\nnot\n%s", name, strings.Join(story, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestAnIDThatIsLostLeavesAGapInTheStory is the control of the test above.
func TestAnIDThatIsLostLeavesAGapInTheStory(t *testing.T) {
	if testing.Short() {
		t.Skip("starts nginx")
	}
	losing := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("X-Request-Id")
			next.ServeHTTP(w, r)
		})
	}
	for part, missing := range map[string][]string{"gateway": {"gateway→", "auth-service→"}, "auth-service": {"auth-service→"}} {
		o := subject.LocalOptions{Wrap: map[string]func(http.Handler) http.Handler{part: losing}}
		story := storiesOf(t, o, signInCheck("story-lost"))["story-lost"]
		want := slices.DeleteFunc(fullLogin("story-lost"), func(hop string) bool {
			return slices.ContainsFunc(missing, func(who string) bool { return strings.HasPrefix(hop, who) })
		})
		if !slices.Equal(story, want) {
			t.Errorf("where the %s loses the ID, the story is\n%s\nnot\n%s", part, strings.Join(story, "\n"), strings.Join(want, "\n"))
		}
	}
}

// callbackTwice sends one code twice, the second time from a browser that did not begin the login.
func callbackTwice(name string) Check {
	return Check{ID: name, Requirements: []string{"A-ONE"}, Run: func(ctx context.Context, t *Trial) error {
		b := t.Browser()
		callback, err := t.pendingCallback(ctx, b, "/", userAlice)
		if err != nil {
			return err
		}
		first, err := b.Do(ctx, browser.Request{URL: callback})
		if err != nil {
			return err
		}
		second, err := t.Browser().Do(ctx, browser.Request{URL: callback})
		if err != nil {
			return err
		}
		t.Holds("A-ONE", first.Status == 302 && second.Status == 403, "one login", describe(second))
		return nil
	}}
}

func TestTheStoryOfAReplayedCodeTellsThatItWasNotSentAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("starts nginx")
	}
	story := storiesOf(t, subject.LocalOptions{}, callbackTwice("twice"))["twice"]
	want := []string{
		"browser→gateway GET auth/oauth2/callback 302", "gateway→auth-service GET /oauth2/callback 302", "auth-service→idp POST /token 200",
		"browser→gateway GET auth/oauth2/callback 403", "gateway→auth-service GET /oauth2/callback 403",
	}
	if n := len(story); n < len(want) || !slices.Equal(story[n-len(want):], want) {
		t.Errorf("it tells\n%s", strings.Join(story, "\n"))
	}
}
