// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Tenant is a further issuer in the same process, at a path below the first one's. It has its own keys, sessions and
// tokens. What it leaves empty it takes from Config.
type Tenant struct {
	// Path begins with a slash and may have several segments, such as /realms/staff. The issuer is Config.Issuer without
	// its trailing slash, and the path; a trailing slash of the path is part of the issuer.
	Path string `yaml:"path"`
	// Dialect is as in Config.
	Dialect   string   `yaml:"dialect"`
	AutoLogin string   `yaml:"auto_login"`
	Clients   []Client `yaml:"clients"`
	Users     []User   `yaml:"users"`
}

// tenants are the issuers below a provider, by the path at which each is served.
type tenants struct {
	mu     sync.RWMutex
	byRoot map[string]*Provider
}

// tenantConfig is the whole configuration of a tenant.
func (c Config) tenantConfig(t Tenant) Config {
	c.Tenants = nil
	c.Issuer = c.withDefaults().Issuer
	c.Issuer = strings.TrimSuffix(strings.TrimSuffix(c.Issuer, c.dialectOf().IssuerSuffix), "/") + t.Path
	if t.Dialect != "" {
		c.Dialect = t.Dialect
	}
	if t.AutoLogin != "" {
		c.AutoLogin = t.AutoLogin
	}
	if len(t.Clients) > 0 {
		c.Clients = t.Clients
	}
	if len(t.Users) > 0 {
		c.Users = t.Users
	}
	return c
}

// checkTenant finds what is wrong with where the tenant is to be.
func (c Config) checkTenant(t Tenant) error {
	d := c.tenantConfig(t).dialectOf()
	if d.IssuerSuffix != "" && strings.Trim(strings.TrimSuffix(t.Path, d.IssuerSuffix), "/") == "" {
		return fmt.Errorf("path %q must name at least one segment before %s, which every issuer of %s ends with", t.Path, d.IssuerSuffix, d.Title)
	}
	return t.check(c.endpointPaths())
}

// check finds what is wrong with the path; the rest is checked as any configuration is.
func (t Tenant) check(endpoints []string) error {
	if !strings.HasPrefix(t.Path, "/") || strings.Trim(t.Path, "/") == "" {
		return fmt.Errorf("path %q must begin with a slash and name at least one segment", t.Path)
	}
	root := "/" + strings.Trim(t.Path, "/")
	if strings.HasPrefix(root+"/", pathFaults) {
		return fmt.Errorf("path %q is where the issuers of faults are", t.Path)
	}
	for _, endpoint := range endpoints {
		if endpoint == root || strings.HasPrefix(endpoint, root+"/") {
			return fmt.Errorf("path %q would hide the endpoint %s", t.Path, endpoint)
		}
	}
	for segment := range strings.SplitSeq(strings.Trim(t.Path, "/"), "/") {
		if segment == ".well-known" {
			return fmt.Errorf("path %q must not hold .well-known", t.Path)
		}
	}
	return nil
}

// AddTenant adds an issuer while the provider serves, for instance one for each test. It fails if the tenant is not valid
// or its path is taken.
func (p *Provider) AddTenant(t Tenant) (*Provider, error) {
	if err := p.given.checkTenant(t); err != nil {
		return nil, fmt.Errorf("adding a tenant: %w", err)
	}
	// The keys of the first issuer are its own: another issuer with the same keys would make mix-up invisible.
	made, err := New(p.given.tenantConfig(t), append(slices.Clone(p.options), func(child *Provider) { child.givenKeys, child.mutualTLS = nil, p.mutualTLS })...)
	if err != nil {
		return nil, fmt.Errorf("adding the tenant %s: %w", t.Path, err)
	}
	p.tenants.mu.Lock()
	defer p.tenants.mu.Unlock()
	if p.tenants.byRoot[made.urls.root] != nil {
		return nil, fmt.Errorf("adding a tenant: the path %s is taken", t.Path)
	}
	p.tenants.byRoot[made.urls.root] = made
	return made, nil
}

// RemoveTenant forgets a tenant and everything in it. Removing one that is not there does nothing.
func (p *Provider) RemoveTenant(path string) {
	p.tenants.mu.Lock()
	defer p.tenants.mu.Unlock()
	maps.DeleteFunc(p.tenants.byRoot, func(_ string, t *Provider) bool { return p.isAt(t, path) })
}

// Tenant returns the issuer at a path below this one's, or nil.
func (p *Provider) Tenant(path string) *Provider {
	p.tenants.mu.RLock()
	defer p.tenants.mu.RUnlock()
	for made := range maps.Values(p.tenants.byRoot) {
		if p.isAt(made, path) {
			return made
		}
	}
	return nil
}

// Tenants lists the issuers below this one, sorted.
func (p *Provider) Tenants() []string {
	p.tenants.mu.RLock()
	defer p.tenants.mu.RUnlock()
	var list []string
	for made := range maps.Values(p.tenants.byRoot) {
		list = append(list, made.Issuer())
	}
	slices.Sort(list)
	return list
}

// isAt compares with the path of a tenant's issuer; a trailing slash does not matter.
func (p *Provider) isAt(tenant *Provider, path string) bool {
	return strings.TrimSuffix(tenant.cfg.Issuer, "/") == p.urls.base+strings.TrimSuffix(path, "/")
}

// serving returns the tenant that a request is for, or the provider itself. Of tenants at /a and /a/b the longer wins. The
// path of RFC 8414 has its well-known part in front.
func (p *Provider) serving(u *url.URL) *Provider {
	p.tenants.mu.RLock()
	defer p.tenants.mu.RUnlock()
	if len(p.tenants.byRoot) == 0 {
		return p
	}
	path := strings.TrimPrefix(u.Path, pathMetadata)
	for root := path; root != ""; root = root[:strings.LastIndexByte(root, '/')] {
		if made := p.tenants.byRoot[root]; made != nil {
			return made
		}
		if !strings.HasPrefix(root, "/") {
			break
		}
	}
	return p
}
