// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/ingress-auth/conformance/suites/contract"
)

func summaryOf(t *testing.T, doc Document, color bool) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteSummary(&b, doc, color); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestSummaryEndsInTheOneSentence(t *testing.T) {
	for _, doc := range []Document{everyStanding(), conformant(), SetUpFailed(about(), nil), New(about(), nil, nil)} {
		lines := strings.Split(strings.TrimSpace(summaryOf(t, doc, false)), "\n")
		if last := lines[len(lines)-1]; last != doc.Conclusion.Sentence {
			t.Errorf("the last line is %q, want %q", last, doc.Conclusion.Sentence)
		}
	}
}

func TestSummaryColoursOnlyWhenAsked(t *testing.T) {
	doc := everyStanding()
	plain, coloured := summaryOf(t, doc, false), summaryOf(t, doc, true)
	if strings.Contains(plain, "\x1b") {
		t.Error("colours that nobody asked for")
	}
	if !strings.Contains(coloured, "\x1b[31m") {
		t.Error("no colours")
	}
}

func TestSummaryTellsHowToRunJustTheFailureAgain(t *testing.T) {
	text := summaryOf(t, everyStanding(), false)
	for _, want := range []string{"✗ fail  REDIRECTS-QUERY-WHOLE", "again: " + rerunCommand("REDIRECTS-QUERY-WHOLE"), "why:   start-rd-unescaped: the browser came back"} {
		if !strings.Contains(text, want) {
			t.Errorf("the summary does not say %q", want)
		}
	}
}

func TestLongListsAreCutAndSaySo(t *testing.T) {
	standings := make([]contract.Standing, 80)
	for i := range standings {
		standings[i] = contract.StandingFail
	}
	doc := New(about(), sampleOutcomes(80, standings...), rerunCommand)
	if text := summaryOf(t, doc, false); !strings.Contains(text, fmt.Sprintf("… and %d more", 80-summaryProblems)) {
		t.Error("the terminal summary does not say that it left results out")
	}
	var b bytes.Buffer
	if err := WriteMarkdown(&b, doc); err != nil || !strings.Contains(b.String(), fmt.Sprintf("… and %d more", 80-markdownProblems)) {
		t.Error("the Markdown does not say that it left results out")
	}
}
