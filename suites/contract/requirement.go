// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Level says how binding a requirement is, in the words of RFC 2119 and RFC 8174.
type Level string

// The levels.
const (
	Must   Level = "MUST"
	Should Level = "SHOULD"
	May    Level = "MAY"
)

// Levels lists the levels, the most binding first.
func Levels() []Level { return []Level{Must, Should, May} }

// Profile groups requirements by whom they are asked of.
type Profile string

// The profiles.
const (
	// Core is asked of every ingress that authenticates through an external service.
	Core Profile = "core"
	// NginxAnnotations is compatibility with what the ingress-nginx annotations do.
	NginxAnnotations Profile = "nginx-annotations"
	// OAuth2Proxy is compatibility of an auth service with oauth2-proxy.
	OAuth2Proxy Profile = "oauth2-proxy"
	// Security is what the user's safety demands whatever the parts are.
	Security Profile = "security"
)

// Profiles lists the profiles.
func Profiles() []Profile { return []Profile{Core, NginxAnnotations, OAuth2Proxy, Security} }

// Source is where a statement comes from: the text to show and the address to follow.
type Source struct {
	Text string `json:"text" yaml:"text"`
	URL  string `json:"url" yaml:"url"`
}

// Requirement is one sentence of expected behaviour.
type Requirement struct {
	// ID is stable and names the behaviour, never a position: STATUS-AUTH-401-NO-SESSION.
	ID    string `json:"id" yaml:"id"`
	Level Level  `json:"level" yaml:"level"`
	// Area is the topic, lower case with hyphens: status-codes. Profile is whom it is asked of.
	Area    string  `json:"area" yaml:"area"`
	Profile Profile `json:"profile" yaml:"profile"`
	// Sentence states the behaviour; Why says what goes wrong for a user without it.
	Sentence string `json:"sentence" yaml:"sentence"`
	Why      string `json:"why,omitempty" yaml:"why"`
	// Sources has at least one entry.
	Sources []Source `json:"sources" yaml:"sources"`
	// Features names what the subject needs for the requirement to concern it.
	Features []string `json:"features,omitempty" yaml:"features"`
	// Row names the row of a published truth table that the requirement restates, such as B19. Often empty.
	Row string `json:"row,omitempty" yaml:"row"`
	// Excluded says why the requirement is stated and explained but never judged. Empty for all that have a check.
	Excluded string `json:"excluded,omitempty" yaml:"excluded"`
	// DeclaredAt is the file and line of the declaration.
	DeclaredAt string `json:"-" yaml:"-"`
}

var (
	idForm   = regexp.MustCompile(`^[A-Z0-9]+(-[A-Z0-9]+)+$`)
	nameForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	rowForm  = regexp.MustCompile(`^[A-Z]+[0-9]+[a-z]?$`)
)

// validate returns what is wrong with the requirement, or nil.
func (r Requirement) validate() error {
	switch {
	case r.ID == "":
		return fmt.Errorf("the requirement has no id")
	case !idForm.MatchString(r.ID):
		return fmt.Errorf("the id %q is not made of upper-case words joined by hyphens, such as STATUS-AUTH-401-NO-SESSION", r.ID)
	case !slices.Contains(Levels(), r.Level):
		return fmt.Errorf("%s: the level %q is none of %s", r.ID, r.Level, list(Levels()))
	case !slices.Contains(Profiles(), r.Profile):
		return fmt.Errorf("%s: the profile %q is none of %s", r.ID, r.Profile, list(Profiles()))
	case !nameForm.MatchString(r.Area):
		return fmt.Errorf("%s: the area %q is not a lower-case name such as status-codes", r.ID, r.Area)
	case r.Sentence == "":
		return fmt.Errorf("%s has no sentence: state the expected behaviour", r.ID)
	case len(r.Sources) == 0:
		return fmt.Errorf("%s has no source: name the document, RFC section or issue it rests on", r.ID)
	case r.Row != "" && !rowForm.MatchString(r.Row):
		return fmt.Errorf("%s: the row %q is not a letter and a number such as B19", r.ID, r.Row)
	}
	for _, feature := range r.Features {
		if !nameForm.MatchString(feature) {
			return fmt.Errorf("%s: the feature %q is not a lower-case name such as auth-signin", r.ID, feature)
		}
	}
	for _, s := range r.Sources {
		if err := s.validate(); err != nil {
			return fmt.Errorf("%s: %w", r.ID, err)
		}
	}
	return nil
}

func (s Source) validate() error {
	if s.Text == "" {
		return fmt.Errorf("a source has no text")
	}
	address, err := url.Parse(s.URL)
	if err != nil || address.Host == "" || (address.Scheme != "https" && address.Scheme != "http") {
		return fmt.Errorf("the source %q has no absolute http or https url: %q", s.Text, s.URL)
	}
	return nil
}

// tidy folds the white space that YAML block scalars leave behind.
func (r *Requirement) tidy() {
	r.Sentence, r.Why, r.Excluded = oneLine(r.Sentence), oneLine(r.Why), oneLine(r.Excluded)
	for i := range r.Sources {
		r.Sources[i].Text = oneLine(r.Sources[i].Text)
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func list[T ~string](values []T) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = string(v)
	}
	return strings.Join(words, ", ")
}
