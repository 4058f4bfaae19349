// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// FaultRule selects when a deviation happens. Give Fault, or Endpoint and Deviation.
type FaultRule struct {
	// Fault is an ID of the catalogue, and "@" with an endpoint where the fault fits any: "C-AUD", "H-HANG@jwks".
	Fault string `json:"fault,omitempty"`
	// Endpoint is where an own deviation happens.
	Endpoint  string     `json:"endpoint,omitempty"`
	Deviation *Deviation `json:"do,omitempty"`
	// ClientID restricts it to a client. Discovery and JWKS have no client.
	ClientID string `json:"client_id,omitempty"`
	// Times is how often it happens: 0 is as often as the catalogue says, which mostly is once; -1 is for ever.
	Times int `json:"times,omitempty"`
}

// FaultForever is the number of times that never ends.
const FaultForever = -1

// ActiveFault is a rule as it stands.
type ActiveFault struct {
	ID int `json:"id"`
	FaultRule
	// Fired is how often it happened, Left how often it still will; -1 for ever.
	Fired int `json:"fired"`
	Left  int `json:"left"`
}

// maxRules bounds what is queued.
const maxRules = 1000

type activeRule struct {
	ActiveFault
	seen int // matching requests, for Every
}

// faultEngine holds the rules. It is safe for concurrent use.
type faultEngine struct {
	mu      sync.Mutex
	rules   []*activeRule
	lastID  int
	spares  *spareKeys
	foreign string // the base URL of ${foreign}
	tenants map[string]*Provider
	labels  map[string]*faultEngine // by fault: see byLabel
	wait    func(context.Context, time.Duration) error
	// connected says that ServeTLS serves.
	connected atomic.Bool
}

func newFaultEngine() *faultEngine {
	return &faultEngine{spares: newSpareKeys(), foreign: foreignBase, tenants: map[string]*Provider{}, labels: map[string]*faultEngine{}, wait: waitFor}
}

// waitFor returns when the time is over, or with an error when ctx is.
func waitFor(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// WithFaultWait sets how faults let time pass, for tests that do not want to wait. It returns an error when ctx is over.
func WithFaultWait(wait func(context.Context, time.Duration) error) Option {
	return func(p *Provider) { p.faults.wait = wait }
}

// WithForeignHost sets the base URL of the foreign host that faults lead to, so that a test sees who asks there. Default: a
// host that nobody has, https://attacker.invalid.
func WithForeignHost(base string) Option {
	return func(p *Provider) { p.faults.foreign = base }
}

// AddFault queues a rule. Of several that match a request, the one that was added first happens. It fails if the fault is
// unknown or excluded, or the rule can never match.
func (p *Provider) AddFault(rule FaultRule) (ActiveFault, error) {
	if err := rule.resolve(); err != nil {
		return ActiveFault{}, fmt.Errorf("adding a fault: %w", err)
	}
	if rule.ClientID != "" && p.directory.client(rule.ClientID) == nil {
		return ActiveFault{}, fmt.Errorf("adding a fault: there is no client %q", rule.ClientID)
	}
	return p.faults.add(rule)
}

// resolve fills in what the catalogue says.
func (r *FaultRule) resolve() error {
	if r.Fault != "" {
		if r.Deviation != nil {
			return errors.New("give a fault or a deviation, not both")
		}
		id, endpoint, chosen := strings.Cut(r.Fault, "@")
		fault, err := FindFault(id)
		if err != nil {
			return err
		}
		if !fault.Staged() {
			return fmt.Errorf("%s cannot be staged: %s", fault.ID, fault.Excluded)
		}
		if r.Endpoint == "" {
			r.Endpoint = fault.endpoint()
		}
		if chosen {
			r.Endpoint = endpoint
		}
		if fault.Endpoint != AnyEndpoint && r.Endpoint != fault.Endpoint {
			return fmt.Errorf("%s is a fault of %s, not of %s", fault.ID, fault.Endpoint, r.Endpoint)
		}
		r.Fault, r.Deviation = fault.ID, fault.Deviation
		if r.Times == 0 {
			r.Times = fault.Times
		}
	} else if err := r.Deviation.validate(); err != nil {
		return err
	}
	switch {
	case !slices.Contains(FaultEndpoints(), r.Endpoint):
		return fmt.Errorf("endpoint: %q must be one of %s", r.Endpoint, strings.Join(FaultEndpoints(), ", "))
	case r.Deviation.fits(r.Endpoint) != nil:
		return r.Deviation.fits(r.Endpoint)
	case r.ClientID != "" && (r.Endpoint == EndpointDiscovery || r.Endpoint == EndpointJWKS || r.Endpoint == EndpointConnection):
		return fmt.Errorf("%s has no client: leave client_id out", r.Endpoint)
	case r.Times < FaultForever:
		return fmt.Errorf("times: %d must be -1 (for ever), 0 (the default) or more", r.Times)
	}
	if r.Times == 0 {
		r.Times = 1
	}
	return nil
}

func (f *faultEngine) add(rule FaultRule) (ActiveFault, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.rules) >= maxRules {
		return ActiveFault{}, fmt.Errorf("adding a fault: there are %d already, remove some", maxRules)
	}
	f.lastID++
	added := &activeRule{ActiveFault: ActiveFault{ID: f.lastID, FaultRule: rule, Left: rule.Times}}
	f.rules = append(f.rules, added)
	return added.ActiveFault, nil
}

