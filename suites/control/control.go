// SPDX-License-Identifier: Apache-2.0

// Package control holds negative controls: deliberately broken parts, as data, that prove that a check can turn red.
//
//	browser ──▶ [gateway] ──▶ gateway ──▶ [backend] ──▶ backend
//	                             │
//	                             └──▶ [auth-request] ─▶ [auth-service] ─▶ auth service ──▶ [idp] ──▶ identity provider
//
// Each part in brackets is a place where a control's middleware can stand. What one does is a single deviation, on the
// requests and answers it is for; everything else passes untouched.
package control

import (
	"net/http"
	"regexp"
)

// Part is the place where a control stands.
type Part string

// The parts.
const (
	// Gateway stands between the browser and the gateway, so that the gateway seems to deviate.
	Gateway Part = "gateway"
	// AuthRequest changes what the gateway asks the auth service, or answers in its place.
	AuthRequest Part = "auth-request"
	// AuthService changes what the auth service answers, to the gateway and to the browser.
	AuthService Part = "auth-service"
	// Backend changes what the backend receives and answers.
	Backend Part = "backend"
	// IdP changes what the identity provider receives and answers.
	IdP Part = "idp"
)

// Control is one broken part.
type Control struct {
	// ID is stable and unique among all controls: lower-case words joined by hyphens.
	ID string `json:"id"`
	// Sentence says what is broken.
	Sentence string `json:"sentence"`
	Part     Part   `json:"part"`
	When     When   `json:"when"`
	Then     Then   `json:"then"`
	// TurnsRed are the requirements that must not hold with this control in place.
	TurnsRed []string `json:"turnsRed"`
	// AlsoRed explains every other requirement that does not hold, or cannot be judged, with this control in place.
	AlsoRed []Explanation `json:"alsoRed,omitempty"`
}

// When says which requests and answers a control is for. What is empty does not matter. Patterns are regular expressions
// (RE2) that match the whole.
type When struct {
	// Host is a pattern for the request's host without port, as the part sees it.
	Host Pattern `json:"host,omitempty"`
	// Path is a pattern for the path, escaped as it was sent; Query one for what follows the question mark.
	Path  Pattern `json:"path,omitempty"`
	Query Pattern `json:"query,omitempty"`
	// Method is the method.
	Method string `json:"method,omitempty"`
	// Header are patterns for request headers; one that is absent is "".
	Header map[string]Pattern `json:"header,omitempty"`
	// Status is one of these, Answer are patterns for response headers. Only deviations of the answer can have them.
	Status []int              `json:"status,omitempty"`
	Answer map[string]Pattern `json:"answer,omitempty"`
}

// Then is the deviation: exactly one field is set.
type Then struct {
	// Status replaces the status of the answer.
	Status int `json:"status,omitempty"`
	// Redirect makes the answer a 302 to this URL, without body and cookies.
	Redirect string `json:"redirect,omitempty"`
	// ResponseBody replaces the body of the answer.
	ResponseBody string `json:"responseBody,omitempty"`
	// DropResponseHeader removes every field of a name, AddResponseHeader adds one, EditResponseHeader rewrites each.
	DropResponseHeader string `json:"dropResponseHeader,omitempty"`
	AddResponseHeader  *Field `json:"addResponseHeader,omitempty"`
	EditResponseHeader *Edit  `json:"editResponseHeader,omitempty"`
	// Instead answers without asking the part at all.
	Instead *Answer `json:"instead,omitempty"`
	// Abort closes the connection without an answer and without asking the part.
	Abort bool `json:"abort,omitempty"`
	// Bypass hands the request to the backend without the gateway having a say.
	Bypass bool `json:"bypass,omitempty"`
	// Method replaces the request's method.
	Method string `json:"method,omitempty"`
	// RequestBody replaces the request's body.
	RequestBody string `json:"requestBody,omitempty"`
	// DropRequestHeader removes every field of a name, SetRequestHeader replaces them, EditRequestHeader rewrites each.
	DropRequestHeader string `json:"dropRequestHeader,omitempty"`
	SetRequestHeader  *Field `json:"setRequestHeader,omitempty"`
	EditRequestHeader *Edit  `json:"editRequestHeader,omitempty"`
	// LeakRequestHeader gives the part the browser's own field of this name, as if the gateway had not replaced it.
	LeakRequestHeader string `json:"leakRequestHeader,omitempty"`
}

// Field is one header field.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Edit replaces every match of a regular expression in the values of a header; $1 is a group.
type Edit struct {
	Name        string  `json:"name"`
	Match       Pattern `json:"match"`
	Replacement string  `json:"replacement"`
}

// Answer is a whole answer.
type Answer struct {
	Status int     `json:"status"`
	Header []Field `json:"header,omitempty"`
	Body   string  `json:"body,omitempty"`
}

// Pattern is a regular expression, compiled when it is read.
type Pattern struct {
	text  string
	whole *regexp.Regexp
	part  *regexp.Regexp
}

// NewPattern compiles a regular expression (RE2 syntax).
func NewPattern(text string) (Pattern, error) {
	part, err := regexp.Compile(text)
	if err != nil {
		return Pattern{}, err
	}
	whole, err := regexp.Compile(`^(?s:` + text + `)$`)
	if err != nil {
		return Pattern{}, err
	}
	return Pattern{text: text, whole: whole, part: part}, nil
}

// String is the expression as it was written.
func (p Pattern) String() string { return p.text }

// MarshalText implements encoding.TextMarshaler.
func (p Pattern) MarshalText() ([]byte, error) { return []byte(p.text), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Pattern) UnmarshalText(text []byte) error {
	compiled, err := NewPattern(string(text))
	if err != nil {
		return err
	}
	*p = compiled
	return nil
}

// matches says whether the whole of s matches. A pattern that was not given matches everything.
func (p Pattern) matches(s string) bool { return p.whole == nil || p.whole.MatchString(s) }

func (p Pattern) replace(s, replacement string) string {
	return p.part.ReplaceAllString(s, replacement)
}

// request says whether the control is for a request.
func (w When) request(r *http.Request) bool {
	if w.Method != "" && w.Method != r.Method {
		return false
	}
	if !w.Host.matches(hostname(r.Host)) || !w.Path.matches(r.URL.EscapedPath()) || !w.Query.matches(r.URL.RawQuery) {
		return false
	}
	return headersMatch(w.Header, r.Header)
}

// answer says whether the control is for an answer to such a request.
func (w When) answer(status int, header http.Header) bool {
	if len(w.Status) > 0 && !contains(w.Status, status) {
		return false
	}
	return headersMatch(w.Answer, header)
}
