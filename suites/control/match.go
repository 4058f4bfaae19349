// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net"
	"net/http"
	"slices"
	"strings"
)

// headersMatch says whether for every pattern some value of its header matches; an absent header has the value "".
func headersMatch(patterns map[string]Pattern, header http.Header) bool {
	for name, pattern := range patterns {
		values := header.Values(name)
		if len(values) == 0 {
			values = []string{""}
		}
		if !slices.ContainsFunc(values, pattern.matches) {
			return false
		}
	}
	return true
}

// hostname is a Host header without its port, in lower case.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(host)
}

func contains(statuses []int, status int) bool { return slices.Contains(statuses, status) }