// ActiveFaults lists the rules, those that are used up included: Fired tells whether a test did what it was to do.
func (p *Provider) ActiveFaults() []ActiveFault {
	p.faults.mu.Lock()
	defer p.faults.mu.Unlock()
	list := make([]ActiveFault, 0, len(p.faults.rules))
	for _, r := range p.faults.rules {
		list = append(list, r.ActiveFault)
	}
	return list
}

// RemoveFault takes one rule back. It reports whether there was one.
func (p *Provider) RemoveFault(id int) bool {
	p.faults.mu.Lock()
	defer p.faults.mu.Unlock()
	before := len(p.faults.rules)
	p.faults.rules = slices.DeleteFunc(p.faults.rules, func(r *activeRule) bool { return r.ID == id })
	return len(p.faults.rules) < before
}

// ClearFaults takes every rule back.
func (p *Provider) ClearFaults() {
	p.faults.mu.Lock()
	defer p.faults.mu.Unlock()
	p.faults.rules = nil
}

func (f *faultEngine) idle() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.rules) == 0
}

// asked is what a request is matched by.
type asked struct{ endpoint, client, grant, method, path string }

func (d *Deviation) matches(a asked) bool {
	return (d.Grant == "" || d.Grant == a.grant) && (d.Method == "" || d.Method == a.method) && strings.HasSuffix(a.path, d.Path)
}

// choose takes the first rule that matches and counts it, or returns nil.
func (f *faultEngine) choose(a asked) (*activeRule, *Deviation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.rules {
		d := r.Deviation.at(r.Endpoint, a.endpoint)
		main := a.endpoint == r.Endpoint
		if d == nil || (main && r.Left == 0) || !d.matches(a) ||
			(r.ClientID != "" && a.client != "" && r.ClientID != a.client) || (main && r.ClientID != "" && a.client == "") {
			continue
		}
		r.seen++
		if d.Every > 1 && r.seen%d.Every != 0 {
			continue
		}
		r.count(main, 1)
		return r, d
	}
	return nil, nil
}

// giveBack undoes choose for a request that offered nothing to change, such as a login page instead of a redirect.
func (f *faultEngine) giveBack(r *activeRule, endpoint string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r.seen--
	r.count(endpoint == r.Endpoint, -1)
}

func (r *activeRule) count(main bool, n int) {
	r.Fired += n
	if main && r.Left != FaultForever {
		r.Left -= n
	}
}
