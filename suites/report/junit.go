// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ingress-auth/conformance/suites/contract"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Errors    int         `xml:"errors,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Timestamp string      `xml:"timestamp,attr"`
	Time      string      `xml:"time,attr"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name       string          `xml:"name,attr"`
	ClassName  string          `xml:"classname,attr"`
	Time       string          `xml:"time,attr"`
	Properties []junitProperty `xml:"properties>property"`
	Failure    *junitProblem   `xml:"failure"`
	Error      *junitProblem   `xml:"error"`
	Skipped    *junitProblem   `xml:"skipped"`
	Output     string          `xml:"system-out,omitempty"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Body    string `xml:",chardata"`
}

// WriteJUnit writes the document for pipelines: a suite for each area, a case for each requirement, named by its ID. What
// does not hold, and a stale known deviation, is a failure; blocked is an error; not applicable and a known deviation are
// skipped with the reason; a warning passes and says so in its output.
func WriteJUnit(w io.Writer, doc Document) error {
	doc = cleaned(doc)
	all := junitSuites{Name: doc.Tool.Name, Time: seconds(doc.Run.Took())}
	for _, area := range byArea(doc.Results) {
		s := junitSuite{Name: area.Name, Timestamp: doc.Run.Started.UTC().Format(time.RFC3339)}
		var took time.Duration
		for _, r := range area.Results {
			s.add(r)
			took += tookOf(r)
		}
		s.Time = seconds(took)
		all.Tests, all.Failures = all.Tests+s.Tests, all.Failures+s.Failures
		all.Errors, all.Skipped = all.Errors+s.Errors, all.Skipped+s.Skipped
		all.Suites = append(all.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *junitSuite) add(r Result) {
	c := junitCase{Name: r.ID, ClassName: "ingress-auth." + r.Area, Time: seconds(tookOf(r)), Properties: []junitProperty{
		{"level", string(r.Level)}, {"profile", string(r.Profile)}, {"sentence", r.Sentence}, {"verdict", string(r.Verdict)},
	}}
	for _, source := range r.Sources {
		c.Properties = append(c.Properties, junitProperty{"source", source.Text + " " + source.URL})
	}
	problem := &junitProblem{Message: oneLine(reason(r)), Type: string(r.Standing), Body: account(r)}
	s.Tests++
	switch r.Standing {
	case contract.StandingPass:
	case contract.StandingWarn:
		c.Output = "warning: " + problem.Body
	case contract.StandingNotApplicable:
		c.Skipped = &junitProblem{Message: problem.Message}
		s.Skipped++
	case contract.StandingNotScored:
		c.Skipped = &junitProblem{Message: "not scored: added after the revision; found: " + string(r.Verdict)}
		c.Output = problem.Body
		s.Skipped++
	case contract.StandingKnown:
		c.Skipped = &junitProblem{Message: "known deviation: " + oneLine(knownReferences(r.Known))}
		c.Output = problem.Body
		s.Skipped++
	case contract.StandingFail, contract.StandingStale:
		c.Failure = problem
		s.Failures++
	default:
		c.Error = problem
		s.Errors++
	}
	s.Cases = append(s.Cases, c)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// tookOf is how long the checks of a requirement ran. A check that judges several counts for each of them.
func tookOf(r Result) time.Duration {
	var took time.Duration
	for _, f := range r.Findings {
		took += f.Took
	}
	return took
}

// account is what a reader of plain text needs to know about a result that is not a pass.
func account(r Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s)\n", r.Sentence, r.Level)
	for _, f := range r.Findings {
		if f.Verdict == contract.Pass {
			continue
		}
		fmt.Fprintf(&b, "\n%s [%s]\n", findingReason(f), f.Verdict)
		writeLabelled(&b, "expected", f.Expected)
		writeLabelled(&b, "got", f.Got)
		for _, e := range f.Exchanges {
			fmt.Fprintf(&b, "  %s\n", hopLine(e))
		}
	}
	for _, k := range append(append([]contract.Known{}, r.Known...), r.Stale...) {
		fmt.Fprintf(&b, "\nknown deviation of %s %s: %s (%s)\n", k.Part, k.Version, k.Sentence, k.Reference.URL)
	}
	for _, s := range r.Sources {
		fmt.Fprintf(&b, "\nsource: %s %s", s.Text, s.URL)
	}
	if r.Rerun != "" {
		fmt.Fprintf(&b, "\nrun just this again: %s", r.Rerun)
	}
	b.WriteString("\n")
	return b.String()
}

func writeLabelled(b *strings.Builder, label, text string) {
	if text != "" {
		fmt.Fprintf(b, "  %-9s %s\n", label+":", strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n            "))
	}
}

func knownReferences(known []contract.Known) string {
	texts := make([]string, len(known))
	for i, k := range known {
		texts[i] = fmt.Sprintf("%s (%s %s)", k.Reference.Text, k.Part, k.Version)
	}
	return strings.Join(texts, ", ")
}
