// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// Annotations of flags.
const (
	secretAnnotation  = "secret"
	choicesAnnotation = "choices"
)

// checkFiles reads every file the configuration names and forgets what is in them.
func (c Config) checkFiles() error {
	_, cookie := c.cookieSecrets()
	_, client := c.clientSecret()
	_, authorities := newProviderClient(nil, c.ProviderCAFiles)
	return errors.Join(cookie, client, authorities, readable("--redis-password-file", c.Redis.PasswordFile), readable("--redis-ca-path", c.Redis.CAFile))
}

func readable(flag, file string) error {
	if file == "" {
		return nil
	}
	if _, err := os.ReadFile(file); err != nil {
		return fmt.Errorf("read %s: %w", flag, err)
	}
	return nil
}

// writeEffective writes every setting as it counts, in the form of the file, with where it was given. Secrets are left out.
func (s *sources) writeEffective(out io.Writer) error {
	var root yaml.Node
	root.Kind = yaml.MappingNode
	var failed error
	s.flags.VisitAll(func(f *pflag.Flag) {
		if slices.Contains(commandFlags, f.Name) {
			return
		}
		key, value := &yaml.Node{}, &yaml.Node{}
		failed = errors.Join(failed, key.Encode(f.Name), value.Encode(shown(f)))
		value.LineComment = s.origins[f.Name]
		if value.LineComment == "" {
			value.LineComment = "default"
		}
		root.Content = append(root.Content, key, value)
	})
	content, err := yaml.Marshal(&root)
	if err := errors.Join(failed, err); err != nil {
		return fmt.Errorf("write the effective configuration: %w", err)
	}
	_, err = out.Write(content)
	return err
}

func shown(f *pflag.Flag) any {
	text := f.Value.String()
	if has(f, secretAnnotation) && text != "" && text != "[]" {
		return "(not shown)"
	}
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return append([]string{}, list.GetSlice()...)
	}
	return typed(f, text)
}

func has(f *pflag.Flag, annotation string) bool {
	_, ok := f.Annotations[annotation]
	return ok
}

// typed is a flag's value as YAML and JSON have it.
func typed(f *pflag.Flag, text string) any {
	switch f.Value.Type() {
	case "bool":
		return text == "true"
	case "int":
		n, _ := strconv.Atoi(text) // it is the text of an int
		return n
	}
	return text
}

// durationPattern is what time.ParseDuration takes, without a sign.
const durationPattern = `^(0|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)$`

// writeSchema writes the JSON Schema of the file of --config, made of the flags. Every setting is optional in it: flags and
// environment may give the rest.
func writeSchema(out io.Writer) error {
	properties := map[string]any{}
	cfg := DefaultConfig()
	newFlagSet(&cfg).VisitAll(func(f *pflag.Flag) {
		property := map[string]any{"description": f.Usage}
		if choices := f.Annotations[choicesAnnotation]; choices != nil {
			var values []any
			for _, c := range choices {
				values = append(values, typed(f, c))
			}
			property["enum"] = values
		}
		switch f.Value.Type() {
		case "bool":
			property["type"] = "boolean"
		case "int":
			property["type"] = "integer"
		case "duration":
			property["type"], property["pattern"] = "string", durationPattern
		case "stringSlice":
			property["type"], property["items"] = []string{"string", "array"}, map[string]string{"type": "string"}
		default:
			property["type"] = "string"
		}
		if f.Value.Type() != "stringSlice" && f.DefValue != "" {
			property["default"] = typed(f, f.DefValue)
		}
		properties[f.Name] = property
	})
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"title":   "Settings of the reference auth proxy",
		"type":    "object", "properties": properties, "additionalProperties": false,
	})
}
