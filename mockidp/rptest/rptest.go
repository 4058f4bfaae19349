// SPDX-License-Identifier: Apache-2.0

// Package rptest judges a relying party by the fault catalogue of mockidp. For each fault it starts a provider and the
// relying party, acts as the browser, and goes by what can be seen from outside: the status of the callback, whether there
// is a session cookie, whether access is given afterwards, and what the provider, and an attacker's host beside it, received.
//
// A Driver says how to start the relying party and where its endpoints are; it may be a handler in this process, a child
// process, or a program that runs already (see Driver.Listen). The example shows a whole one.
package rptest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ingress-auth/conformance/mockidp"
)

// Setting is what a relying party is started with.
type Setting struct {
	// Issuer is the provider's, ClientID and ClientSecret are those it knows the relying party by.
	Issuer, ClientID, ClientSecret string
	// CAFile is a PEM file with the authority to trust when the issuer is https, else empty.
	CAFile string
	// Refreshes asks for sessions that are refreshed once they are Driver.RefreshAfter old.
	Refreshes bool
	// Logout asks for sessions that the provider can end, and for a sign-out that ends the provider's too.
	Logout bool
}

// RelyingParty is one that runs.
type RelyingParty struct {
	// URL is its origin.
	URL string
	// Age makes its sessions that much older: it moves a clock, or lets the time pass where there is none to move. Nil:
	// faults of refreshing do not apply.
	Age func(time.Duration)
	// PeakMemory is the most memory it has held since it was started, in bytes. Nil: memory is not judged.
	PeakMemory func() (uint64, error)
	// Close stops it.
	Close func()
}

// Driver says how to start a relying party and how to talk to it.
type Driver struct {
	// Start starts one. It may return before it is ready. An error is a refusal to start.
	Start func(context.Context, Setting) (*RelyingParty, error)
	// LoginPath begins a login, CallbackPath ends it, AuthPath answers 2xx to whoever has access.
	LoginPath, CallbackPath, AuthPath string
	// BackchannelLogoutPath receives logout tokens. Empty: faults of back-channel logout do not apply.
	BackchannelLogoutPath string
	// SignOutPath ends the session and sends the browser to the provider's logout (RP-Initiated Logout 1.0). Empty: faults of
	// that do not apply.
	SignOutPath string
	// SessionCookie is the name of the session cookie, or of the first part of one that is split.
	SessionCookie string
	// RefreshAfter is how much older a session must be to be refreshed.
	RefreshAfter time.Duration
	// Limit is what "bounded" means: how long a login may take. Zero means 45 seconds.
	Limit time.Duration
	// MemoryLimit is how much memory a login may take, in bytes. Zero means 256 MiB.
	MemoryLimit uint64
	// Listen is the address of the provider, the same for every fault, for a relying party that runs already. Empty: any
	// free port of loopback.
	Listen string
}

// Options say how to run.
type Options struct {
	// Parallel is how many faults are judged at a time; what is judged by its memory is judged alone. Zero means one.
	Parallel int
	// Repeat judges each fault that often; verdicts that differ make it blocked. Zero means once.
	Repeat int
	// Done is called with each result as it is there, from several goroutines. It may be nil.
	Done func(Result)
}

// Verdicts.
const (
	Pass          = "pass"
	Fail          = "fail"
	NotApplicable = "not-applicable"
	Blocked       = "blocked"
)

// Result is the verdict on one fault.
type Result struct {
	Fault    mockidp.Fault
	Verdict  string
	Reason   string
	Observed Observation
	// Detail is what a person who looks into it wants to know: an error in words that may differ from run to run.
	Detail string
}

const (
	defaultLimit       = 45 * time.Second
	defaultMemoryLimit = 256 << 20
)

// Run judges the faults and returns the results in their order. It fails if no login succeeds without a fault, for then
// a relying party that never works would seem to refuse whatever it should.
func Run(ctx context.Context, d Driver, faults []mockidp.Fault, o Options) ([]Result, error) {
	if d.Limit == 0 {
		d.Limit = defaultLimit
	}
	if d.MemoryLimit == 0 {
		d.MemoryLimit = defaultMemoryLimit
	}
	if d.Listen != "" && o.Parallel > 1 {
		return nil, fmt.Errorf("a relying party that runs already is judged by one fault at a time, not %d", o.Parallel)
	}
	stand, err := newStand()
	if err != nil {
		return nil, err
	}
	defer stand.close()
	if err := d.control(ctx, stand, faults); err != nil {
		return nil, err
	}
	results := make([]Result, len(faults))
	judge := func(i int) {
		results[i] = d.judgeRepeatedly(ctx, stand, faults[i], max(o.Repeat, 1))
		if o.Done != nil {
			o.Done(results[i])
		}
	}
	slots := make(chan struct{}, max(o.Parallel, 1))
	var done sync.WaitGroup
	for i := range faults {
		if aboutMemory(faults[i]) {
			continue
		}
		slots <- struct{}{}
		done.Go(func() {
			defer func() { <-slots }()
			judge(i)
		})
	}
	done.Wait()
	for i := range faults {
		if aboutMemory(faults[i]) {
			judge(i)
		}
	}
	return results, ctx.Err()
}

// AtEveryEndpoint adds, behind each fault that fits any endpoint, that fault at each of the others that a login reaches:
// H-HANG is at the token endpoint, H-HANG@jwks where the keys are.
func AtEveryEndpoint(faults []mockidp.Fault) []mockidp.Fault {
	var list []mockidp.Fault
	for _, f := range faults {
		list = append(list, f)
		if f.Endpoint != mockidp.AnyEndpoint || !f.Staged() {
			continue
		}
		for _, endpoint := range []string{mockidp.EndpointDiscovery, mockidp.EndpointJWKS, mockidp.EndpointUserinfo} {
			there := f
			there.ID, there.Endpoint = f.ID+"@"+endpoint, endpoint
			list = append(list, there)
		}
	}
	return list
}

func (d Driver) judgeRepeatedly(ctx context.Context, stand *stand, f mockidp.Fault, times int) Result {
	first := d.judge(ctx, stand, f)
	for range times - 1 {
		again := d.judge(ctx, stand, f)
		if again.Verdict != first.Verdict || again.Reason != first.Reason {
			again.Reason = fmt.Sprintf("Judged again it is not the same: %s (%s), then %s (%s).", first.Verdict, first.Reason, again.Verdict, again.Reason)
			again.Verdict = Blocked
			return again
		}
	}
	return first
}
