// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"maps"
	"slices"
	"strings"
)

const (
	scopeOpenID        = "openid"
	scopeProfile       = "profile"
	scopeEmail         = "email"
	scopeAddress       = "address"
	scopePhone         = "phone"
	scopeGroups        = "groups"
	scopeOfflineAccess = "offline_access"
)

// userScopes are those that are about a user.
func userScopes() []string {
	return []string{scopeOpenID, scopeProfile, scopeEmail, scopeAddress, scopePhone, scopeGroups, scopeOfflineAccess}
}

// supportedScopes are the ones a client is granted when it asks; others are ignored (Core 1.0 section 3.1.2.1).
func (p *Provider) supportedScopes() []string {
	if p.dialect.Scopes != nil {
		return slices.Concat(p.dialect.Scopes, p.cfg.Scopes)
	}
	return append(userScopes(), p.cfg.Scopes...)
}

// scopes is a set in the order it was asked for.
type scopes []string

func parseScopes(s string) scopes {
	var list scopes
	for name := range strings.FieldsSeq(s) {
		if !list.has(name) {
			list = append(list, name)
		}
	}
	return list
}

func (s scopes) has(name string) bool { return slices.Contains(s, name) }

func (s scopes) String() string { return strings.Join(s, " ") }

// among drops what is not known. The strings are those of known: a part of the request would keep all of it in memory.
func (s scopes) among(known []string) scopes {
	var list scopes
	for _, name := range s {
		if i := slices.Index(known, name); i >= 0 {
			list = append(list, known[i])
		}
	}
	return list
}

// within says whether every scope of s is in other.
func (s scopes) within(other scopes) bool {
	return !slices.ContainsFunc(s, func(name string) bool { return !other.has(name) })
}

// scopeOfClaim says which scope releases a claim (Core 1.0 section 5.4; groups is ours). A claim that is not listed needs
// none.
func scopeOfClaim() map[string]string {
	byScope := map[string][]string{
		scopeProfile: {"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile",
			"picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at"},
		scopeEmail:   {"email", "email_verified"},
		scopeAddress: {"address"},
		scopePhone:   {"phone_number", "phone_number_verified"},
		scopeGroups:  {"groups"},
	}
	byClaim := map[string]string{}
	for scope, claims := range byScope {
		for _, claim := range claims {
			byClaim[claim] = scope
		}
	}
	return byClaim
}

// claims returns what the user's profile says, as far as the scopes release it or it is asked for by name; never sub.
func (u *User) claims(granted scopes, asked ...string) map[string]any {
	all := map[string]any{"preferred_username": u.PreferredUsername}
	if u.Name != "" {
		all["name"] = u.Name
	}
	if u.Email != "" {
		all["email"] = u.Email
	}
	if u.EmailVerified != nil {
		all["email_verified"] = *u.EmailVerified
	}
	if u.Groups != nil {
		all["groups"] = u.Groups
	}
	maps.Copy(all, u.Claims)
	needed := scopeOfClaim()
	maps.DeleteFunc(all, func(name string, value any) bool {
		scope, restricted := needed[name]
		return value == nil || (restricted && !granted.has(scope) && !slices.Contains(asked, name))
	})
	return all
}
