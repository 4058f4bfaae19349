// SPDX-License-Identifier: Apache-2.0

//go:build unix

package local

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// ConfigError is nginx's refusal of a configuration.
type ConfigError struct {
	// Message is nginx's own, without folder names.
	Message string
	// Line is where, 1 for the first of the whole file; 0 when nginx does not say.
	Line int
	// Config is the refused configuration.
	Config string
}

// Error implements error.
func (e *ConfigError) Error() string { return "nginx refuses the configuration: " + e.Message }

// refusal finds what nginx said against the current generation.
func (i *Instance) refusal(ended bool) error {
	lines, _, _ := i.log.Since(i.loadedAt)
	if refused := i.refusalIn(lines); refused != nil {
		return refused
	}
	if ended {
		return fmt.Errorf("nginx ended unexpectedly (%v); its log ends with: %s", i.process.Err(), lastLine([]byte(i.log.String())))
	}
	return nil
}

// reconfiguring is what a running nginx says before it reads its configuration again.
const reconfiguring = ": reconfiguring"

// refusalIn finds the refusal of the current generation among the lines since it was handed over. A running nginx may still
// be saying what it thinks of the generation before.
func (i *Instance) refusalIn(lines []string) *ConfigError {
	reading := !i.reloading
	for _, line := range lines {
		reading = reading || strings.HasSuffix(line, reconfiguring)
		if refused := parseRefusal(line, i.dir, i.Config()); reading && refused != nil {
			return refused
		}
	}
	return nil
}

// addressInUse says whether another program took a port that was free before.
func (e *ConfigError) addressInUse() bool {
	return strings.Contains(e.Message, "Address already in use") || strings.Contains(e.Message, "still could not bind")
}

// AwaitRefusal returns when nginx, running on, has refused the configuration that was loaded last, and that is newer than
// the one of the last call. The refusal is the first result.
func (i *Instance) AwaitRefusal(ctx context.Context) (*ConfigError, error) {
	for {
		refused, changed := i.newRefusal()
		if refused != nil {
			return refused, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for nginx to refuse a configuration: %w", ctx.Err())
		}
	}
}

func (i *Instance) newRefusal() (*ConfigError, <-chan struct{}) {
	i.mu.Lock()
	defer i.mu.Unlock()
	lines, _, changed := i.log.Since(i.loadedAt)
	if i.generation <= i.refused {
		return nil, changed
	}
	refused := i.refusalIn(lines)
	if refused != nil {
		i.refused = i.generation
	}
	return refused, changed
}

// AddressInUse says whether err is nginx's complaint that a port was taken in the meantime.
func AddressInUse(err error) bool {
	var refused *ConfigError
	return errors.As(err, &refused) && refused.addressInUse()
}

var refusalLine = regexp.MustCompile(`\[emerg\] (?:\d+#\d+: )?(.*?)(?: in (\S+):(\d+))?\s*$`)

// parseRefusal reads nginx's log line of a configuration it does not take; nil for any other line.
func parseRefusal(line, dir, conf string) *ConfigError {
	m := refusalLine.FindStringSubmatch(line)
	if m == nil {
		return nil
	}
	refused := &ConfigError{Message: strings.ReplaceAll(m[1], dir+"/", ""), Config: conf}
	refused.Line, _ = strconv.Atoi(m[3])
	return refused
}
