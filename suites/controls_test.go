// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"cmp"
	"context"
	"io/fs"
	"maps"
	"net/http"
	"os"
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

// controlsPage is where the matrix stands for readers; UPDATE_CONTROLS=1 writes it.
const controlsPage = "../docs/controls.md"

// The matrix of all controls and all requirements: each control turns red what it is meant to, and beyond that only what
// its entry explains. A check is judged under the controls that touch it; the others cannot make a difference to it.
func TestControlsTurnRedWhatTheyAreMeantToAndOnlyExplainableOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("starts nginx")
	}
	t.Parallel()
	catalogue, err := NewCatalogue(fixtures.FS())
	if err != nil {
		t.Fatal(err)
	}
	set, err := control.Load(fixtures.FS(), "controls")
	if err != nil {
		t.Fatal(err)
	}
	m := newMatrix(catalogue, set)
	m.deviates = deviationsOf(t, catalogue, "nginx-")
	s, err := subject.NewLocal(t.Context(), subject.LocalOptions{Gateways: catalogue.Gateways, Wrap: m.switchboard()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	baseline := (&Judge{Subject: s, Redactor: exchange.NewRedactor()}).Run(t.Context(), catalogue.Checks)
	requireConformant(t, catalogue, s, baseline)
	m.judge(t.Context(), s, baseline)

	for _, c := range set.Controls {
		m.verify(t, c)
	}
	proven := m.proven()
	for _, r := range baseline {
		if r.Findings[0].Verdict == contract.Pass && !proven[r.Check.ID] {
			t.Errorf("no control turns the check %s red: it could not fail", r.Check.ID)
		}
	}
	for _, cause := range set.Causes {
		if len(m.observed[cause.ID]) == 0 {
			t.Errorf("no check has the cause %s: %s", cause.ID, cause.Sentence)
		}
	}
	requireWritten(t, m)
}

// deviationsOf are the requirements that a known deviation is about, of any version of a part.
func deviationsOf(t *testing.T, catalogue *Catalogue, part string) map[string]bool {
	t.Helper()
	files, err := fs.Glob(fixtures.FS(), "known/"+part+"[0-9]*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, file := range files {
		version := strings.TrimSuffix(strings.TrimPrefix(file, "known/"+part), ".yaml")
		known, err := contract.LoadKnown(fixtures.FS(), "known", strings.TrimSuffix(part, "-"), version, catalogue.Contract)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range known {
			ids[k.Requirement] = true
		}
	}
	return ids
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

func requireWritten(t *testing.T, m *matrix) {
	t.Helper()
	page := m.page()
	if os.Getenv("UPDATE_CONTROLS") != "" && !t.Failed() {
		if err := os.WriteFile(controlsPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(controlsPage)
	if err != nil {
		t.Fatal(err)
	}
	want, got := strings.Split(string(written), "\n"), strings.Split(page, "\n")
	for i := range max(len(want), len(got)) {
		if line(want, i) != line(got, i) {
			t.Errorf("%s differs from line %d on; run with UPDATE_CONTROLS=1 and look at what changed\nwritten: %s\nnow:     %s", controlsPage, i+1, line(want, i), line(got, i))
			return
		}
	}
}

// line is the i-th one, if there is one.
func line(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(nothing)"
}

// controlMark introduces the control in the User-Agent, which reaches every part.
const controlMark = " control "

// matrix is what turns red under which control.
type matrix struct {
	catalogue *Catalogue
	set       control.Set

	mu sync.Mutex
	// touched are the checks that a control makes a difference to, observed those that a cause is found in; by ID.
	touched, observed map[string]map[string]bool
	// red is by control and requirement.
	red map[string]map[string]*redness
	// deviates are requirements that some version of the gateway does not hold by itself: what a control adds to that depends
	// on the version that is installed.
	deviates map[string]bool
}

// redness is why a requirement is red under a control.
type redness struct {
	// failed is false for a requirement that could not be judged.
	failed bool
	checks []string
	reason string
}

func newMatrix(catalogue *Catalogue, set control.Set) *matrix {
	return &matrix{
		catalogue: catalogue, set: set,
		touched: map[string]map[string]bool{}, observed: map[string]map[string]bool{}, red: map[string]map[string]*redness{},
	}
}

// switchboard puts every control in place at once, each for the requests whose User-Agent names it, so that one subject
// serves all of them. Requests that name none are only watched.
func (m *matrix) switchboard() map[string]func(http.Handler) http.Handler {
	byControl := map[string]map[control.Part]control.Middleware{}
	for _, c := range m.set.Controls {
		byControl[c.ID] = control.Middlewares(c)
	}
	watch := control.Watch(m.set.Controls, func(c control.Control, r *http.Request) { m.note(m.touched, c.ID, r) })
	observe := control.Observe(m.set.Causes, func(c control.Cause, r *http.Request) { m.note(m.observed, c.ID, r) })
	wraps := map[string]func(http.Handler) http.Handler{}
	for _, part := range []control.Part{control.Gateway, control.AuthRequest, control.AuthService, control.Backend, control.IdP} {
		wraps[string(part)] = func(next http.Handler) http.Handler {
			broken, watched := map[string]http.Handler{}, next
			for _, middleware := range []control.Middleware{watch[part], observe[part]} {
				if middleware != nil {
					watched = middleware(watched)
				}
			}
			for id, parts := range byControl {
				broken[id] = next
				if middleware := parts[part]; middleware != nil {
					broken[id] = middleware(next)
				}
			}
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, id := checkAndControl(r); broken[id] != nil {
					broken[id].ServeHTTP(w, r)
					return
				}
				watched.ServeHTTP(w, r)
			})
		}
	}
	return wraps
}

// checkAndControl reads on whose behalf a request was made; without a control the second is "".
func checkAndControl(r *http.Request) (check, id string) {
	_, name, _ := strings.Cut(strings.TrimSuffix(r.UserAgent(), ")"), "(")
	check, id, _ = strings.Cut(name, controlMark)
	return check, id
}

func (m *matrix) note(where map[string]map[string]bool, id string, r *http.Request) {
	check, _ := checkAndControl(r)
	m.mu.Lock()
	defer m.mu.Unlock()
	if where[id] == nil {
		where[id] = map[string]bool{}
	}
	where[id][check] = true
}

// noted is asked while requests that no check waits for, such as logout notices, may still come.
func (m *matrix) noted(where map[string]map[string]bool, id, check string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return where[id][check]
}

// matrixWorkers is how many checks run at once: more than a Judge has, since some controls make a check wait until its time
// is up.
const matrixWorkers = 24

// judge runs every check under every control that touches it. What took longest without a control comes first.
func (m *matrix) judge(ctx context.Context, s *subject.Subject, baseline []Result) {
	verdicts := map[string]contract.Verdict{}
	for _, f := range findings(baseline) {
		verdicts[f.Check+" "+f.Requirement] = f.Verdict
	}
	type trial struct {
		judge *Judge
		check Check
		id    string
	}
	ordered := slices.SortedStableFunc(slices.Values(baseline), func(a, b Result) int { return cmp.Compare(b.Took, a.Took) })
	trials := make(chan trial)
	var workers sync.WaitGroup
	transport := (&Judge{Subject: s}).newTransport()
	exclusive := map[string]*sync.Mutex{}
	for _, r := range ordered {
		if r.Check.Exclusive != "" {
			exclusive[r.Check.Exclusive] = &sync.Mutex{}
		}
	}
	for range matrixWorkers {
		workers.Go(func() {
			for next := range trials {
				if alone := exclusive[next.check.Exclusive]; alone != nil {
					alone.Lock()
				}
				result := next.judge.judge(ctx, next.check)
				if alone := exclusive[next.check.Exclusive]; alone != nil {
					alone.Unlock()
				}
				m.take(next.id, verdicts, result)
			}
		})
	}
	for _, r := range ordered {
		for _, c := range m.set.Controls {
			if m.noted(m.touched, c.ID, r.Check.ID) {
				judge := &Judge{Subject: s, Redactor: exchange.NewRedactor(), Agent: controlMark + c.ID, Brief: true, transport: transport}
				trials <- trial{judge, r.Check, c.ID}
			}
		}
	}
	close(trials)
	workers.Wait()
}

// take keeps what a check found under a control, unless it is what it finds without.
func (m *matrix) take(id string, baseline map[string]contract.Verdict, result Result) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range result.Findings {
		if f.Verdict != contract.Fail && f.Verdict != contract.Blocked {
			continue
		}
		if f.Verdict == baseline[f.Check+" "+f.Requirement] && !m.deviates[f.Requirement] {
			continue
		}
		if m.red[id] == nil {
			m.red[id] = map[string]*redness{}
		}
		seen := m.red[id][f.Requirement]
		if seen == nil {
			seen = &redness{}
			m.red[id][f.Requirement] = seen
		}
		if seen.reason == "" || (f.Verdict == contract.Fail && !seen.failed) {
			seen.reason = f.Check + ": " + f.Reason
		}
		seen.failed = seen.failed || f.Verdict == contract.Fail
		seen.checks = append(seen.checks, f.Check)
	}
}

// proven are the checks that a control turned red for a requirement it is meant for.
func (m *matrix) proven() map[string]bool {
	checks := map[string]bool{}
	for _, c := range m.set.Controls {
		for _, id := range c.TurnsRed {
			if red := m.red[c.ID][id]; red != nil && red.failed {
				for _, check := range red.checks {
					checks[check] = true
				}
			}
		}
	}
	return checks
}

// verify holds what a control turned red against its entry.
func (m *matrix) verify(t *testing.T, c control.Control) {
	t.Helper()
	for _, id := range c.TurnsRed {
		if red := m.red[c.ID][id]; red == nil {
			t.Errorf("%s does not turn %s red", c.ID, id)
		} else if !red.failed {
			t.Errorf("%s keeps %s from being judged, and does not turn it red: %s", c.ID, id, red.reason)
		}
	}
	others, unexplained := m.others(c)
	for _, id := range unexplained {
		t.Errorf("%s turns %s red too, and nothing explains it (narrow the control, mend the check, or explain it under alsoRed): %s", c.ID, id, m.red[c.ID][id].reason)
	}
	for i, e := range c.AlsoRed {
		if e.Sometimes {
			continue
		}
		if len(others[i]) == 0 {
			t.Errorf("%s: the explanation %q explains nothing that turns red", c.ID, cmp.Or(e.Cause, e.Because))
		}
		for _, id := range e.Requirements {
			if !slices.Contains(others[i], id) {
				t.Errorf("%s does not turn %s red, which it explains by %q", c.ID, id, e.Because)
			}
		}
	}
}

// others are the requirements beyond the intended ones that a control turned red, by the explanation that covers them:
// the one that lists them, or else the first cause that is found in all checks that are red.
func (m *matrix) others(c control.Control) (explained [][]string, unexplained []string) {
	explained = make([][]string, len(c.AlsoRed))
	for _, id := range slices.Sorted(maps.Keys(m.red[c.ID])) {
		if slices.Contains(c.TurnsRed, id) || m.deviates[id] {
			continue
		}
		by := slices.IndexFunc(c.AlsoRed, func(e control.Explanation) bool { return slices.Contains(e.Requirements, id) })
		if by < 0 {
			by = slices.IndexFunc(c.AlsoRed, func(e control.Explanation) bool {
				return e.Cause != "" && !slices.ContainsFunc(m.red[c.ID][id].checks, func(check string) bool { return !m.noted(m.observed, e.Cause, check) })
			})
		}
		if by < 0 {
			unexplained = append(unexplained, id)
			continue
		}
		explained[by] = append(explained[by], id)
	}
	return explained, unexplained
}
