// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"fmt"
	"net/http"
)

// loginPage is what the login page shows.
type loginPage struct {
	Action      string
	Transaction string
	Client      string
	Scopes      scopes
	Users       []User
	Typed       string // prefills the text field
	Problem     string
}

// askForLogin shows the login page. Signing in there is also consent to the scopes it lists. The transaction's ID in the
// form and the cookie of the browser belong together: a form posted by another site, or shown in another browser, has not
// both (RFC 6749 section 10.12).
func (p *Provider) askForLogin(w http.ResponseWriter, r *http.Request, req *authorizationRequest) {
	id := p.random.token()
	p.store.putTransaction(id, &transaction{request: req, browser: p.browser(w, r)}, p.now())
	p.writeLogin(w, http.StatusOK, id, req, req.loginHint, "")
}

func (p *Provider) writeLogin(w http.ResponseWriter, status int, id string, req *authorizationRequest, typed, problem string) {
	p.pages.write(w, status, "login.html", loginPage{
		Action:      p.urls.path(pathLogin),
		Transaction: id,
		Client:      req.client.ClientName,
		Scopes:      req.scopes,
		Users:       p.directory.users,
		Typed:       typed,
		Problem:     problem,
	})
}

// serveLogin takes the login page's form: a user, or a refusal.
func (p *Provider) serveLogin(w http.ResponseWriter, r *http.Request) {
	noStore(w)
	in, err := readForm(w, r)
	if err != nil {
		p.pages.writeError(w, http.StatusBadRequest, "The request is not valid", err.Error()+".")
		return
	}
	id, browser := in.get("transaction"), keyOf(cookieValue(r, loginCookie))
	waiting := p.store.transaction(id, browser, p.now())
	if waiting == nil || waiting.request == nil {
		p.writeLoginOver(w)
		return
	}
	refused := in.get("decision") == "deny"
	user := p.directory.findUser(in.get("user"))
	if !refused && user == nil {
		p.writeLogin(w, http.StatusBadRequest, id, waiting.request, in.get("user"), unknownUser(in.get("user")))
		return
	}
	if p.store.takeTransaction(id, browser, p.now()) == nil {
		p.writeLoginOver(w) // another click was faster
		return
	}
	if refused {
		p.refuseAuthorization(w, r, waiting.request, failure(errAccessDenied, "the user refused"))
		return
	}
	if e := waiting.request.checkHintedUser(user); e != nil {
		p.refuseAuthorization(w, r, waiting.request, e)
		return
	}
	p.grantAuthorization(w, r, waiting.request, p.signIn(w, r, user, p.acrFor(waiting.request)))
}

func (p *Provider) writeLoginOver(w http.ResponseWriter) {
	p.pages.writeError(w, http.StatusForbidden, "This login page is no longer valid",
		"It was used already, is too old, or was opened in another browser. Go back to the application and sign in again.")
}

func unknownUser(name string) string {
	if name == "" {
		return "Give a user name."
	}
	return fmt.Sprintf("There is no user %q.", name)
}
