// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"fmt"
	"net/http"
	"strings"
)

// loginPage is what the login page shows, of an authorization request or of a device.
type loginPage struct {
	Action      string
	Transaction string
	Client      string
	Scopes      scopes
	Users       []loginUser
	Typed       string // prefills the text field
	AnyUser     bool   // somebody unknown may sign in, with claims of their own
	TypedClaims string // JSON
	WrongClaims bool   // the problem is with these
	Problem     string // with what was typed
}

// loginUser is one person to pick.
type loginUser struct {
	*User
	Claims  string // JSON
	Rows    int    // of the field that shows them
	Problem string // with the claims
}

// FocusTyped says whether the keyboard begins in the text field, FocusFirst whether at the first user.
func (l loginPage) FocusTyped() bool {
	return !l.editing() && (l.Typed != "" || l.Problem != "" || len(l.Users) == 0)
}

func (l loginPage) FocusFirst() bool { return !l.editing() && !l.FocusTyped() }

func (l loginPage) editing() bool {
	for _, u := range l.Users {
		if u.Problem != "" {
			return true
		}
	}
	return false
}

// loginForm is the form of that page: who signs in, with which claims, or nobody.
type loginForm struct {
	refused bool
	user    *User // nil: see problem; with claims of its own if they were edited
	typed   string
	edited  string // the user whose claims were edited, and what they were edited to
	claims  string
	problem string

	typedClaims string // of whoever is typed, or ""
	wrongClaims bool   // the problem is with these
}

func (p *Provider) readLogin(in params) loginForm {
	form := loginForm{refused: in.get("decision") == "deny", typed: in.get("user"), edited: in.get("edited"), claims: in.get("claims")}
	if *p.cfg.AllowAnyUser && form.edited == "" {
		form.typedClaims = strings.TrimSpace(in.get("typed_claims"))
	}
	if form.refused {
		return form
	}
	name := form.typed
	if form.edited != "" {
		name = form.edited
	}
	if form.user, form.problem = p.userNamed(name); form.user == nil {
		form.edited = ""
		return form
	}
	text := form.claims
	if form.edited == "" {
		text = form.typedClaims
	}
	if form.edited != "" || text != "" {
		var err error
		if form.user, err = form.user.edited(text); err != nil {
			form.problem, form.wrongClaims = err.Error()+".", true
		}
	}
	return form
}

// page fills the page in, after a form that had a problem if there was one.
func (p *Provider) loginPage(action, transaction string, client *Client, asked scopes, form loginForm) loginPage {
	page := loginPage{Action: p.urls.path(action), Transaction: transaction, Client: client.ClientName, Scopes: asked, Typed: form.typed,
		AnyUser: *p.cfg.AllowAnyUser, TypedClaims: form.typedClaims, WrongClaims: form.wrongClaims && form.edited == ""}
	for i := range p.directory.users {
		u := loginUser{User: &p.directory.users[i], Claims: p.directory.users[i].claimsText()}
		if form.problem != "" && u.Username == form.edited {
			u.Claims, u.Problem = form.claims, form.problem
		}
		u.Rows = min(24, 2+countLines(u.Claims))
		page.Users = append(page.Users, u)
	}
	if form.edited == "" {
		page.Problem = form.problem
	}
	return page
}

// askForLogin shows the login page. Signing in there is also consent to the scopes it lists, unless the client wants to be
// sure (require_consent). The transaction's ID in the form and the cookie of the browser belong together: a form posted by
// another site, or shown in another browser, has not both (RFC 6749 section 10.12).
func (p *Provider) askForLogin(w http.ResponseWriter, r *http.Request, req *authorizationRequest) {
	id := p.random.token()
	p.store.putTransaction(id, &transaction{request: req, browser: p.browser(w, r)}, p.now())
	p.writeLogin(w, http.StatusOK, id, req, loginForm{typed: req.loginHint})
}

func (p *Provider) writeLogin(w http.ResponseWriter, status int, id string, req *authorizationRequest, form loginForm) {
	p.pages.write(w, status, "login.html", p.loginPage(pathLogin, id, req.client, req.scopes, form))
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
	if waiting == nil || waiting.request == nil || waiting.consenting != nil {
		p.writeLoginOver(w)
		return
	}
	req := waiting.request
	p.noteFlow(r, req.flow)
	form := p.readLogin(in)
	if !form.refused && form.problem != "" {
		p.writeLogin(w, http.StatusBadRequest, id, req, form)
		return
	}
	if p.store.takeTransaction(id, browser, p.now()) == nil {
		p.writeLoginOver(w) // another click was faster
		return
	}
	if form.refused {
		p.refuseAuthorization(w, r, req, failure(errAccessDenied, "the user refused"))
		return
	}
	if e := p.checkHintedUser(req, form.user); e != nil {
		p.refuseAuthorization(w, r, req, e)
		return
	}
	made := p.signIn(w, r, form.user, p.acrFor(req))
	if req.client.RequireConsent {
		p.askForConsent(w, r, req, made)
		return
	}
	p.grantAuthorization(w, r, req, made)
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
