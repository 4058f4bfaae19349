// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingress-auth/conformance/suites/browser"
	"github.com/ingress-auth/conformance/suites/contract"
	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/platform/pki"
	"github.com/ingress-auth/conformance/suites/subject"
)

// fakeGateway takes routes as it is told to.
type fakeGateway struct {
	mu        sync.Mutex
	exposeErr error
	applyErr  error
	withdrawn []string
}

func (g *fakeGateway) Apply(context.Context, subject.Route) error { return g.applyErr }

func (g *fakeGateway) Withdraw(_ context.Context, r subject.Route) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.withdrawn = append(g.withdrawn, r.Name)
	return nil
}

func (g *fakeGateway) Expose(context.Context, []subject.Route) error { return g.exposeErr }

// ApplyManifest answers as Apply does.
func (g *fakeGateway) ApplyManifest(context.Context, []byte, bool) error { return g.applyErr }

type noRecords struct{}

func (noRecords) Recorded(context.Context, ...string) ([]exchange.Exchange, error) { return nil, nil }

func fakeSubject(g *fakeGateway) *subject.Subject { return fakeVersion(g, "1.11.0") }

func fakeVersion(g *fakeGateway, version string) *subject.Subject {
	return &subject.Subject{
		Platform: "test", Gateway: g, GatewayName: "ingress-nginx", GatewayVersion: version, Recorder: noRecords{},
		Missing: map[subject.Feature]string{subject.FeatureCanary: "it has no canaries"},
		Resolve: func(string, string) (string, bool) { return "", false },
	}
}

func judgeOne(t *testing.T, g *fakeGateway, c Check) []contract.Finding {
	t.Helper()
	judge := &Judge{Subject: fakeSubject(g), Redactor: exchange.NewRedactor()}
	return judge.Run(t.Context(), []Check{c})[0].Findings
}

func TestWhatIsNotObservedIsNeverGreen(t *testing.T) {
	holds := func(_ context.Context, t *Trial) error { t.Holds("A-ONE", true, "yes", "yes"); return nil }
	for name, row := range map[string]struct {
		check Check
		want  contract.Verdict
		says  string
	}{
		"an observation that held passes": {Check{Run: holds}, contract.Pass, ""},
		"an observation that did not hold fails": {Check{Run: func(_ context.Context, t *Trial) error {
			t.Holds("A-ONE", false, "a 401", "a 200")
			return nil
		}}, contract.Fail, "expected a 401, got a 200"},
		"one failure outweighs later successes": {Check{Run: func(ctx context.Context, t *Trial) error {
			t.Holds("A-ONE", false, "x", "y")
			return holds(ctx, t)
		}}, contract.Fail, ""},
		"a check without an observation is blocked": {Check{Run: func(context.Context, *Trial) error { return nil }}, contract.Blocked, "without an observation"},
		"an error blocks": {Check{Run: func(context.Context, *Trial) error { return errors.New("no route to host") }}, contract.Blocked, "no route to host"},
		"an error after a success blocks": {Check{Run: func(ctx context.Context, t *Trial) error {
			return errors.Join(holds(ctx, t), errors.New("later"))
		}}, contract.Blocked, "later"},
		"an error after a failure leaves the failure": {Check{Run: func(_ context.Context, t *Trial) error {
			t.Holds("A-ONE", false, "x", "y")
			return errors.New("later")
		}}, contract.Fail, ""},
		"a panic blocks":            {Check{Run: func(context.Context, *Trial) error { panic("oh") }}, contract.Blocked, "oh"},
		"nothing to run is blocked": {Check{}, contract.Blocked, "nothing to run"},
		"a judgement on an undeclared requirement is blocked": {Check{Run: func(_ context.Context, t *Trial) error {
			t.Holds("A-TWO", true, "x", "x")
			return nil
		}}, contract.Blocked, "does not declare"},
		"a missing feature is not applicable, with its reason": {Check{Run: holds, Features: []subject.Feature{subject.FeatureCanary}}, contract.NotApplicable, "no canaries"},
		"another version is not applicable, with its reason":   {Check{Run: holds, Versions: VersionRange{"ingress-nginx", ">=1.12.0"}}, contract.NotApplicable, "the subject has 1.11.0"},
		"a version of another gateway does not matter":         {Check{Run: holds, Versions: VersionRange{"traefik", ">=3"}}, contract.Pass, ""},
		"a constraint that cannot be read is blocked":          {Check{Run: holds, Versions: VersionRange{"ingress-nginx", "new"}}, contract.Blocked, "version constraint"},
	} {
		t.Run(name, func(t *testing.T) {
			row.check.ID, row.check.Requirements = "test/one", []string{"A-ONE"}
			f := judgeOne(t, &fakeGateway{}, row.check)[0]
			if f.Verdict != row.want || !strings.Contains(f.Reason, row.says) {
				t.Errorf("got %s (%s), want %s (… %s …)", f.Verdict, f.Reason, row.want, row.says)
			}
		})
	}
}

