// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	authMethodSecretJWT  = "client_secret_jwt"
	authMethodPrivateKey = "private_key_jwt"

	assertionTypeJWT = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

	// maxAssertionLife bounds how far ahead exp may be, and so how long a jti must be remembered.
	maxAssertionLife = time.Hour
	// clockSkew is how far a client's clock may be ahead.
	clockSkew = time.Minute
	// minHMACSecret is the shortest secret for HS256, in bytes (RFC 7518 section 3.2).
	minHMACSecret = 32
)

func hmacAlgorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.HS256, jose.HS384, jose.HS512}
}

func isHMAC(alg string) bool { return slices.Contains(hmacAlgorithms(), jose.SignatureAlgorithm(alg)) }

// assertionAlgorithms are those a client may sign its assertion with.
func assertionAlgorithms() []jose.SignatureAlgorithm {
	return append(algorithmNames(), hmacAlgorithms()...)
}

// assertionClaims are those of RFC 7523 section 3.
type assertionClaims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  audience `json:"aud"`
	ID        string   `json:"jti"`
	Expires   *float64 `json:"exp"`
	NotBefore *float64 `json:"nbf"`
	IssuedAt  *float64 `json:"iat"`
}

// readAssertion finds out what the assertion claims to be, before anything is verified.
func readAssertion(in params) (credentials, *oauthError) {
	if in.get("client_assertion_type") != assertionTypeJWT {
		return credentials{}, failure(errInvalidClient, "client_assertion_type must be %s", assertionTypeJWT)
	}
	parsed, err := jose.ParseSignedCompact(in.get("client_assertion"), assertionAlgorithms())
	if err != nil {
		return credentials{}, failure(errInvalidClient, "client_assertion is not a signed JWT")
	}
	var claims assertionClaims
	if err := json.Unmarshal(parsed.UnsafePayloadWithoutVerification(), &claims); err != nil {
		return credentials{}, failure(errInvalidClient, "the claims of client_assertion are not well formed")
	}
	method := authMethodPrivateKey
	if isHMAC(parsed.Signatures[0].Header.Algorithm) {
		method = authMethodSecretJWT
	}
	if id := in.get("client_id"); id != "" && id != claims.Subject {
		return credentials{}, failure(errInvalidRequest, "client_id is not the sub of client_assertion")
	}
	return credentials{method: method, clientID: claims.Subject, assertion: parsed, claims: claims}, nil
}

// checkAssertion verifies signature and claims (RFC 7523 section 3, Core 1.0 section 9). An assertion serves once.
func (p *Provider) checkAssertion(r *http.Request, client *Client, shown credentials) error {
	if _, err := p.verifyByClient(r.Context(), client, shown.assertion); err != nil {
		return err
	}
	now, c := p.now(), shown.claims
	switch {
	case c.Issuer != client.ClientID:
		return errors.New("iss and sub must both be the client_id")
	case len(c.Audience) != 1 || !p.isAssertionAudience(r, c.Audience[0]):
		return errors.New("aud must be the issuer identifier and nothing else")
	case c.Expires == nil:
		return errors.New("exp is missing")
	case *c.Expires <= float64(now.Unix()):
		return errors.New("it is expired")
	case *c.Expires > float64(now.Add(maxAssertionLife).Unix()):
		return errors.New("exp is more than an hour ahead")
	case c.NotBefore != nil && *c.NotBefore > float64(now.Add(clockSkew).Unix()):
		return errors.New("nbf is in the future")
	case c.IssuedAt != nil && *c.IssuedAt > float64(now.Add(clockSkew).Unix()):
		return errors.New("iat is in the future")
	case c.ID == "":
		return errors.New("jti is missing")
	case !p.store.useAssertion(client.ClientID, c.ID, now):
		return errors.New("its jti was used before")
	}
	return nil
}

// isAssertionAudience takes the issuer, and where the configuration allows it the endpoint that is called. The latter lets
// one provider replay an assertion at another.
func (p *Provider) isAssertionAudience(r *http.Request, value string) bool {
	if value == p.cfg.Issuer {
		return true
	}
	if !p.cfg.AllowEndpointAudience {
		return false
	}
	endpoint := strings.TrimPrefix(r.URL.Path, p.urls.root)
	return slices.Contains([]string{p.urls.front(endpoint), p.urls.back(r.Host, endpoint), p.urls.front(pathToken), p.urls.back(r.Host, pathToken)}, value)
}
