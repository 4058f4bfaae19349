// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
)

// NextLogin says how an authorization request to come is answered, at once and without a page: a user signs in, or an error
// goes back. It goes before sessions, prompt and auto_login.
type NextLogin struct {
	// ClientID restricts it to one client; empty fits any. What names the client goes first.
	ClientID string `json:"client_id,omitempty"`
	// User is a user name, an email address or a sub.
	User string `json:"user,omitempty"`
	// Claims are in the place of all that the user's profile says; nil leaves the profile.
	Claims map[string]any `json:"claims,omitempty"`
	// ACR is the authentication context; empty means what the request asks for.
	ACR string `json:"acr,omitempty"`
	// Scope narrows what is granted, words separated by spaces; empty grants what is asked for.
	Scope string `json:"scope,omitempty"`
	// Error is answered in place of a login, such as access_denied.
	Error            string `json:"error,omitempty"`
	ErrorDescription string `json:"error_description,omitempty"`
	// Times is how many requests it answers; 0 is one.
	Times int `json:"times,omitempty"`
}

// QueuedLogin is a NextLogin that waits.
type QueuedLogin struct {
	NextLogin
	ID   int `json:"id"`
	Left int `json:"left"`
}

// loginQueue is first in, first out for each client. It is safe for concurrent use.
type loginQueue struct {
	mu   sync.Mutex
	list []*QueuedLogin
	last int
}

// maxQueuedLogins bounds the queue.
const maxQueuedLogins = 10_000

// QueueLogin answers an authorization request to come. It fails if there is no such user or client, if both a user and an error
// are given, or neither.
func (p *Provider) QueueLogin(next NextLogin) (QueuedLogin, error) {
	if err := p.checkLogin(&next); err != nil {
		return QueuedLogin{}, fmt.Errorf("queueing a login: %w", err)
	}
	p.logins.mu.Lock()
	defer p.logins.mu.Unlock()
	if len(p.logins.list) >= maxQueuedLogins {
		return QueuedLogin{}, fmt.Errorf("queueing a login: %d wait already; reset", maxQueuedLogins)
	}
	p.logins.last++
	made := &QueuedLogin{NextLogin: next, ID: p.logins.last, Left: max(1, next.Times)}
	p.logins.list = append(p.logins.list, made)
	return *made, nil
}

func (p *Provider) checkLogin(next *NextLogin) error {
	switch {
	case (next.User == "") == (next.Error == ""):
		return fmt.Errorf("give a user or an error")
	case next.Error != "" && (next.Claims != nil || next.ACR != "" || next.Scope != ""):
		return fmt.Errorf("with an error there is no login, so no claims, acr or scope")
	case next.ErrorDescription != "" && next.Error == "":
		return fmt.Errorf("error_description is given without error")
	case next.Error != describable(next.Error) || !printableASCII(next.Error):
		return fmt.Errorf("error %q must be printable ASCII without quotes", next.Error)
	case next.Times < 0:
		return fmt.Errorf("times must not be negative")
	case next.ClientID != "" && p.directory.client(next.ClientID) == nil:
		return fmt.Errorf("there is no client %q", next.ClientID)
	}
	if next.User == "" {
		return nil
	}
	_, err := p.loginUser(next.User, next.Claims)
	return err
}

// loginUser finds a user and gives them other claims, unless these are nil.
func (p *Provider) loginUser(name string, claims map[string]any) (*User, error) {
	user := p.directory.findUser(name)
	if user == nil {
		return nil, fmt.Errorf("there is no user %q", name)
	}
	if claims == nil {
		return user, nil
	}
	return user.withClaims(maps.Clone(claims))
}

// QueuedLogins lists what waits, the oldest first.
func (p *Provider) QueuedLogins() []QueuedLogin {
	p.logins.mu.Lock()
	defer p.logins.mu.Unlock()
	list := []QueuedLogin{}
	for _, one := range p.logins.list {
		list = append(list, *one)
	}
	return list
}

// ClearLogins forgets what waits.
func (p *Provider) ClearLogins() {
	p.logins.mu.Lock()
	defer p.logins.mu.Unlock()
	p.logins.list = nil
}

// take returns what answers a request of the client, or nil.
func (q *loginQueue) take(clientID string) *NextLogin {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, wanted := range []string{clientID, ""} {
		i := slices.IndexFunc(q.list, func(one *QueuedLogin) bool { return one.ClientID == wanted })
		if i < 0 {
			continue
		}
		found := q.list[i]
		if found.Left--; found.Left == 0 {
			q.list = slices.Delete(q.list, i, i+1)
		}
		next := found.NextLogin
		return &next
	}
	return nil
}

// answerAsTold answers a request by a queued login.
func (p *Provider) answerAsTold(w http.ResponseWriter, r *http.Request, req *authorizationRequest, next *NextLogin) {
	if next.Error != "" {
		description := next.ErrorDescription
		if description == "" {
			description = "the test asked for this error"
		}
		p.refuseAuthorization(w, r, req, failure(next.Error, "%s", description))
		return
	}
	user, err := p.loginUser(next.User, next.Claims)
	if err != nil {
		p.refuseAuthorization(w, r, req, failure(errServerError, "%v", err))
		return
	}
	acr := next.ACR
	if acr == "" {
		acr = p.acrFor(req)
	}
	narrowed := *req
	if next.Scope != "" {
		narrowed.scopes = req.scopes.among(parseScopes(next.Scope))
	}
	p.grantAuthorization(w, r, &narrowed, p.signIn(w, r, user, acr))
}
