// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"testing"

	"github.com/Masterminds/semver/v3"

	"github.com/ingress-auth/conformance/fixtures"
	"github.com/ingress-auth/conformance/suites/contract"
)

func TestEveryRequirementHasACheckAndEveryCheckARequirement(t *testing.T) {
	catalogue, err := NewCatalogue(fixtures.FS())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range catalogue.Checks {
		if len(c.Requirements) == 0 {
			t.Errorf("%s judges nothing", c.ID)
		}
		if c.Run == nil {
			t.Errorf("%s has nothing to run", c.ID)
		}
	}
}

func TestVersionConstraintsCanBeRead(t *testing.T) {
	catalogue, err := NewCatalogue(fixtures.FS())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range catalogue.Checks {
		if c.Versions.Constraint == "" {
			continue
		}
		if _, err := semver.NewConstraint(c.Versions.Constraint); err != nil {
			t.Errorf("%s: %v", c.ID, err)
		}
	}
}

func TestKnownDeviationsNameRequirementsOfTheContract(t *testing.T) {
	catalogue, err := NewCatalogue(fixtures.FS())
	if err != nil {
		t.Fatal(err)
	}
	if err := contract.CheckKnownFiles(fixtures.FS(), "known", catalogue.Contract); err != nil {
		t.Error(err)
	}
}

// catalogueCheck returns one shipped check, for any version of any gateway.
func catalogueCheck(t *testing.T, id string) Check {
	t.Helper()
	catalogue, err := NewCatalogue(fixtures.FS())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range catalogue.Checks {
		if c.ID == id {
			return c
		}
	}
	t.Fatalf("there is no check %s", id)
	return Check{}
}
