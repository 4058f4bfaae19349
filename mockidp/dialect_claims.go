// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Parts of an answer that a dialect changes.
const (
	partIDToken     = "id_token"
	partAccessToken = "access_token"
	partUserinfo    = "userinfo"
)

// dialectEdit is what a dialect needs to know to change claims.
type dialectEdit struct {
	part         string
	user         *User
	client       *Client
	grant        *grant
	granted      scopes
	asked        []string // claims asked for by name
	audience     []string // of an access token
	frontChannel bool     // the token passes through the browser
}

// released are the claims of the user, in the dialect's words.
func (p *Provider) released(e dialectEdit) map[string]any {
	d := p.dialect
	asked := e.asked
	if d.Groups.Release == "always" {
		asked = append(slices.Clone(asked), scopeGroups)
	}
	claims := e.user.claims(e.granted, asked...)
	groups, ok := claims["groups"]
	if !ok {
		return claims
	}
	delete(claims, "groups")
	if d.Groups.Release == "never" {
		return claims
	}
	name := d.Groups.Claim
	if name == "" {
		name = "groups"
	}
	list, isList := groups.([]string)
	if !isList {
		claims[name] = groups // a claim of the configuration, of whatever type
		return claims
	}
	if d.Groups.Overage == 0 || len(list) <= d.Groups.Overage {
		claims[name] = d.formatGroups(list)
		return claims
	}
	if e.frontChannel {
		claims["hasgroups"] = true
		return claims
	}
	claims["_claim_names"] = map[string]any{name: "src1"}
	claims["_claim_sources"] = map[string]any{"src1": map[string]any{"endpoint": p.urls.front("/users/" + uuidOf(e.user.Username) + "/getMemberObjects")}}
	return claims
}

func (d *Dialect) formatGroups(groups []string) []string {
	out := []string{}
	for _, group := range groups {
		switch {
		case d.Groups.Format == "path" && !strings.HasPrefix(group, "/"):
			group = "/" + group
		case d.Groups.Format == "guid" && !uuidPattern().MatchString(group):
			group = uuidOf("group " + group)
		}
		out = append(out, group)
	}
	return out
}

// applyDialect changes claims that are otherwise complete.
func (p *Provider) applyDialect(e dialectEdit, claims map[string]any) {
	d := p.dialect
	for _, name := range d.Omit[e.part] {
		if !slices.Contains(e.asked, name) && !(name == "at_hash" && e.frontChannel) {
			delete(claims, name)
		}
	}
	var values dialectValues
	for _, rule := range d.Claims {
		if !slices.Contains(rule.In, e.part) || rule.Scope != "" && !e.granted.has(rule.Scope) {
			continue
		}
		if values == nil {
			values = p.dialectValues(e)
		}
		maps.Copy(claims, values.expandMap(rule.Set))
	}
}

// dialectValues are the values of one token; a client that acts for itself has none of a user.
func (p *Provider) dialectValues(e dialectEdit) dialectValues {
	values := dialectValues{}
	if e.user != nil {
		values = userValues(e.user)
		if groups, ok := e.user.claims(userScopes())["groups"].([]string); ok {
			values["groups"] = groups
		}
		values["tid"] = p.tenantID(e.user)
	}
	values["jti"], values["scopes"] = p.random.token(), slices.Clone(e.granted)
	values["userinfo"], values["timestamp"] = p.urls.front(pathUserinfo), p.timestamp()
	values["refresh_lifetime"], values["expires_in"] = int64(p.cfg.Lifetimes.RefreshToken/time.Second), p.expiresIn()
	if len(e.audience) > 0 {
		values["audience"] = e.audience[0]
	}
	if e.client != nil {
		values["client_id"] = e.client.ClientID
		if len(e.client.RedirectURIs) > 0 {
			if u, err := url.Parse(e.client.RedirectURIs[0]); err == nil {
				values["redirect_origin"] = u.Scheme + "://" + u.Host
			}
		}
	}
	if e.grant != nil {
		values["sid"], values["acr"] = e.grant.sid, e.grant.acr
	}
	return values
}

func (p *Provider) timestamp() string { return p.now().UTC().Format(time.RFC3339) }

// claimsOfDialect are the names that the ID token has more and fewer.
func (d *Dialect) claimsOfDialect() (more, fewer []string) {
	for _, rule := range d.Claims {
		if slices.Contains(rule.In, partIDToken) && (rule.Scope == "" || slices.Contains(userScopes(), rule.Scope)) {
			more = slices.AppendSeq(more, maps.Keys(rule.Set))
		}
	}
	fewer = slices.Clone(d.Omit[partIDToken])
	if d.Groups.Release == "never" || d.Groups.Claim != "" {
		fewer = append(fewer, "groups")
	}
	if d.Groups.Claim != "" {
		more = append(more, d.Groups.Claim)
	}
	return more, fewer
}
