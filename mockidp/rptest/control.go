// SPDX-License-Identifier: Apache-2.0

package rptest

import (
	"context"
	"fmt"
	"slices"

	"github.com/ingress-auth/conformance/mockidp"
)

// control proves that a login succeeds when nothing is wrong, and learns what else the relying party does then.
func (d Driver) control(ctx context.Context, stand *stand, faults []mockidp.Fault) error {
	for _, without := range []struct {
		scene mockidp.Fault // without a deviation, but of the kind
		when  func(mockidp.Fault) bool
		prove func(*scene, context.Context) error
	}{
		{mockidp.Fault{}, func(mockidp.Fault) bool { return true }, (*scene).provesLogin},
		{mockidp.Fault{Endpoint: mockidp.EndpointConnection}, func(f mockidp.Fault) bool { return f.Endpoint == mockidp.EndpointConnection }, (*scene).provesLogin},
		{mockidp.Fault{Endpoint: mockidp.EndpointLogoutToken}, func(f mockidp.Fault) bool {
			return f.Endpoint == mockidp.EndpointLogoutToken && d.BackchannelLogoutPath != ""
		}, (*scene).provesLogout},
		{mockidp.Fault{Endpoint: mockidp.EndpointEndSession}, func(f mockidp.Fault) bool {
			return f.Endpoint == mockidp.EndpointEndSession && d.SignOutPath != ""
		}, (*scene).provesSignOut},
		{mockidp.Fault{Endpoint: mockidp.EndpointUserinfo}, func(f mockidp.Fault) bool { return f.Endpoint == mockidp.EndpointUserinfo },
			func(s *scene, ctx context.Context) error {
				stand.usesUserinfo = s.login(ctx).uses(mockidp.EndpointUserinfo)
				return nil
			}},
		{mockidp.Fault{Judge: mockidp.JudgeRefreshTwice}, refreshes, func(s *scene, ctx context.Context) error {
			stand.keepsOnRefresh = s.keepsOnRefresh(ctx)
			return nil
		}},
	} {
		if !slices.ContainsFunc(faults, without.when) {
			continue
		}
		if err := d.withoutFault(ctx, stand, without.scene, without.prove); err != nil {
			return err
		}
	}
	return nil
}

func (d Driver) withoutFault(ctx context.Context, stand *stand, f mockidp.Fault, prove func(*scene, context.Context) error) error {
	s, stop, err := d.open(ctx, stand, f)
	if err != nil {
		return err
	}
	defer stop()
	if err := s.start(ctx); err != nil {
		return fmt.Errorf("without any fault the relying party does not start: %w", err)
	}
	return prove(s, ctx)
}

func (s *scene) provesLogin(ctx context.Context) error {
	if !s.recovers(ctx) {
		return fmt.Errorf("without any fault no login succeeds at %s: %s", s.setting.Issuer, s.login(ctx))
	}
	return nil
}

// provesLogout: whoever ignores all logout tokens would seem to refuse the bad ones.
func (s *scene) provesLogout(ctx context.Context) error {
	b := s.newBrowser()
	o := b.login(ctx)
	if err := b.logout(ctx, &o); err != nil {
		return err
	}
	if o.HasAccess {
		return fmt.Errorf("a good logout token at %s does not end the session", s.BackchannelLogoutPath)
	}
	return nil
}

// provesSignOut: whoever stays signed in, or never asks the provider, cannot be judged by what the provider answers.
func (s *scene) provesSignOut(ctx context.Context) error {
	b := s.newBrowser()
	o := b.login(ctx)
	b.signOut(ctx, &o)
	switch {
	case o.HasAccess:
		return fmt.Errorf("%s does not end the session", s.SignOutPath)
	case !o.called(mockidp.EndpointEndSession):
		return fmt.Errorf("%s does not go to the provider's logout", s.SignOutPath)
	}
	return nil
}

func (s *scene) keepsOnRefresh(ctx context.Context) bool {
	b := s.newBrowser()
	o := b.login(ctx)
	if !o.HasAccess || s.rp.Age == nil {
		return s.rp.Age == nil // then it is said so row by row
	}
	before := s.tokenRequests()
	s.rp.Age(s.RefreshAfter)
	b.look(ctx, &o)
	return o.HasAccess || s.tokenRequests() == before
}

func (o Observation) uses(endpoint string) bool { return o.HasAccess && o.called(endpoint) }
