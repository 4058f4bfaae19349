// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"slices"
	"strings"
)

// AuthenticationContext is a way to authenticate that the provider pretends to: nobody is asked for more than a name.
type AuthenticationContext struct {
	// ACR is the value of acr_values and of the claim acr.
	ACR string `yaml:"acr"`
	// AMR is the claim amr that goes with it (RFC 8176).
	AMR []string `yaml:"amr"`
}

// DefaultAuthenticationContexts are one factor and two.
func DefaultAuthenticationContexts() []AuthenticationContext {
	return []AuthenticationContext{{"1", []string{"pwd"}}, {"2", []string{"pwd", "otp", "mfa"}}}
}

// acrValues lists what acr_values may ask for.
func (p *Provider) acrValues() []string {
	var list []string
	for _, c := range p.cfg.AuthenticationContexts {
		list = append(list, c.ACR)
	}
	return list
}

func (p *Provider) amrOf(acr string) []string {
	for _, c := range p.cfg.AuthenticationContexts {
		if c.ACR == acr {
			return c.AMR
		}
	}
	return nil
}

// acrRequest is what a request wants of the authentication, best first.
type acrRequest struct {
	asked     bool     // acr or amr belongs into the ID token
	values    []string // those of the request that the provider knows
	essential bool
}

// readACR reads acr_values, and acr in the claims parameter, which wins. An essential acr that cannot be had ends the request
// (Core 1.0 section 5.5.1.1).
func (p *Provider) readACR(req *authorizationRequest, acrValues string) *oauthError {
	wanted := strings.Fields(acrValues)
	acr, inClaims := req.claims.idToken["acr"]
	_, amr := req.claims.idToken["amr"]
	if values := acr.strings(); len(values) > 0 {
		wanted = values
	}
	known := p.acrValues()
	req.acr = acrRequest{
		asked:     len(wanted) > 0 || inClaims || amr,
		values:    slices.DeleteFunc(slices.Clone(wanted), func(v string) bool { return !slices.Contains(known, v) }),
		essential: acr.Essential && len(acr.strings()) > 0,
	}
	if req.acr.essential && len(req.acr.values) == 0 {
		return failure(errUnmetAuthentication, "none of the essential acr values is supported")
	}
	return nil
}

// acrFor is the acr of a login made for the request.
func (p *Provider) acrFor(req *authorizationRequest) string {
	if len(req.acr.values) > 0 {
		return strings.Clone(req.acr.values[0]) // a part of the request would keep all of it in memory
	}
	return p.cfg.AuthenticationContexts[0].ACR
}

// needsStepUp says whether the session was authenticated otherwise than the request asks for. With prompt=none a session
// will do unless the acr is essential.
func (r *authorizationRequest) needsStepUp(current *session) bool {
	if len(r.acr.values) == 0 || slices.Contains(r.acr.values, current.acr) {
		return false
	}
	return r.acr.essential || !r.asks(promptNone)
}
