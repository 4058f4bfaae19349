// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// typRequestObject says that the object is the whole request (RFC 9101 section 10.8).
const typRequestObject = "oauth-authz-req+jwt"

// requestObjectClaims are those of the JWT itself; all other members are parameters.
type requestObjectClaims struct {
	Issuer    *string  `json:"iss"`
	Audience  audience `json:"aud"`
	Expires   *float64 `json:"exp"`
	NotBefore *float64 `json:"nbf"`
}

// withRequestObject puts the parameters of a request object in (RFC 9101, Core 1.0 section 6), by value (request) or by reference
// (request_uri, one that the client has registered). Those of the object win. With the typ of RFC 9101 they are the only ones; without
// it, Core 1.0 section 6.1 lets the others stand.
func (p *Provider) withRequestObject(ctx context.Context, in params) (params, *oauthError) {
	client := p.directory.client(in.get("client_id"))
	if client == nil || in.repeated("client_id") != "" {
		return in, nil // the person at the browser is told
	}
	text, uri := in.get("request"), in.get("request_uri")
	switch {
	case text == "" && uri == "" && client.RequireSignedRequestObject:
		return in, failure(errInvalidRequest, "this client must send a signed request object")
	case text == "" && uri == "":
		return in, nil
	case text != "" && uri != "" || in.repeated("request", "request_uri") != "":
		return in, failure(errInvalidRequest, "there may be one request object, by request or by request_uri")
	}
	if uri != "" {
		var e *oauthError
		if text, e = p.fetchRequestObject(ctx, client, uri); e != nil {
			return in, e
		}
	}
	object, whole, err := p.openRequestObject(ctx, client, text)
	if err != nil {
		return in, failure(errInvalidRequestObject, "the request object: %v", err)
	}
	if whole {
		return object, nil
	}
	merged := params{}
	for name, values := range in {
		if name != "request" && name != "request_uri" {
			merged[name] = values
		}
	}
	if outer, inner := in.get("response_type"), object.get("response_type"); outer != "" && inner != "" && outer != inner {
		return in, failure(errInvalidRequest, "response_type is another in the request object")
	}
	for name, values := range object {
		merged[name] = values
	}
	return merged, nil
}

// fetchRequestObject fetches nothing that the client has not registered, so that nobody makes the provider call hosts of their
// choice (RFC 9101 section 10.4.1).
func (p *Provider) fetchRequestObject(ctx context.Context, client *Client, uri string) (string, *oauthError) {
	bare, _, _ := strings.Cut(uri, "#") // a fragment is a hash of the content (Core 1.0 section 6.2)
	if !slices.Contains(client.RequestURIs, bare) && !slices.Contains(client.RequestURIs, uri) {
		return "", failure(errInvalidRequestURI, "request_uri is not one of the client's request_uris")
	}
	body, err := p.fetch(ctx, bare)
	if err != nil {
		return "", failure(errInvalidRequestURI, "request_uri cannot be fetched: %v", err)
	}
	return string(bytes.TrimSpace(body)), nil
}

// openRequestObject verifies a request object. whole says that it is the only source of parameters.
func (p *Provider) openRequestObject(ctx context.Context, client *Client, text string) (object params, whole bool, err error) {
	signed, err := jose.ParseSignedCompact(text, assertionAlgorithms())
	if err != nil {
		return nil, false, errors.New("it is not a signed JWT; an unsigned or encrypted one is not supported")
	}
	header := signed.Signatures[0].Header
	if alg := client.RequestObjectSigningAlg; alg != "" && string(alg) != header.Algorithm {
		return nil, false, fmt.Errorf("it is signed with %s, and the client has registered %s", header.Algorithm, alg)
	}
	payload, err := p.verifyByClient(ctx, client, signed)
	if err != nil {
		return nil, false, err
	}
	var claims requestObjectClaims
	members, ok := parseObject(payload)
	if !ok || json.Unmarshal(payload, &claims) != nil {
		return nil, false, errors.New("its claims are not well formed")
	}
	if err := p.checkRequestObject(client, claims); err != nil {
		return nil, false, err
	}
	object = params{}
	for name, raw := range members {
		object[name] = parameterValues(raw)
	}
	for _, name := range []string{"iss", "aud", "exp", "nbf", "iat", "jti", "sub"} {
		delete(object, name)
	}
	switch {
	case object.get("request") != "" || object.get("request_uri") != "":
		return nil, false, errors.New("it must not hold request or request_uri")
	case object.get("client_id") != "" && object.get("client_id") != client.ClientID:
		return nil, false, errors.New("its client_id is another")
	}
	object["client_id"] = []string{client.ClientID}
	typ, _ := header.ExtraHeaders[jose.HeaderType].(string)
	return object, strings.EqualFold(strings.TrimPrefix(strings.ToLower(typ), "application/"), typRequestObject), nil
}

func (p *Provider) checkRequestObject(client *Client, c requestObjectClaims) error {
	now := float64(p.now().Unix())
	switch {
	case c.Issuer != nil && *c.Issuer != client.ClientID:
		return errors.New("iss must be the client_id")
	case c.Audience != nil && !slices.ContainsFunc(c.Audience, func(aud string) bool { return p.isIssuer(aud) }):
		return errors.New("aud must be the issuer identifier")
	case c.Expires != nil && *c.Expires <= now:
		return errors.New("it is expired")
	case c.NotBefore != nil && *c.NotBefore > now+clockSkew.Seconds():
		return errors.New("nbf is in the future")
	}
	return nil
}

// parameterValues is what a member of the object is as a parameter: a string as it is, a list of strings as several, null as
// nothing, all else as JSON.
func parameterValues(raw json.RawMessage) []string {
	var text string
	var list []string
	switch {
	case string(raw) == "null":
		return nil
	case json.Unmarshal(raw, &text) == nil:
		return []string{text}
	case json.Unmarshal(raw, &list) == nil:
		return list
	}
	return []string{string(raw)}
}
