// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/ingress-auth/conformance/suites/browser"
	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/standin"
	"github.com/ingress-auth/conformance/suites/subject"
)

// tables are the files of fixtures/cases whose rows are one or several requests, each with what the client, the auth
// service and the backend see of it.
func tables() []string {
	return []string{"auth-request", "headers", "cookies", "sign-in-url", "cors", "caching", "paths", "annotations", "global-auth", "satisfy", "buffers", "upgrades", "keepalive"}
}

// tableCase is one row.
type tableCase struct {
	Name        string            `json:"name"`
	Requirement string            `json:"requirement"`
	Features    []subject.Feature `json:"features"`
	// Versions are those of ingress-nginx that the row is about, as a semantic version constraint; "" is any.
	Versions string `json:"versions"`
	// Routes are exposed in this order; those of one host age in this order too. The first is asked unless a step names
	// another.
	Routes []subject.Route `json:"routes"`
	// Exclusive is Check.Exclusive.
	Exclusive string      `json:"exclusive"`
	Steps     []tableStep `json:"steps"`
}

// tableStep is one request. In targets, header values and patterns {host} is the host name of the route and {unique} a
// word that no other run knows.
type tableStep struct {
	To string `json:"to"`
	// Times repeats the request; the expectation is about the last.
	Times  int    `json:"times"`
	Method string `json:"method"`
	// Target goes out byte for byte. Scheme is that of the route when empty.
	Target  string                 `json:"target"`
	Scheme  string                 `json:"scheme"`
	Header  map[string][]string    `json:"header"`
	Cookies map[string]string      `json:"cookies"`
	Body    string                 `json:"body"`
	Fill    int                    `json:"fill"` // the body is this many bytes
	Pad     map[string]int         `json:"pad"`  // a field of this many bytes; for Cookie a cookie of them
	Auth    *standin.AuthScript    `json:"auth"`
	Backend *standin.BackendScript `json:"backend"`
	Expect  tableExpect            `json:"expect"`
}

// tableExpect is what a step leads to. Patterns match the whole of all values of a field, joined by ", "; the empty
// pattern is an absent field.
type tableExpect struct {
	Status []int `json:"status"`
	// Asked and Reached are how many requests the auth service and the backend get for this one.
	Asked   *int               `json:"asked"`
	Reached *int               `json:"reached"`
	Header  map[string]pattern `json:"header"`
	Body    pattern            `json:"body"`
	// Count is how often a field stands in the answer.
	Count map[string]int `json:"count"`
	// Auth and Backend are the first request that each of them gets.
	Auth    *tableSeen `json:"auth"`
	Backend *tableSeen `json:"backend"`
}

// tableSeen is a request as a part inside receives it.
type tableSeen struct {
	Method string             `json:"method"`
	Target pattern            `json:"target"`
	Header map[string]pattern `json:"header"`
}

// pattern is a regular expression for a whole value; what was not written matches everything.
type pattern struct {
	text    string
	written bool
}

func (p *pattern) UnmarshalText(text []byte) error {
	p.text, p.written = string(text), true
	_, err := regexp.Compile(p.text)
	return err
}

func (p pattern) fits(value string, names *strings.Replacer) bool {
	if !p.written {
		return true
	}
	expression, err := regexp.Compile("^(?s:" + names.Replace(p.text) + ")$")
	return err == nil && expression.MatchString(value)
}

// tableChecks reads the tables and makes a check of each row.
func tableChecks(fixtures fs.FS) ([]Check, error) {
	var checks []Check
	for _, name := range tables() {
		data, err := fs.ReadFile(fixtures, "cases/"+name+".yaml")
		if err != nil {
			return nil, fmt.Errorf("reading a table: %w", err)
		}
		var table struct {
			// Area is the first part of the checks' IDs.
			Area  string         `json:"area"`
			Let   map[string]any `json:"let"` // YAML anchors
			Cases []tableCase    `json:"cases"`
		}
		if err := yaml.UnmarshalStrict(data, &table); err != nil {
			return nil, fmt.Errorf("reading the table cases/%s.yaml: %w", name, err)
		}
		for _, c := range table.Cases {
			check, err := c.check(table.Area)
			if err != nil {
				return nil, fmt.Errorf("the table cases/%s.yaml: %s: %w", name, c.Name, err)
			}
			checks = append(checks, check)
		}
	}
	return checks, nil
}

