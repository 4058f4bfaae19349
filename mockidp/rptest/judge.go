// SPDX-License-Identifier: Apache-2.0

package rptest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ingress-auth/conformance/mockidp"
)

func (d Driver) judge(ctx context.Context, stand *stand, f mockidp.Fault) Result {
	result := Result{Fault: f}
	switch {
	case !f.Staged() && f.Judge == "":
		result.Verdict, result.Reason = NotApplicable, f.Excluded
		return result
	case f.Endpoint == mockidp.EndpointEndSession && f.Outcome == mockidp.OutcomeKeep:
		result.Verdict, result.Reason = NotApplicable, "It has no endpoint for front-channel logout."
		return result
	case f.Endpoint == mockidp.EndpointEndSession && d.SignOutPath == "":
		result.Verdict, result.Reason = NotApplicable, "Its sign-out does not go to the provider."
		return result
	case f.Endpoint == mockidp.EndpointUserinfo && !stand.usesUserinfo:
		result.Verdict, result.Reason = NotApplicable, "It does not take claims from userinfo."
		return result
	case refreshes(f) && !stand.keepsOnRefresh:
		result.Verdict, result.Reason = NotApplicable, "It keeps no session over a refresh that goes well, so that losing one proves nothing."
		return result
	case f.Endpoint == mockidp.EndpointLogoutToken && d.BackchannelLogoutPath == "":
		result.Verdict, result.Reason = NotApplicable, "It has no endpoint for logout tokens."
		return result
	}
	s, stop, err := d.open(ctx, stand, f)
	if err != nil {
		result.Verdict, result.Reason = Blocked, err.Error()
		return result
	}
	defer stop()
	judge := s.judgeLogin
	switch {
	case f.Judge != "":
		judge = s.judgeStaged
	case f.Endpoint == mockidp.EndpointLogoutToken:
		judge = s.judgeLogout
	case f.Endpoint == mockidp.EndpointEndSession:
		judge = s.judgeSignOut
	case refreshes(f):
		judge = s.judgeRefresh
	}
	result.Verdict, result.Reason = judge(ctx, &result)
	return result
}

func (s *scene) judgeLogin(ctx context.Context, r *Result) (verdict, reason string) {
	if s.fault.Warm {
		if _, problem := s.loggedIn(ctx, r); problem != "" {
			return Blocked, problem
		}
	}
	if err := s.stage(); err != nil {
		return Blocked, err.Error()
	}
	o := &r.Observed
	if s.rp == nil {
		if err := s.start(ctx); err != nil {
			o.Refused, r.Detail = true, err.Error()
			return s.afterRefusal(ctx)
		}
	}
	*o = s.login(ctx)
	for range s.fault.Every() - 1 {
		*o = s.login(ctx)
	}
	if s.fault.Every() > 1 && !s.fired() { // what is asked for at the start alone is asked for again by a second one
		s.rp.Close()
		if err := s.start(ctx); err != nil {
			o.Refused, r.Detail = true, err.Error()
			return s.afterRefusal(ctx)
		}
		*o = s.login(ctx)
	}
	if !s.fired() {
		return NotApplicable, "It did not ask for what the fault changes."
	}
	if reason := s.mistakes(o); reason != "" {
		return Fail, reason
	}
	forbidden := s.forbidden(o) // before what the row says makes it log in again
	if verdict, reason = s.asTheRowSays(ctx, o); verdict == Pass && forbidden != "" {
		return Fail, forbidden
	}
	return verdict, reason
}

// mistakes are those that no fault excuses.
func (s *scene) mistakes(o *Observation) string {
	switch {
	case o.TimedOut:
		return fmt.Sprintf("The login had not ended after %s.", s.Limit)
	case o.Dropped:
		return "It dropped the browser's connection, as a crash does."
	case o.HasSession != o.HasAccess:
		return "Session cookie and access do not agree."
	case aboutMemory(s.fault) && s.peakMemory() > s.MemoryLimit:
		return fmt.Sprintf("It took more than %d MiB of memory.", s.MemoryLimit>>20)
	}
	return ""
}

// forbidden is what the row says that a correct relying party never does.
func (s *scene) forbidden(o *Observation) string {
	for _, never := range s.fault.Never {
		switch {
		case never == mockidp.NeverRedeem && o.called(mockidp.EndpointToken):
			return "It sent the code to the token endpoint."
		case never == mockidp.NeverResend && o.Redemptions > 1:
			return "It sent the code a second time."
		case never == mockidp.NeverFetch && o.Foreign:
			return "It asked the foreign host."
		case never == mockidp.NeverDisclose && o.Disclosed:
			return "It sent a code, token or secret to the foreign host."
		}
	}
	return ""
}

func (s *scene) asTheRowSays(ctx context.Context, o *Observation) (verdict, reason string) {
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
		s.endFault()
		if !s.recovers(ctx) {
			return Fail, "No login succeeds when the fault is over."
		}
	case mockidp.OutcomeEither:
		for range 2 {
			if again := s.login(ctx); again.HasAccess != o.HasAccess {
				return Fail, "It accepted one time and refused another."
			}
		}
	}
	return Pass, ""
}

