// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ingress-auth/conformance/suites/browser"
)

func bearerChecks() []Check {
	return []Check{
		authCheck("auth-service/bearer-forms", bearerForms, "BEARER-SCHEME-CASE", "BEARER-MALFORMED-401", "BEARER-NOT-IN-URL"),
		authCheck("auth-service/bearer-forged", bearerForged, "BEARER-ALG-NONE", "BEARER-ALTERED", "BEARER-KEY-AS-SECRET", "BEARER-FOREIGN-KEY"),
		authCheck("auth-service/bearer-identity", bearerIdentity, "BEARER-IDENTITY", "BEARER-NO-COOKIE", "BEARER-GROUPS", "BEARER-BEFORE-COOKIE", "BEARER-EMAIL-DOMAIN"),
	}
}

func bearerForms(ctx context.Context, t *Trial) error {
	token, err := t.mint(ctx, userAlice, time.Hour)
	if err != nil {
		return err
	}
	ask := func(request browser.Request) (*browser.Response, error) { return t.Browser().Do(ctx, request) }
	if valid, err := ask(browser.Request{URL: authEndpoint(""), Header: bearerHeader(token)}); err != nil || valid.Status != 202 {
		return errors.Join(err, errors.New("a good token in its usual form is not accepted, so other forms prove nothing"))
	}
	for _, scheme := range []string{"bearer", "BEARER"} {
		response, err := ask(browser.Request{URL: authEndpoint(""), Header: http.Header{"Authorization": {scheme + " " + token}}})
		if err != nil {
			return err
		}
		Equal(t, "BEARER-SCHEME-CASE", "with the scheme "+scheme+" status", 202, response.Status)
	}
	for name, value := range map[string]string{
		"nothing": "Bearer", "an empty token": "Bearer ", "no token at all": "Bearer abc", "dots": "Bearer ..", "half a token": "Bearer " + token[:len(token)/2],
		"no signature": "Bearer " + token[:strings.LastIndex(token, ".")+1], "another scheme": "Token " + token, "another digest": "Digest " + token,
		"much": "Bearer " + strings.Repeat("A", 3000), "no base64": "Bearer eyJ!.eyJ!.!", "two tokens": "Bearer " + token + "," + token,
	} {
		response, err := ask(browser.Request{URL: authEndpoint(""), Header: http.Header{"Authorization": {value}}})
		if err != nil {
			return err
		}
		Equal(t, "BEARER-MALFORMED-401", "with "+name+" status", 401, response.Status)
	}
	for name, request := range map[string]browser.Request{
		"in the query": {URL: authEndpoint("?access_token=" + token)},
		"in a body": {
			Method: http.MethodPost, URL: authEndpoint(""), Body: []byte("access_token=" + token), Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
		},
		"in a cookie": {URL: authEndpoint(""), Header: http.Header{"Cookie": {"access_token=" + token + "; id_token=" + token}}},
	} {
		response, err := ask(request)
		if err != nil {
			return err
		}
		Equal(t, "BEARER-NOT-IN-URL", "with the token "+name+" status", 401, response.Status)
	}
	return nil
}

// bearerForged sends tokens that carry good claims and no good signature.
func bearerForged(ctx context.Context, t *Trial) error {
	token, err := t.mint(ctx, userBob, time.Hour)
	if err != nil {
		return err
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errors.New("the identity provider's token is no signed JSON web token")
	}
	forged, err := t.forge(ctx, parts)
	if err != nil {
		return err
	}
	for requirement, tokens := range forged {
		for name, token := range tokens {
			response, err := t.Browser().Do(ctx, browser.Request{URL: authEndpoint(""), Header: bearerHeader(token)})
			if err != nil {
				return err
			}
			Equal(t, requirement, "with "+name+" status", 401, response.Status)
		}
	}
	return nil
}

