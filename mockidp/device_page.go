// SPDX-License-Identifier: Apache-2.0

package mockidp

import "net/http"

// devicePage asks for the code that the device shows.
type devicePage struct {
	Action  string
	Code    string
	Problem string
}

// serveDevice shows the form (RFC 8628 section 3.3). A code in the URL only fills it in: the person still compares it with
// the device and presses the button (section 5.4).
func (p *Provider) serveDevice(w http.ResponseWriter, r *http.Request) {
	in, err := readParams(w, r)
	if err != nil {
		p.pages.writeError(w, http.StatusBadRequest, "The request is not valid", err.Error()+".")
		return
	}
	p.writeDevice(w, http.StatusOK, in.get("user_code"), "")
}

func (p *Provider) writeDevice(w http.ResponseWriter, status int, code, problem string) {
	p.pages.write(w, status, "device.html", devicePage{Action: p.urls.path(pathDevice), Code: code, Problem: problem})
}

// serveDeviceCode takes the code and asks who signs the device in. auto_login stands in for the answer.
func (p *Provider) serveDeviceCode(w http.ResponseWriter, r *http.Request) {
	in, err := readForm(w, r)
	if err != nil {
		p.pages.writeError(w, http.StatusBadRequest, "The request is not valid", err.Error()+".")
		return
	}
	userCode := normalUserCode(in.get("user_code"))
	waiting := p.store.deviceByUserCode(userCode, p.now())
	if waiting == nil {
		p.writeDevice(w, http.StatusBadRequest, in.get("user_code"), "No device waits with this code. It may be mistyped, used already or too old.")
		return
	}
	if user := p.directory.findUser(p.autoLogin(waiting.client)); user != nil {
		p.finishDevice(w, r, waiting, user)
		return
	}
	id := p.random.token()
	p.store.putTransaction(id, &transaction{device: waiting, browser: p.browser(w, r)}, p.now())
	p.writeDeviceUsers(w, http.StatusOK, id, waiting, loginForm{})
}

func (p *Provider) writeDeviceUsers(w http.ResponseWriter, status int, id string, waiting *deviceAuthorization, form loginForm) {
	p.pages.write(w, status, "login.html", p.loginPage(pathDeviceDecide, id, waiting.client, waiting.scopes, form))
}

// serveDeviceDecision takes the decision, from the browser that was asked.
func (p *Provider) serveDeviceDecision(w http.ResponseWriter, r *http.Request) {
	in, err := readForm(w, r)
	if err != nil {
		p.pages.writeError(w, http.StatusBadRequest, "The request is not valid", err.Error()+".")
		return
	}
	id, browser := in.get("transaction"), keyOf(cookieValue(r, loginCookie))
	waiting := p.store.transaction(id, browser, p.now())
	if waiting == nil || waiting.device == nil {
		p.writeLoginOver(w)
		return
	}
	form := p.readLogin(in)
	if !form.refused && form.problem != "" {
		p.writeDeviceUsers(w, http.StatusBadRequest, id, waiting.device, form)
		return
	}
	if p.store.takeTransaction(id, browser, p.now()) == nil {
		p.writeLoginOver(w)
		return
	}
	p.finishDevice(w, r, waiting.device, form.user)
}

// finishDevice lets the device in as the user, or refuses it for nil. The device is not part of the browser's session: it
// stays signed in when the browser signs out.
func (p *Provider) finishDevice(w http.ResponseWriter, r *http.Request, waiting *deviceAuthorization, user *User) {
	now := p.now()
	var g *grant
	if user != nil {
		made := &session{username: user.Username, authTime: instantOf(now), acr: p.cfg.AuthenticationContexts[0].ACR, life: &lifeline{}, edited: user}
		g = &grant{session: made, clientID: waiting.client.ClientID, scopes: waiting.scopes}
	}
	if !p.store.decideDevice(waiting, g, now) {
		p.writeDevice(w, http.StatusBadRequest, "", "The device no longer waits. Start again there.")
		return
	}
	if user == nil {
		p.pages.writeMessage(w, "The device was refused", "You can close this page.")
		return
	}
	p.log.InfoContext(r.Context(), "device signed in", "client_id", waiting.client.ClientID, "user", user.Username)
	p.pages.writeMessage(w, "The device is signed in", "Go back to it. You can close this page.")
}
