// SPDX-License-Identifier: Apache-2.0

package standin

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ingress-auth/conformance/suites/exchange"
)

// RedirectTarget is the Location that /status/3xx answers with.
const RedirectTarget = "https://redirected.standin.invalid/"

// NewAuth returns the auth service stand-in. It answers, in this order of precedence:
//
//	cookie standin-auth   what the AuthScript in it says
//	/status/<code>        that code; 3xx with Location RedirectTarget, 401 with WWW-Authenticate, and a small body
//	/script/<script>      what the encoded AuthScript says
//	/hang                 nothing, until the caller gives up
//	/close                nothing: the connection is closed
//	anything else         401, no body, no WWW-Authenticate
//
// A script that cannot be read is answered 400 with header X-Standin-Error: a gateway must not take it for a decision.
func NewAuth(rec *Recorder) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := received(r, exchange.AuthService, "", io.Discard)
		s, err := authScriptOf(r)
		if err != nil {
			malformed(rec, w, r, e, err)
			return
		}
		if s.Hang {
			e.Error = "the stand-in was asked to hang and never answers"
			rec.Add(e)
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		}
		if s.Close {
			e.Error = "the stand-in was asked to close the connection without an answer"
			rec.Add(e)
			panic(http.ErrAbortHandler)
		}
		if s.DelayMS > 0 && !delayed(r, time.Duration(s.DelayMS)*time.Millisecond) {
			e.Error = "the caller gave up before the scripted delay was over"
			rec.Add(e)
			panic(http.ErrAbortHandler)
		}
		answer(rec, w, r, e, s.Status, s.Headers, s.Body)
	})
}

// delayed waits and reports false if the caller gave up meanwhile.
func delayed(r *http.Request, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

func malformed(rec *Recorder, w http.ResponseWriter, r *http.Request, e exchange.Exchange, err error) {
	e.Error = err.Error()
	answer(rec, w, r, e, http.StatusBadRequest, [][2]string{
		{"Content-Type", "text/plain; charset=utf-8"}, {"X-Standin-Error", strings.Map(printable, err.Error())},
	}, "stand-in: "+err.Error()+"\n")
}

func printable(c rune) rune {
	if c < ' ' || c > '~' {
		return '.'
	}
	return c
}

func authScriptOf(r *http.Request) (AuthScript, error) {
	if c, err := r.Cookie(AuthCookie); err == nil {
		return ParseAuthScript(c.Value)
	}
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if script, ok := strings.CutPrefix(path, "/script/"); ok {
		return ParseAuthScript(script)
	}
	if code, ok := strings.CutPrefix(path, "/status/"); ok {
		return statusScript(code)
	}
	switch path {
	case "/hang":
		return AuthScript{Hang: true}, nil
	case "/close":
		return AuthScript{Close: true}, nil
	}
	return AuthScript{Status: http.StatusUnauthorized}, nil
}

func statusScript(code string) (AuthScript, error) {
	status, err := strconv.Atoi(code)
	if err != nil || status < 200 || status > 599 {
		return AuthScript{}, fmt.Errorf("/status/%.20s: the code must be a number between 200 and 599", code)
	}
	s := AuthScript{
		Status:  status,
		Headers: [][2]string{{"Content-Type", "text/plain; charset=utf-8"}},
		Body:    fmt.Sprintf("stand-in auth service: %d\n", status),
	}
	switch {
	case status == http.StatusUnauthorized:
		s.Headers = append(s.Headers, [2]string{"WWW-Authenticate", `Bearer realm="standin"`})
	case status >= 300 && status < 400 && status != http.StatusNotModified:
		s.Headers = append(s.Headers, [2]string{"Location", RedirectTarget})
	}
	return s, nil
}
