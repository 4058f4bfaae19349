// SPDX-License-Identifier: Apache-2.0

package mockidp

import "net/http"

const (
	sessionCookie = "mockidp_session" // the single sign-on session
	loginCookie   = "mockidp_login"   // ties a login page to the browser it was shown in (CSRF)
)

// currentSession returns nil if the browser has none that lives.
func (p *Provider) currentSession(r *http.Request) *session {
	return p.store.session(cookieValue(r, sessionCookie), p.now())
}

// signIn starts a session for the user, who may have claims of this login, in place of the browser's old one, and sets its cookie.
func (p *Provider) signIn(w http.ResponseWriter, r *http.Request, user *User, acr string) *session {
	cookie := p.random.token()
	s, replaced := p.store.login(cookieValue(r, sessionCookie), cookie, p.random.id(), user, p.editedOnly(user), acr, p.now())
	p.setCookie(w, sessionCookie, cookie)
	p.log.InfoContext(r.Context(), "signed in", "user", user.Username)
	p.tellBackchannels(r.Context(), replaced)
	return s
}

// signOut ends the browser's session and tells the clients that can be told without it. It returns nil if there was none.
func (p *Provider) signOut(w http.ResponseWriter, r *http.Request) *endedSession {
	ended := p.store.endSession(cookieValue(r, sessionCookie), p.now())
	p.setCookie(w, sessionCookie, "")
	if ended != nil {
		p.log.InfoContext(r.Context(), "signed out", "user", ended.username)
		p.tellBackchannels(r.Context(), ended)
	}
	return ended
}

// browser returns the hash of the login cookie, having set one if there was none.
func (p *Provider) browser(w http.ResponseWriter, r *http.Request) key {
	value := cookieValue(r, loginCookie)
	if len(value) < 43 {
		value = p.random.token()
		p.setCookie(w, loginCookie, value)
	}
	return keyOf(value)
}

// setCookie sets a cookie that lives as long as the browser; an empty value deletes it. Lax, since the browser arrives here
// by a link from another site.
func (p *Provider) setCookie(w http.ResponseWriter, name, value string) {
	c := &http.Cookie{Name: name, Value: value, Path: p.urls.cookiePath(), Secure: p.urls.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

func cookieValue(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}