func (c tableCase) check(area string) (Check, error) {
	if len(c.Routes) == 0 || len(c.Steps) == 0 {
		return Check{}, fmt.Errorf("a row needs a route and a step")
	}
	for _, s := range c.Steps {
		if _, err := c.route(s.To); err != nil {
			return Check{}, err
		}
		if len(s.Expect.Status) == 0 {
			return Check{}, fmt.Errorf("a step does not say which status it expects")
		}
	}
	check := Check{
		ID: area + "/" + c.Name, Requirements: []string{c.Requirement}, Features: c.Features, Routes: c.Routes, Exclusive: c.Exclusive,
		Run: c.run,
	}
	if c.Versions != "" {
		check.Versions = VersionRange{ingressNginx, c.Versions}
	}
	return check, nil
}

func (c tableCase) route(name string) (subject.Route, error) {
	if name == "" {
		return c.Routes[0], nil
	}
	if at := slices.IndexFunc(c.Routes, func(r subject.Route) bool { return r.Name == name }); at >= 0 {
		return c.Routes[at], nil
	}
	return subject.Route{}, fmt.Errorf("there is no route %q", name)
}

func (c tableCase) run(ctx context.Context, t *Trial) error {
	unique := newWord()
	for at, s := range c.Steps {
		r, err := c.route(s.To)
		if err != nil {
			return err
		}
		for range max(s.Times, 1) - 1 {
			if _, err := s.ask(ctx, t, r, unique); err != nil {
				return fmt.Errorf("request %d: %w", at+1, err)
			}
		}
		if err := c.judge(ctx, t, s, r, unique); err != nil {
			return fmt.Errorf("request %d: %w", at+1, err)
		}
	}
	return nil
}

// newWord returns a word that was not used before, on this cluster or elsewhere.
func newWord() string {
	var b [8]byte
	rand.Read(b[:]) // never fails: crypto/rand aborts the program instead
	return "u" + hex.EncodeToString(b[:])
}

func (s tableStep) ask(ctx context.Context, t *Trial, r subject.Route, unique string) (*browser.Response, error) {
	names := strings.NewReplacer("{host}", Host(r), "{unique}", unique)
	if s.Scheme != "" {
		r.TLS = s.Scheme == "https"
	}
	request := browser.Request{
		Method: s.Method, URL: URL(r, "/"), Target: names.Replace(cmp.Or(s.Target, "/")), Header: http.Header{}, Body: []byte(s.Body),
	}
	if s.Fill > 0 {
		request.Body = bytes.Repeat([]byte("x"), s.Fill)
	}
	for name, values := range s.Header {
		request.Header[name] = []string{}
		for _, value := range values {
			request.Header[name] = append(request.Header[name], names.Replace(value))
		}
	}
	for name, length := range s.Pad {
		if name == "Cookie" { // in other letters than the padding of fields: a cookie is looked for in what a run leaves
			request.Cookies = append(request.Cookies, &http.Cookie{Name: "padding", Value: strings.Repeat("c", length)})
		} else {
			request.Header[name] = []string{strings.Repeat("p", length)}
		}
	}
	for name, value := range s.Cookies {
		request.Cookies = append(request.Cookies, &http.Cookie{Name: name, Value: names.Replace(value)})
	}
	if s.Auth != nil {
		request.Cookies = append(request.Cookies, s.Auth.Cookie())
	}
	if s.Backend != nil {
		request.Cookies = append(request.Cookies, s.Backend.Cookie())
	}
	return t.Browser().Do(ctx, request)
}

