// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ingress-auth/conformance/suites/contract"
	"github.com/ingress-auth/conformance/suites/exchange"
)

var sampleStart = time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)

// about is a document that says where and what was judged, without results.
func about() Document {
	return Document{
		Run:      Run{ID: "2026-11-21T09-30-00Z-kind", Started: sampleStart, Finished: sampleStart.Add(41300 * time.Millisecond), Command: "ingress-auth run --platform kind"},
		Tool:     Tool{Name: "ingress-auth", Version: "v0.1.0", Commit: "0123abc"},
		Platform: Platform{Name: "kind", OS: "linux", Arch: "amd64", Detail: "Kubernetes v1.34.4, one node"},
		Subject: Subject{
			Gateway:     Part{Name: "ingress-nginx", Version: "v1.11.0", Origin: "the Go module k8s.io/ingress-nginx"},
			AuthService: Part{Name: "proxy", Version: "v0.1.0", Origin: "this repository"},
			IdP:         Part{Name: "mockidp", Version: "v0.1.0", Origin: "this repository", StandIn: true},
			Backend:     Part{Name: "backend", Version: "v0.1.0", Origin: "this repository", StandIn: true},
		},
		Parts: []Part{
			{Name: "nginx", Version: "1.26.3", Origin: "Debian 12"},
			{Name: "kubernetes", Version: "v1.34.4", Origin: "Go modules"},
			{Name: "kind", Version: "v0.33.0", Origin: "the Go module sigs.k8s.io/kind"},
		},
		Coverage: &Coverage{Requirements: 44, Killed: 43, ByControls: 40, ByGateways: 3},
		Notes:    []string{"The hang rows use an auth timeout of 2 s.", "Images were built from source; no registry was asked."},
		Evidence: []Evidence{
			{Path: "evidence/controller.log", Description: "log of the controller"},
			{Path: "evidence/nginx.conf", Description: "rendered configuration", Requirement: "REDIRECTS-QUERY-WHOLE"},
		},
	}
}

var sampleAreas = []struct {
	name      string
	profile   contract.Profile
	sentences []string
}{
	{"redirects", contract.Core, []string{
		"After sign-in the browser returns to the whole original URL, query included.",
		"An rd that names a host outside the allowed domains is refused.",
		"Percent-escapes in the original path survive the round trip unchanged.",
	}},
	{"status-codes", contract.NginxAnnotations, []string{
		"Without a session and without a sign-in page the client gets 401, and the backend is not asked.",
		"A 403 of the auth service reaches the client as 403 and never starts a sign-in.",
		"An auth service that cannot be reached never lets a request through to the backend.",
	}},
	{"backend-401", contract.NginxAnnotations, []string{
		"A 401 that the backend answers to an authenticated request reaches the client unchanged.",
		"A backend 401 keeps its WWW-Authenticate header, its cookies and its body.",
	}},
	{"headers", contract.Security, []string{
		"An identity header that the client sends never reaches the backend.",
		"The backend sees the user name that the auth service answered with.",
	}},
	{"sessions", contract.OAuth2Proxy, []string{
		"A session cookie whose ciphertext was changed is refused.",
		"Sign-out deletes every session cookie that the request presented.",
	}},
	{"admission", contract.NginxAnnotations, []string{
		"A snippet annotation is refused while snippets are disabled, and the refusal names the annotation.",
	}},
}

func sampleRequirement(area, i int) contract.Requirement {
	a := sampleAreas[area%len(sampleAreas)]
	prefix := strings.ToUpper(a.name)
	id := fmt.Sprintf("%s-CASE-%03d", prefix, i)
	if a.name == "redirects" && i == 0 {
		id = "REDIRECTS-QUERY-WHOLE"
	}
	level := contract.Must
	if i%7 == 5 {
		level = contract.Should
	}
	return contract.Requirement{
		ID: id, Level: level, Area: a.name, Profile: a.profile, Sentence: a.sentences[i%len(a.sentences)],
		Why:      "A user who signed in and lands somewhere else has lost what they came for, and often a half-filled form with it.",
		Sources:  []contract.Source{{Text: "ingress-nginx annotations, auth-signin", URL: "https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/#external-authentication"}},
		Features: []string{"auth-url", "auth-signin"}, Row: "B19",
	}
}

