// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// claimsText is all that the user's profile says, as JSON for a person to read and edit.
func (u *User) claimsText() string {
	text, err := json.MarshalIndent(u.claims(userScopes()), "", "  ")
	if err != nil {
		return "{}" // Validate has seen that it can be written
	}
	return string(text)
}

// edited is the user with these claims, a JSON object, in place of all there are. Its error is a sentence for a person, without
// the full stop.
func (u *User) edited(text string) (*User, error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	var claims map[string]any
	if err := decoder.Decode(&claims); err != nil || claims == nil {
		return nil, fmt.Errorf("The claims are not a JSON object: %s", jsonProblem(text, err)) //nolint:staticcheck // a sentence
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("There is something after the JSON object") //nolint:staticcheck // a sentence
	}
	return u.withClaims(claims)
}

func (u *User) withClaims(claims map[string]any) (*User, error) {
	for _, name := range protocolClaims() {
		if _, ok := claims[name]; ok {
			return nil, fmt.Errorf("The claim %s is set by the protocol; take it out", name) //nolint:staticcheck // a sentence
		}
	}
	if list, ok := claims["groups"].([]any); ok {
		claims["groups"] = stringsOf(list)
	}
	if _, ok := claims["preferred_username"]; !ok {
		claims["preferred_username"] = nil // or the user's own would show
	}
	return &User{Username: u.Username, Sub: u.Sub, Claims: claims}, nil
}

// stringsOf is a list of strings as one, and any other list as it is.
func stringsOf(list []any) any {
	out := make([]string, 0, len(list))
	for _, item := range list {
		text, ok := item.(string)
		if !ok {
			return list
		}
		out = append(out, text)
	}
	return out
}

// jsonProblem says what is wrong and in which line.
func jsonProblem(text string, err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		before := text[:min(int(syntax.Offset), len(text))]
		return fmt.Sprintf("%v, in line %d", syntax, countLines(before))
	case errors.As(err, &kind):
		return "it is a " + kind.Value
	case errors.Is(err, io.EOF):
		return "it is empty"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "its end is missing"
	case err == nil:
		return "it is null"
	}
	return err.Error()
}

func countLines(text string) int { return 1 + bytes.Count([]byte(text), []byte("\n")) }
