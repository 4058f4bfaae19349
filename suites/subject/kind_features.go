// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"strconv"
	"strings"
)

// release is a version of the controller: major, minor, patch.
type release [3]int

func (r release) before(other release) bool {
	for i := range r {
		if r[i] != other[i] {
			return r[i] < other[i]
		}
	}
	return false
}

// parseRelease reads "1.11.0", with or without a v and with or without what follows a hyphen.
func parseRelease(text string) (r release, ok bool) {
	text, _, _ = strings.Cut(strings.TrimPrefix(text, "v"), "-")
	parts := strings.Split(text, ".")
	if len(parts) != len(r) {
		return r, false
	}
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return r, false
		}
		r[i] = n
	}
	return r, true
}

// ingressNginxMissing maps what a version of ingress-nginx lacks to the reason. A version that cannot be read is taken
// for one that lacks nothing: its checks then run, and show it.
func ingressNginxMissing(version string) map[Feature]string {
	missing := map[Feature]string{}
	r, ok := parseRelease(version)
	if !ok {
		return missing
	}
	if r.before(release{1, 9, 5}) {
		missing[FeatureDisableIntercept] = "disable-proxy-intercept-errors came with ingress-nginx 1.9.5"
	}
	// CVE-2026-24513, mended in two lines of releases.
	if !r.before(release{1, 14, 3}) || !r.before(release{1, 13, 7}) && r.before(release{1, 14, 0}) {
		missing[FeatureInheritedErrorBypass] = "since ingress-nginx 1.13.7 and 1.14.3 the auth request's location does not intercept errors"
	}
	return missing
}
