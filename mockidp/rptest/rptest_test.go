// SPDX-License-Identifier: Apache-2.0

package rptest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ingress-auth/conformance/mockidp"
	"github.com/ingress-auth/conformance/mockidp/rptest"
)

// relyingParty asks for discovery and then does with everyone what it is told.
func relyingParty(handle http.HandlerFunc) rptest.Driver {
	return rptest.Driver{
		LoginPath: "/login", CallbackPath: "/callback", AuthPath: "/auth", SessionCookie: "session", Limit: 2e9,
		Start: func(ctx context.Context, s rptest.Setting) (*rptest.RelyingParty, error) {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Issuer+"/.well-known/openid-configuration", nil)
			if err != nil {
				return nil, err
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				return nil, err
			}
			response.Body.Close()
			server := httptest.NewServer(handle)
			return &rptest.RelyingParty{URL: server.URL, Close: server.Close}, nil
		},
	}
}

func letIn(w http.ResponseWriter, _ *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: "session", Value: "x", Path: "/"})
	w.WriteHeader(http.StatusAccepted)
}

func fault(t *testing.T, id string) mockidp.Fault {
	t.Helper()
	f, err := mockidp.FindFault(id)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A relying party that lets everyone in turns each fault red that it must refuse, and only those.
func TestRun_TurnsRedForWhoeverLetsEveryoneIn(t *testing.T) {
	results, err := rptest.Run(t.Context(), relyingParty(letIn), []mockidp.Fault{
		fault(t, "D-ISS-MISMATCH"), fault(t, "D-NO-USERINFO"), fault(t, "C-AUD"), fault(t, "X-CLICKJACK")}, rptest.Options{Parallel: 4})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{rptest.Fail, rptest.Pass, rptest.NotApplicable, rptest.NotApplicable} {
		if results[i].Verdict != want {
			t.Errorf("%s: %s (%s), want %s", results[i].Fault.ID, results[i].Verdict, results[i].Reason, want)
		}
	}
}

// One that panics is told so, even where it must refuse.
func TestRun_TurnsRedForAPanic(t *testing.T) {
	good := 0
	d := relyingParty(nil)
	start := relyingParty(letIn).Start
	d.Start = func(ctx context.Context, s rptest.Setting) (*rptest.RelyingParty, error) {
		if good++; good == 1 {
			return start(ctx, s)
		}
		return relyingParty(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }).Start(ctx, s)
	}
	results, err := rptest.Run(t.Context(), d, []mockidp.Fault{fault(t, "D-ISS-MISMATCH")}, rptest.Options{})
	if err != nil || results[0].Verdict != rptest.Fail || !strings.Contains(results[0].Reason, "dropped") {
		t.Errorf("%+v, %v", results, err)
	}
}

// One that never works proves nothing: it would seem to refuse all that it should.
func TestRun_NeedsALoginThatWorks(t *testing.T) {
	d := relyingParty(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	if _, err := rptest.Run(t.Context(), d, []mockidp.Fault{fault(t, "D-ISS-MISMATCH")}, rptest.Options{}); err == nil || !strings.Contains(err.Error(), "without any fault") {
		t.Errorf("%v", err)
	}
}
