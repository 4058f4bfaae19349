// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"errors"
	"net/http"
)

// signIn shows the page with the sign-in button, or with --skip-provider-button goes straight to the identity provider.
//
// It never ends a session: a GET that any page can cause should not log people out. A cookie that is worth nothing is
// removed. Who is signed in already is told so and can go on, or sign in as someone else, so that nobody takes the page
// for a sign-out.
func (p *Proxy) signIn(w http.ResponseWriter, r *http.Request) {
	if p.cfg.SkipProviderButton {
		p.start(w, r)
		return
	}
	p.signInPage(w, r, http.StatusOK, p.requestedRedirect(r))
}

func (p *Proxy) signInPage(w http.ResponseWriter, r *http.Request, status int, redirect string) {
	s, err := p.sessions.load(r)
	if err != nil && !errors.Is(err, errStoreAway) {
		setCookies(w, p.sessions.forget(r)...)
	}
	data := signInData{StartPath: p.cfg.ProxyPrefix + "/start", Redirect: escapeLocation(redirect), Provider: p.providerName()}
	if s != nil && status == http.StatusOK {
		data.SignedInAs = displayName(s)
	}
	p.render(w, r, status, "signin", page{Title: "Sign in", SignIn: data})
}

func displayName(s *session) string {
	for _, name := range []string{s.Email, s.PreferredUsername} {
		if name != "" {
			return name
		}
	}
	return s.Subject
}
