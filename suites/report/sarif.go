// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/json"
	"io"
	"strconv"
	"strings"

	"github.com/ingress-auth/conformance/suites/contract"
)

// sarifSchema is the address of the schema of SARIF 2.1.0, errata 01.
const sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool              sarifTool         `json:"tool"`
	AutomationDetails sarifAutomation   `json:"automationDetails"`
	Invocations       []sarifInvocation `json:"invocations"`
	Results           []sarifResult     `json:"results"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name            string      `json:"name"`
	SemanticVersion string      `json:"semanticVersion,omitempty"`
	Version         string      `json:"version,omitempty"`
	InformationURI  string      `json:"informationUri"`
	Rules           []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID               string        `json:"id"`
	ShortDescription sarifText     `json:"shortDescription"`
	FullDescription  sarifText     `json:"fullDescription"`
	Help             sarifHelp     `json:"help"`
	HelpURI          string        `json:"helpUri,omitempty"`
	Default          sarifSeverity `json:"defaultConfiguration"`
	Properties       sarifTags     `json:"properties"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifHelp struct {
	Text     string `json:"text"`
	Markdown string `json:"markdown"`
}

type sarifSeverity struct {
	Level string `json:"level"`
}

type sarifTags struct {
	Tags []string `json:"tags"`
}

type sarifAutomation struct {
	ID string `json:"id"`
}

type sarifInvocation struct {
	ExecutionSuccessful bool   `json:"executionSuccessful"`
	CommandLine         string `json:"commandLine,omitempty"`
	ExitCode            int    `json:"exitCode"`
	StartTimeUTC        string `json:"startTimeUtc"`
	EndTimeUTC          string `json:"endTimeUtc"`
}

type sarifResult struct {
	RuleID       string             `json:"ruleId"`
	RuleIndex    int                `json:"ruleIndex"`
	Kind         string             `json:"kind"`
	Level        string             `json:"level"`
	Message      sarifText          `json:"message"`
	Locations    []sarifLocation    `json:"locations"`
	Fingerprints map[string]string  `json:"partialFingerprints"`
	Suppressions []sarifSuppression `json:"suppressions,omitempty"`
}

type sarifLocation struct {
	Physical sarifPhysical `json:"physicalLocation"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   *sarifRegion  `json:"region,omitempty"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifRegion struct {
	StartLine int `json:"startLine"`
}

type sarifSuppression struct {
	Kind          string `json:"kind"`
	Status        string `json:"status"`
	Justification string `json:"justification"`
}

// WriteSARIF writes the document in SARIF 2.1.0 for code scanning: a rule for each requirement, whose ruleId is its ID, and
// a result for each that does not hold, at the line of the contract that states it. A known deviation is a suppressed
// result. What holds or does not apply has no result, since a scanner shows every result as an alert.
func WriteSARIF(w io.Writer, doc Document) error {
	doc = cleaned(doc)
	run := sarifRun{
		Tool: sarifTool{sarifDriver{
			Name: doc.Tool.Name, Version: doc.Tool.Version, InformationURI: "https://github.com/ingress-auth/conformance", Rules: []sarifRule{},
		}},
		AutomationDetails: sarifAutomation{strings.Join([]string{"ingress-auth", doc.Platform.Name, doc.Subject.Gateway.Name, ""}, "/")},
		Invocations: []sarifInvocation{{
			ExecutionSuccessful: doc.Conclusion.ExitCode == contract.ExitConformant || doc.Conclusion.ExitCode == contract.ExitNotConformant,
			CommandLine:         doc.Run.Command, ExitCode: int(doc.Conclusion.ExitCode),
			StartTimeUTC: doc.Run.Started.UTC().Format(sarifTime), EndTimeUTC: doc.Run.Finished.UTC().Format(sarifTime),
		}},
		Results: []sarifResult{},
	}
	for i, r := range doc.Results {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRuleOf(r))
		if result, ok := sarifResultOf(r, i); ok {
			run.Results = append(run.Results, result)
		}
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(sarifLog{Schema: sarifSchema, Version: "2.1.0", Runs: []sarifRun{run}})
}

// sarifTime is the form of a time in SARIF (section 3.9).
const sarifTime = "2006-01-02T15:04:05.000Z"

func sarifRuleOf(r Result) sarifRule {
	rule := sarifRule{
		ID: r.ID, ShortDescription: sarifText{oneLine(r.Sentence)}, FullDescription: sarifText{strings.TrimSpace(oneLine(r.Sentence) + " " + oneLine(r.Why))},
		Default:    sarifSeverity{sarifLevel(r.Level)},
		Properties: sarifTags{[]string{string(r.Profile), r.Area, string(r.Level)}},
	}
	var text, markdown strings.Builder
	text.WriteString(rule.FullDescription.Text)
	markdown.WriteString(md(rule.FullDescription.Text))
	for i, s := range r.Sources {
		if i == 0 {
			rule.HelpURI = s.URL
		}
		text.WriteString("\nSource: " + s.Text + " " + s.URL)
		markdown.WriteString("\n\nSource: " + md(s.Text+" "+s.URL))
	}
	if r.Rerun != "" {
		text.WriteString("\nRun just this again: " + r.Rerun)
		markdown.WriteString("\n\nRun just this again: <code>" + md(r.Rerun) + "</code>")
	}
	rule.Help = sarifHelp{text.String(), markdown.String()}
	return rule
}

// sarifLevel is the severity of a requirement that does not hold.
func sarifLevel(l contract.Level) string {
	switch l {
	case contract.Must:
		return "error"
	case contract.Should:
		return "warning"
	default:
		return "note"
	}
}

func sarifResultOf(r Result, index int) (sarifResult, bool) {
	result := sarifResult{
		RuleID: r.ID, RuleIndex: index, Kind: "fail", Level: "error", Message: sarifText{oneLine(r.Sentence + " " + reason(r))},
		Locations:    []sarifLocation{{sarifPhysicalOf(r.DeclaredAt)}},
		Fingerprints: map[string]string{"requirement/v1": r.ID},
	}
	switch r.Standing {
	case contract.StandingPass, contract.StandingNotApplicable, contract.StandingNotScored:
		return sarifResult{}, false
	case contract.StandingWarn:
		result.Level = "warning"
	case contract.StandingKnown:
		result.Level = "note"
		for _, k := range r.Known {
			result.Suppressions = append(result.Suppressions, sarifSuppression{Kind: "external", Status: "accepted", Justification: oneLine(k.Sentence + " " + k.Reference.URL)})
		}
	case contract.StandingBlocked:
		// Levels other than none go with the kind fail alone (section 3.27.10); that it could not be judged is in the text.
		result.Message.Text = "Could not be judged: " + result.Message.Text
	}
	return result, true
}

func sarifPhysicalOf(declaredAt string) sarifPhysical {
	file, line, _ := strings.Cut(declaredAt, ":")
	p := sarifPhysical{Artifact: sarifArtifact{file}}
	if file == "" {
		p.Artifact.URI = "fixtures/contract"
	}
	if n, err := strconv.Atoi(line); err == nil && n > 0 {
		p.Region = &sarifRegion{n}
	}
	return p
}
