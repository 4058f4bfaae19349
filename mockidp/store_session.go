// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"slices"
	"time"
)

// login replaces the session under oldCookie, if there is one, by a new one under newCookie: the cookie's value changes at
// every login (session fixation). The same user keeps the sid; another user ends the old session.
func (s *store) login(oldCookie, newCookie, newID string, user, edited *User, acr string, now time.Time) (made *session, replaced *endedSession) {
	s.mu.Lock()
	defer s.mu.Unlock()
	username := user.Username
	made = &session{sid: newID, username: username, authTime: instantOf(now), acr: acr, edited: edited, life: &lifeline{}}
	if old, ok := s.sessions.get(oldCookie, now); ok {
		if old.username == username {
			made.sid, made.life = old.sid, old.life
		} else {
			replaced = old.end()
		}
		s.sessions.drop(oldCookie)
	}
	s.sessions.put(newCookie, made, now)
	return made, replaced
}

// join notes that a client takes part in a session.
func (s *store) join(v *session, clientID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(v.life.clients, clientID) {
		v.life.clients = append(v.life.clients, clientID)
	}
}

// consent notes what a client may have.
func (s *store) consent(v *session, clientID string, granted scopes) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.life.consents == nil {
		v.life.consents = map[string]scopes{}
	}
	v.life.consents[clientID] = granted
}

func (s *store) consented(v *session, clientID string, asked scopes) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	granted, ok := v.life.consents[clientID]
	return ok && asked.within(granted)
}

// session returns nil if there is none.
func (s *store) session(cookie string, now time.Time) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, _ := s.sessions.get(cookie, now)
	return v
}

// endSession forgets the session and returns what is left of it, nil if there was none. Grants without offline_access end
// with it (Back-Channel Logout 1.0 section 2.7 states the rule for refresh tokens).
func (s *store) endSession(cookie string, now time.Time) *endedSession {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.sessions.get(cookie, now)
	if !ok {
		return nil
	}
	s.sessions.drop(cookie)
	return v.end()
}

// end is called with the store's lock held.
func (v *session) end() *endedSession {
	v.life.ended = true
	return &endedSession{sid: v.sid, username: v.username, clients: slices.Sorted(slices.Values(v.life.clients))}
}
