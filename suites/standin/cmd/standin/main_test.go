// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

func TestWrongArgumentsAreUsageErrors(t *testing.T) {
	for want, args := range map[string][]string{
		"no address given":    {},
		"unexpected argument": {"--auth", "127.0.0.1:0", "x"},
		"flag provided":       {"--nope"},
		"address is empty":    {"--auth", ""},
	} {
		var stderr bytes.Buffer
		if code := run(t.Context(), args, &stderr); code != 2 || !strings.Contains(stderr.String(), want) {
			t.Errorf("%q: exit %d, %s", args, code, stderr.String())
		}
	}
}

func TestStopsCleanlyWhenAsked(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	log := &stopAt{text: "role=control", stop: stop}
	if code := run(ctx, []string{"--auth", "127.0.0.1:0", "--control", "127.0.0.1:0"}, log); code != 0 {
		t.Errorf("exit %d: %s", code, log.String())
	}
}

// stopAt is a log that calls stop as soon as text was written to it.
type stopAt struct {
	bytes.Buffer
	text string
	stop func()
}

func (s *stopAt) Write(p []byte) (int, error) {
	n, err := s.Buffer.Write(p)
	if strings.Contains(s.String(), s.text) {
		s.stop()
	}
	return n, err
}

func TestAnAddressThatCannotBeHadFails(t *testing.T) {
	var stderr bytes.Buffer
	if code := run(t.Context(), []string{"--auth", "256.0.0.1:1"}, &stderr); code != 1 || !strings.Contains(stderr.String(), "cannot listen") {
		t.Errorf("exit %d: %s", code, stderr.String())
	}
}

func TestHelpIsNotAnError(t *testing.T) {
	var stderr bytes.Buffer
	if code := run(t.Context(), []string{"--help"}, &stderr); code != 0 || !strings.Contains(stderr.String(), "error-x-code") {
		t.Errorf("exit %d: %s", code, stderr.String())
	}
}
