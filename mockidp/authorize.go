// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	promptNone          = "none"
	promptLogin         = "login"
	promptConsent       = "consent"
	promptSelectAccount = "select_account"
)

// authorizationRequest is a request to /authorize whose client and redirect_uri are known to be good.
type authorizationRequest struct {
	client        *Client
	responseType  responseType
	responseMode  string
	redirectURI   string
	state         string
	nonce         string
	scopes        scopes
	codeChallenge string
	prompt        []string
	maxAge        *time.Duration
	loginHint     string
	audience      []string // of the access token, in a dialect that knows it
	offline       bool     // access_type=offline
	flow          string   // see flowNote
	jkt           string   // dpop_jkt
	pushed        bool     // it came by servePushedRequest
	hintedSub     string   // of the id_token_hint or the claims parameter
	claims        claimsRequest
	acr           acrRequest
}

func (r *authorizationRequest) asks(prompt string) bool { return slices.Contains(r.prompt, prompt) }

// serveAuthorize is the authorization endpoint (Core 1.0 section 3.1.2). See the package documentation for the flow.
func (p *Provider) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	noStore(w)
	in, err := readParams(w, r)
	if err != nil {
		p.pages.writeError(w, http.StatusBadRequest, "The request is not valid", err.Error()+".")
		return
	}
	if req, ok := p.pushedRequest(in); ok {
		if req == nil {
			p.pages.writeError(w, http.StatusBadRequest, "The request is not valid", "The request_uri is unknown, used, expired or another client's.")
			return
		}
		p.proceed(w, r, req)
		return
	}
	in, objectError := p.withRequestObject(r.Context(), in)
	req, problem := p.identifyRequest(in)
	if problem != "" {
		p.log.InfoContext(r.Context(), "authorization request refused with a page", "reason", problem)
		p.pages.writeError(w, http.StatusBadRequest, "The request is not valid", problem)
		return
	}
	p.noteFlow(r, req.flow)
	if objectError != nil {
		_ = req.readResponse(in) // the error goes the way that the request asks for, if it says
		p.refuseAuthorization(w, r, req, objectError)
		return
	}
	if e := p.readRequest(req, in); e != nil {
		p.refuseAuthorization(w, r, req, e)
		return
	}
	p.proceed(w, r, req)
}

// identifyRequest finds out who asks and where an answer may go. A problem here is told to the person at the browser and
// never to the redirect URI (RFC 6749 section 4.1.2.1, RFC 9700 section 4.11).
func (p *Provider) identifyRequest(in params) (req *authorizationRequest, problem string) {
	if name := in.repeated("client_id", "redirect_uri"); name != "" {
		return nil, "The parameter " + name + " is there more than once."
	}
	client := p.directory.client(in.get("client_id"))
	switch {
	case in.get("client_id") == "":
		return nil, "The parameter client_id is missing."
	case client == nil:
		return nil, "The client_id is not the one of a registered client."
	case in.get("redirect_uri") == "":
		return nil, "The parameter redirect_uri is missing."
	case !client.allowsRedirect(in.get("redirect_uri")):
		return nil, "The redirect_uri is not registered for this client. It must be the same, character by character, as one of the client's redirect_uris."
	}
	return &authorizationRequest{client: client, redirectURI: in.get("redirect_uri"), state: in.get("state"), flow: p.newFlow()}, ""
}

// readRequest reads the rest. A problem here is told to the client by a redirect.
func (p *Provider) readRequest(req *authorizationRequest, in params) *oauthError {
	if e := req.readResponse(in); e != nil {
		return e
	}
	if name := in.repeated("scope", "state", "nonce", "prompt", "max_age", "login_hint", "id_token_hint", "code_challenge",
		"code_challenge_method", "claims", "acr_values", "dpop_jkt", "request", "request_uri", "registration"); name != "" {
		return failure(errInvalidRequest, "%s is there more than once", name)
	}
	if req.client.RequirePushedRequests && !req.pushed {
		return failure(errInvalidRequest, "this client must push its authorization requests")
	}
	if in.get("registration") != "" {
		return failure(errRegistrationNotSupported, "the registration parameter is not supported")
	}
	req.jkt = in.get("dpop_jkt")
	req.nonce, req.loginHint, req.codeChallenge = in.get("nonce"), in.get("login_hint"), in.get("code_challenge")
	if req.responseType.code {
		if e := checkChallenge(req.client, req.codeChallenge, in.get("code_challenge_method")); e != nil {
			return e
		}
	}
	if in.get("audience") != "" && req.client.AccessTokenFormat == accessTokenForAudience {
		req.audience = in["audience"]
	}
	req.offline = in.get("access_type") == "offline" && req.client.IssueRefreshToken == refreshOnce
	if req.scopes = p.scopesOf(in); len(req.scopes) == 0 && !p.dialect.OAuthOnly {
		return failure(errInvalidScope, "scope is missing or holds no supported scope; ask for openid")
	}
	if e := req.checkIDToken(); e != nil {
		return e
	}
	if e := req.readPrompt(in.get("prompt")); e != nil {
		return e
	}
	if p.cfg.OfflineAccessNeedsConsent && !req.asks(promptConsent) {
		req.scopes = slices.DeleteFunc(req.scopes, func(name string) bool { return name == scopeOfflineAccess })
	}
	if e := req.readMaxAge(in.get("max_age")); e != nil {
		return e
	}
	if e := p.readIDTokenHint(req, in.get("id_token_hint")); e != nil {
		return e
	}
	if e := req.readClaims(in.get("claims")); e != nil {
		return e
	}
	return p.readACR(req, in.get("acr_values"))
}

// checkIDToken is what an ID token through the browser needs (Core 1.0 sections 3.2.2.1 and 3.3.2.11).
func (r *authorizationRequest) checkIDToken() *oauthError {
	switch {
	case !r.responseType.idToken:
		return nil
	case !r.scopes.has(scopeOpenID):
		return failure(errInvalidRequest, "a response_type with id_token needs the scope openid")
	case r.nonce == "":
		return failure(errInvalidRequest, "a response_type with id_token needs a nonce")
	}
	return nil
}

func (r *authorizationRequest) readPrompt(value string) *oauthError {
	r.prompt = strings.Fields(value)
	known := []string{promptNone, promptLogin, promptConsent, promptSelectAccount}
	for _, name := range r.prompt {
		if !slices.Contains(known, name) {
			return failure(errInvalidRequest, "prompt: %s is not supported", name)
		}
	}
	if r.asks(promptNone) && len(r.prompt) > 1 {
		return failure(errInvalidRequest, "prompt: none cannot go with another value")
	}
	return nil
}

func (r *authorizationRequest) readMaxAge(value string) *oauthError {
	if value == "" {
		return nil
	}
	seconds, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		return failure(errInvalidRequest, "max_age must be a number of seconds")
	}
	age := time.Duration(seconds) * time.Second
	r.maxAge = &age
	return nil
}

// readIDTokenHint accepts an expired token; who it was issued to does not matter here (Core 1.0 section 3.1.2.1).
func (p *Provider) readIDTokenHint(req *authorizationRequest, token string) *oauthError {
	if token == "" {
		return nil
	}
	hint, err := p.readHint(token)
	if err != nil {
		return failure(errInvalidRequest, "id_token_hint: %v", err)
	}
	req.hintedSub = hint.sub
	if user := p.userBySubject(p.directory.client(hint.audience), hint.sub); user != nil {
		req.hintedSub = p.subjectOf(req.client, user)
	}
	return nil
}
