// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"sync"
)

var uuidPattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
})

// tenantPlaceholder is what discovery of a shared tenant has in its issuer, literally.
const tenantPlaceholder = "{tenantid}"

// shared says whether the issuer is of many tenants at once.
func (p *Provider) shared() bool {
	return p.dialect.SharedTenants[path.Base(p.urls.root)] != ""
}

// tenantID is the tenant a user is of: that of the path, or in a shared one the user's own.
func (p *Provider) tenantID(u *User) string {
	if !p.shared() {
		return path.Base(p.urls.root)
	}
	if tid, ok := u.Claims["tid"].(string); ok && uuidPattern().MatchString(tid) {
		return tid
	}
	return p.dialect.SharedTenants[path.Base(p.urls.root)]
}

// issuerWith puts something in the place of the tenant.
func (p *Provider) issuerWith(tenant string) string {
	return p.urls.base[:strings.LastIndexByte(p.urls.base, '/')+1] + tenant + p.dialect.IssuerSuffix
}

// publishedIssuer is what discovery says.
func (p *Provider) publishedIssuer() string {
	// consumers has a tenant ID of its own, and so an issuer; the others are templates.
	if p.shared() && path.Base(p.urls.root) != "consumers" {
		return p.issuerWith(tenantPlaceholder)
	}
	return p.issuerFor(nil)
}

// issuerFor is iss in the tokens of a user, or of nobody.
func (p *Provider) issuerFor(u *User) string {
	if !p.shared() {
		return p.cfg.Issuer
	}
	if u == nil {
		u = &User{}
	}
	return p.issuerWith(p.tenantID(u))
}

// isIssuer says whether an iss is ours.
func (p *Provider) isIssuer(iss any) bool {
	if !p.shared() {
		return iss == p.cfg.Issuer
	}
	text, _ := iss.(string)
	before, after, _ := strings.Cut(p.issuerWith(tenantPlaceholder), tenantPlaceholder)
	return len(text) > len(before)+len(after) && strings.HasPrefix(text, before) && strings.HasSuffix(text, after) &&
		uuidPattern().MatchString(text[len(before):len(text)-len(after)])
}

// graphPageSize is how many groups a page has unless $top says otherwise.
const graphPageSize = 100

// entraAPI is what _claim_sources points to, and the page of Microsoft Graph that relying parties ask nowadays.
func (p *Provider) entraAPI() []endpoint {
	return []endpoint{
		{"groups", "/users/{id}/getMemberObjects", "POST", p.serveMemberObjects},
		{"groups", "/v1.0/me/transitiveMemberOf", "GET", p.serveTransitiveMemberOf},
	}
}

// graphGroups returns the groups of whoever asks, as GUIDs, with their names. It answers itself if it returns nil.
func (p *Provider) graphGroups(w http.ResponseWriter, r *http.Request) []map[string]any {
	_, user := p.apiUser(r)
	if user == nil || r.PathValue("id") != "" && r.PathValue("id") != uuidOf(user.Username) {
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": map[string]any{"code": "InvalidAuthenticationToken", "message": "Access token is empty or no good."}})
		return nil
	}
	names, _ := user.claims(userScopes())["groups"].([]string)
	list := []map[string]any{}
	for i, id := range p.dialect.formatGroups(names) {
		list = append(list, map[string]any{"@odata.type": "#microsoft.graph.group", "id": id, "displayName": names[i]})
	}
	return list
}

func (p *Provider) serveMemberObjects(w http.ResponseWriter, r *http.Request) {
	groups := p.graphGroups(w, r)
	if groups == nil {
		return
	}
	ids := []any{}
	for _, group := range groups {
		ids = append(ids, group["id"])
	}
	writeJSON(w, http.StatusOK, map[string]any{"value": ids})
}

func (p *Provider) serveTransitiveMemberOf(w http.ResponseWriter, r *http.Request) {
	groups := p.graphGroups(w, r)
	if groups == nil {
		return
	}
	query := r.URL.Query()
	page, size := number(query, "$skiptoken", 1, 1_000_000), number(query, "$top", graphPageSize, 999)
	part, last := pageOf(groups, page, size)
	answer := map[string]any{"value": part}
	if page < last {
		next := url.Values{"$top": {fmt.Sprint(size)}, "$skiptoken": {fmt.Sprint(page + 1)}}
		answer["@odata.nextLink"] = p.urls.back(r.Host, r.URL.Path[len(p.urls.root):]) + "?" + next.Encode()
	}
	writeJSON(w, http.StatusOK, answer)
}
