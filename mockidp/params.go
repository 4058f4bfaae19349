// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"fmt"
	"mime"
	"net/http"
	"net/url"
)

// maxBody bounds a request's body, and its query, in bytes.
const maxBody = 64 << 10

// params are the parameters of a request: of the query for GET, of the form body for POST, never of both.
type params url.Values

// readParams reads them. Its error is fit to be shown to the caller.
func readParams(w http.ResponseWriter, r *http.Request) (params, error) {
	if r.Method != http.MethodPost {
		values, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil || len(r.URL.RawQuery) > maxBody {
			return nil, fmt.Errorf("the query is not well formed or larger than %d bytes", maxBody)
		}
		return params(values), nil
	}
	return readForm(w, r)
}

// readForm reads a form body, the only one OAuth endpoints take.
func readForm(w http.ResponseWriter, r *http.Request) (params, error) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/x-www-form-urlencoded" {
		return nil, fmt.Errorf("the body must be application/x-www-form-urlencoded")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		return nil, fmt.Errorf("the form is not well formed or larger than %d bytes", maxBody)
	}
	return params(r.PostForm), nil
}

// get returns the value of a parameter. One without a value counts as omitted (RFC 6749 section 3.1).
func (p params) get(name string) string { return url.Values(p).Get(name) }

// repeated returns the first of the names that is there more than once, or "". Parameters we do not know may be there
// any number of times, since they are ignored.
func (p params) repeated(names ...string) string {
	for _, name := range names {
		if len(p[name]) > 1 {
			return name
		}
	}
	return ""
}
