// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"net/url"
	"slices"
	"time"
)

// Token types of RFC 8693 section 3.
const (
	tokenTypeURIAccess = "urn:ietf:params:oauth:token-type:access_token"
	tokenTypeURIID     = "urn:ietf:params:oauth:token-type:id_token"

	// tokenTypeNone says that the issued token is not for use as an access token (RFC 8693 section 2.2.1).
	tokenTypeNone = "N_A"
)

// party is the one a token given in exchange speaks of.
type party struct {
	sub    string
	parent *grant // of an access token: what is made of it ends with it
	scopes scopes
	actor  map[string]any
	user   *User // nil for a client that acts for itself
}

// exchangeToken trades a token of a user for one that this client may use (RFC 8693). With an actor_token it is delegation
// and the new token has act; without, it is impersonation.
func (p *Provider) exchangeToken(client *Client, in params, bound binding) (*tokenResponse, *oauthError) {
	requested := in.get("requested_token_type")
	switch {
	case client.public():
		return nil, failure(errUnauthorizedClient, "token exchange needs a client with credentials")
	case requested != "" && requested != tokenTypeURIAccess && requested != tokenTypeURIID:
		return nil, failure(errInvalidRequest, "requested_token_type must be %s or %s", tokenTypeURIAccess, tokenTypeURIID)
	case in.get("actor_token") == "" && in.get("actor_token_type") != "":
		return nil, failure(errInvalidRequest, "actor_token_type is given without actor_token")
	}
	subject, e := p.readParty(in, "subject_token")
	if e != nil {
		return nil, e
	}
	if subject.user == nil {
		return nil, failure(errInvalidRequest, "subject_token is not the token of a user")
	}
	actor := subject.actor
	if in.get("actor_token") != "" {
		acting, e := p.readParty(in, "actor_token")
		if e != nil {
			return nil, e
		}
		actor = map[string]any{"iss": p.cfg.Issuer, "sub": acting.sub}
		if subject.actor != nil {
			actor["act"] = subject.actor // the chain of section 4.1
		}
	}
	target, e := p.readTarget(in)
	if e != nil {
		return nil, e
	}
	granted := parseScopes(in.get("scope"))
	if !granted.within(subject.scopes) {
		return nil, failure(errInvalidScope, "scope asks for more than the subject_token has")
	}
	if len(granted) == 0 {
		granted = subject.scopes
	}
	login := session{authTime: instantOf(p.now())}
	if subject.parent != nil {
		login = *subject.parent.session
	}
	login.username, login.life = subject.user.Username, &lifeline{}
	g := &grant{session: &login, clientID: client.ClientID, scopes: granted, parent: subject.parent}
	if requested == tokenTypeURIID {
		return p.exchangeForIDToken(client, g, target, actor)
	}
	access, e := p.newAccessToken(client, g, granted, target, actor, bound)
	if e != nil {
		return nil, e
	}
	return &tokenResponse{AccessToken: access, IssuedTokenType: tokenTypeURIAccess, TokenType: bound.tokenType(), ExpiresIn: p.expiresIn(), Scope: granted.String()}, nil
}

func (p *Provider) exchangeForIDToken(client *Client, g *grant, target []string, actor map[string]any) (*tokenResponse, *oauthError) {
	if !g.scopes.has(scopeOpenID) {
		return nil, failure(errInvalidScope, "an ID token needs the scope openid")
	}
	claims := p.idTokenClaims(client, p.userOf(g), dialectEdit{grant: g, granted: g.scopes}, g.authTime.time(), p.now())
	claims["aud"] = audienceClaim(target, client.ClientID)
	if len(target) > 0 {
		claims["azp"] = client.ClientID
	}
	if actor != nil {
		claims["act"] = actor
	}
	token, err := p.keys.sign(client.IDTokenSignedResponseAlg, typJWT, claims)
	if err != nil {
		return nil, failure(errServerError, "the ID token could not be signed")
	}
	return &tokenResponse{AccessToken: token, IssuedTokenType: tokenTypeURIID, TokenType: tokenTypeNone,
		ExpiresIn: int64(p.cfg.Lifetimes.IDToken / time.Second), Scope: g.scopes.String()}, nil
}

// readParty reads subject_token or actor_token: an access token or an ID token of this provider that is valid now.
func (p *Provider) readParty(in params, name string) (party, *oauthError) {
	token := in.get(name)
	if token == "" {
		return party{}, failure(errInvalidRequest, "%s is missing", name)
	}
	switch in.get(name + "_type") {
	case tokenTypeURIAccess:
		access := p.store.accessToken(token, p.now())
		if access == nil {
			return party{}, failure(errInvalidRequest, "%s is unknown, expired or revoked", name)
		}
		found := party{sub: access.grant.clientID, parent: access.grant, scopes: access.scopes, actor: access.actor()}
		if found.user = p.userOf(access.grant); found.user != nil {
			found.sub = p.subjectOf(p.directory.client(access.grant.clientID), found.user)
		}
		return found, nil
	case tokenTypeURIID:
		return p.readIDTokenParty(token, name)
	default:
		return party{}, failure(errInvalidRequest, "%s_type must be %s or %s", name, tokenTypeURIAccess, tokenTypeURIID)
	}
}

func (p *Provider) readIDTokenParty(token, name string) (party, *oauthError) {
	claims, err := p.keys.verify(token)
	if err != nil {
		return party{}, failure(errInvalidRequest, "%s: %v", name, err)
	}
	expires, _ := claims["exp"].(float64)
	sub, _ := claims["sub"].(string)
	issuedTo, _ := claims["aud"].(string)
	user := p.userBySubject(p.directory.client(issuedTo), sub)
	switch {
	case !p.isIssuer(claims["iss"]):
		return party{}, failure(errInvalidRequest, "%s is not an ID token of this provider", name)
	case expires <= float64(p.now().Unix()):
		return party{}, failure(errInvalidRequest, "%s is expired", name)
	case user == nil:
		return party{}, failure(errInvalidRequest, "the user of %s is no longer there", name)
	}
	actor, _ := claims["act"].(map[string]any)
	return party{sub: sub, scopes: scopes{scopeOpenID}, actor: actor, user: user}, nil
}

// readTarget reads audience, the client_id of a client, and resource, an absolute URI; each may be there many times
// (section 2.1).
func (p *Provider) readTarget(in params) ([]string, *oauthError) {
	var target []string
	for _, id := range in["audience"] {
		if id == "" {
			continue
		}
		if p.directory.client(id) == nil {
			return nil, failure(errInvalidTarget, "audience is not the client_id of a registered client")
		}
		target = append(target, id)
	}
	for _, resource := range in["resource"] {
		if resource == "" {
			continue
		}
		if u, err := url.Parse(resource); err != nil || !u.IsAbs() || u.Fragment != "" {
			return nil, failure(errInvalidTarget, "resource must be an absolute URI without a fragment")
		}
		target = append(target, resource)
	}
	slices.Sort(target)
	return slices.Compact(target), nil
}
