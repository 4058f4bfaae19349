// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/ingress-auth/conformance/suites/contract"
	"github.com/ingress-auth/conformance/suites/subject"
)

// Catalogue is everything that can be judged: the requirements, the checks that judge them and the gateways they need.
type Catalogue struct {
	Contract *contract.Contract
	// Checks are ordered by area.
	Checks   []Check
	Gateways []subject.GatewayConfig
}

// NewCatalogue reads the fixtures and verifies that requirements and checks fit together: unique IDs, no requirement
// without a check, no check on a requirement or a gateway that does not exist.
func NewCatalogue(fixtures fs.FS) (*Catalogue, error) {
	promised, err := contract.Load(fixtures, "contract")
	if err != nil {
		return nil, err
	}
	gateways, err := loadGateways(fixtures)
	if err != nil {
		return nil, err
	}
	passthrough, err := backend401Checks(fixtures)
	if err != nil {
		return nil, err
	}
	tables, err := tableChecks(fixtures)
	if err != nil {
		return nil, err
	}
	c := &Catalogue{Contract: promised, Gateways: gateways}
	c.Checks = slices.Concat(
		redirectChecks(), rdChecks(), signInChecks(),
		statusCodeChecks(), authRequestChecks(), errorPageChecks(),
		authServiceChecks(),
		passthrough,
		admissionChecks(),
		documentChecks(fixtures),
		tables, streamChecks(), gatewayAdmissionChecks(),
	)
	if err := c.verify(); err != nil {
		return nil, err
	}
	c.inheritFeatures()
	return c, nil
}

// inheritFeatures gives each check the features that its requirements need, so that they are stated once.
func (c *Catalogue) inheritFeatures() {
	for i := range c.Checks {
		check := &c.Checks[i]
		for _, id := range check.Requirements {
			r, err := c.Contract.Lookup(id)
			if err != nil {
				continue // verify has looked
			}
			for _, f := range r.Features {
				if feature := subject.Feature(f); !slices.Contains(check.Features, feature) {
					check.Features = append(slices.Clone(check.Features), feature)
				}
			}
		}
	}
}

func loadGateways(fixtures fs.FS) ([]subject.GatewayConfig, error) {
	data, err := fs.ReadFile(fixtures, "gateways.yaml")
	if err != nil {
		return nil, fmt.Errorf("reading the gateways: %w", err)
	}
	var file struct {
		Gateways []subject.GatewayConfig `json:"gateways"`
	}
	if err := yaml.UnmarshalStrict(data, &file); err != nil {
		return nil, fmt.Errorf("reading gateways.yaml: %w", err)
	}
	return file.Gateways, nil
}

func (c *Catalogue) verify() error {
	seen, judged := map[string]bool{}, map[string]bool{}
	for _, check := range c.Checks {
		if seen[check.ID] {
			return fmt.Errorf("two checks have the ID %s", check.ID)
		}
		seen[check.ID] = true
		for _, id := range check.Requirements {
			r, err := c.Contract.Lookup(id)
			if err != nil {
				return fmt.Errorf("the check %s: %w", check.ID, err)
			}
			if r.Excluded != "" {
				return fmt.Errorf("the check %s judges %s, which the contract excludes: %s", check.ID, id, r.Excluded)
			}
			judged[id] = true
		}
		for _, r := range check.Routes {
			if !slices.ContainsFunc(c.Gateways, func(g subject.GatewayConfig) bool { return g.Name == r.GatewayName() }) {
				return fmt.Errorf("the check %s needs a gateway %q that gateways.yaml does not have", check.ID, r.GatewayName())
			}
		}
	}
	for _, r := range c.Contract.Judged() {
		if !judged[r.ID] {
			return fmt.Errorf("no check judges the requirement %s, and it is not excluded", r.ID)
		}
	}
	return nil
}

// Area is the part of a check's ID before the slash.
func (c Check) Area() string {
	area, _, _ := strings.Cut(c.ID, "/")
	return area
}

// ChecksFor returns the checks that judge at least one of the requirements.
func (c *Catalogue) ChecksFor(requirements []contract.Requirement) []Check {
	ids := map[string]bool{}
	for _, r := range requirements {
		ids[r.ID] = true
	}
	var selected []Check
	for _, check := range c.Checks {
		if slices.ContainsFunc(check.Requirements, func(id string) bool { return ids[id] }) {
			selected = append(selected, check)
		}
	}
	return selected
}

// ChecksOf names the checks that judge one requirement.
func (c *Catalogue) ChecksOf(requirement string) []string {
	var names []string
	for _, check := range c.Checks {
		if slices.Contains(check.Requirements, requirement) {
			names = append(names, check.ID)
		}
	}
	return names
}
