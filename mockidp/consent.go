// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"net/http"
)

// consentPage asks which scopes a client may have.
type consentPage struct {
	Action      string
	Transaction string
	Client      string
	Username    string
	Scopes      scopes
	Problem     string
}

// needsConsent says whether the person has yet to be asked. auto_login stands in for the answer.
func (p *Provider) needsConsent(req *authorizationRequest, current *session) bool {
	return req.client.RequireConsent && p.autoLogin(req.client) == "" && !p.store.consented(current, req.client.ClientID, req.scopes)
}

// askForConsent shows the page to somebody who is signed in.
func (p *Provider) askForConsent(w http.ResponseWriter, r *http.Request, req *authorizationRequest, current *session) {
	id := p.random.token()
	p.store.putTransaction(id, &transaction{request: req, browser: p.browser(w, r), consenting: current}, p.now())
	p.writeConsent(w, http.StatusOK, id, req, current, "")
}

func (p *Provider) writeConsent(w http.ResponseWriter, status int, id string, req *authorizationRequest, current *session, problem string) {
	p.pages.write(w, status, "consent.html", consentPage{Action: p.urls.path(pathConsent), Transaction: id, Client: req.client.ClientName,
		Username: current.username, Scopes: req.scopes, Problem: problem})
}

// serveConsent takes the answer. The scopes that are not ticked are not granted, which the client is told (RFC 6749 section
// 3.3).
func (p *Provider) serveConsent(w http.ResponseWriter, r *http.Request) {
	noStore(w)
	in, err := readForm(w, r)
	if err != nil {
		p.pages.writeError(w, http.StatusBadRequest, "The request is not valid", err.Error()+".")
		return
	}
	id, browser := in.get("transaction"), keyOf(cookieValue(r, loginCookie))
	waiting := p.store.transaction(id, browser, p.now())
	if waiting == nil || waiting.consenting == nil {
		p.writeLoginOver(w)
		return
	}
	refused := in.get("decision") != "allow"
	allowed := waiting.request.scopes.among(in["scope"])
	if !refused && len(allowed) == 0 {
		p.writeConsent(w, http.StatusBadRequest, id, waiting.request, waiting.consenting, "Tick at least one, or cancel.")
		return
	}
	if p.store.takeTransaction(id, browser, p.now()) == nil {
		p.writeLoginOver(w)
		return
	}
	p.noteFlow(r, waiting.request.flow)
	if refused {
		p.refuseAuthorization(w, r, waiting.request, failure(errAccessDenied, "the user refused"))
		return
	}
	narrowed := *waiting.request
	narrowed.scopes = allowed
	p.store.consent(waiting.consenting, narrowed.client.ClientID, allowed)
	p.grantAuthorization(w, r, &narrowed, waiting.consenting)
}
