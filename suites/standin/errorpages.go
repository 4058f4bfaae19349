// SPDX-License-Identifier: Apache-2.0

package standin

import (
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/ingress-auth/conformance/suites/exchange"
)

// ErrorPageMode is how an error-page server chooses its status. ingress-nginx passes the original status in X-Code and
// leaves the choice to the server (custom-http-errors, default-backend).
type ErrorPageMode string

// The modes.
const (
	// XCode answers the status in X-Code, as the documentation asks of a custom default backend; 404 without one.
	XCode ErrorPageMode = "x-code"
	// Always200 answers 200, as a careless static site does.
	Always200 ErrorPageMode = "always-200"
	// NotFound answers 404, as a server does that does not know the path.
	NotFound ErrorPageMode = "not-found"
)

// ErrorPageHeader is on every answer of an error-page server, with its mode.
const ErrorPageHeader = "X-Standin-Error-Page"

// NewErrorPages returns an error-page server: a backend stand-in whose instance is "error-pages-<mode>". The body says
// that it is the error page and names the code asked for.
func NewErrorPages(rec *Recorder, mode ErrorPageMode) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := received(r, exchange.Backend, "error-pages-"+string(mode), io.Discard)
		asked := r.Header.Get("X-Code")
		answer(rec, w, r, e, mode.status(asked), [][2]string{
			{"Content-Type", "text/plain; charset=utf-8"}, {ErrorPageHeader, string(mode)},
		}, fmt.Sprintf("stand-in error page (%s), X-Code %q\n", mode, asked))
	})
}

func (m ErrorPageMode) status(asked string) int {
	switch m {
	case Always200:
		return http.StatusOK
	case XCode:
		if code, err := strconv.Atoi(asked); err == nil && code >= 200 && code <= 599 {
			return code
		}
	}
	return http.StatusNotFound
}
