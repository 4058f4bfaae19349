// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ingress-auth/conformance/mockidp"
)

// IdPMock is the mock identity provider as the specifications have it. IdPMock, a hyphen and the name of a dialect is the mock
// as that provider would be: mockidp-okta.
const IdPMock = "mockidp"

// IdPNames are the identity providers that can be chosen: the mock, and its dialects in which the contract can be judged.
func IdPNames() ([]string, error) {
	dialects, err := mockidp.Dialects()
	if err != nil {
		return nil, err
	}
	names := []string{IdPMock}
	for _, d := range dialects {
		if d.Name != mockidp.DialectPlain && unfit(d) == "" {
			names = append(names, IdPMock+"-"+d.Name)
		}
	}
	return names, nil
}

// unfit says why the contract cannot be judged with a provider of that dialect, or "". The contract speaks of OpenID Connect and of
// users who are in groups by name.
func unfit(d mockidp.Dialect) string {
	switch {
	case d.OAuthOnly:
		return "it has no OpenID Connect"
	case d.Groups.Release == "never":
		return "it tells no groups, and the contract has users in groups"
	case d.Groups.Format != "":
		return "it writes groups as " + d.Groups.Format + ", and the contract names them"
	case d.Groups.Claim != "":
		return "it tells groups in a claim of another name, and the auth services read groups"
	default:
		return ""
	}
}

// ValidateIdP reports a name that is none of IdPNames, with what can be chosen and why not that one.
func ValidateIdP(name string) error {
	_, err := idpDialect(name)
	return err
}

// idpDialect is the dialect that a name of IdPNames stands for; "" is IdPMock.
func idpDialect(name string) (string, error) {
	if name == "" || name == IdPMock {
		return mockidp.DialectPlain, nil
	}
	names, err := IdPNames()
	if err != nil {
		return "", err
	}
	dialect, ok := strings.CutPrefix(name, IdPMock+"-")
	if ok && slices.Contains(names, name) {
		return dialect, nil
	}
	if d, err := mockidp.FindDialect(dialect); ok && err == nil && d.Name != mockidp.DialectPlain {
		return "", fmt.Errorf("the contract cannot be judged with %s: %s; choose %s", name, unfit(*d), strings.Join(names, ", "))
	}
	return "", fmt.Errorf("unknown identity provider %q: choose %s", name, strings.Join(names, ", "))
}
