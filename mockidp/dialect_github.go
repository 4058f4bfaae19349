// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// githubPageSize is how many items a page has unless per_page says otherwise.
const githubPageSize = 30

// githubAPI is the part of the REST API that relying parties ask who signed in. An Enterprise Server has it below /api/v3.
func (p *Provider) githubAPI() []endpoint {
	var list []endpoint
	for _, prefix := range []string{"", "/api/v3"} {
		list = append(list,
			endpoint{"userinfo", prefix + "/user", "GET", p.githubAs(p.githubUser)},
			endpoint{"userinfo", prefix + "/user/emails", "GET", p.githubAs(p.githubEmails)},
			endpoint{"userinfo", prefix + "/user/orgs", "GET", p.githubAs(p.githubOrgs)},
			endpoint{"userinfo", prefix + "/user/teams", "GET", p.githubAs(p.githubTeams)})
	}
	return list
}

// githubAs answers with what a function says of the user, or 404 where a scope is missing, as GitHub does.
func (p *Provider) githubAs(says func(*accessToken, *User) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		access, user := p.apiUser(r)
		if user == nil {
			writeJSON(w, http.StatusUnauthorized, map[string]any{"message": "Bad credentials", "documentation_url": p.urls.front("/rest"), "status": "401"})
			return
		}
		w.Header().Set("X-OAuth-Scopes", strings.Join(access.scopes, ", "))
		answer := says(access, user)
		if answer == nil {
			writeJSON(w, http.StatusNotFound, map[string]any{"message": "Not Found", "documentation_url": p.urls.front("/rest"), "status": "404"})
			return
		}
		if list, ok := answer.([]any); ok {
			answer = p.githubPage(w, r, list)
		}
		writeJSON(w, http.StatusOK, answer)
	}
}

// githubPage cuts a page out and says in Link where the next and the last are (RFC 8288).
func (p *Provider) githubPage(w http.ResponseWriter, r *http.Request, list []any) []any {
	page, size := number(r.URL.Query(), "page", 1, 1_000_000), number(r.URL.Query(), "per_page", githubPageSize, 100)
	part, last := pageOf(list, page, size)
	if page < last {
		link := func(n int, rel string) string {
			query := url.Values{"page": {fmt.Sprint(n)}, "per_page": {fmt.Sprint(size)}}
			return fmt.Sprintf("<%s?%s>; rel=%q", p.urls.back(r.Host, r.URL.Path[len(p.urls.root):]), query.Encode(), rel)
		}
		w.Header().Set("Link", link(page+1, "next")+", "+link(last, "last"))
	}
	return part
}

// githubID is a number for a name, the same one each time.
func githubID(name string) int64 {
	hash := sha256.Sum256([]byte(name))
	return int64(binary.BigEndian.Uint32(hash[:4]))
}

func (p *Provider) githubUser(access *accessToken, u *User) any {
	claims := u.claims(userScopes())
	email := claims["email"]
	if !access.scopes.has("user") && !access.scopes.has("read:user") {
		email = nil // private, as it is unless the person publishes it
	}
	return map[string]any{"login": u.Username, "id": githubID(u.Username), "node_id": uuidOf(u.Username), "type": "User", "site_admin": false,
		"name": claims["name"], "email": email, "avatar_url": p.urls.front("/avatars/" + url.PathEscape(u.Username)),
		"html_url": p.urls.front("/" + url.PathEscape(u.Username))}
}

func (p *Provider) githubEmails(access *accessToken, u *User) any {
	if !access.scopes.has("user") && !access.scopes.has("user:email") {
		return nil
	}
	claims, list := u.claims(userScopes()), []any{}
	if email, ok := claims["email"].(string); ok {
		list = append(list, map[string]any{"email": email, "primary": true, "verified": claims["email_verified"] == true, "visibility": "private"})
	}
	return append(list, map[string]any{"email": fmt.Sprintf("%d+%s@users.noreply.mockidp.example", githubID(u.Username), u.Username), "primary": len(list) == 0, "verified": true, "visibility": nil})
}

// Groups stand for organisations, or for teams where they are written org/team.
func (p *Provider) githubOrgs(access *accessToken, u *User) any {
	if !access.scopes.has("user") && !access.scopes.has("read:org") {
		return nil
	}
	list := []any{}
	for _, group := range githubGroups(u) {
		org, _, _ := strings.Cut(group, "/")
		if one := githubOrg(org); !slices.ContainsFunc(list, func(other any) bool { return other.(map[string]any)["login"] == org }) {
			list = append(list, one)
		}
	}
	return list
}

func (p *Provider) githubTeams(access *accessToken, u *User) any {
	if !access.scopes.has("read:org") {
		return nil
	}
	list := []any{}
	for _, group := range githubGroups(u) {
		if org, team, ok := strings.Cut(group, "/"); ok {
			list = append(list, map[string]any{"id": githubID(group), "name": team, "slug": strings.ToLower(team), "organization": githubOrg(org)})
		}
	}
	return list
}

func githubOrg(name string) map[string]any {
	return map[string]any{"login": name, "id": githubID("org " + name)}
}

func githubGroups(u *User) []string {
	groups, _ := u.claims(userScopes())["groups"].([]string)
	return groups
}