// forge makes the forgeries by requirement and name.
func (t *Trial) forge(ctx context.Context, parts []string) (map[string]map[string]string, error) {
	claims, err := decodePart(parts[1])
	if err != nil {
		return nil, err
	}
	header, err := decodePart(parts[0])
	if err != nil {
		return nil, err
	}
	altered := strings.Replace(claims, "bob", "eve", 1)
	if altered == claims {
		return nil, errors.New("the token does not name its user, so there is nothing to alter")
	}
	var fields struct {
		KeyID string `json:"kid"`
	}
	if err := json.Unmarshal([]byte(header), &fields); err != nil {
		return nil, fmt.Errorf("reading the token's header: %w", err)
	}
	foreign, err := signForeign(fields.KeyID, claims)
	if err != nil {
		return nil, err
	}
	hmac, err := t.signWithPublicKey(ctx, fields.KeyID, claims)
	if err != nil {
		return nil, err
	}
	return map[string]map[string]string{
		"BEARER-ALG-NONE": {
			"alg none and no signature":     base64JSON(`{"alg":"none","typ":"JWT"}`) + "." + parts[1] + ".",
			"alg None and the old one":      base64JSON(`{"alg":"None","typ":"JWT"}`) + "." + parts[1] + "." + parts[2],
			"alg none and the issuer's kid": base64JSON(`{"alg":"none","kid":"`+fields.KeyID+`"}`) + "." + parts[1] + ".",
		},
		"BEARER-ALTERED":       {"other claims under the old signature": parts[0] + "." + base64JSON(altered) + "." + parts[2]},
		"BEARER-FOREIGN-KEY":   {"another key under the issuer's kid": foreign},
		"BEARER-KEY-AS-SECRET": {"the public key as the secret of HS256": hmac},
	}, nil
}

func decodePart(part string) (string, error) {
	decoded, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	return string(decoded), nil
}

func signForeign(kid, claims string) (string, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", fmt.Errorf("making a foreign key: %w", err)
	}
	return signToken(jose.SigningKey{Algorithm: jose.RS256, Key: key}, kid, claims)
}

// signWithPublicKey takes the issuer's public key for a shared secret, as a verifier does that believes the token's alg.
func (t *Trial) signWithPublicKey(ctx context.Context, kid, claims string) (string, error) {
	response, err := t.Browser().Do(ctx, browser.Request{URL: publicURL("idp") + "/.well-known/openid-configuration"})
	if err != nil {
		return "", err
	}
	var document struct {
		JWKS string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(response.Body, &document); err != nil {
		return "", fmt.Errorf("reading the identity provider's discovery document: %w", err)
	}
	if response, err = t.Browser().Do(ctx, browser.Request{URL: document.JWKS}); err != nil {
		return "", err
	}
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(response.Body, &keys); err != nil {
		return "", fmt.Errorf("reading the identity provider's keys: %w", err)
	}
	for _, key := range keys.Key(kid) {
		der, err := x509.MarshalPKIXPublicKey(key.Key)
		if err != nil {
			return "", fmt.Errorf("writing the identity provider's key: %w", err)
		}
		secret := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		return signToken(jose.SigningKey{Algorithm: jose.HS256, Key: secret}, kid, claims)
	}
	return "", errors.New("the identity provider does not publish the key of its token")
}

func signToken(key jose.SigningKey, kid, claims string) (string, error) {
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", kid)
	signer, err := jose.NewSigner(key, options)
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	signed, err := signer.Sign([]byte(claims))
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return signed.CompactSerialize()
}

func bearerIdentity(ctx context.Context, t *Trial) error {
	token, err := t.mint(ctx, userBob, time.Hour)
	if err != nil {
		return err
	}
	response, err := t.Browser().Do(ctx, browser.Request{URL: authEndpoint(""), Header: bearerHeader(token)})
	if err != nil {
		return err
	}
	t.Holds("BEARER-IDENTITY", response.Status == 202 && response.Header.Get("X-Auth-Request-Email") == "bob@other.example", "a 202 for bob@other.example", describe(response)+", "+identityOf(response.Header))
	t.Holds("BEARER-NO-COOKIE", len(response.Header.Values("Set-Cookie")) == 0, "no Set-Cookie", describe(response))
	forbidden, err := t.Browser().Do(ctx, browser.Request{URL: authEndpoint("?allowed_groups=admins"), Header: bearerHeader(token)})
	if err != nil {
		return err
	}
	Equal(t, "BEARER-GROUPS", "for ?allowed_groups=admins status", 403, forbidden.Status)
	alice, err := t.session(ctx, userAlice)
	if err != nil {
		return err
	}
	both, err := alice.Do(ctx, browser.Request{URL: authEndpoint(""), Header: bearerHeader(token)})
	if err != nil {
		return err
	}
	t.Holds("BEARER-BEFORE-COOKIE", both.Header.Get("X-Auth-Request-Email") == "bob@other.example", "bob@other.example, who the token is for", identityOf(both.Header))
	domain, err := t.Browser().Do(ctx, browser.Request{URL: publicURL("auth-domain") + "/oauth2/auth", Header: bearerHeader(token)})
	if err != nil {
		return err
	}
	t.Holds("BEARER-EMAIL-DOMAIN", denied(domain), "a 401 or 403 where the e-mail domain is not allowed", describe(domain))
	return nil
}
