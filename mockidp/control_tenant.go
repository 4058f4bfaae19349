// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"go.yaml.in/yaml/v3"
)

// TenantInfo is one issuer below the first.
type TenantInfo struct {
	Path   string `json:"path"`
	Issuer string `json:"issuer"`
}

// target is the tenant that a request to the control API is about: the query's tenant, a path, or the first issuer without.
func (p *Provider) target(r *http.Request) (*Provider, error) {
	path := r.URL.Query().Get("tenant")
	if path == "" {
		return p, nil
	}
	if tenant := p.Tenant(path); tenant != nil {
		return tenant, nil
	}
	return nil, fmt.Errorf("the tenant %s is %w; POST /v1/tenants adds one", path, errNotThere)
}

func (p *Provider) controlTenants(*http.Request) (any, error) {
	list := []TenantInfo{}
	for _, issuer := range p.Tenants() {
		list = append(list, TenantInfo{issuer[len(p.urls.base):], issuer})
	}
	return list, nil
}

// controlAddTenant takes a tenant as it stands in the configuration file, in YAML or in JSON, which is YAML.
func (p *Provider) controlAddTenant(r *http.Request) (any, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the body: %w", err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(body))
	decoder.KnownFields(true)
	var tenant Tenant
	if err := decoder.Decode(&tenant); err != nil {
		return nil, fmt.Errorf("the body is not a tenant as in the configuration file: %w", explained(err))
	}
	made, err := p.AddTenant(tenant)
	if err != nil {
		return nil, err
	}
	return TenantInfo{tenant.Path, made.Issuer()}, nil
}

func (p *Provider) controlRemoveTenant(r *http.Request) (any, error) {
	path := r.URL.Query().Get("path")
	if p.Tenant(path) == nil {
		return nil, fmt.Errorf("the tenant %q is %w", path, errNotThere)
	}
	p.RemoveTenant(path)
	return nil, nil
}
