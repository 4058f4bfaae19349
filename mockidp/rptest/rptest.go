// SPDX-License-Identifier: Apache-2.0

// Package rptest judges a relying party by the fault catalogue of mockidp. For each fault it starts a provider and the
// relying party, acts as the browser, and goes by what can be seen: the status of the callback, whether there is a session
// cookie, whether access is given afterwards, and what the provider received.
package rptest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ingress-auth/conformance/mockidp"
)

// RelyingParty is one that runs.
type RelyingParty struct {
	// URL is its origin.
	URL string
	// Age makes it that much later for the relying party, so that it refreshes. Nil: faults of refreshing do not apply.
	Age func(time.Duration)
	// Close stops it.
	Close func()
}

// Driver says how to start a relying party and how to talk to it.
type Driver struct {
	// Start starts one for an issuer, with mockidp's default client. It may return before it is ready. An error is a refusal.
	Start func(ctx context.Context, issuer string) (*RelyingParty, error)
	// LoginPath begins a login, CallbackPath ends it, AuthPath answers 2xx to whoever has access.
	LoginPath, CallbackPath, AuthPath string
	// SessionCookie is the name of the session cookie, or of the first part of one that is split.
	SessionCookie string
	// RefreshAfter is how much older a session must be to be refreshed.
	RefreshAfter time.Duration
	// Limit is what "bounded" means: how long a login may take. Zero means 45 seconds.
	Limit time.Duration
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
}

// Run judges the faults, several at a time, and returns the results in their order.
func Run(ctx context.Context, d Driver, faults []mockidp.Fault, parallel int) ([]Result, error) {
	keys, err := signingKeys()
	if err != nil {
		return nil, err
	}
	if d.Limit == 0 {
		d.Limit = 45 * time.Second
	}
	if err := d.control(ctx, keys); err != nil {
		return nil, err
	}
	results := make([]Result, len(faults))
	slots := make(chan struct{}, max(parallel, 1))
	var done sync.WaitGroup
	for i, f := range faults {
		done.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			results[i] = d.judge(ctx, f, keys)
		})
	}
	done.Wait()
	return results, ctx.Err()
}

func signingKeys() ([]mockidp.SigningKey, error) {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return []mockidp.SigningKey{{Algorithm: jose.RS256, Key: crypto.Signer(r)}, {Algorithm: jose.ES256, Key: e}}, nil
}

// scene is a provider and a relying party for one fault.
type scene struct {
	Driver
	fault mockidp.Fault
	idp   *mockidp.Provider
	rp    *RelyingParty
}

func (d Driver) judge(ctx context.Context, f mockidp.Fault, keys []mockidp.SigningKey) Result {
	result := Result{Fault: f}
	switch {
	case !f.Staged():
		result.Verdict, result.Reason = NotApplicable, f.Excluded
		return result
	case f.Endpoint == mockidp.EndpointEndSession:
		result.Verdict, result.Reason = NotApplicable, "A login does not reach this endpoint."
		return result
	}
	s, stop, err := d.open(ctx, f, keys)
	if err != nil {
		result.Verdict, result.Reason = Blocked, err.Error()
		return result
	}
	defer stop()
	if f.Deviation.Grant == "refresh_token" {
		result.Verdict, result.Reason = s.judgeRefresh(ctx, &result.Observed)
	} else {
		result.Verdict, result.Reason = s.judgeLogin(ctx, &result.Observed)
	}
	return result
}

// control proves that a login succeeds when nothing is wrong. Without it a relying party that never works would seem to
// refuse whatever it should.
func (d Driver) control(ctx context.Context, keys []mockidp.SigningKey) error {
	s, stop, err := d.open(ctx, mockidp.Fault{ID: "NONE"}, keys)
	if err != nil {
		return err
	}
	defer stop()
	if s.rp, err = s.Start(ctx, s.idp.Issuer()); err != nil {
		s.rp = nil
		return fmt.Errorf("without any fault the relying party does not start: %w", err)
	}
	if !s.recovers(ctx) {
		return fmt.Errorf("without any fault no login succeeds: %+v", s.login(ctx))
	}
	return nil
}

