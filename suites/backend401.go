// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/ingress-auth/conformance/suites/browser"
	"github.com/ingress-auth/conformance/suites/standin"
	"github.com/ingress-auth/conformance/suites/subject"
)

// backend401Case is one row of fixtures/cases/backend-401.yaml.
type backend401Case struct {
	Row         string `json:"row"`
	Requirement string `json:"requirement"`
	Gateway     string `json:"gateway"`
	// SignIn gives the route a sign-in URL; Open leaves its auth to the gateway.
	SignIn bool `json:"signIn"`
	Open   bool `json:"open"`
	// Route is laid over the standard route; Before and After are further routes on the same host.
	Route  subject.Route  `json:"route"`
	Before *subject.Route `json:"before"`
	After  *subject.Route `json:"after"`
	// Header goes on every request.
	Header map[string]string `json:"header"`
	Expect backend401Expect  `json:"expect"`
}

// backend401Expect holds an outcome for each question; "" does not ask it.
type backend401Expect struct {
	Backend401 outcome `json:"backend401"`
	NoSession  outcome `json:"noSession"`
	Backend404 outcome `json:"backend404"`
}

// outcome is what the client gets, in the words of the truth table.
type outcome string

const (
	outcomePass   outcome = "pass"
	outcomeSignIn outcome = "signin"
	outcomeDenied outcome = "denied"
	outcomePage   outcome = "page"
	outcomeNoPage outcome = "no-page"
)

func (o *outcome) UnmarshalText(text []byte) error {
	switch got := outcome(text); got {
	case "", outcomePass, outcomeSignIn, outcomeDenied, outcomePage, outcomeNoPage:
		*o = got
		return nil
	default:
		return fmt.Errorf("unknown outcome %q", text)
	}
}

// signInURL is the form in which the gateway appends rd.
const signInURL = "{auth}/oauth2/sign_in"

// A backend's 401 as an API would send it: a challenge, a cookie and a JSON body, all of which must survive.
func backendAnswers(status int) *standin.BackendScript {
	return &standin.BackendScript{
		Status: status,
		Headers: [][2]string{
			{"Content-Type", "application/json"},
			{"WWW-Authenticate", `Basic realm="backend"`},
			{"Set-Cookie", "backend_state=1; Path=/"},
		},
		Body: fmt.Sprintf(`{"error":"backend says %d"}`, status),
	}
}

// signedIn makes the programmable auth service let the request through.
func signedIn() *standin.AuthScript { return &standin.AuthScript{Status: http.StatusAccepted} }

func (c backend401Case) routes() []subject.Route {
	r := c.Route
	r.Name = strings.ToLower(c.Row)
	r.Gateway = c.Gateway
	if !c.Open {
		r.AuthURL = "{standin}/"
		if c.SignIn {
			r.AuthSignIn = signInURL
		}
	}
	routes := []subject.Route{r}
	beside := func(other *subject.Route) subject.Route {
		o := *other
		o.Host, o.Gateway, o.TLS = r.Name, r.Gateway, r.TLS
		return o
	}
	if c.Before != nil {
		routes = slices.Insert(routes, 0, beside(c.Before))
	}
	if c.After != nil {
		routes = append(routes, beside(c.After))
	}
	return routes
}

func (c backend401Case) check() Check {
	routes := c.routes()
	subjectRoute := routes[slices.IndexFunc(routes, func(r subject.Route) bool { return r.Name == strings.ToLower(c.Row) })]
	requirements := []string{c.Requirement}
	if c.Expect.Backend401 == outcomeSignIn {
		requirements = append(requirements, "PASSTHROUGH-INTERCEPTED-BODY")
	}
	return Check{
		ID:           "backend-401/" + c.Row,
		Requirements: requirements,
		Routes:       routes,
		Run:          func(ctx context.Context, t *Trial) error { return c.run(ctx, t, subjectRoute) },
	}
}

