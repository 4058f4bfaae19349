// SPDX-License-Identifier: Apache-2.0

package rptest

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ingress-auth/conformance/mockidp"
)

// Observation is what was seen of one login.
type Observation struct {
	// Refused says that the relying party did not even start.
	Refused bool
	// CallbackStatus is what the browser got at the callback; 0 if it never came there.
	CallbackStatus int
	HasSession     bool // a session cookie is there
	HasAccess      bool // AuthPath answers 2xx
	AuthStatus     int
	Dropped        bool // the relying party closed the connection without an answer
	TimedOut       bool
	// Redemptions is how often the token endpoint was asked.
	Redemptions int
	// Calls are the endpoints that the provider was asked at, in the order of the first time.
	Calls []string
	// Foreign says that the attacker's host was asked something, Disclosed that it learned a code, token or secret.
	Foreign, Disclosed bool
}

func (o Observation) called(endpoint string) bool { return slices.Contains(o.Calls, endpoint) }

// String is the same for the same behaviour: it holds no address, time or token.
func (o Observation) String() string {
	if o.Refused {
		return "does not start"
	}
	var parts []string
	switch {
	case o.CallbackStatus > 0:
		parts = append(parts, "callback "+strconv.Itoa(o.CallbackStatus))
	default:
		parts = append(parts, "no callback")
	}
	if o.AuthStatus > 0 {
		parts = append(parts, "access "+strconv.Itoa(o.AuthStatus))
	}
	if o.HasSession {
		parts = append(parts, "session cookie")
	}
	if len(o.Calls) > 0 {
		parts = append(parts, "asked "+strings.Join(o.Calls, " "))
	}
	if o.Foreign {
		parts = append(parts, "asked the foreign host")
	}
	return strings.Join(parts, ", ")
}

// maxHops bounds a chain of redirects; maxPage a page that is read, in bytes.
const (
	maxHops = 12
	maxPage = 1 << 20
)

type browser struct {
	*scene
	client *http.Client
	// callback is the last URL at the relying party's callback that the browser was sent to.
	callback           string
	referrerPolicy     string // of the last answer
	stopBeforeCallback bool
}

func (s *scene) newBrowser() *browser {
	jar, _ := cookiejar.New(nil) // fails for no options at all
	return &browser{scene: s, client: &http.Client{
		Jar: jar,
		// The person clicks the warning away: whom the browser trusts is not in question here.
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// login is a whole login in a new browser.
func (s *scene) login(ctx context.Context) Observation {
	ctx, cancel := context.WithTimeout(ctx, s.Limit)
	defer cancel()
	return s.newBrowser().login(ctx)
}

func (b *browser) login(ctx context.Context) Observation {
	var o Observation
	next := b.rp.URL + b.LoginPath
	for range maxHops {
		at, parseErr := url.Parse(next)
		ours := parseErr == nil && strings.HasPrefix(next, b.rp.URL+"/")
		if ours && at.Path == b.CallbackPath {
			b.callback = next
			if b.stopBeforeCallback {
				break
			}
		}
		status, location, err := b.visit(ctx, next, ours)
		if ours && at.Path == b.CallbackPath {
			o.CallbackStatus = status
		}
		if err != nil {
			o.TimedOut = ours && ctx.Err() != nil
			o.Dropped = ours && !o.TimedOut
			break
		}
		// The browser goes between the two and nowhere else: what lies behind is the application or a stranger.
		if location == "" || (ours && at.Path == b.CallbackPath) {
			break
		}
		if !strings.HasPrefix(location, b.rp.URL+"/") && !strings.HasPrefix(location, b.setting.Issuer+"/") {
			break
		}
		next = location
	}
	b.look(ctx, &o)
	return o
}

// patience is how long the person at the browser waits for the provider's page, which is no concern of the relying party. It is
// long for a machine that is busy: a page that is late must not be taken for one that never comes.
const patience = 10 * time.Second

func (b *browser) visit(ctx context.Context, rawURL string, ours bool) (status int, location string, err error) {
	if !ours {
		limited, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		ctx = limited
	}
	return b.get(ctx, rawURL)
}

// look asks whether there is access now.
func (b *browser) look(ctx context.Context, o *Observation) {
	status, _, err := b.get(ctx, b.rp.URL+b.AuthPath)
	if err != nil {
		o.TimedOut = o.TimedOut || ctx.Err() != nil
		o.Dropped = o.Dropped || !o.TimedOut
	}
	o.AuthStatus, o.HasAccess = status, status >= 200 && status < 300
	origin, _ := url.Parse(b.rp.URL)
	o.HasSession = false
	for _, cookie := range b.client.Jar.Cookies(origin) {
		o.HasSession = o.HasSession || (b.isSession(cookie.Name) && cookie.Value != "")
	}
	b.received(o)
}

// received notes what came to the provider and to the attacker's host.
func (b *browser) received(o *Observation) {
	o.Calls, o.Redemptions = b.arrivals.endpoints(), b.arrivals.count(mockidp.EndpointToken)
	asked, learned := b.attacker.seen()
	o.Foreign, o.Disclosed = asked > 0, learned
}

// forgetSession deletes the session cookie.
func (b *browser) forgetSession() {
	origin, _ := url.Parse(b.rp.URL)
	var gone []*http.Cookie
	for _, cookie := range b.client.Jar.Cookies(origin) {
		if b.isSession(cookie.Name) {
			gone = append(gone, &http.Cookie{Name: cookie.Name, Path: "/", MaxAge: -1})
		}
	}
	b.client.Jar.SetCookies(origin, gone)
}

func (b *browser) get(ctx context.Context, rawURL string) (status int, location string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		return 0, "", err
	}
	response, err := b.client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	b.referrerPolicy = response.Header.Get("Referrer-Policy")
	if _, err := io.Copy(io.Discard, io.LimitReader(response.Body, maxPage)); err != nil {
		return response.StatusCode, "", err
	}
	if response.StatusCode >= 300 && response.StatusCode < 400 {
		if u, err := response.Location(); err == nil {
			location = u.String()
		}
	}
	return response.StatusCode, location, nil
}
