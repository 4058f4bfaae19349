// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestJudge_AGoodClientHasNoProblems(t *testing.T) {
	r, err := goOIDC().judge(t.Context())
	if err := errors.Join(append(r.problems(), err)...); err != nil {
		t.Error(err)
	}
	text := document([]result{r})
	for _, want := range []string{"| coreos/go-oidc with x/oauth2 |", "| C-NONCE-WRONG | refused |", "| *no fault, afterwards* | logs in |"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

// altered is go-oidc with its login changed.
func altered(change func(login func(context.Context) error) func(context.Context) error) client {
	c := goOIDC()
	start := c.start
	c.start = func(ctx context.Context, idp *provider) (*party, error) {
		p, err := start(ctx, idp)
		if err == nil {
			p.login = change(p.login)
		}
		return p, err
	}
	return c
}

func TestJudge_AClientThatTakesAnythingIsFound(t *testing.T) {
	r, err := altered(func(login func(context.Context) error) func(context.Context) error {
		return func(ctx context.Context) error { _ = login(ctx); return nil }
	}).judge(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if problems := r.problems(); len(problems) != len(mustRefuse()) {
		t.Errorf("%d problems, want one for each fault: %v", len(problems), problems)
	}
}

func TestJudge_AClientThatDoesNothingIsFound(t *testing.T) {
	for name, outcome := range map[string]error{"and says that all is well": nil, "and fails": errors.New("no")} {
		t.Run(name, func(t *testing.T) {
			r, err := altered(func(func(context.Context) error) func(context.Context) error {
				return func(context.Context) error { return outcome }
			}).judge(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"code was not seen", "C-AUD: " + notStaged} {
				if !strings.Contains(errors.Join(r.problems()...).Error(), want) {
					t.Errorf("%q is missing in %v", want, r.problems())
				}
			}
		})
	}
}
