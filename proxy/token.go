// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	jose "github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"
)

// This file holds what is demanded of tokens beyond what go-oidc and go-jose check.

// isCompact says whether s is a JWS in compact form (RFC 7515 §3.1) and nothing around it. go-jose takes white space out first.
func isCompact(s string) bool {
	parts := 0
	for part := range strings.SplitSeq(s, ".") {
		parts++
		for i := range len(part) {
			c := part[i]
			if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
		if part == "" {
			return false
		}
	}
	return parts == 3
}

// The typ values accepted, in lower case and without "application/" (RFC 7515 §4.1.9). A token that says it is of another
// kind was made for another purpose, whoever signed it (RFC 8725 §3.11).
var (
	idTokenTypes     = []string{"", "jwt"}
	bearerTokenTypes = []string{"", "jwt", "at+jwt"}     // RFC 9068 §2.1
	logoutTokenTypes = []string{"", "jwt", "logout+jwt"} // OpenID Connect Back-Channel Logout 1.0 §2.4
)

// parseCompact reads a signed token of one of types.
func parseCompact(jwt string, types []string) (*jose.JSONWebSignature, error) {
	if !isCompact(jwt) {
		return nil, errors.New("the token is not three base64url parts")
	}
	algorithms := make([]jose.SignatureAlgorithm, 0, len(signingAlgorithms))
	for _, a := range signingAlgorithms {
		algorithms = append(algorithms, jose.SignatureAlgorithm(a))
	}
	signed, err := jose.ParseSigned(jwt, algorithms)
	if err != nil {
		return nil, fmt.Errorf("parse the token: %w", err)
	}
	typ, _ := signed.Signatures[0].Header.ExtraHeaders[jose.HeaderType].(string)
	if !slices.Contains(types, strings.TrimPrefix(strings.ToLower(typ), "application/")) {
		return nil, fmt.Errorf("the token is of type %q, which is another kind of token", limitText(typ, 32))
	}
	return signed, nil
}

// checkDates demands numbers (RFC 7519 §2, NumericDate) where go-oidc takes their text too; iat is required of ID tokens
// (OpenID Connect Core §2).
func checkDates(claims map[string]json.RawMessage, required ...string) error {
	for _, name := range []string{"exp", "iat", "nbf"} {
		raw, present := claims[name]
		var number json.Number
		switch {
		case !present && slices.Contains(required, name):
			return fmt.Errorf("the token has no %s", name)
		case present && (json.Unmarshal(raw, &number) != nil || number == "" || raw[0] == '"'):
			return fmt.Errorf("the token's %s is not a number", name)
		}
	}
	return nil
}

// checkTokenType refuses an access token that this proxy would not know how to use (RFC 6749 §7.1). A response without
// token_type counts as Bearer, as some providers leave it out.
func checkTokenType(token *oauth2.Token) error {
	if token.TokenType != "" && !strings.EqualFold(token.TokenType, "Bearer") {
		return fmt.Errorf("the token response has token_type %q; only Bearer can be used", limitText(token.TokenType, 32))
	}
	return nil
}
