// SPDX-License-Identifier: Apache-2.0

package rptest_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/ingress-auth/conformance/mockidp"
	"github.com/ingress-auth/conformance/mockidp/rptest"
)

// Each mistake of a relying party turns red what it should, and without it the same rows are green.
func TestRun_EachMistakeTurnsItsFaultsRed(t *testing.T) {
	red := map[string]map[string]string{
		"state":       {"A-STATE-WRONG": "gave access", "A-STATE-MISSING": "gave access"},
		"nonce":       {"C-NONCE-WRONG": "gave access", "C-NONCE-REPLAY": "gave access", "A-PKCE-DOWNGRADE": "gave access"},
		"nonce pkce":  {"A-CODE-INJECT": "gave access"},
		"issuer":      {"A-ISS-WRONG": "gave access", "X-MIXUP": "sent the code"},
		"signature":   {"S-BAD-RS256": "gave access", "S-NONE": "gave access", "S-WRONG-KEY": "gave access"},
		"redirects":   {"T-REDIRECT-307": "foreign host"},
		"leak":        {"X-CODE-LEAK": "code in its URL"},
		"resend":      {"T-AUTHSTYLE-PROBE": "a second time", "T-RESET": "a second time"},
		"cookie":      {"A-SESSION-FIX": "gave access", "A-STATE-FOREIGN": "gave access"},
		"secret":      {"T-BASIC-ENC": "refused what is legal"},
		"certificate": {"H-TLS-EXPIRED": "gave access", "H-TLS-WRONGHOST": "gave access", "H-TLS-UNTRUSTED-CA": "gave access", "H-TLS-CHAIN": "gave access"},
		"memory":      {"H-HUGE": "MiB of memory"},
		"fickle":      {"T-NO-TOKEN-TYPE": "one time and refused another"},
		"sign-out":    {"L-RPI-ERROR": "kept the session", "L-RPI-NO-STATE": "kept the session", "L-RPI-OTHER-STATE": "kept the session"},
		"logout": {"L-BCL-ALG-NONE": "ended the session", "L-BCL-WRONG-ALG": "ended", "L-BCL-BAD-SIG": "ended", "L-BCL-WRONG-KEY": "ended", "L-BCL-WRONG-ISS": "ended",
			"L-BCL-WRONG-AUD": "ended", "L-BCL-NO-EVENT": "ended", "L-BCL-WRONG-EVENT": "ended", "L-BCL-WITH-NONCE": "ended", "L-BCL-EXPIRED": "ended",
			"L-BCL-IAT-MISSING": "ended", "L-BCL-NO-SUB-SID": "ended", "L-BCL-UNKNOWN-SID": "ended"},
	}
	all := map[string]mockidp.Fault{}
	for mistake, rows := range red {
		t.Run(mistake, func(t *testing.T) {
			var faults []mockidp.Fault
			for id := range rows {
				all[id] = fault(t, id)
				faults = append(faults, all[id])
			}
			results, err := rptest.Run(t.Context(), sampleDriver(strings.Fields(mistake)...), faults, rptest.Options{Parallel: 4})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range results {
				if r.Verdict != rptest.Fail || !strings.Contains(r.Reason, rows[r.Fault.ID]) {
					t.Errorf("%s: %s (%s, %s), want fail with %q", r.Fault.ID, r.Verdict, r.Reason, r.Observed, rows[r.Fault.ID])
				}
			}
		})
	}
	results, err := rptest.Run(t.Context(), sampleDriver(), slices.Collect(maps.Values(all)), rptest.Options{Parallel: 4})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Verdict != rptest.Pass {
			t.Errorf("%s without the mistake: %s: %s %s", r.Fault.ID, r.Verdict, r.Reason, r.Detail)
		}
	}
	for _, f := range must(mockidp.Faults()) {
		if f.Endpoint == mockidp.EndpointLogoutToken && f.Staged() && f.Outcome == mockidp.OutcomeKeep && all[f.ID].ID == "" {
			t.Errorf("nothing turns %s red", f.ID)
		}
	}
}

// A replay is refused by whoever redeems a code once, since the provider does too; so only the provider's memory stands
// against a relying party that would try.
func TestRun_JudgesAReplayByWhatTheBrowserGets(t *testing.T) {
	results, err := rptest.Run(t.Context(), sampleDriver("replay"), []mockidp.Fault{fault(t, "A-STATE-REPLAY")}, rptest.Options{})
	if err != nil || results[0].Verdict != rptest.Pass || results[0].Observed.CallbackStatus != 403 {
		t.Errorf("%+v, %v", results, err)
	}
}

// Whoever ignores logout tokens cannot be judged by the bad ones.
func TestRun_DemandsThatAGoodLogoutTokenWorks(t *testing.T) {
	d := sampleDriver()
	d.BackchannelLogoutPath = "/me"
	if _, err := rptest.Run(t.Context(), d, []mockidp.Fault{fault(t, "L-BCL-WRONG-ISS")}, rptest.Options{}); err == nil || !strings.Contains(err.Error(), "does not end the session") {
		t.Errorf("%v", err)
	}
}