func TestRoutesThatCannotBeExposedBlockTheChecksThatNeedThem(t *testing.T) {
	c := Check{ID: "test/one", Requirements: []string{"A-ONE"}, Routes: []subject.Route{{Name: "r"}}, Run: func(_ context.Context, t *Trial) error {
		t.Holds("A-ONE", true, "x", "x")
		return nil
	}}
	if f := judgeOne(t, &fakeGateway{exposeErr: errors.New("refused")}, c)[0]; f.Verdict != contract.Blocked {
		t.Errorf("got %s, want blocked", f.Verdict)
	}
}

func TestAnInterruptedRunBlocksWhatIsLeft(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	judge := &Judge{Subject: fakeSubject(&fakeGateway{}), Redactor: exchange.NewRedactor()}
	results := judge.Run(ctx, []Check{{ID: "test/one", Requirements: []string{"A-ONE"}, Run: func(context.Context, *Trial) error { return nil }}})
	if f := results[0].Findings[0]; f.Verdict != contract.Blocked || !strings.Contains(f.Reason, "interrupted") {
		t.Errorf("got %s (%s), want blocked by the interruption", f.Verdict, f.Reason)
	}
}

func TestChecksThatShareSomethingRunOneAfterTheOther(t *testing.T) {
	var mu sync.Mutex
	inside, most := 0, 0
	var checks []Check
	for i := range 6 {
		checks = append(checks, Check{ID: fmt.Sprintf("test/%d", i), Requirements: []string{"A-ONE"}, Exclusive: "one", Run: func(_ context.Context, t *Trial) error {
			mu.Lock()
			inside++
			most = max(most, inside)
			mu.Unlock()
			t.Holds("A-ONE", true, "x", "x")
			mu.Lock()
			inside--
			mu.Unlock()
			return nil
		}})
	}
	(&Judge{Subject: fakeSubject(&fakeGateway{}), Redactor: exchange.NewRedactor()}).Run(t.Context(), checks)
	if most != 1 {
		t.Errorf("%d of them ran at once", most)
	}
	if lanes := lanesOf(checks); len(lanes) != 1 || len(lanes[0]) != 6 {
		t.Errorf("got %d lanes, want one with all six", len(lanes))
	}
}

// Admission is judged on a cluster only. Here gateways that accept everything, or refuse everything in other words, prove
// that each of these checks can turn red.
func TestAdmissionChecksTurnRedForAGatewayThatAdmitsTheWrongThing(t *testing.T) {
	refusal := &subject.AdmissionError{Code: 400, Message: "because"}
	for id, row := range map[string]struct {
		broken error
		good   error
	}{
		"admission/W1":           {nil, &subject.AdmissionError{Message: "Snippet directives are disabled by the Ingress administrator"}},
		"admission/W3":           {refusal, nil},
		"admission/W7":           {nil, &subject.AdmissionError{Message: `nginx: [emerg] unknown directive "no_such_directive"`}},
		"admission/W9":           {refusal, nil},
		"admission/W10":          {nil, &subject.AdmissionError{Message: "annotation contains invalid word forbidden-word"}},
		"admission/W11":          {nil, &subject.AdmissionError{Message: "invalid object"}},
		"backend-401/B23":        {refusal, &subject.AdmissionError{Message: `"proxy_intercept_errors" directive is duplicate in nginx-cfg`}},
		"backend-401/B26":        {nil, &subject.AdmissionError{Message: `"proxy_intercept_errors" directive is duplicate in nginx-cfg`}},
		"backend-401/B28a":       {nil, &subject.AdmissionError{Message: `"proxy_intercept_errors" directive is duplicate in nginx-cfg`}},
		"documents/joined":       {nil, errors.New("yaml: mapping values are not allowed in this context")},
		"documents/no-path-type": {nil, &subject.AdmissionError{Code: 422, Message: "spec.rules[0].http.paths[0].pathType: Required value"}},
		"documents/other-class":  {refusal, nil},
	} {
		t.Run(id, func(t *testing.T) {
			check := catalogueCheck(t, id)
			if f := judgeOne(t, &fakeGateway{applyErr: row.broken}, check)[0]; f.Verdict != contract.Fail {
				t.Errorf("with the broken gateway: %s (%s), want fail", f.Verdict, f.Reason)
			}
			if f := judgeOne(t, &fakeGateway{applyErr: row.good}, check)[0]; f.Verdict != contract.Pass {
				t.Errorf("with the good gateway: %s (%s), want pass", f.Verdict, f.Reason)
			}
		})
	}
}

