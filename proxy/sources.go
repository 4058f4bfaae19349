// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

const environmentPrefix = "OAUTH2_PROXY_"

// serviceVariable matches what Kubernetes puts into every pod's environment for a Service named oauth2-proxy.
var serviceVariable = regexp.MustCompile(`^OAUTH2_PROXY_(SERVICE_(HOST|PORT)|PORT)(_|$)`)

// sources puts a configuration together from flags, environment and file, in this order of precedence, and remembers where
// each setting came from.
type sources struct {
	flags   *pflag.FlagSet
	origins map[string]string // flag → "--flag", "OAUTH2_PROXY_FLAG" or "file:line"
}

// take sets f by apply unless a source of higher precedence has.
func (s *sources) take(f *pflag.Flag, origin string, apply func() error) error {
	if s.origins[f.Name] != "" {
		return nil
	}
	s.origins[f.Name] = origin
	if apply() != nil {
		// The value may be a secret: it is not quoted.
		return fmt.Errorf("%s must be %s", origin, kinds[f.Value.Type()].words)
	}
	return nil
}

// commandLine reads args. It comes first.
func (s *sources) commandLine(args []string) error {
	err := s.flags.Parse(args)
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		name := unknown.GetSpecifiedName()
		return fmt.Errorf("--%s %s", name, s.unknown(name, func(flag string) string { return "--" + flag }))
	}
	if err != nil {
		return err
	}
	if s.flags.NArg() > 0 {
		return fmt.Errorf("%q is not a flag: settings are given as --name=value", s.flags.Arg(0))
	}
	s.flags.Visit(func(f *pflag.Flag) { s.origins[f.Name] = "--" + f.Name })
	return nil
}

func variable(flag string) string {
	return environmentPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// environment reads OAUTH2_PROXY_*. An unknown name is refused: a misspelt setting that is silently ignored leaves a door
// open.
func (s *sources) environment(environ []string) error {
	byVariable := map[string]*pflag.Flag{}
	s.flags.VisitAll(func(f *pflag.Flag) {
		byVariable[variable(f.Name)] = f
		if f.Value.Type() == "stringSlice" {
			byVariable[variable(f.Name)+"S"] = f // oauth2-proxy names lists in the plural
		}
	})
	byVariable[environmentPrefix+"UPSTREAMS"] = s.flags.Lookup("upstream")
	byVariable[environmentPrefix+"COOKIE_DOMAINS"] = s.flags.Lookup("cookie-domain")
	setBy := map[string]string{}
	var errs []error
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, environmentPrefix) || serviceVariable.MatchString(name) {
			continue
		}
		f, ok := byVariable[name]
		switch {
		case !ok:
			flag := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, environmentPrefix)), "_", "-")
			errs = append(errs, fmt.Errorf("environment variable %s %s", name, s.unknown(flag, variable)))
		case setBy[f.Name] != "":
			errs = append(errs, fmt.Errorf("environment variables %s and %s set the same thing: remove one", setBy[f.Name], name))
		default:
			setBy[f.Name] = name
			errs = append(errs, s.take(f, name, func() error { return f.Value.Set(value) }))
		}
	}
	return errors.Join(errs...)
}

// file reads settings from a YAML file: one mapping from flag names to values. It comes last.
func (s *sources) file(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read --config: %w", err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil // nothing in it
	case err != nil:
		return fmt.Errorf("--config=%s cannot be read: %w", path, err)
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return fmt.Errorf("--config=%s holds more than one YAML document: give one", path)
	}
	root, at := document.Content[0], func(n *yaml.Node) string { return fmt.Sprintf("%s:%d", filepath.Base(path), n.Line) }
	if root.Kind != yaml.MappingNode {
		return fmt.Errorf("%s: it must be a mapping of settings, such as client-id: app", at(root))
	}
	seen := map[string]int{}
	var errs []error
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		f := s.flags.Lookup(key.Value)
		switch line := seen[key.Value]; {
		case f == nil || slices.Contains(commandFlags, f.Name):
			errs = append(errs, fmt.Errorf("%s: %s %s", at(key), key.Value, s.unknown(key.Value, func(flag string) string { return flag })))
		case line != 0:
			errs = append(errs, fmt.Errorf("%s: %s stands on line %d already: remove one", at(key), key.Value, line))
		default:
			errs = append(errs, s.entry(f, value, at(key)))
		}
		seen[key.Value] = key.Line
	}
	return errors.Join(errs...)
}

// entry takes the value of one setting in a file. Its kind must be right even where another source wins.
func (s *sources) entry(f *pflag.Flag, value *yaml.Node, origin string) error {
	kind := kinds[f.Value.Type()]
	wrong := fmt.Errorf("%s: %s must be %s", origin, f.Name, kind.words)
	list, isList := f.Value.(pflag.SliceValue)
	if isList && value.Kind == yaml.SequenceNode {
		var values []string
		for _, item := range value.Content {
			if item.Kind != yaml.ScalarNode || item.Tag != kind.tag {
				return wrong
			}
			values = append(values, item.Value)
		}
		return s.take(f, origin, func() error { return list.Replace(values) })
	}
	if value.Kind != yaml.ScalarNode || value.Tag != kind.tag {
		return wrong
	}
	if isList {
		return s.take(f, origin, func() error { return list.Replace([]string{value.Value}) })
	}
	return s.take(f, origin, func() error { return f.Value.Set(value.Value) })
}

// kinds says what a flag's type is in YAML, in JSON Schema and in words.
var kinds = map[string]struct{ tag, words string }{
	"string":      {"!!str", "text; put it in quotes"},
	"bool":        {"!!bool", "true or false"},
	"int":         {"!!int", "a whole number"},
	"duration":    {"!!str", "a duration such as 12h, 5m or 30s"},
	"stringSlice": {"!!str", "a list of texts, or one text; put each in quotes"},
}

// unknown says of a setting that is none what to do instead. spell writes a flag as its source does.
func (s *sources) unknown(name string, spell func(flag string) string) string {
	name = strings.ReplaceAll(name, "_", "-")
	for _, candidate := range []string{name, strings.TrimSuffix(name, "s")} {
		if s.flags.Lookup(candidate) != nil {
			return "is spelt " + spell(candidate) + " here"
		}
		if advice, ok := notHere[candidate]; ok {
			return "is a setting of oauth2-proxy that this proxy does not have: " + advice
		}
	}
	nearest, best := "", len(name)/3+1
	s.flags.VisitAll(func(f *pflag.Flag) {
		if d := distance(name, f.Name); d <= best {
			nearest, best = f.Name, d-1
		}
	})
	if nearest == "" {
		return "is no setting of this proxy: --help lists them"
	}
	return "is no setting of this proxy: did you mean " + spell(nearest) + "?"
}

// distance is the number of letters to insert, remove or replace to get from a to b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

var flagMention = regexp.MustCompile(`--[a-z0-9]+(-[a-z0-9]+)*`)

// located adds to each mistake where the settings it names were given, unless on the command line.
func (s *sources) located(err error) error {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		var errs []error
		for _, e := range several.Unwrap() {
			errs = append(errs, s.located(e))
		}
		return errors.Join(errs...)
	}
	if err == nil {
		return nil
	}
	var places []string
	for _, mention := range flagMention.FindAllString(err.Error(), -1) {
		origin := s.origins[strings.TrimPrefix(mention, "--")]
		place := mention + ": " + origin
		if origin != "" && origin != mention && !slices.Contains(places, place) {
			places = append(places, place)
		}
	}
	if len(places) == 0 {
		return err
	}
	return fmt.Errorf("%w [%s]", err, strings.Join(places, ", "))
}
