// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// credentials are what a client shows at the token endpoint.
type credentials struct {
	method    string
	clientID  string
	secret    string
	assertion *jose.JSONWebSignature // of client_secret_jwt and private_key_jwt
	claims    assertionClaims        // of the assertion, not verified
}

// supportedAuthMethods are all that clients may have; authMethods are those of them that work here.
func supportedAuthMethods() []string {
	return []string{authMethodBasic, authMethodPost, authMethodSecretJWT, authMethodPrivateKey, authMethodTLS, authMethodSelfSigned, authMethodNone}
}

// authenticateClient keeps to RFC 6749 section 2.3. Who is unknown and who is wrong are told the same.
func (p *Provider) authenticateClient(r *http.Request, in params) (*Client, *oauthError) {
	shown, e := readCredentials(r, in)
	if e != nil {
		return nil, e
	}
	refused := failure(errInvalidClient, "the client could not be authenticated: check client_id, client_secret and token_endpoint_auth_method")
	client := p.directory.client(shown.clientID)
	if client != nil && shown.method == authMethodNone && byCertificate(client.TokenEndpointAuthMethod) {
		shown.method = client.TokenEndpointAuthMethod // what shows it is below HTTP
	}
	if client == nil || !client.allowsMethod(shown.method) {
		return nil, refused
	}
	switch shown.method {
	case authMethodNone:
	case authMethodTLS, authMethodSelfSigned:
		if err := p.checkCertificate(r, client); err != nil {
			return nil, failure(errInvalidClient, "%v", err)
		}
	case authMethodSecretJWT, authMethodPrivateKey:
		if err := p.checkAssertion(r, client, shown); err != nil {
			return nil, failure(errInvalidClient, "client_assertion: %v", err)
		}
	default:
		if !sameSecret(shown.secret, client.ClientSecret) {
			return nil, refused
		}
	}
	return client, nil
}

func (c *Client) allowsMethod(method string) bool {
	if c.TokenEndpointAuthMethod == "" {
		return method == authMethodBasic || method == authMethodPost
	}
	return method == c.TokenEndpointAuthMethod
}

// sameSecret compares hashes, so that the time taken tells neither content nor length.
func sameSecret(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func readCredentials(r *http.Request, in params) (credentials, *oauthError) {
	headers := r.Header.Values("Authorization")
	inBody := credentials{method: authMethodNone, clientID: in.get("client_id")}
	if in.get("client_secret") != "" {
		inBody.method, inBody.secret = authMethodPost, in.get("client_secret")
	}
	if in.get("client_assertion") != "" || in.get("client_assertion_type") != "" {
		if len(headers) > 0 || inBody.method == authMethodPost {
			return credentials{}, failure(errInvalidRequest, "the client uses more than one way to authenticate")
		}
		return readAssertion(in)
	}
	if len(headers) == 0 {
		if inBody.clientID == "" {
			return credentials{}, failure(errInvalidClient, "client authentication is missing")
		}
		return inBody, nil
	}
	if len(headers) > 1 || inBody.method == authMethodPost {
		return credentials{}, failure(errInvalidRequest, "the client uses more than one way to authenticate")
	}
	shown, ok := parseBasic(headers[0])
	if !ok {
		return credentials{}, failure(errInvalidClient, "the Authorization header is not well formed: Basic, then base64 of the form-encoded client_id, a colon and the form-encoded secret")
	}
	if inBody.clientID != "" && inBody.clientID != shown.clientID {
		return credentials{}, failure(errInvalidRequest, "client_id differs between the Authorization header and the body")
	}
	return shown, nil
}

// parseBasic decodes both halves from application/x-www-form-urlencoded, which RFC 6749 section 2.3.1 adds to RFC 7617.
func parseBasic(header string) (credentials, bool) {
	scheme, encoded, _ := strings.Cut(header, " ")
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if !strings.EqualFold(scheme, "Basic") || err != nil {
		return credentials{}, false
	}
	rawID, rawSecret, found := strings.Cut(string(decoded), ":")
	id, errID := url.QueryUnescape(rawID)
	secret, errSecret := url.QueryUnescape(rawSecret)
	if !found || errID != nil || errSecret != nil || id == "" {
		return credentials{}, false
	}
	return credentials{method: authMethodBasic, clientID: id, secret: secret}, true
}
