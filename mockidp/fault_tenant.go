// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"fmt"
	"net/http"
	"strings"
)

// pathFaults is below the issuer's path; behind it comes an ID of the catalogue: an issuer that always shows that fault.
// It has the users, clients, keys and clock of the provider and its own sessions, codes and tokens.
const (
	pathFaults = "/faults/"
	// noFault is the ID of a tenant without a fault.
	noFault = "NONE"
)

// FaultIssuer is the issuer that always shows a fault, such as https://idp.example/faults/C-AUD. It fails if the fault is
// unknown or excluded. "NONE" is an issuer without any.
func (p *Provider) FaultIssuer(fault string) (string, error) {
	if fault != noFault {
		rule := FaultRule{Fault: fault}
		if err := rule.resolve(); err != nil {
			return "", err
		}
		if rule.Endpoint == EndpointConnection {
			return p.connectionIssuer(rule.Fault)
		}
	}
	return p.faultIssuer(fault), nil
}

// faultIssuer has the end that the dialect wants.
func (p *Provider) faultIssuer(fault string) string {
	return p.urls.base + pathFaults + fault + p.dialect.IssuerSuffix
}

// routeFaultTenants adds the tenants' paths, unless this is one. RFC 8414 puts the well-known part first.
func (p *Provider) routeFaultTenants(mux *http.ServeMux) {
	if p.parent != nil {
		return
	}
	mux.HandleFunc(p.urls.path(pathFaults)+"{fault}/", p.serveFaultTenant)
	mux.HandleFunc("GET "+p.urls.authorizationServerMetadataPath()+pathFaults+"{fault}", p.serveFaultTenant)
}

// serveFaultTenant hands the request to the issuer that its path names.
func (p *Provider) serveFaultTenant(w http.ResponseWriter, r *http.Request) {
	tenant, err := p.faultTenant(r.PathValue("fault"))
	if err != nil {
		p.pages.writeError(w, http.StatusNotFound, "There is no such fault", err.Error()+".")
		return
	}
	tenant.ServeHTTP(w, r)
}

// faultTenant makes the tenant when it is first asked for. There are no more than faults and endpoints.
func (p *Provider) faultTenant(fault string) (*Provider, error) {
	rule := FaultRule{Fault: fault, Times: FaultForever}
	if fault != noFault {
		if err := rule.resolve(); err != nil {
			return nil, err
		}
		// One spelling, one issuer: they are compared character by character, and each costs memory.
		if id, _, _ := strings.Cut(fault, "@"); id != rule.Fault {
			return nil, fmt.Errorf("there is no fault %q; it is written %s", id, rule.Fault)
		}
		if strings.HasPrefix(rule.Fault, "H-FLAP") {
			rule.Times = 0
		}
	}
	p.faults.mu.Lock()
	defer p.faults.mu.Unlock()
	if tenant, ok := p.faults.tenants[fault]; ok {
		return tenant, nil
	}
	cfg := p.cfg
	cfg.Issuer = p.faultIssuer(fault)
	if rule.Endpoint == EndpointConnection {
		issuer, err := p.connectionIssuer(rule.Fault)
		if err != nil {
			return nil, err
		}
		cfg.Issuer = issuer
	}
	tenant, err := New(cfg, func(t *Provider) {
		t.parent, t.clock, t.random, t.log = p, p.clock, p.random, p.log
		t.recorder, t.mutualTLS = p.recorder, p.mutualTLS
		t.faults.wait, t.faults.spares, t.faults.foreign = p.faults.wait, p.faults.spares, p.faults.foreign
	})
	if err != nil {
		return nil, err
	}
	if fault != noFault {
		if _, err := tenant.faults.add(rule); err != nil {
			return nil, err
		}
	}
	p.faults.tenants[fault] = tenant
	return tenant, nil
}

func (f *faultEngine) forgetTenants() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.tenants)
	clear(f.labels)
}