func (c tableCase) judge(ctx context.Context, t *Trial, s tableStep, r subject.Route, unique string) error {
	response, err := s.ask(ctx, t, r, unique)
	if err != nil {
		return err
	}
	names := strings.NewReplacer("{host}", regexp.QuoteMeta(Host(r)), "{unique}", unique)
	holds := func(ok bool, expected, got string) {
		t.Holds(c.Requirement, ok, s.String()+": "+expected, got)
	}
	e := s.Expect
	holds(slices.Contains(e.Status, response.Status), "status "+strings.Trim(fmt.Sprint(e.Status), "[]"), describe(response))
	for name, want := range e.Header {
		got := strings.Join(response.Header.Values(name), ", ")
		holds(want.fits(got, names), fmt.Sprintf("%s like %q", name, want.text), fmt.Sprintf("%q", got))
	}
	for name, want := range e.Count {
		got := response.Header.Values(name)
		holds(len(got) == want, fmt.Sprintf("%d fields %s", want, name), fmt.Sprintf("%d: %q", len(got), got))
	}
	holds(e.Body.fits(string(response.Body), names), fmt.Sprintf("a body like %q", e.Body.text), describe(response))
	if e.Asked == nil && e.Reached == nil && e.Auth == nil && e.Backend == nil {
		return nil
	}
	asked, err := t.Received(ctx, response, exchange.AuthService)
	if err != nil {
		return err
	}
	reached, err := t.Received(ctx, response, exchange.Backend)
	if err != nil {
		return err
	}
	reached = slices.DeleteFunc(reached, func(x exchange.Exchange) bool { return strings.HasPrefix(x.Instance, "error-pages-") })
	if e.Asked != nil {
		holds(len(asked) == *e.Asked, fmt.Sprintf("%d requests at the auth service", *e.Asked), fmt.Sprint(len(asked)))
	}
	if e.Reached != nil {
		holds(len(reached) == *e.Reached, fmt.Sprintf("%d requests at the backend", *e.Reached), fmt.Sprint(len(reached)))
	}
	e.Auth.judge(holds, "the auth service", asked, names)
	e.Backend.judge(holds, "the backend", reached, names)
	return nil
}

func (w *tableSeen) judge(holds func(ok bool, expected, got string), who string, received []exchange.Exchange, names *strings.Replacer) {
	if w == nil {
		return
	}
	if len(received) == 0 {
		holds(false, "a request at "+who, "none")
		return
	}
	got := received[0]
	if w.Method != "" {
		holds(got.Method == w.Method, who+" to get the method "+w.Method, got.Method)
	}
	holds(w.Target.fits(targetOf(got), names), fmt.Sprintf("%s to get a target like %q", who, w.Target.text), targetOf(got))
	for name, want := range w.Header {
		value := strings.Join(got.RequestHeader.Values(name), ", ")
		holds(want.fits(value, names), fmt.Sprintf("%s to get %s like %q", who, name, want.text), fmt.Sprintf("%q", value))
	}
}

// targetOf is the request target of a recorded request.
func targetOf(e exchange.Exchange) string {
	_, rest, _ := strings.Cut(e.URL, "://")
	if at := strings.IndexByte(rest, '/'); at >= 0 {
		return rest[at:]
	}
	return rest
}

// String names the request for the reader.
func (s tableStep) String() string {
	words := cmp.Or(s.Method, http.MethodGet) + " " + cmp.Or(s.Target, "/")
	if s.Auth != nil && s.Auth.Status != 0 {
		words += fmt.Sprintf(", auth service says %d", s.Auth.Status)
	}
	if s.Backend != nil && s.Backend.Status != 0 {
		words += fmt.Sprintf(", backend says %d", s.Backend.Status)
	}
	return words
}
