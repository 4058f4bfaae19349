// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// oauth2ProxyFlags is what the real program lists; make differences reads it again.
const oauth2ProxyFlags = "testdata/oauth2-proxy-7.8.1-flags.txt"

func theirFlags(t testing.TB) []string {
	t.Helper()
	content, err := os.ReadFile(oauth2ProxyFlags)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(content))
}

func ourFlags() *pflag.FlagSet {
	cfg := DefaultConfig()
	flags := newFlagSet(&cfg)
	flags.String("config", "", "")
	return flags
}

// Each flag of oauth2-proxy is either here or answered with what to do instead.
func TestEveryFlagOfOAuth2ProxyHasAnAnswer(t *testing.T) {
	ours, theirs := ourFlags(), theirFlags(t)
	if len(theirs) < 150 {
		t.Fatalf("%s lists only %d flags", oauth2ProxyFlags, len(theirs))
	}
	for _, name := range theirs {
		here, _ := ours.Lookup(name), 0
		advice, answered := notHere[name]
		switch {
		case here == nil && advice == "":
			t.Errorf("--%s is neither here nor answered", name)
		case here != nil && answered:
			t.Errorf("--%s is here, and said not to be", name)
		case here == nil && differs[name] != "":
			t.Errorf("--%s is not here, and said to differ", name)
		}
	}
	for name := range notHere {
		if !slices.Contains(theirs, name) {
			t.Errorf("--%s is no flag of oauth2-proxy", name)
		}
	}
	for name := range differs {
		if !slices.Contains(theirs, name) {
			t.Errorf("--%s is no flag of oauth2-proxy, so it cannot differ", name)
		}
	}
}

// Advice that names a flag must name one of ours, or the reader is sent on for nothing.
func TestAdviceNamesOurFlags(t *testing.T) {
	ours := ourFlags()
	for _, name := range commandFlags[1:] {
		ours.Bool(name, false, "")
	}
	for name, advice := range notHere {
		for _, mention := range flagMention.FindAllString(advice, -1) {
			if ours.Lookup(strings.TrimPrefix(mention, "--")) == nil {
				t.Errorf("the advice about --%s names %s, which is not here", name, mention)
			}
		}
	}
}

const (
	differencesFile = "../docs/differences.md"
	tablesBegin     = "<!-- The rest is written by a test from proxy/differences.go: run make differences. -->\n"
)

// The tables in the document are those of this program.
func TestTheTablesOfDifferencesAreUpToDate(t *testing.T) {
	content, err := os.ReadFile(differencesFile)
	if err != nil {
		t.Fatal(err)
	}
	prose, _, found := strings.Cut(string(content), tablesBegin)
	if !found {
		t.Fatalf("%s lacks the line %q", differencesFile, tablesBegin)
	}
	want := prose + tablesBegin + flagTables(theirFlags(t))
	if os.Getenv("UPDATE_DIFFERENCES") != "" {
		if err := os.WriteFile(differencesFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(content) != want {
		t.Errorf("%s is not up to date: run make differences", differencesFile)
	}
}

func flagTables(theirs []string) string {
	ours := ourFlags()
	var same, gone, added strings.Builder
	for _, name := range theirs {
		if ours.Lookup(name) != nil {
			note := differs[name]
			if note == "" {
				note = "The same."
			}
			fmt.Fprintf(&same, "| `--%s` | %s |\n", name, note)
		} else {
			advice := notHere[name]
			fmt.Fprintf(&gone, "| `--%s` | %s. |\n", name, strings.ToUpper(advice[:1])+advice[1:])
		}
	}
	names := map[string]string{"check-config": "Say whether the configuration is right, and what it is.", "print-schema": "Print the JSON Schema of the file."}
	ours.VisitAll(func(f *pflag.Flag) {
		if !slices.Contains(theirs, f.Name) {
			names[f.Name] = strings.ToUpper(f.Usage[:1]) + f.Usage[1:] + "."
		}
	})
	for _, name := range slices.Sorted(maps.Keys(names)) {
		fmt.Fprintf(&added, "| `--%s` | %s |\n", name, names[name])
	}
	return "\n### Flags that are here too\n\n| flag | what is not the same |\n|---|---|\n" + same.String() +
		"\n### Flags that are not here\n\nGiven all the same, each is refused with these words.\n\n| flag | what to do instead |\n|---|---|\n" + gone.String() +
		"\n### Flags that only this proxy has\n\n| flag | what for |\n|---|---|\n" + added.String()
}
