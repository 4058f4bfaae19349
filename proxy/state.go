// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

const (
	// maxPendingLogins and maxPendingBytes bound the state cookies of logins that were begun and not finished. Without a
	// bound they grow until the ingress refuses the Cookie header.
	maxPendingLogins = 5
	maxPendingBytes  = 3 << 10
	// maxPruned bounds how many state cookies one request is tidied of. A client can send thousands.
	maxPruned     = 32
	stateIDLength = 8
)

// loginState is what the proxy remembers of one login, in a cookie of its own, so that logins in several tabs do not
// disturb each other.
type loginState struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"`
	Redirect string `json:"r"`
	Expires  int64  `json:"x"` // seconds since 1970
}

// errNoState covers all that can be wrong with a state. The person at the browser can do the same about each: try again.
var errNoState = errors.New("no login was begun in this browser with this state, or it took too long")

// stateCookieName is what state cookies are named after: the session cookie, where possible with the prefix by which
// browsers keep a neighbour under the same domain from planting one (RFC 6265bis §4.1.3.2). Nobody but this proxy reads them;
// the session cookie's own name appears in configurations of ingresses, so it has the prefix only where it was given one.
func stateCookieName(c Config) string {
	const prefix = "__Host-"
	if c.CookieDomain != "" || !c.CookieSecure || strings.HasPrefix(c.CookieName, "__") {
		return c.CookieName
	}
	return prefix + c.CookieName
}

type stateStore struct {
	cookieName string // state cookies begin with it
	sealer     *sealer
	cookies    cookieMaker
	lifetime   time.Duration
	now        func() time.Time
}

// name is the cookie for one state. Eight characters tell a browser's logins apart; the rest of the state stays secret.
func (st *stateStore) name(state string) string {
	return st.cookieName + "_" + state[:stateIDLength] + "_csrf"
}

func randomToken() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails: crypto/rand aborts the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// begin returns a new login that will end at redirect, and the cookies that remember it.
func (st *stateStore) begin(r *http.Request, redirect string) (*loginState, []*http.Cookie, error) {
	login := &loginState{
		State: randomToken(), Nonce: randomToken(), Verifier: oauth2.GenerateVerifier(), Redirect: redirect,
		Expires: st.now().Add(st.lifetime).Unix(),
	}
	plaintext, err := json.Marshal(login)
	if err != nil {
		return nil, nil, fmt.Errorf("encode the login state: %w", err)
	}
	name := st.name(login.State)
	cookies, err := st.cookies.split(name, st.sealer.seal(name, plaintext), st.lifetime)
	if err != nil {
		return nil, nil, fmt.Errorf("remember the login: %w", err)
	}
	return login, append(cookies, st.prune(r)...), nil
}

// find returns the login that state names, if r's browser began it and there is time left.
func (st *stateStore) find(r *http.Request, state string) (*loginState, error) {
	if len(state) <= stateIDLength {
		return nil, errNoState
	}
	login := st.load(r, st.name(state))
	if login == nil || subtle.ConstantTimeCompare([]byte(login.State), []byte(state)) != 1 {
		return nil, errNoState
	}
	return login, nil
}

// load returns the valid login kept under the cookie name, or nil.
func (st *stateStore) load(r *http.Request, name string) *loginState {
	for _, value := range st.cookies.join(r, name) {
		plaintext, err := st.sealer.open(name, value)
		if err != nil {
			continue
		}
		var login loginState
		if json.Unmarshal(plaintext, &login) != nil {
			continue
		}
		left := time.Unix(login.Expires, 0).Sub(st.now())
		if left > 0 && left <= st.lifetime+maxClockStep { // more is the work of a clock that was ahead
			return &login
		}
	}
	return nil
}

// end returns cookies that forget the login.
func (st *stateStore) end(r *http.Request, login *loginState) []*http.Cookie {
	return st.cookies.deletions(r, st.name(login.State))
}

// prune returns deletions for logins that r carries beyond the bounds: dead ones first, then the oldest.
func (st *stateStore) prune(r *http.Request) []*http.Cookie {
	type pending struct {
		name    string
		expires int64
		bytes   int
	}
	r, names := st.ownCookies(r)
	var all []pending
	for _, name := range names {
		entry := pending{name: name}
		if login := st.load(r, name); login != nil {
			entry.expires = login.Expires
		}
		for _, n := range presented(r, name) {
			for _, value := range cookieValues(r, n, "", maxPruned) {
				entry.bytes += len(n) + len(value)
			}
		}
		all = append(all, entry)
	}
	slices.SortStableFunc(all, func(a, b pending) int { return int(b.expires - a.expires) })
	var gone []*http.Cookie
	kept, total := 0, 0
	for _, entry := range all {
		if entry.expires != 0 && kept < maxPendingLogins-1 && total+entry.bytes <= maxPendingBytes {
			kept, total = kept+1, total+entry.bytes
			continue
		}
		gone = append(gone, st.cookies.deletions(r, entry.name)...)
	}
	return gone
}

// ownCookies returns a request that carries nothing but the first state cookies of r, so that looking through it again and again
// costs little whatever else r carries; and their names, each once, without the suffix of split ones.
func (st *stateStore) ownCookies(r *http.Request) (*http.Request, []string) {
	var kept, names []string
	for _, line := range r.Header["Cookie"] {
		for line != "" && len(kept) < maxPruned {
			var name, value string
			name, value, line = nextCookie(line)
			base := unchunked(name)
			if !st.owns(base) {
				continue
			}
			kept = append(kept, name+"="+value)
			if !slices.Contains(names, base) {
				names = append(names, base)
			}
		}
	}
	return &http.Request{Header: http.Header{"Cookie": {strings.Join(kept, "; ")}}}, names
}

// owns says whether name is that of a state cookie of this proxy.
func (st *stateStore) owns(name string) bool {
	id, ok := strings.CutPrefix(name, st.cookieName+"_")
	id, isState := strings.CutSuffix(id, "_csrf")
	return ok && isState && len(id) == stateIDLength
}