func sampleExchanges() []exchange.Exchange {
	hop := func(ms int, from, to exchange.Party, method, url string, status int, response http.Header) exchange.Exchange {
		return exchange.Exchange{
			Time: sampleStart.Add(time.Duration(ms) * time.Millisecond), From: from, To: to, RequestID: "7f3a9c", Method: method, URL: url, Status: status,
			RequestHeader:  http.Header{"Host": {"app-7f3a.test"}, "Accept": {"text/html"}, "Cookie": {"_oauth2_proxy=[redacted 412 bytes]"}, "User-Agent": {"ingress-auth-conformance REDIRECTS-QUERY-WHOLE"}, "X-Request-Id": {"7f3a9c"}},
			ResponseHeader: response, ResponseBodyBytes: 138, Took: 3400 * time.Microsecond,
		}
	}
	callback := hop(61, exchange.AuthService, exchange.IdP, "POST", "https://idp.test/token", 200, http.Header{"Content-Type": {"application/json"}})
	callback.Body = `{"access_token":"[redacted]","token_type":"Bearer"}`
	return []exchange.Exchange{
		hop(0, exchange.Browser, exchange.Gateway, "GET", "https://app-7f3a.test/orders?a=1&b=2", 302, http.Header{"Location": {"https://auth.test/oauth2/start?rd=https://app-7f3a.test/orders?a=1&b=2"}, "Content-Type": {"text/html"}}),
		hop(1, exchange.Gateway, exchange.AuthService, "GET", "http://proxy.auth.svc/oauth2/auth", 401, http.Header{"Content-Length": {"0"}}),
		hop(12, exchange.Browser, exchange.Gateway, "GET", "https://auth.test/oauth2/start?rd=https://app-7f3a.test/orders?a=1&b=2", 302, http.Header{"Location": {"https://idp.test/authorize?client_id=proxy&state=[redacted]&nonce=[redacted]&code_challenge=[redacted]"}}),
		callback,
		hop(70, exchange.Gateway, exchange.Backend, "GET", "http://backend.app.svc/orders?a=1", 200, http.Header{"Content-Type": {"application/json"}}),
		{Time: sampleStart.Add(74 * time.Millisecond), From: exchange.Gateway, To: exchange.AuthService, Method: "GET", URL: "http://proxy.auth.svc/oauth2/auth", Error: "connection refused"},
	}
}

// sampleOutcomes makes n outcomes with every standing among them.
func sampleOutcomes(n int, standings ...contract.Standing) []contract.Outcome {
	var outcomes []contract.Outcome
	for i := range n {
		r := sampleRequirement(i, i/len(sampleAreas))
		s := contract.StandingPass
		if i < len(standings) {
			s = standings[i]
		}
		outcomes = append(outcomes, sampleOutcome(r, s))
	}
	return outcomes
}

func sampleOutcome(r contract.Requirement, s contract.Standing) contract.Outcome {
	f := contract.Judged{Finding: contract.Finding{Requirement: r.ID, Check: "start-rd-unescaped", Verdict: contract.Pass, Exchanges: sampleExchanges()}}
	o := contract.Outcome{Requirement: r, Verdict: contract.Pass}
	known := contract.Known{Part: "ingress-nginx", Version: "v1.11.0", Requirement: r.ID, Reference: contract.Source{Text: "CVE-2026-24513", URL: "https://nvd.nist.gov/vuln/detail/CVE-2026-24513"}, Sentence: "A default backend that answers 200 to every error page turns the refusal into access; fixed in v1.13.7."}
	deviate := func(v contract.Verdict) {
		o.Verdict, f.Verdict = v, v
		f.Reason = "the browser came back to another URL than it asked for: everything after the first & of the query is lost"
		f.Expected, f.Got = "https://app-7f3a.test/orders?a=1&b=2", "https://app-7f3a.test/orders?a=1"
	}
	switch s {
	case contract.StandingFail:
		deviate(contract.Fail)
	case contract.StandingWarn:
		o.Requirement.Level = contract.Should
		deviate(contract.Warn)
	case contract.StandingKnown:
		deviate(contract.Fail)
		o.Known, f.Known = []contract.Known{known}, &known
	case contract.StandingStale:
		o.Stale = []contract.Known{known}
	case contract.StandingNotScored:
		deviate(contract.Fail)
		o.Unscored = true
	case contract.StandingNotApplicable:
		o.Verdict, f.Verdict, f.Exchanges = contract.NotApplicable, contract.NotApplicable, nil
		f.Reason = "this controller has no auth-cache-key annotation"
	case contract.StandingBlocked:
		o.Verdict, f.Verdict = contract.Blocked, contract.Blocked
		f.Reason = "the Ingress was not served within 30 s: the last answer was 404 from the default backend"
	}
	o.Findings = []contract.Judged{{Finding: contract.Finding{Requirement: r.ID, Check: "sign-in-rd-appended", Verdict: contract.Pass, Exchanges: sampleExchanges()[:2]}}, f}
	if o.Verdict == contract.NotApplicable {
		o.Findings = o.Findings[1:]
	}
	return o
}

func rerunCommand(id string) string { return "ingress-auth run --platform kind " + id }

// proven is a document whose results say by what they are killed, but for one.
func proven(about Document, outcomes []contract.Outcome, rerun func(string) string) Document {
	doc := New(about, outcomes, rerun)
	for i := range doc.Results[1:] {
		doc.Results[i+1].KilledBy = []Killer{{ID: "rd-loses-query", Sentence: "The sign-in redirect drops the query from rd."}}
	}
	return doc
}

// everyStanding is a document of 44 results in which each standing occurs.
func everyStanding() Document {
	return proven(about(), sampleOutcomes(44, "fail", "pass", "known", "pass", "warn", "not-applicable", "pass", "blocked", "known", "stale", "pass", "pass", "fail", "not-scored"), rerunCommand)
}

func conformant() Document {
	return proven(about(), sampleOutcomes(44, "pass", "known", "known", "pass", "warn", "not-applicable"), rerunCommand)
}

func TestTheSampleHasEveryStanding(t *testing.T) {
	doc := everyStanding()
	for _, s := range contract.Standings() {
		if doc.Conclusion.Counts.Of(s) == 0 {
			t.Errorf("no result stands as %s", s)
		}
	}
}
