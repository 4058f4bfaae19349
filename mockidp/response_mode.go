// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"html/template"
	"net/http"
	"net/url"
)

// How the answer of the authorization endpoint travels (OAuth 2.0 Multiple Response Type Encoding Practices section 2.1,
// OAuth 2.0 Form Post Response Mode).
const (
	modeQuery    = "query"
	modeFragment = "fragment"
	modeFormPost = "form_post"
)

func supportedResponseModes() []string { return []string{modeQuery, modeFragment, modeFormPost} }

// readResponse reads response_type and response_mode, before all else, since errors too go the way they ask for.
func (r *authorizationRequest) readResponse(in params) *oauthError {
	r.responseMode = modeQuery
	if name := in.repeated("response_type", "response_mode"); name != "" {
		return failure(errInvalidRequest, "%s is there more than once", name)
	}
	if in.get("response_type") == "" {
		return failure(errInvalidRequest, "response_type is missing")
	}
	var known bool
	if r.responseType, known = parseResponseType(in.get("response_type")); known && r.responseType.frontChannel() {
		r.responseMode = modeFragment
	}
	switch mode := in.get("response_mode"); {
	case mode == modeFormPost, mode == modeFragment:
		r.responseMode = mode
	case mode == modeQuery && r.responseMode == modeFragment:
		return failure(errInvalidRequest, "response_mode query would put tokens into a URL; use fragment or form_post")
	case mode != "" && mode != modeQuery:
		return failure(errInvalidRequest, "response_mode must be query, fragment or form_post")
	}
	switch {
	case !known:
		return failure(errUnsupportedResponseType, "response_type must be one of: code, id_token, id_token token, code id_token, code token, code id_token token")
	case !r.client.allowsResponseType(r.responseType):
		return failure(errUnauthorizedClient, "this client has not registered the response_type %s", in.get("response_type"))
	}
	return nil
}

// formPostPage posts the answer to the client from the browser.
type formPostPage struct {
	Action template.URL // registered, and of a scheme that runs no code; it may be an application's own
	Client string
	Fields url.Values
}

// send gives the answer to the client by way of the browser.
func (p *Provider) send(w http.ResponseWriter, r *http.Request, req *authorizationRequest, answer url.Values) {
	switch req.responseMode {
	case modeFormPost:
		p.pages.writeScripted(w, "form_post.html", "form_post.js", "", formPostPage{template.URL(req.redirectURI), req.client.ClientName, answer})
	case modeFragment:
		redirect(w, r, req.redirectURI+"#"+answer.Encode())
	default:
		redirect(w, r, addQuery(req.redirectURI, answer))
	}
}
