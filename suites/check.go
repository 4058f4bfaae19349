// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"fmt"

	"github.com/Masterminds/semver/v3"

	"github.com/ingress-auth/conformance/suites/subject"
)

// Check provokes a behaviour, observes it, and says of one or more requirements whether they hold.
type Check struct {
	// ID is "<area>/<name>", stable and unique: "backend-401/B19".
	ID string
	// Requirements are the IDs the check judges. Each must be judged by Run; one that is not is blocked.
	Requirements []string
	// Features are what the subject needs for the check to make sense.
	Features []subject.Feature
	// Versions limits the check to gateway versions, as a semantic version constraint for one gateway by name:
	// {"ingress-nginx", ">=1.12.0"}. The zero value is any.
	Versions VersionRange
	// Routes are exposed before Run is called.
	Routes []subject.Route
	// Slow checks start first.
	Slow bool
	// Exclusive names what the check needs for itself; checks with the same name run one after the other.
	Exclusive string
	// Run judges. An error says that it could not: its requirements are blocked unless a failure was observed before.
	Run func(ctx context.Context, t *Trial) error
}

// VersionRange is a constraint on the version of one gateway.
type VersionRange struct {
	Gateway    string
	Constraint string
}

// NotApplicable returns why the check does not apply to the subject, or "". An error means that this cannot be told.
func (c Check) NotApplicable(s *subject.Subject) (string, error) {
	for _, feature := range c.Features {
		if reason, missing := s.Missing[feature]; missing {
			return reason, nil
		}
	}
	if reason := c.declined(s); reason != "" {
		return reason, nil
	}
	if c.Versions.Constraint == "" || c.Versions.Gateway != s.GatewayName {
		return "", nil
	}
	if s.GatewayVersion == subject.UnknownVersion {
		return fmt.Sprintf("this is about %s %s, and the version of the gateway is not known", c.Versions.Gateway, c.Versions.Constraint), nil
	}
	constraint, err := semver.NewConstraint(c.Versions.Constraint)
	if err != nil {
		return "", fmt.Errorf("reading the version constraint of %s: %w", c.ID, err)
	}
	version, err := semver.NewVersion(s.GatewayVersion)
	if err != nil {
		return "", fmt.Errorf("reading the version of %s, %q: %w", s.GatewayName, s.GatewayVersion, err)
	}
	if constraint.Check(version) {
		return "", nil
	}
	return fmt.Sprintf("this is about %s %s; the subject has %s", c.Versions.Gateway, c.Versions.Constraint, s.GatewayVersion), nil
}

// declined returns why the subject does not serve one of the check's routes, or "".
func (c Check) declined(s *subject.Subject) string {
	if s.Declines == nil {
		return ""
	}
	for _, r := range c.Routes {
		if reason := s.Declines(r); reason != "" {
			return reason
		}
	}
	return ""
}
