// SPDX-License-Identifier: Apache-2.0

package rptest

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"github.com/ingress-auth/conformance/mockidp"
)

// What the judge stages itself, being the browser and the operator. The provider does nothing wrong here.

// awkwardSecret has what RFC 6749 section 2.3.1 wants encoded.
const awkwardSecret = "a:b+c%d/e f&g=é"

func (s *scene) judgeStaged(ctx context.Context, r *Result) (verdict, reason string) {
	switch s.fault.Judge {
	case mockidp.JudgeSecret:
		return s.judgeSecret(ctx, r)
	case mockidp.JudgeRefreshTwice:
		return s.judgeRefreshTwice(ctx, r)
	case mockidp.JudgeCodeLeak:
		return s.judgeCodeLeak(ctx, r)
	case mockidp.JudgeReplay:
		return s.judgeReplay(ctx, r)
	}
	return s.judgeForeignCallback(ctx, r)
}

// judgeSecret: the scene was opened with the secret.
func (s *scene) judgeSecret(ctx context.Context, r *Result) (verdict, reason string) {
	if err := s.start(ctx); err != nil {
		r.Observed.Refused, r.Detail = true, err.Error()
		return Fail, "It does not start."
	}
	if r.Observed = s.login(ctx); !r.Observed.HasAccess {
		return Fail, "It refused what is legal."
	}
	return Pass, ""
}

func (s *scene) judgeRefreshTwice(ctx context.Context, r *Result) (verdict, reason string) {
	b, problem := s.loggedIn(ctx, r)
	if problem != "" {
		return Blocked, problem
	}
	if s.rp.Age == nil {
		return NotApplicable, noAge
	}
	for range 2 {
		before := s.tokenRequests()
		s.rp.Age(s.RefreshAfter)
		b.look(ctx, &r.Observed)
		if s.tokenRequests() == before {
			return NotApplicable, "It did not refresh."
		}
		if !r.Observed.HasAccess {
			return Fail, "It lost the session with a refresh that went well."
		}
	}
	return Pass, ""
}

// judgeCodeLeak looks at what the callback answers: a page there would hand its URL, with the code, to whatever it loads.
func (s *scene) judgeCodeLeak(ctx context.Context, r *Result) (verdict, reason string) {
	if err := s.start(ctx); err != nil {
		r.Detail = err.Error()
		return Blocked, "It does not start without the fault."
	}
	b := s.newBrowser()
	b.stopBeforeCallback = true
	b.login(ctx)
	if b.callback == "" {
		return Blocked, "No login comes back to the relying party."
	}
	status, location, err := b.get(ctx, b.callback)
	policy := b.referrerPolicy
	r.Observed.CallbackStatus = status
	b.look(ctx, &r.Observed)
	switch target, parseErr := url.Parse(location); {
	case err != nil || !r.Observed.HasAccess:
		return Blocked, "No login succeeds without the fault."
	case parseErr == nil && location != "" && !target.Query().Has("code"), policy == "no-referrer":
		return Pass, ""
	}
	return Fail, "Its page has the code in its URL, and tells it to whatever it loads."
}

// judgeReplay visits the callback again, with every cookie but that of the session.
func (s *scene) judgeReplay(ctx context.Context, r *Result) (verdict, reason string) {
	b, problem := s.loggedIn(ctx, r)
	if problem != "" {
		return Blocked, problem
	}
	b.forgetSession()
	return s.visitCallback(ctx, b, b.callback, r)
}

// judgeForeignCallback lets another browser visit the callback of a login that is not its own.
func (s *scene) judgeForeignCallback(ctx context.Context, r *Result) (verdict, reason string) {
	if err := s.start(ctx); err != nil {
		r.Detail = err.Error()
		return Blocked, "It does not start without the fault."
	}
	attacker, victim := s.newBrowser(), s.newBrowser()
	attacker.stopBeforeCallback = true
	attacker.login(ctx)
	if attacker.callback == "" {
		return Blocked, "The attacker's own login does not come back to the relying party."
	}
	if s.fault.Judge == mockidp.JudgeForeignState {
		victim.stopBeforeCallback = true
		victim.login(ctx)
	}
	return s.visitCallback(ctx, victim, attacker.callback, r)
}

func (s *scene) visitCallback(ctx context.Context, b *browser, callback string, r *Result) (verdict, reason string) {
	o := &r.Observed
	before := s.tokenRequests()
	status, _, err := b.get(ctx, callback)
	o.CallbackStatus, o.Dropped = status, err != nil
	b.look(ctx, o)
	switch {
	case o.Dropped:
		return Fail, "It dropped the browser's connection, as a crash does."
	case o.HasAccess || o.HasSession:
		return Fail, "It gave access."
	case len(s.fault.Never) > 0 && s.tokenRequests() > before:
		return Fail, "It sent the code to the token endpoint."
	}
	return Pass, ""
}

func (s *scene) tokenRequests() int {
	return s.arrivals.count(mockidp.EndpointToken)
}

// isSession knows the parts of one that is split by their numbers; other cookies begin with its name too.
func (s *scene) isSession(cookie string) bool {
	part, split := strings.CutPrefix(cookie, s.SessionCookie+"_")
	_, err := strconv.ParseUint(part, 10, 8)
	return cookie == s.SessionCookie || (split && err == nil)
}
