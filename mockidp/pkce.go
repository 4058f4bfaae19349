// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
)

// challengeS256 is the one transformation supported. plain protects nothing once the request is seen (RFC 9700 section
// 2.1.1), and it is also what an absent code_challenge_method means.
const challengeS256 = "S256"

// checkChallenge judges code_challenge and code_challenge_method of an authorization request (RFC 7636 section 4.4.1).
func checkChallenge(client *Client, challenge, method string) *oauthError {
	switch {
	case challenge == "" && method != "":
		return failure(errInvalidRequest, "code_challenge_method is given without code_challenge")
	case challenge == "" && *client.RequirePKCE:
		return failure(errInvalidRequest, "code_challenge is required for this client")
	case challenge == "":
		return nil
	case method != challengeS256:
		return failure(errInvalidRequest, "code_challenge_method must be S256 (the transform algorithm %q is not supported)", orPlain(method))
	}
	if decoded, err := base64.RawURLEncoding.Strict().DecodeString(challenge); err != nil || len(decoded) != sha256.Size {
		return failure(errInvalidRequest, "code_challenge is not the base64url form of a SHA-256 hash")
	}
	return nil
}

func orPlain(method string) string {
	if method == "" {
		return "plain"
	}
	return method
}

// wellFormedVerifier is the grammar of RFC 7636 section 4.1.
func wellFormedVerifier(s string) bool {
	return len(s) >= 43 && len(s) <= 128 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~") == ""
}

// checkVerifier compares as RFC 7636 section 4.6. A verifier without a challenge is refused too: the challenge may have
// been stripped from the request on its way (RFC 9700 section 4.8.2).
func checkVerifier(challenge, verifier string) error {
	switch {
	case challenge == "" && verifier == "":
		return nil
	case challenge == "":
		return failure(errInvalidGrant, "code_verifier is given, but the authorization request had no code_challenge")
	case verifier == "":
		return failure(errInvalidGrant, "code_verifier is missing")
	case !wellFormedVerifier(verifier):
		return failure(errInvalidGrant, "code_verifier must be 43 to 128 characters of A-Z a-z 0-9 - . _ ~")
	}
	if subtle.ConstantTimeCompare([]byte(challengeOf(verifier)), []byte(challenge)) != 1 {
		return failure(errInvalidGrant, "code_verifier does not fit the code_challenge")
	}
	return nil
}

// challengeOf is the S256 challenge (RFC 7636 section 4.2).
func challengeOf(verifier string) string {
	hash := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(hash[:])
}