// What is asked for at the start alone is judged by a second start: here by one that fails.
func TestRun_StartsASecondTimeForWhatChanges(t *testing.T) {
	d, starts := sampleDriver(), 0
	good := d.Start
	d.Start = func(ctx context.Context, s rptest.Setting) (*rptest.RelyingParty, error) {
		if starts++; starts%3 == 0 { // the control, the first, the second
			return nil, errors.New("the endpoints are not those of yesterday")
		}
		return good(ctx, s)
	}
	for _, want := range []string{rptest.Fail, rptest.Pass} {
		results, err := rptest.Run(t.Context(), d, []mockidp.Fault{fault(t, "D-CHANGES")}, rptest.Options{})
		if err != nil || results[0].Verdict != want {
			t.Errorf("%+v, %v, want %s", results, err, want)
		}
		d.Start = good
	}
}

// Whoever does not end the session, or does not go to the provider, cannot be judged by what happens there.
func TestRun_DemandsThatSignOutWorks(t *testing.T) {
	for path, want := range map[string]string{"/me": "does not end the session", "/nowhere": "does not end"} {
		d := sampleDriver()
		d.SignOutPath = path
		if _, err := rptest.Run(t.Context(), d, []mockidp.Fault{fault(t, "L-RPI-ERROR")}, rptest.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v", err)
		}
	}
}

// Verdicts that differ from one time to the next are none.
func TestRun_RepeatsAndComparesVerdicts(t *testing.T) {
	d, starts := sampleDriver(), 0
	good, bad := sampleDriver().Start, sampleDriver("nonce").Start
	d.BackchannelLogoutPath = ""
	d.Start = func(ctx context.Context, s rptest.Setting) (*rptest.RelyingParty, error) {
		if starts++; starts == 3 { // the control, the first, the second
			return bad(ctx, s)
		}
		return good(ctx, s)
	}
	results, err := rptest.Run(t.Context(), d, []mockidp.Fault{fault(t, "C-NONCE-WRONG")}, rptest.Options{Repeat: 3})
	if err != nil || results[0].Verdict != rptest.Blocked || !strings.Contains(results[0].Reason, "not the same") {
		t.Errorf("%+v, %v", results, err)
	}
}

func TestAtEveryEndpoint_AddsThoseThatALoginReaches(t *testing.T) {
	list := rptest.AtEveryEndpoint([]mockidp.Fault{fault(t, "H-HANG"), fault(t, "C-AUD")})
	var ids []string
	for _, f := range list {
		ids = append(ids, f.ID)
	}
	if want := []string{"H-HANG", "H-HANG@discovery", "H-HANG@jwks", "H-HANG@userinfo", "C-AUD"}; !slices.Equal(ids, want) {
		t.Errorf("%v", ids)
	}
}

// The table says what changed, and comes back from the page as it went in.
func TestTable_SaysWhatChanged(t *testing.T) {
	one, two := fault(t, "C-AUD"), fault(t, "C-ISS")
	table := rptest.NewTable("a", "b")
	first := []rptest.Result{{Fault: one, Verdict: rptest.Pass}, {Fault: two, Verdict: rptest.Fail, Reason: "It gave | access."}, {Fault: fault(t, "X-CLICKJACK"), Verdict: rptest.NotApplicable}}
	if changes := table.Set("a", first); len(changes) != 2 {
		t.Errorf("%q", changes)
	}
	var page strings.Builder
	if err := table.Write(&page, []mockidp.Fault{one, two}); err != nil || !strings.Contains(page.String(), "| a | 1 | 1 | 0 |") {
		t.Errorf("%s, %v", page.String(), err)
	}
	again := rptest.ReadTable(page.String(), "a", "b")
	if changes := again.Set("a", first); len(changes) != 0 {
		t.Errorf("nothing changed, but: %q", changes)
	}
	if changes := again.Set("a", []rptest.Result{{Fault: one, Verdict: rptest.Fail, Reason: "It gave access."}}); len(changes) != 2 ||
		!strings.Contains(changes[0], "C-AUD: a was") || !strings.Contains(changes[1], "C-ISS: a was judged") {
		t.Errorf("%q", changes)
	}
}

func TestUnexplained_IsRedForWhatNothingExplainsAndForWhatIsOver(t *testing.T) {
	known, err := rptest.ParseKnownFailures([]byte("- {fault: C-AUD, sentence: because}\n- {fault: C-ISS, sentence: because}\n- {fault: C-EXP-PAST, sentence: because}\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := rptest.Unexplained([]rptest.Result{
		{Fault: fault(t, "C-AUD"), Verdict: rptest.Fail}, {Fault: fault(t, "C-ISS"), Verdict: rptest.Pass},
		{Fault: fault(t, "S-NONE"), Verdict: rptest.Fail}, {Fault: fault(t, "S-PAD"), Verdict: rptest.Blocked},
	}, known)
	for i, want := range []string{"C-ISS is known to fail, but does not", "S-NONE fails and nothing explains it", "S-PAD could not be judged", "C-EXP-PAST is known to fail, but was not judged"} {
		if len(got) != 4 || !strings.Contains(got[i], want) {
			t.Fatalf("%q, want %q", got, want)
		}
	}
	for _, bad := range []string{"- {fault: C-AUD}", "- {sentence: x}", "- {fault: a, sentence: b}\n- {fault: a, sentence: c}", "- {x: y}"} {
		if _, err := rptest.ParseKnownFailures([]byte(bad)); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