// afterRefusal is for one that did not start: where that is not what the row wants, it must when the fault is over.
func (s *scene) afterRefusal(ctx context.Context) (verdict, reason string) {
	switch {
	case s.fault.Outcome == mockidp.OutcomeAccept:
		return Fail, "It does not start."
	case s.fault.Outcome != mockidp.OutcomeTransient:
		return Pass, ""
	}
	s.endFault()
	if err := s.start(ctx); err != nil || !s.recovers(ctx) {
		return Fail, "Started again when the fault is over, it does not work."
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

// loggedIn starts the relying party and logs in without the fault; the reason why not, else.
func (s *scene) loggedIn(ctx context.Context, r *Result) (*browser, string) {
	if err := s.start(ctx); err != nil {
		r.Detail = err.Error()
		return nil, "It does not start without the fault."
	}
	b := s.newBrowser()
	if r.Observed = b.login(ctx); !r.Observed.HasAccess {
		return nil, "No login succeeds without the fault."
	}
	return b, ""
}

const noAge = "Its sessions cannot be made older, so nothing is refreshed."

func (s *scene) judgeRefresh(ctx context.Context, r *Result) (verdict, reason string) {
	ctx, cancel := context.WithTimeout(ctx, s.Limit)
	defer cancel()
	b, problem := s.loggedIn(ctx, r)
	if problem != "" {
		return Blocked, problem
	}
	if s.rp.Age == nil {
		return NotApplicable, noAge
	}
	if err := s.stage(); err != nil {
		return Blocked, err.Error()
	}
	before := s.tokenRequests()
	s.rp.Age(s.RefreshAfter)
	o := &r.Observed
	b.lookTogether(ctx, o, s.fault.Together)
	if !s.fired() {
		return NotApplicable, "It did not refresh."
	}
	refreshes := s.tokenRequests() - before
	switch {
	case o.TimedOut || o.Dropped:
		return Fail, "It gave no answer."
	case s.fault.Together > 1 && refreshes > 1:
		return Fail, "Requests at the same time refresh each for itself."
	case s.fault.Outcome == mockidp.OutcomeKeep && !o.HasAccess:
		return Fail, fmt.Sprintf("It refused access with %d.", o.AuthStatus)
	case s.fault.Outcome == mockidp.OutcomeLogout && o.HasAccess:
		return Fail, "It kept the session."
	}
	return Pass, ""
}

// lookTogether asks n times at once whether there is access, all with the same cookies; all must be told the same.
func (b *browser) lookTogether(ctx context.Context, o *Observation, n int) {
	var others sync.WaitGroup
	for range n - 1 {
		other := *b // it keeps something of the answer

		// What is asked of the provider counts.
		others.Go(func() { _, _, _ = other.get(ctx, b.rp.URL+b.AuthPath) })
	}
	b.look(ctx, o)
	others.Wait()
	b.received(o)
}

// judgeLogout lets the provider end the session of a user who is logged in, and so send the logout token with the fault.
func (s *scene) judgeLogout(ctx context.Context, r *Result) (verdict, reason string) {
	ctx, cancel := context.WithTimeout(ctx, s.Limit)
	defer cancel()
	b, problem := s.loggedIn(ctx, r)
	if problem != "" {
		return Blocked, problem
	}
	if err := s.stage(); err != nil {
		return Blocked, err.Error()
	}
	o := &r.Observed
	if err := b.logout(ctx, o); err != nil {
		return Blocked, err.Error()
	}
	switch {
	case !s.fired():
		return NotApplicable, "No logout token was sent."
	case o.TimedOut || o.Dropped:
		return Fail, "It gave no answer."
	case s.fault.Outcome == mockidp.OutcomeKeep && !o.HasAccess:
		return Fail, "It ended the session."
	case s.fault.Outcome == mockidp.OutcomeLogout && o.HasAccess:
		return Fail, "It kept the session."
	}
	return Pass, ""
}

// judgeSignOut lets the browser sign out by way of the provider. The session is over whatever happens there.
func (s *scene) judgeSignOut(ctx context.Context, r *Result) (verdict, reason string) {
	ctx, cancel := context.WithTimeout(ctx, s.Limit)
	defer cancel()
	b, problem := s.loggedIn(ctx, r)
	if problem != "" {
		return Blocked, problem
	}
	if err := s.stage(); err != nil {
		return Blocked, err.Error()
	}
	o := &r.Observed
	b.signOut(ctx, o)
	switch {
	case !s.fired():
		return NotApplicable, "Its sign-out does not go to the provider."
	case o.TimedOut || o.Dropped:
		return Fail, "It gave no answer."
	case o.HasAccess:
		return Fail, "It kept the session."
	}
	return Pass, ""
}

// aboutMemory says whether the fault sends more than a relying party should hold.
func aboutMemory(f mockidp.Fault) bool {
	return f.Staged() && f.Deviation != nil && f.Deviation.HTTP != nil && (f.Deviation.HTTP.SpaceBytes > 0 || f.Deviation.HTTP.Transport == "gzip-bomb")
}

// peakMemory is 0 where it cannot be known.
func (s *scene) peakMemory() uint64 {
	if s.rp == nil || s.rp.PeakMemory == nil {
		return 0
	}
	peak, err := s.rp.PeakMemory()
	if err != nil {
		return 0
	}
	return peak
}

// logout ends the session at the provider, which tells the relying party, and looks whether there is access still.
func (b *browser) logout(ctx context.Context, o *Observation) error {
	status, _, err := b.get(ctx, b.setting.Issuer+"/end_session")
	if err != nil || status >= 400 {
		return fmt.Errorf("the provider's logout answers %d, %w", status, err)
	}
	b.look(ctx, o)
	return nil
}

// signOut follows the relying party's sign-out to the provider and back, and looks whether there is access still.
func (b *browser) signOut(ctx context.Context, o *Observation) {
	next := b.rp.URL + b.SignOutPath
	for range maxHops {
		ours := strings.HasPrefix(next, b.rp.URL+"/")
		if !ours && !strings.HasPrefix(next, b.setting.Issuer+"/") {
			break
		}
		_, location, err := b.visit(ctx, next, ours)
		if ours && err != nil {
			o.Dropped = true
		}
		if err != nil || location == "" {
			break
		}
		next = location
	}
	b.look(ctx, o)
}
