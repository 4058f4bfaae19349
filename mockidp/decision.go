// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"net/http"
	"time"
)

// decision is what to do about a well-formed authorization request.
type decision struct {
	kind decisionKind
	user *User       // decideLogin
	err  *oauthError // decideError
}

type decisionKind int

const (
	decideUseSession decisionKind = iota // the SSO session answers
	decideLogin                          // sign the user in without a page
	decideAsk                            // show the login page
	decideConsent                        // show the consent page to who is signed in
	decideError                          // tell the client
)

// decide applies prompt, max_age and the hints to the session there is, which may be nil (Core 1.0 section 3.1.2.1). It has
// no effects.
func (p *Provider) decide(req *authorizationRequest, current *session, now time.Time) decision {
	usable := current != nil && p.directory.findUser(current.username) != nil &&
		!req.expired(current, now) && !req.needsStepUp(current) && p.fitsHints(req, current)
	interact := req.asks(promptLogin) || req.asks(promptConsent) || req.asks(promptSelectAccount)
	switch {
	case usable && !interact && !p.needsConsent(req, current):
		return decision{kind: decideUseSession}
	case usable && !interact && req.asks(promptNone):
		return decision{kind: decideError, err: failure(errConsentRequired, "the user has not agreed yet, and prompt=none forbids asking")}
	case usable && !interact:
		return decision{kind: decideConsent}
	case req.asks(promptNone):
		return decision{kind: decideError, err: failure(errLoginRequired, "nobody fitting is signed in, and prompt=none forbids asking")}
	}
	return p.decideWhoToAsk(req)
}

// decideWhoToAsk is reached when somebody has to authenticate: auto_login stands in for the person if it is on.
func (p *Provider) decideWhoToAsk(req *authorizationRequest) decision {
	auto := p.autoLogin(req.client)
	if auto == "" {
		return decision{kind: decideAsk}
	}
	user := p.directory.findUser(auto)
	switch {
	case req.loginHint != "":
		user = p.directory.findUser(req.loginHint)
	case req.hintedSub != "":
		user = p.userBySubject(req.client, req.hintedSub)
	}
	if user == nil {
		return decision{kind: decideError, err: failure(errAccessDenied, "login_hint %q is not one of the users", req.loginHint)}
	}
	if e := p.checkHintedUser(req, user); e != nil {
		return decision{kind: decideError, err: e}
	}
	return decision{kind: decideLogin, user: user}
}

// checkHintedUser refuses a user who is not the one of the id_token_hint (Core 1.0 section 3.1.2.1).
func (p *Provider) checkHintedUser(req *authorizationRequest, user *User) *oauthError {
	if req.hintedSub != "" && p.subjectOf(req.client, user) != req.hintedSub {
		return failure(errLoginRequired, "the user who signed in is not the one the request names by id_token_hint or claims")
	}
	return nil
}

// autoLogin returns the user to sign in without asking, or "". client may be nil.
func (p *Provider) autoLogin(client *Client) string {
	if client != nil && client.AutoLogin != "" {
		return client.AutoLogin
	}
	return p.cfg.AutoLogin
}

// expired says whether max_age asks for a newer authentication; max_age=0 always does.
func (r *authorizationRequest) expired(current *session, now time.Time) bool {
	return r.maxAge != nil && (*r.maxAge == 0 || now.Sub(current.authTime.time()) > *r.maxAge)
}

// fitsHints says whether the session is of the user whom login_hint and id_token_hint name.
func (p *Provider) fitsHints(req *authorizationRequest, current *session) bool {
	user := p.directory.findUser(current.username)
	if p.checkHintedUser(req, user) != nil {
		return false
	}
	return req.loginHint == "" || p.directory.findUser(req.loginHint) == user
}

// proceed carries the decision out.
func (p *Provider) proceed(w http.ResponseWriter, r *http.Request, req *authorizationRequest) {
	p.noteFlow(r, req.flow)
	if next := p.logins.take(req.client.ClientID); next != nil {
		p.answerAsTold(w, r, req, next)
		return
	}
	current := p.currentSession(r)
	switch d := p.decide(req, current, p.now()); d.kind {
	case decideUseSession:
		p.grantAuthorization(w, r, req, current)
	case decideLogin:
		p.grantAuthorization(w, r, req, p.signIn(w, r, d.user, p.acrFor(req)))
	case decideError:
		p.refuseAuthorization(w, r, req, d.err)
	case decideConsent:
		p.askForConsent(w, r, req, current)
	case decideAsk:
		p.askForLogin(w, r, req)
	}
}
