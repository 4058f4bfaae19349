// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"slices"
	"strings"
)

// responseType says what the authorization endpoint hands out (Core 1.0 section 3, OAuth 2.0 Multiple Response Type
// Encoding Practices).
type responseType struct{ code, idToken, token bool }

// supportedResponseTypes leaves out "token" alone, which OpenID Connect does not define and RFC 9700 section 2.1.2 advises
// against.
func supportedResponseTypes() []string {
	return []string{"code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"}
}

// parseResponseType takes the words in any order. It returns false for a type that is not supported.
func parseResponseType(value string) (responseType, bool) {
	var t responseType
	for word := range strings.FieldsSeq(value) {
		part, ok := map[string]*bool{"code": &t.code, "id_token": &t.idToken, "token": &t.token}[word]
		if !ok || *part {
			return responseType{}, false
		}
		*part = true
	}
	return t, t.code || t.idToken
}

// frontChannel says whether tokens pass through the browser.
func (t responseType) frontChannel() bool { return t.idToken || t.token }

// allowsResponseType compares with what the client has registered.
func (c *Client) allowsResponseType(t responseType) bool {
	return slices.ContainsFunc(c.ResponseTypes, func(registered string) bool {
		r, ok := parseResponseType(registered)
		return ok && r == t
	})
}
