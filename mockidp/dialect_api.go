// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// dialectAPI lists the endpoints that are code: those beside OAuth where a provider keeps what its tokens do not say.
func (p *Provider) dialectAPI() []endpoint {
	switch p.dialect.API {
	case "entra":
		return p.entraAPI()
	case "github":
		return p.githubAPI()
	default:
		return nil
	}
}

// apiUser returns the access token that a request to such an endpoint has, and its user; nil if either is no good. GitHub says
// token where the standard says Bearer.
func (p *Provider) apiUser(r *http.Request) (*accessToken, *User) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") && (p.dialect.API != "github" || !strings.EqualFold(scheme, "token")) {
		return nil, nil
	}
	access := p.store.accessToken(strings.TrimSpace(token), p.now())
	if access == nil || access.bound().jkt != "" || !access.bound().shownBy(r) {
		return nil, nil
	}
	return access, p.userOf(access.grant)
}

// pageOf cuts a page out of a list. Numbers that make no sense count as not given.
func pageOf[T any](list []T, page, size int) (part []T, last int) {
	last = max(1, (len(list)+size-1)/size)
	page = max(1, page)
	if page > last {
		return []T{}, last
	}
	return list[(page-1)*size : min(page*size, len(list))], last
}

func number(values url.Values, name string, otherwise, most int) int {
	n, err := strconv.Atoi(values.Get(name))
	if err != nil || n < 1 {
		return otherwise
	}
	return min(n, most)
}
