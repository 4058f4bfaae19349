// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

type sessionKey struct{}

// upstreamTarget is a parsed --upstream: nothing, a fixed status, or a server.
type upstreamTarget struct {
	status int
	server *url.URL
}

func parseUpstream(raw string) (upstreamTarget, error) {
	if raw == "" {
		return upstreamTarget{}, nil
	}
	if code, ok := strings.CutPrefix(raw, "static://"); ok {
		n, err := strconv.Atoi(code)
		if err != nil || n < 200 || n > 599 {
			return upstreamTarget{}, errors.New("needs a status from 200 to 599, for example static://202")
		}
		return upstreamTarget{status: n}, nil
	}
	if err := checkHTTPURL(raw); err != nil {
		return upstreamTarget{}, fmt.Errorf("is neither static://<status> nor a server: %w", err)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return upstreamTarget{}, err
	}
	if u.RawQuery != "" {
		return upstreamTarget{}, errors.New("must not have a query")
	}
	return upstreamTarget{server: u}, nil
}

// newUpstream returns what stands behind the proxy, or nil when only an ingress asks it.
func (p *Proxy) newUpstream() (http.Handler, error) {
	target, err := parseUpstream(p.cfg.Upstream)
	switch {
	case err != nil:
		return nil, err
	case target.server != nil:
		return p.newReverseProxy(target.server), nil
	case target.status != 0:
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.WriteHeader(target.status)
			_, _ = io.WriteString(w, "Authenticated")
		}), nil
	}
	return nil, nil
}

// newReverseProxy forwards requests, WebSockets included, byte for byte where HTTP allows: host, path escapes, query,
// every status and body (a 401 of the upstream is its own affair). Only what claims an identity is taken out and put in.
func (p *Proxy) newReverseProxy(target *url.URL) http.Handler {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // an upstream is a neighbour
	transport.DisableCompression = true
	transport.DialContext = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	transport.ResponseHeaderTimeout = p.cfg.UpstreamTimeout
	transport.MaxIdleConnsPerHost = 64
	return &httputil.ReverseProxy{
		Transport:     transport,
		FlushInterval: -1, // streams reach the client as they come
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.SetURL(target)
			pr.Out.Host = pr.In.Host
			pr.Out.URL.RawQuery = pr.In.URL.RawQuery // ReverseProxy drops what Go cannot parse; an upstream may
			p.setForwarded(pr)
			stripIdentity(pr.Out.Header)
			p.stripOwnCookies(pr.Out.Header)
			if s, ok := pr.In.Context().Value(sessionKey{}).(*session); ok {
				forwardedHeaders.set(pr.Out.Header, s, p.cfg.PassAccessToken)
			}
		},
		ErrorLog:     slog.NewLogLogger(p.log.Handler(), slog.LevelWarn),
		ErrorHandler: p.upstreamFailed,
	}
}

// setForwarded continues the X-Forwarded chain behind a trusted proxy and begins it otherwise.
func (p *Proxy) setForwarded(pr *httputil.ProxyRequest) {
	if !p.behindProxy(pr.In) {
		pr.SetXForwarded()
		return
	}
	pr.Out.Header["X-Forwarded-For"] = pr.In.Header["X-Forwarded-For"]
	pr.SetXForwarded()
	for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Proto"} {
		if v := pr.In.Header[name]; len(v) > 0 {
			pr.Out.Header[name] = v
		}
	}
}

func (p *Proxy) upstreamFailed(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) {
		p.log.Debug("client went away", "requestId", requestID(r))
		w.WriteHeader(499) // for the log only: no one reads it
		return
	}
	var timeout net.Error
	if errors.Is(err, os.ErrDeadlineExceeded) || (errors.As(err, &timeout) && timeout.Timeout()) {
		p.fail(w, r, problem{status: http.StatusGatewayTimeout, message: "The application took too long to answer.", cause: err})
		return
	}
	p.fail(w, r, problem{status: http.StatusBadGateway, message: "The application cannot be reached.", cause: err})
}

// forward lets authenticated requests through to the upstream and asks everyone else to sign in.
func (p *Proxy) forward(w http.ResponseWriter, r *http.Request) {
	if p.upstream == nil {
		p.fail(w, r, problem{status: http.StatusNotFound, message: "There is nothing here: this proxy only answers under " + p.cfg.ProxyPrefix + "/."})
		return
	}
	d := p.authenticate(r)
	setCookies(w, d.set...)
	setCookies(w, d.stale...)
	if d.session != nil {
		p.upstream.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), sessionKey{}, d.session)))
		return
	}
	p.askToSignIn(w, r, d)
}

// askToSignIn answers a request without a session. A browser on its way to a page gets the sign-in page with 403, or 302
// to the identity provider with --skip-provider-button, as from oauth2-proxy; everything else gets the bare status, which
// for a client that asks for JSON comes with a JSON body.
func (p *Proxy) askToSignIn(w http.ResponseWriter, r *http.Request, d decision) {
	_, bearer := bearerToken(r)
	navigation := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case d.status == http.StatusServiceUnavailable && !bearer:
		p.fail(w, r, problem{status: d.status, message: "Your session cannot be checked at the moment. You are still signed in: please try again shortly.", retry: p.safeRedirect(r, r.URL.RequestURI())})
	case wantsJSON(r):
		if d.challenge != "" {
			w.Header().Set("WWW-Authenticate", d.challenge)
		}
		p.failJSON(w, r, d.status, "Sign in first.")
	case !navigation, bearer && p.cfg.SkipJWTBearerTokens:
		w.Header().Set("Cache-Control", "no-store")
		p.deny(w, r, d)
	case p.cfg.SkipProviderButton:
		p.startLogin(w, r, p.safeRedirect(r, r.URL.RequestURI()))
	default:
		p.signInPage(w, r, http.StatusForbidden, p.safeRedirect(r, r.URL.RequestURI()))
	}
}
