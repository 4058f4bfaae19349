// SPDX-License-Identifier: Apache-2.0

package rptest

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/ingress-auth/conformance/mockidp"
)

// arrivals notes what the provider is asked when it is asked: its own record has a request only once it is answered, and
// some faults never answer.
type arrivals struct {
	mu   sync.Mutex
	list []string // endpoints of the issuer, not of the honest one beside it
}

func (a *arrivals) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if endpoint := endpointOf(r.URL.Path); endpoint != "" {
			a.mu.Lock()
			a.list = append(a.list, endpoint)
			a.mu.Unlock()
		}
		next.ServeHTTP(w, r)
	})
}

func endpointOf(path string) string {
	return map[string]string{
		"/.well-known/openid-configuration":       mockidp.EndpointDiscovery,
		"/.well-known/oauth-authorization-server": mockidp.EndpointDiscovery,
		"/jwks":        mockidp.EndpointJWKS,
		"/authorize":   mockidp.EndpointAuthorization,
		"/token":       mockidp.EndpointToken,
		"/userinfo":    mockidp.EndpointUserinfo,
		"/end_session": mockidp.EndpointEndSession,
	}[strings.TrimSuffix(path, "/")]
}

// endpoints lists each once, in the order of the first time.
func (a *arrivals) endpoints() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []string
	for _, endpoint := range a.list {
		if !slices.Contains(list, endpoint) {
			list = append(list, endpoint)
		}
	}
	return list
}

func (a *arrivals) count(endpoint string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, arrived := range a.list {
		if arrived == endpoint {
			n++
		}
	}
	return n
}
