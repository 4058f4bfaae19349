// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"net/http"
	"net/url"
)

// logoutRequest is a request to /end_session whose parts fit together.
type logoutRequest struct {
	client   *Client // nil if it is not said
	hint     *hint   // nil if there is none
	redirect string  // where to go afterwards, state included; "" for a page
}

// logoutPage asks whether to sign out.
type logoutPage struct {
	Action      string
	Transaction string
	Username    string
	Client      string
}

// serveEndSession is RP-Initiated Logout 1.0 section 2. With an id_token_hint of the user who is signed in it signs out at
// once; otherwise it asks first, so that no other site can sign people out. auto_login stands in for the answer.
func (p *Provider) serveEndSession(w http.ResponseWriter, r *http.Request) {
	noStore(w)
	in, err := readParams(w, r)
	if err != nil {
		p.pages.writeError(w, http.StatusBadRequest, "The request is not valid", err.Error()+".")
		return
	}
	req, problem := p.readLogout(in)
	if problem != "" {
		p.log.InfoContext(r.Context(), "logout request refused", "reason", problem)
		p.pages.writeError(w, http.StatusBadRequest, "The request is not valid", problem)
		return
	}
	current := p.currentSession(r)
	if current == nil || p.vouches(req.hint, current) || p.autoLogin(req.client) != "" {
		p.finishLogout(w, r, req)
		return
	}
	p.askForLogout(w, r, req, current)
}

// readLogout checks what belongs together. A problem is shown and never redirected.
func (p *Provider) readLogout(in params) (*logoutRequest, string) {
	if name := in.repeated("id_token_hint", "client_id", "post_logout_redirect_uri", "state"); name != "" {
		return nil, "The parameter " + name + " is there more than once."
	}
	req := &logoutRequest{}
	clientID := in.get("client_id")
	if token := in.get("id_token_hint"); token != "" {
		h, err := p.readHint(token)
		if err != nil {
			return nil, "The id_token_hint is not an ID token of this provider: " + err.Error() + "."
		}
		if clientID != "" && clientID != h.audience {
			return nil, "The client_id is not the one the id_token_hint was issued to."
		}
		req.hint, clientID = &h, h.audience
	}
	if clientID != "" {
		if req.client = p.directory.client(clientID); req.client == nil {
			return nil, "The client is not registered."
		}
	}
	target := in.get("post_logout_redirect_uri")
	switch {
	case target == "":
		return req, ""
	case req.client == nil:
		return nil, "The post_logout_redirect_uri needs an id_token_hint or a client_id, so that it can be checked."
	case !req.client.allowsPostLogoutRedirect(target):
		return nil, "The post_logout_redirect_uri is not registered for this client. It must be the same, character by character, as one of the client's post_logout_redirect_uris."
	}
	answer := url.Values{}
	if state := in.get("state"); state != "" {
		answer.Set("state", state)
	}
	req.redirect = addQuery(target, answer)
	return req, ""
}

// vouches says whether the hint is of the session's user.
func (p *Provider) vouches(h *hint, current *session) bool {
	if h == nil {
		return false
	}
	user := p.userBySubject(p.directory.client(h.audience), h.sub)
	return user != nil && user.Username == current.username
}

func (p *Provider) finishLogout(w http.ResponseWriter, r *http.Request, req *logoutRequest) {
	if frames := p.frontchannelURIs(p.signOut(w, r)); len(frames) > 0 {
		p.writeFrontchannel(w, frames, req.redirect)
		return
	}
	p.leaveLogout(w, r, req, "You are signed out", "The session at this identity provider is over.")
}

func (p *Provider) leaveLogout(w http.ResponseWriter, r *http.Request, req *logoutRequest, title, text string) {
	if req.redirect != "" {
		redirect(w, r, req.redirect)
		return
	}
	p.pages.writeMessage(w, title, text)
}

func (p *Provider) askForLogout(w http.ResponseWriter, r *http.Request, req *logoutRequest, current *session) {
	id := p.random.token()
	p.store.putTransaction(id, &transaction{logout: req, browser: p.browser(w, r)}, p.now())
	page := logoutPage{Action: p.urls.path(pathEndSessionConfirm), Transaction: id, Username: current.username}
	if req.client != nil {
		page.Client = req.client.ClientName
	}
	p.pages.write(w, http.StatusOK, "end_session.html", page)
}

// serveEndSessionConfirm takes the answer. Whoever stays signed in is sent back all the same.
func (p *Provider) serveEndSessionConfirm(w http.ResponseWriter, r *http.Request) {
	noStore(w)
	in, err := readForm(w, r)
	if err != nil {
		p.pages.writeError(w, http.StatusBadRequest, "The request is not valid", err.Error()+".")
		return
	}
	waiting := p.store.takeTransaction(in.get("transaction"), keyOf(cookieValue(r, loginCookie)), p.now())
	if waiting == nil || waiting.logout == nil {
		p.pages.writeError(w, http.StatusForbidden, "This page is no longer valid",
			"It was used already, is too old, or was opened in another browser.")
		return
	}
	if in.get("decision") == "sign_out" {
		p.finishLogout(w, r, waiting.logout)
		return
	}
	p.leaveLogout(w, r, waiting.logout, "You are still signed in", "Nothing has changed.")
}
