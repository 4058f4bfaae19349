// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"fmt"
	"io"
	"strings"
)

// Areas of the catalogue, in its order: the letter in front of an ID.
func faultAreas() [][2]string {
	return [][2]string{
		{"D", "Discovery"}, {"J", "Keys"}, {"A", "Authorization response"}, {"T", "Token endpoint"}, {"R", "Refresh"},
		{"C", "Claims of the ID token"}, {"S", "Signature and JOSE header"}, {"U", "Userinfo"}, {"L", "Logout"},
		{"H", "HTTP, TLS and names"}, {"X", "Two issuers"},
	}
}

// WriteFaultDocs writes the catalogue as Markdown: docs/faults.md.
func WriteFaultDocs(w io.Writer) error {
	faults, err := Faults()
	if err != nil {
		return err
	}
	staged, judged := 0, 0
	for _, f := range faults {
		if f.Staged() {
			staged++
		} else if f.Judge != "" {
			judged++
		}
	}
	var out strings.Builder
	fmt.Fprintf(&out, "# Faults of mockidp\n\nWritten by `go run ./mockidp/cmd/mockidp faults --markdown` from `mockidp/faults.yaml`: do not edit.\n\n"+
		"%d faults, of which the provider stages %d and the judge of relying parties (package `rptest`) %d more. "+
		"[faults-results.md](faults-results.md) says what two relying parties do about them. Select one:\n\n"+
		"- by URL: the issuer `<issuer>/faults/<ID>` always shows it, and needs no control channel;\n"+
		"- by host, for what is wrong before HTTP (endpoint *connection*): where the issuer is `https://idp.example:8443` and served by `mockidp --tls`, "+
		"`https://h-tls-expired.idp.example:8443/faults/H-TLS-EXPIRED` shows it to whoever asks for that name in the TLS handshake; the names must lead to the provider "+
		"(`hostAliases` in a cluster, `/etc/hosts` on a laptop);\n"+
		"- for the next request, the next *n*, or those of a client: `Provider.AddFault`, or `POST /v1/faults` of the control API with `{\"fault\": \"<ID>\", \"times\": 1, \"client_id\": \"app\"}`;\n"+
		"- in a tenant alone: the same on the `Provider` that `AddTenant` returns.\n\n"+
		"A fault of *any* endpoint goes to the token endpoint; `H-HANG@jwks` sends it elsewhere. Those of *logout\\_token* change what goes to a client's "+
		"back-channel logout endpoint. A relying party does one of these:\n\n| | |\n|---|---|\n", len(faults), staged, judged)
	for _, o := range Outcomes() {
		fmt.Fprintf(&out, "| %s | %s |\n", o, o.Sentence())
	}
	for _, area := range faultAreas() {
		fmt.Fprintf(&out, "\n## %s: %s\n\n| ID | endpoint | what is different | a correct relying party | specification |\n|---|---|---|---|---|\n", area[0], area[1])
		for _, f := range faults {
			if strings.HasPrefix(f.ID, area[0]+"-") && f.Staged() {
				fmt.Fprintf(&out, "| %s | %s | %s | %s | %s |\n", f.ID, cell(f.Endpoint), cell(f.Effect), cell(f.correct()), f.Spec)
			}
		}
	}
	out.WriteString("\n## Staged by the judge\n\nThe provider does nothing wrong here: the browser does, or the operator.\n\n" +
		"| ID | what happens | a correct relying party | specification |\n|---|---|---|---|\n")
	for _, f := range faults {
		if f.Judge != "" {
			fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", f.ID, cell(f.Effect), cell(f.correct()), f.Spec)
		}
	}
	out.WriteString("\n## Not staged\n\n| ID | what would be different | why not |\n|---|---|---|\n")
	for _, f := range faults {
		if !f.Staged() && f.Judge == "" {
			fmt.Fprintf(&out, "| %s | %s | %s |\n", f.ID, cell(f.Effect), cell(f.Excluded))
		}
	}
	_, err = io.WriteString(w, out.String())
	return err
}

// correct is what a correct relying party does, in a line.
func (f Fault) correct() string {
	parts := []string{"**" + string(f.Outcome) + "**"}
	if f.Note != "" {
		parts = append(parts, f.Note)
	}
	for _, never := range f.Never {
		parts = append(parts, neverSentence(never))
	}
	return strings.Join(parts, " ")
}

// cell keeps a text from being read as Markdown.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "_", `\_`, "${", "$\\{").Replace(s)
}

// ListFaults writes one line for each fault.
func ListFaults(w io.Writer) error {
	faults, err := Faults()
	if err != nil {
		return err
	}
	for _, f := range faults {
		outcome := string(f.Outcome)
		switch {
		case f.Judge != "":
			outcome = "by rptest"
		case !f.Staged():
			outcome = "not staged"
		}
		if _, err := fmt.Fprintf(w, "%-34s %-14s %-10s %s\n", f.ID, f.Endpoint, outcome, f.Effect); err != nil {
			return err
		}
	}
	return nil
}

// ExplainFault writes everything about one fault.
func ExplainFault(w io.Writer, id string) error {
	f, err := FindFault(id)
	if err != nil {
		return err
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s, at %s\n\n%s\n\nA correct relying party: %s\n", f.ID, f.Endpoint, f.Effect, strings.TrimSpace(f.Outcome.Sentence()+" "+f.Note))
	for _, never := range f.Never {
		out.WriteString(neverSentence(never) + "\n")
	}
	if f.Spec != "" {
		fmt.Fprintf(&out, "Specification: %s\n", f.Spec)
	}
	if f.Judge != "" {
		out.WriteString("Staged by package rptest, which judges relying parties.\n")
	}
	if !f.Staged() {
		fmt.Fprintf(&out, "Not staged by the provider: %s\n", f.Excluded)
	} else {
		deviation, err := encodeYAML(f.Deviation)
		if err != nil {
			return fmt.Errorf("writing the deviation: %w", err)
		}
		selected := "<issuer>/faults/" + f.ID
		switch f.Endpoint {
		case EndpointConnection:
			selected = "https://" + strings.ToLower(f.ID) + ".<host of the issuer>/faults/" + f.ID
		case AnyEndpoint:
			selected += ", or .../" + f.ID + "@jwks and so on"
		}
		fmt.Fprintf(&out, "By URL: %s\nThe deviation:\n\n%s", selected, indent(string(deviation)))
	}
	_, err = io.WriteString(w, out.String())
	return err
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ") + "\n"
}
