// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ingress-auth/conformance/suites/subject"
)

// validateParts reports a choice of parts that the platform does not have.
func (f *runFlags) validateParts() error {
	if err := f.validateGateway(); err != nil {
		return err
	}
	if names := subject.AuthServiceNames(); !slices.Contains(names, f.authService) {
		return fmt.Errorf("unknown auth service %q: choose %s", f.authService, strings.Join(names, ", "))
	}
	if err := subject.ValidateIdP(f.idp); err != nil {
		return err
	}
	return errors.Join(f.onLocal("auth service", f.authService, subject.AuthServiceProxy), f.onLocal("identity provider", f.idp, subject.IdPMock))
}

func (f *runFlags) validateGateway() error {
	if f.gateway == "" {
		return nil
	}
	if f.platform == platformOutside {
		return fmt.Errorf("--gateway %s and --gateway-url contradict each other: what answers at the URL is the gateway", f.gateway)
	}
	has := "ingress-nginx"
	if f.platform == platformLocal {
		has = "nginx"
	}
	if f.gateway != has {
		return fmt.Errorf("the platform %s runs the gateway %s, not %q", f.platform, has, f.gateway)
	}
	return nil
}

// onLocal reports a part that only the platform local has.
func (f *runFlags) onLocal(role, name, otherwise string) error {
	if f.platform == platformLocal || name == otherwise {
		return nil
	}
	return fmt.Errorf("the platform %s runs the %s %s only: use --platform local for %s", f.platform, role, otherwise, name)
}