func (c backend401Case) run(ctx context.Context, t *Trial, r subject.Route) error {
	questions := []struct {
		name    string
		ask     Request
		backend *standin.BackendScript
		want    outcome
	}{
		{"GET, backend answers 401", Request{Auth: signedIn()}, backendAnswers(401), c.Expect.Backend401},
		{"POST, backend answers 401", Request{Method: http.MethodPost, Body: "a=1", Auth: signedIn()}, backendAnswers(401), c.Expect.Backend401},
		{"GET, no session", Request{}, nil, c.Expect.NoSession},
		{"GET, backend answers 404", Request{Auth: signedIn()}, backendAnswers(404), c.Expect.Backend404},
	}
	b := t.Browser()
	for _, q := range questions {
		if q.want == "" {
			continue
		}
		q.ask.Backend = q.backend
		q.ask.Header = headers(c.Header)
		response, err := t.Ask(ctx, b, r, q.ask)
		if err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		ok, got := compareOutcome(q.want, q.backend, response)
		t.Holds(c.Requirement, ok, fmt.Sprintf("%s: %s", q.name, describeOutcome(q.want, q.backend)), got)
		if q.backend != nil && q.want == outcomeSignIn {
			t.Holds("PASSTHROUGH-INTERCEPTED-BODY", !showsBackend(response, q.backend), q.name+": nothing of the backend's body or cookies", describe(response))
		}
	}
	return nil
}

// compareOutcome compares everything the outcome states: status, the fields that must be there and the body.
func compareOutcome(want outcome, backend *standin.BackendScript, r *browser.Response) (ok bool, got string) {
	got = describe(r)
	switch want {
	case outcomePass:
		return r.Status == backend.Status && string(r.Body) == backend.Body &&
			r.Header.Get("WWW-Authenticate") == scripted(backend, "WWW-Authenticate") &&
			slices.Contains(r.Header.Values("Set-Cookie"), scripted(backend, "Set-Cookie")), got
	case outcomeSignIn:
		return r.Status == http.StatusFound && strings.HasPrefix(r.Header.Get("Location"), "https://auth."+subject.Domain+"/oauth2/sign_in"), got
	case outcomeDenied:
		return r.Status == http.StatusUnauthorized && !isErrorPage(r), got
	case outcomePage:
		return isErrorPage(r) && r.Status == pageStatus(backend), got
	case outcomeNoPage:
		return r.Status == http.StatusNotFound && !isErrorPage(r) && (backend == nil || !showsBackend(r, backend)), got
	default:
		return false, fmt.Sprintf("no rule for the outcome %q", want)
	}
}

// pageStatus is the status of an error page that obeys X-Code: the backend's, or 401 when the auth request was refused.
func pageStatus(backend *standin.BackendScript) int {
	if backend == nil {
		return http.StatusUnauthorized
	}
	return backend.Status
}

func isErrorPage(r *browser.Response) bool { return r.Header.Get(standin.ErrorPageHeader) != "" }

func showsBackend(r *browser.Response, backend *standin.BackendScript) bool {
	return bytes.Contains(r.Body, []byte(backend.Body)) || slices.Contains(r.Header.Values("Set-Cookie"), scripted(backend, "Set-Cookie"))
}

func scripted(script *standin.BackendScript, name string) string {
	for _, h := range script.Headers {
		if http.CanonicalHeaderKey(h[0]) == http.CanonicalHeaderKey(name) {
			return h[1]
		}
	}
	return ""
}

func describeOutcome(want outcome, backend *standin.BackendScript) string {
	switch want {
	case outcomePass:
		return fmt.Sprintf("the backend's %d with its WWW-Authenticate, Set-Cookie and body", backend.Status)
	case outcomeSignIn:
		return "a 302 to the sign-in URL"
	case outcomeDenied:
		return "the gateway's own 401"
	case outcomePage:
		return fmt.Sprintf("the custom error page with status %d", pageStatus(backend))
	default:
		return "a 404, as there is no error page"
	}
}

// describe says in one line what a client got.
func describe(r *browser.Response) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d", r.Status)
	for _, name := range []string{"Location", "WWW-Authenticate", "Set-Cookie"} {
		for _, value := range r.Header.Values(name) {
			fmt.Fprintf(&b, ", %s: %s", name, value)
		}
	}
	body := strings.Join(strings.Fields(string(r.Body)), " ")
	if len(body) > 120 {
		body = body[:120] + "…"
	}
	if body != "" {
		fmt.Fprintf(&b, ", body %q", body)
	}
	return b.String()
}

func headers(pairs map[string]string) http.Header {
	h := http.Header{}
	for name, value := range pairs {
		h.Set(name, value)
	}
	return h
}
