// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
)

// start sends the browser to the identity provider (OpenID Connect Core §3.1.2.1) with a state, a nonce and a PKCE
// challenge (RFC 7636, S256).
func (p *Proxy) start(w http.ResponseWriter, r *http.Request) {
	p.startLogin(w, r, p.requestedRedirect(r))
}

func (p *Proxy) startLogin(w http.ResponseWriter, r *http.Request, redirect string) {
	idp := p.provider.current()
	if idp == nil {
		p.providerUnavailable(w, r, redirect)
		return
	}
	callback := p.callbackURL(r)
	if callback == "" {
		p.fail(w, r, problem{status: http.StatusBadRequest, message: "The request does not name the host it is for."})
		return
	}
	login, cookies, err := p.states.begin(r, redirect)
	if err != nil {
		p.fail(w, r, problem{status: http.StatusInternalServerError, message: "The login could not be begun.", cause: err})
		return
	}
	options := []oauth2.AuthCodeOption{
		oauth2.SetAuthURLParam("nonce", login.Nonce),
		oauth2.S256ChallengeOption(login.Verifier),
	}
	if p.cfg.Prompt != "" {
		options = append(options, oauth2.SetAuthURLParam("prompt", p.cfg.Prompt))
	}
	setCookies(w, cookies...)
	redirectTo(w, idp.oauth2Config(callback).AuthCodeURL(login.State, options...))
}

// callbackURL is the redirect_uri: the configured one, or this host's callback; "" where neither is known.
func (p *Proxy) callbackURL(r *http.Request) string {
	if p.cfg.RedirectURL != "" {
		return p.cfg.RedirectURL
	}
	origin := p.origin(r)
	if origin == "" {
		return ""
	}
	return origin + p.cfg.ProxyPrefix + "/callback"
}

// origin is scheme://host as the browser sees this proxy; "" when the request names no plain host. Secure cookies work over https only, so with them the scheme is
// https whatever the last hop used.
func (p *Proxy) origin(r *http.Request) string {
	host, scheme := r.Host, "http"
	if r.TLS != nil || p.cfg.CookieSecure {
		scheme = "https"
	}
	if p.behindProxy(r) {
		if h := firstValue(r.Header.Get("X-Forwarded-Host")); authorityPattern.MatchString(h) {
			host = h
		}
		if firstValue(r.Header.Get("X-Forwarded-Proto")) == "https" {
			scheme = "https"
		}
	}
	if !authorityPattern.MatchString(host) {
		return ""
	}
	return (&url.URL{Scheme: scheme, Host: host}).String()
}

func firstValue(list string) string {
	first, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(first)
}
