// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
)

// claimsRequest is the claims parameter (Core 1.0 section 5.5): claims asked for one by one, whatever the scope.
type claimsRequest struct {
	userinfo map[string]claimRequest
	idToken  map[string]claimRequest
}

// claimRequest is Core 1.0 section 5.5.1. A request of null is the zero value: voluntary, any value.
type claimRequest struct {
	Essential bool  `json:"essential"`
	Value     any   `json:"value"`
	Values    []any `json:"values"`
}

// parseClaims reads the parameter. Members it does not know are ignored, as the section says.
func parseClaims(value string) (claimsRequest, *oauthError) {
	var asked claimsRequest
	if value == "" {
		return asked, nil
	}
	members, ok := parseObject([]byte(value))
	if !ok {
		return asked, failure(errInvalidRequest, "claims must be a JSON object")
	}
	for name, target := range map[string]*map[string]claimRequest{"userinfo": &asked.userinfo, "id_token": &asked.idToken} {
		if members[name] == nil || string(members[name]) == "null" {
			continue
		}
		claims, ok := parseObject(members[name])
		if !ok {
			return asked, failure(errInvalidRequest, "claims: %s must be a JSON object", name)
		}
		*target = map[string]claimRequest{}
		for claim, raw := range claims {
			var one claimRequest
			if err := json.Unmarshal(raw, &one); err != nil {
				return asked, failure(errInvalidRequest, "claims: %s in %s must be null or an object with essential, value, values", claim, name)
			}
			(*target)[claim] = one
		}
	}
	return asked, nil
}

func parseObject(data []byte) (map[string]json.RawMessage, bool) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(bytes.TrimSpace(data), &members); err != nil || members == nil {
		return nil, false
	}
	return members, true
}

// orNil returns a copy, or nil for a request that asks for nothing, as nearly all do.
func (c claimsRequest) orNil() *claimsRequest {
	if len(c.userinfo) == 0 && len(c.idToken) == 0 {
		return nil
	}
	return &c
}

func (c *claimsRequest) inIDToken() []string {
	if c == nil {
		return nil
	}
	return namesIn(c.idToken)
}

func (c *claimsRequest) inUserinfo() []string {
	if c == nil {
		return nil
	}
	return namesIn(c.userinfo)
}

// namesIn lists the claims of one half of the request.
func namesIn(asked map[string]claimRequest) []string { return slices.Sorted(maps.Keys(asked)) }

// strings returns the values that would do, as far as they are strings.
func (c claimRequest) strings() []string {
	var list []string
	for _, v := range append([]any{c.Value}, c.Values...) {
		if s, ok := v.(string); ok {
			list = append(list, s)
		}
	}
	return list
}

// readClaims reads the claims parameter. A sub with a value is as binding as an id_token_hint (Core 1.0 section 5.5.1).
func (r *authorizationRequest) readClaims(value string) *oauthError {
	var e *oauthError
	if r.claims, e = parseClaims(value); e != nil {
		return e
	}
	for _, half := range []map[string]claimRequest{r.claims.idToken, r.claims.userinfo} {
		sub, ok := half["sub"].Value.(string)
		if !ok {
			continue
		}
		if r.hintedSub != "" && r.hintedSub != sub {
			return failure(errInvalidRequest, "claims and id_token_hint ask for different users")
		}
		r.hintedSub = sub
	}
	return nil
}