// open starts a provider. stop ends it and the relying party.
func (d Driver) open(ctx context.Context, f mockidp.Fault, keys []mockidp.SigningKey) (s *scene, stop func(), err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, fmt.Errorf("no port for the provider: %w", err)
	}
	client := mockidp.DefaultClients()[0]
	client.IssueRefreshToken = "always"
	issuer := "http://" + listener.Addr().String()
	idp, err := mockidp.New(mockidp.Config{Issuer: issuer, AutoLogin: mockidp.DefaultUsername, Clients: []mockidp.Client{client}},
		mockidp.WithSigningKeys(keys...), mockidp.WithRecording())
	if err != nil {
		_ = listener.Close()
		return nil, nil, fmt.Errorf("no provider: %w", err)
	}
	server := &http.Server{Handler: idp, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = server.Serve(listener) }() // ends with Close
	s = &scene{Driver: d, fault: f, idp: idp}
	return s, func() {
		if s.rp != nil {
			s.rp.Close()
		}
		_ = server.Close()
	}, nil
}

func (s *scene) stage() error {
	times := mockidp.FaultForever
	if s.fault.Times > 0 {
		times = s.fault.Times
	}
	_, err := s.idp.AddFault(mockidp.FaultRule{Fault: s.fault.ID, Times: times})
	return err
}

func (s *scene) fired() bool {
	list := s.idp.ActiveFaults()
	return len(list) > 0 && list[0].Fired > 0
}

func (s *scene) judgeLogin(ctx context.Context, o *Observation) (verdict, reason string) {
	if err := s.stage(); err != nil {
		return Blocked, err.Error()
	}
	var err error
	if s.rp, err = s.Start(ctx, s.idp.Issuer()); err != nil {
		s.rp, o.Refused = nil, true
		if s.fault.Outcome == mockidp.OutcomeAccept {
			return Fail, "It does not start: " + err.Error()
		}
		return Pass, "It does not start."
	}
	*o = s.login(ctx)
	if !s.fired() {
		return NotApplicable, "It did not ask for what the fault changes."
	}
	if o.TimedOut {
		return Fail, fmt.Sprintf("The login had not ended after %s.", s.Limit)
	}
	if o.Dropped {
		return Fail, "It dropped the browser's connection, as a panic does."
	}
	if o.HasSession != o.HasAccess {
		return Fail, "Session cookie and access do not agree."
	}
	switch s.fault.Outcome {
	case mockidp.OutcomeReject:
		if o.HasAccess {
			return Fail, "It gave access."
		}
	case mockidp.OutcomeAccept:
		if !o.HasAccess {
			return Fail, "It refused what is legal."
		}
	case mockidp.OutcomeTransient:
		s.idp.ClearFaults()
		if !s.recovers(ctx) {
			return Fail, "No login succeeds when the fault is over."
		}
	}
	return Pass, ""
}

// recovers logs in until it works, for as long as a relying party may take to notice.
func (s *scene) recovers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, s.Limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if s.login(ctx).HasAccess {
			return true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
}

func (s *scene) judgeRefresh(ctx context.Context, o *Observation) (verdict, reason string) {
	var err error
	if s.rp, err = s.Start(ctx, s.idp.Issuer()); err != nil {
		s.rp = nil
		return Blocked, "It does not start: " + err.Error()
	}
	if s.rp.Age == nil {
		return NotApplicable, "The driver cannot make it later, so nothing is refreshed."
	}
	ctx, cancel := context.WithTimeout(ctx, s.Limit)
	defer cancel()
	b := s.newBrowser()
	if *o = b.login(ctx); !o.HasAccess {
		return Blocked, "No login succeeds without the fault."
	}
	if err := s.stage(); err != nil {
		return Blocked, err.Error()
	}
	s.rp.Age(s.RefreshAfter)
	b.look(ctx, o)
	if !s.fired() {
		return NotApplicable, "It did not refresh."
	}
	switch {
	case o.TimedOut || o.Dropped:
		return Fail, "It gave no answer."
	case s.fault.Outcome == mockidp.OutcomeKeep && !o.HasAccess:
		return Fail, fmt.Sprintf("It refused access with %d.", o.AuthStatus)
	case s.fault.Outcome == mockidp.OutcomeLogout && o.HasAccess:
		return Fail, "It kept the session."
	}
	return Pass, ""
}
