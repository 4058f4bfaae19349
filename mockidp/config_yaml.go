// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"

	"go.yaml.in/yaml/v3"
)

// maxConfigSize bounds a configuration file, in bytes.
const maxConfigSize = 4 << 20

// LoadConfig reads and validates a YAML file. See ParseConfig.
func LoadConfig(path string) (Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return Config{}, fmt.Errorf("reading the configuration: %w", err)
	}
	defer f.Close()
	cfg, err := ParseConfig(f)
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return cfg, nil
}

// ParseConfig reads one YAML document, strictly: a field it does not know, or knows as another type, is an error that
// names the line. An empty document is the zero Config. The result is validated (Config.Validate).
func ParseConfig(r io.Reader) (Config, error) {
	content, err := io.ReadAll(io.LimitReader(r, maxConfigSize+1))
	if err != nil {
		return Config{}, fmt.Errorf("reading the configuration: %w", err)
	}
	if len(content) > maxConfigSize {
		return Config{}, fmt.Errorf("the configuration is larger than %d bytes", maxConfigSize)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	var cfg Config
	if err := decoder.Decode(&cfg); errors.Is(err, io.EOF) {
		return Config{}, nil
	} else if err != nil {
		return Config{}, fmt.Errorf("the configuration is not valid (mockidp schema describes it): %w", explained(err))
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Config{}, errors.New("the configuration must be one YAML document, but there is something after it")
	}
	if err := cfg.Validate(); err != nil {
		var document yaml.Node
		_ = yaml.Unmarshal(content, &document) // it was read before
		return Config{}, fmt.Errorf("the configuration is not valid: %w", located(err, &document))
	}
	return cfg, nil
}

// unknownField is how the decoder says so.
var unknownField = regexp.MustCompile(`field (\S+) not found in type \S+`)

// explained says of a field that is not known what the nearest one is.
func explained(err error) error {
	var mistakes *yaml.TypeError
	if !errors.As(err, &mistakes) {
		return err
	}
	for i, text := range mistakes.Errors {
		mistakes.Errors[i] = unknownField.ReplaceAllStringFunc(text, func(said string) string {
			name := unknownField.FindStringSubmatch(said)[1]
			said = "field " + name + " not found"
			if near := nearestField(name); near != "" {
				said += "; did you mean " + near + "?"
			}
			return said
		})
	}
	return mistakes
}
