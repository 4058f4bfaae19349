// SPDX-License-Identifier: Apache-2.0

package mockidp

import "net/http"

// serveJWKS publishes the public keys (RFC 7517 section 5).
func (p *Provider) serveJWKS(w http.ResponseWriter, _ *http.Request) {
	writeCacheable(w, p.keys.public())
}