// The checks on what only a cluster has, against a gateway that answers every request with a teapot.
func TestChecksOfTheClusterTurnRedForAGatewayThatAnswersNonsense(t *testing.T) {
	s := teapot(t)
	for _, id := range []string{
		"backend-401/B30", "backend-401/B31", "backend-401/B32", "backend-401/B33", "backend-401/B34",
		"admission/W2", "documents/app", "documents/prometheus-port", "documents/no-class",
	} {
		t.Run(id, func(t *testing.T) {
			judge := &Judge{Subject: s, Redactor: exchange.NewRedactor()}
			for _, f := range judge.Run(t.Context(), []Check{catalogueCheck(t, id)})[0].Findings {
				if f.Verdict != contract.Fail && f.Requirement != "PASSTHROUGH-INTERCEPTED-BODY" {
					t.Errorf("%s: %s (%s), want fail", f.Requirement, f.Verdict, f.Reason)
				}
			}
		})
	}
}

func TestChecksOfLaterVersionsTurnRed(t *testing.T) {
	for _, row := range []struct {
		id     string
		broken error
	}{
		{"admission/W4", nil}, {"admission/W5", nil}, {"admission/W6", &subject.AdmissionError{Message: "risky"}},
	} {
		t.Run(row.id, func(t *testing.T) {
			s := teapot(t)
			s.GatewayVersion, s.Gateway = "1.12.0", &fakeGateway{applyErr: row.broken}
			judge := &Judge{Subject: s, Redactor: exchange.NewRedactor()}
			if f := judge.Run(t.Context(), []Check{catalogueCheck(t, row.id)})[0].Findings[0]; f.Verdict != contract.Fail {
				t.Errorf("%s (%s), want fail", f.Verdict, f.Reason)
			}
		})
	}
}

// teapot is a subject whose gateway takes everything and answers 418 to every request, over http and https.
func teapot(t *testing.T) *subject.Subject {
	t.Helper()
	authority, err := pki.New(time.Now, "test")
	if err != nil {
		t.Fatal(err)
	}
	certificate, key, err := authority.Issue("*." + subject.Domain)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	plain, secure := httptest.NewServer(answer), httptest.NewUnstartedServer(answer)
	secure.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	secure.StartTLS()
	t.Cleanup(func() { plain.Close(); secure.Close() })
	s := fakeSubject(&fakeGateway{})
	s.Missing, s.Roots = nil, authority.Pool()
	s.Resolve = func(scheme, _ string) (string, bool) {
		if scheme == "https" {
			return secure.Listener.Addr().String(), true
		}
		return plain.Listener.Addr().String(), true
	}
	return s
}

func TestARouteThatWasTakenByMistakeIsWithdrawn(t *testing.T) {
	g := &fakeGateway{}
	judgeOne(t, g, catalogueCheck(t, "admission/W1"))
	if !slices.Contains(g.withdrawn, "w1") {
		t.Error("the route is still there")
	}
}

func TestTheBackendsAnswerGivesABypassAwayWithoutARecord(t *testing.T) {
	echo := `{"name":"echo","method":"GET","host":"a","requestTarget":"/","proto":"HTTP/1.1","headers":[],"bodyBytes":0,"bodySha256":""}`
	for body, want := range map[string]bool{echo: true, "": false, "<html>403</html>": false, `{"error":"no"}`: false} {
		if got := isEcho(&browser.Response{Status: 200, Body: []byte(body)}); got != want {
			t.Errorf("%q: %t, want %t", body, got, want)
		}
	}
}
