// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ingress-auth/conformance/fixtures"
	"github.com/ingress-auth/conformance/suites/contract"
	"github.com/ingress-auth/conformance/suites/control"
	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/subject"
)

// controlMark introduces the control in the User-Agent, which reaches every part.
const controlMark = " control "

// switchboard puts every control in place at once, each for the requests whose User-Agent names it. So one subject serves
// all controls.
func switchboard(controls []control.Control) map[string]func(http.Handler) http.Handler {
	byControl := map[string]map[control.Part]control.Middleware{}
	for _, c := range controls {
		byControl[c.ID] = control.Middlewares(c)
	}
	wraps := map[string]func(http.Handler) http.Handler{}
	for _, part := range []control.Part{control.Gateway, control.AuthRequest, control.AuthService, control.Backend, control.IdP} {
		wraps[string(part)] = func(next http.Handler) http.Handler {
			broken := map[string]http.Handler{}
			for id, parts := range byControl {
				if middleware := parts[part]; middleware != nil {
					broken[id] = middleware(next)
				}
			}
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, id, _ := strings.Cut(strings.TrimSuffix(r.UserAgent(), ")"), controlMark)
				if handler := broken[id]; handler != nil {
					handler.ServeHTTP(w, r)
					return
				}
				next.ServeHTTP(w, r)
			})
		}
	}
	return wraps
}

func TestEveryCheckTurnsRedForAControlAndIsGreenWithoutOne(t *testing.T) {
	if testing.Short() {
		t.Skip("starts nginx")
	}
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	catalogue, err := NewCatalogue(fixtures.FS())
	if err != nil {
		t.Fatal(err)
	}
	controls, err := control.Load(fixtures.FS(), "controls")
	if err != nil {
		t.Fatal(err)
	}
	s, err := subject.NewLocal(ctx, subject.LocalOptions{Gateways: catalogue.Gateways, Wrap: switchboard(controls)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	})

	baseline := (&Judge{Subject: s, Redactor: exchange.NewRedactor()}).Run(ctx, catalogue.Checks)
	requireConformant(t, catalogue, s, baseline)

	var mu sync.Mutex
	red := map[string]string{}
	t.Run("control", func(t *testing.T) {
		for _, c := range controls {
			t.Run(c.ID, func(t *testing.T) {
				t.Parallel() // some controls make a check wait until its time is up
				judge := &Judge{Subject: s, Redactor: exchange.NewRedactor(), Agent: controlMark + c.ID}
				proven := provenBy(t, catalogue, judge, c)
				mu.Lock()
				defer mu.Unlock()
				for _, id := range proven {
					red[id] = c.ID
				}
			})
		}
	})
	for _, r := range baseline {
		if r.Findings[0].Verdict == contract.Pass && red[r.Check.ID] == "" {
			t.Errorf("no control turns the check %s red: it could not fail", r.Check.ID)
		}
	}
}

// requireConformant fails the test unless the untouched subject holds what it promises, known deviations aside.
func requireConformant(t *testing.T, catalogue *Catalogue, s *subject.Subject, results []Result) {
	t.Helper()
	known, err := Run{Catalogue: catalogue, Fixtures: fixtures.FS()}.known(s)
	if err != nil {
		t.Fatal(err)
	}
	outcomes, err := contract.Apply(catalogue.Contract, catalogue.Contract.Judged(), findings(results), known, true)
	if err != nil {
		t.Fatal(err)
	}
	if conclusion := contract.Score(outcomes); !conclusion.Conformant {
		t.Errorf("without a control: %s", conclusion.Sentence)
		for _, f := range findings(results) {
			if f.Verdict == contract.Fail || f.Verdict == contract.Blocked {
				t.Logf("%s %s: %s", f.Check, f.Requirement, f.Reason)
			}
		}
	}
}

// provenBy judges with the control in place and returns the checks that it turned red. Each requirement that the control
// names must be red by at least one check.
func provenBy(t *testing.T, catalogue *Catalogue, judge *Judge, c control.Control) []string {
	t.Helper()
	var requirements []contract.Requirement
	for _, id := range c.TurnsRed {
		r, err := catalogue.Contract.Lookup(id)
		if err != nil {
			t.Fatal(err)
		}
		requirements = append(requirements, r)
	}
	checks, seen := map[string]bool{}, map[string]string{}
	for _, f := range findings(judge.Run(t.Context(), catalogue.ChecksFor(requirements))) {
		if f.Verdict == contract.Fail {
			checks[f.Check] = true
			seen[f.Requirement] = f.Check
		} else if seen[f.Requirement] == "" {
			t.Logf("%s %s: %s %s", f.Check, f.Requirement, f.Verdict, f.Reason)
		}
	}
	for _, id := range c.TurnsRed {
		if seen[id] == "" {
			t.Errorf("the control does not turn %s red", id)
		}
	}
	return slices.Sorted(maps.Keys(checks))
}
