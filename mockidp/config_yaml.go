// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"errors"
	"fmt"
	"io"
	"os"

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
	limited := &io.LimitedReader{R: r, N: maxConfigSize + 1}
	decoder := yaml.NewDecoder(limited)
	decoder.KnownFields(true)
	var cfg Config
	err := decoder.Decode(&cfg)
	if limited.N <= 0 {
		return Config{}, fmt.Errorf("the configuration is larger than %d bytes", maxConfigSize)
	}
	if errors.Is(err, io.EOF) {
		return Config{}, nil
	}
	if err != nil {
		return Config{}, fmt.Errorf("the configuration is not valid: %w", err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Config{}, errors.New("the configuration must be one YAML document, but there is something after it")
	}
	if err := cfg.Validate(); err != nil {
		return Config{}, fmt.Errorf("the configuration is not valid: %w", err)
	}
	return cfg, nil
}
