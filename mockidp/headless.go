// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// HeadlessAuthorization is an authorization request without a browser.
type HeadlessAuthorization struct {
	// User signs in: a user name, an email address or a sub. Claims, unless nil, are in the place of the profile's.
	User   string         `json:"user"`
	Claims map[string]any `json:"claims,omitempty"`
	// Params are those of the authorization request. client_id has to be there. What is missing is filled in: response_type
	// code, scope openid, the client's redirect_uri if it has one only, and PKCE if the client must use it.
	Params map[string]string `json:"params"`
}

// HeadlessAnswer is what the relying party would receive.
type HeadlessAnswer struct {
	// RedirectURI is where the browser would go, parameters included.
	RedirectURI string `json:"redirect_uri"`
	// Params are those parameters: code, state, iss, or error.
	Params map[string]string `json:"params"`
	// CodeVerifier goes with the code_challenge that was filled in.
	CodeVerifier string `json:"code_verifier,omitempty"`
}

// Authorize signs a user in for a client and returns what the browser would take to it, a code for instance. It fails if the
// client, the user or the redirect URI is unknown; what the protocol tells the client is in the answer. A session begins as with
// a browser, and no queued login or fault interferes.
func (p *Provider) Authorize(ctx context.Context, in HeadlessAuthorization) (HeadlessAnswer, error) {
	user, err := p.loginUser(in.User, in.Claims)
	if err != nil {
		return HeadlessAnswer{}, fmt.Errorf("authorizing without a browser: %w", err)
	}
	asked, verifier := p.filledIn(in.Params)
	req, problem := p.identifyRequest(asked)
	if problem != "" {
		return HeadlessAnswer{}, fmt.Errorf("authorizing without a browser: %s", strings.TrimSuffix(problem, "."))
	}
	answer, e := p.headlessAnswer(req, asked, user)
	if e != nil {
		answer, verifier = url.Values{"error": {e.code}, "error_description": {e.description}}, ""
	}
	p.complete(req, answer)
	p.log.InfoContext(ctx, "authorized without a browser", "client_id", req.client.ClientID, "user", user.Username)
	out := HeadlessAnswer{RedirectURI: addQuery(req.redirectURI, answer), Params: map[string]string{}, CodeVerifier: verifier}
	if req.responseMode == modeFragment {
		out.RedirectURI = req.redirectURI + "#" + answer.Encode()
	}
	for name := range answer {
		out.Params[name] = answer.Get(name)
	}
	return out, nil
}

// headlessAnswer has a session of its own, in no browser.
func (p *Provider) headlessAnswer(req *authorizationRequest, asked params, user *User) (url.Values, *oauthError) {
	if e := p.readRequest(req, asked); e != nil {
		return nil, e
	}
	if e := p.checkHintedUser(req, user); e != nil {
		return nil, e
	}
	s, _ := p.store.login("", p.random.token(), p.random.token(), user, p.editedOnly(user), p.acrFor(req), p.now())
	return p.authorizationAnswer(req, s)
}

// filledIn adds what the request leaves out. verifier is "" unless there is a code_challenge now.
func (p *Provider) filledIn(given map[string]string) (asked params, verifier string) {
	asked = params{}
	for name, value := range given {
		asked[name] = []string{value}
	}
	add := func(name, value string) {
		if asked.get(name) == "" && value != "" {
			asked[name] = []string{value}
		}
	}
	add("response_type", "code")
	if !p.dialect.OAuthOnly {
		add("scope", scopeOpenID)
	}
	client := p.directory.client(asked.get("client_id"))
	if client == nil {
		return asked, ""
	}
	if len(client.RedirectURIs) == 1 {
		add("redirect_uri", client.RedirectURIs[0])
	}
	if *client.RequirePKCE && asked.get("code_challenge") == "" {
		verifier = p.random.token()
		add("code_challenge", challengeOf(verifier))
		add("code_challenge_method", challengeS256)
	}
	return asked, verifier
}

// editedOnly is the user if they have claims of one login, else nil.
func (p *Provider) editedOnly(user *User) *User {
	if p.directory.findUser(user.Username) == user {
		return nil
	}
	return user
}

func (p *Provider) controlAuthorize(r *http.Request) (any, error) {
	var in HeadlessAuthorization
	if err := readControl(r, &in); err != nil {
		return nil, err
	}
	return p.Authorize(r.Context(), in)
}
