// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"cmp"
	_ "embed" // for the template
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"text/template"
)

//go:embed nginx.conf.tmpl
var nginxTemplateText string

// nginxSite is what is the same for all routes of one gateway.
type nginxSite struct {
	config GatewayConfig
	// httpAddr and httpsAddr are where the gateway listens.
	httpAddr, httpsAddr string
	// certificate and key are files.
	certificate, key string
	// cacheDir is a folder for kept answers of the auth service; nginx makes it.
	cacheDir string
	http2    bool
	expand   placeholders
	// backends are base URLs by Route.Backend, pages by GatewayConfig.DefaultBackend.
	backends, pages map[string]string
}

// The view is the template's input: everything decided, nothing left to compute.
type (
	nginxView struct {
		Purpose             string
		CacheDir            string
		Certificate, Key    string
		HTTPAddr, HTTPSAddr string
		HTTP2               string
		Intercept           bool
		ErrorCodes          []int
		HTTPSnippet         string
		ServerSnippet       string
		DefaultHost         *nginxHost
		Hosts               []*nginxHost
	}
	nginxHost struct {
		Name           string
		TLS            bool
		RedirectToTLS  bool
		ServerSnippets []string
		Locations      []nginxLocation
		HasRoot        bool
		PageCodes      []int
		PageBackend    string

		exact []string // the matches of Exact paths
	}
	nginxLocation struct {
		Route                string
		Match                string
		Auth                 *nginxAuth
		Backend              string
		BodySize, BufferSize string
		ConfigurationSnippet string
		GatewaySnippet       string
		Intercept            bool
		ErrorCodes           []int
		// Redirect is what the location answers in place of a backend, such as "301 https://…".
		Redirect string
		// Allowed are client addresses; Satisfy is all or any.
		Allowed []string
		Satisfy string
		// CORS is nil for a location without.
		CORS *nginxCORS
	}
	nginxCORS struct {
		// Origins is a regular expression for the allowed ones; "" is any.
		Origins string
	}
	nginxAuth struct {
		Location        string
		Unreachable     string
		URL, Host       string
		Snippet         string
		SignInLocation  string
		SignIn          string
		ResponseHeaders []nginxHeader
		// CacheKey is "" where every request is asked for; CacheValid are the statuses that are kept, and how long.
		CacheKey   string
		CacheValid []string
	}
	nginxHeader struct{ Name, Variable, Source string }
)

// Annotations that the adapter knows beside the fields of Route.
const (
	annotationBufferSize    = "proxy-buffer-size"
	annotationBodySize      = "proxy-body-size"
	annotationRedirectParam = "auth-signin-redirect-param"
	annotationGlobalAuth    = "enable-global-auth"
	annotationSSLRedirect   = "ssl-redirect"

	annotationPermanentRedirect = "permanent-redirect"
	annotationTemporalRedirect  = "temporal-redirect"
	annotationSourceRange       = "whitelist-source-range"
	annotationSatisfy           = "satisfy"
	annotationCORS              = "enable-cors"
	annotationCORSOrigin        = "cors-allow-origin"
	annotationCacheKey          = "auth-cache-key"
	annotationCacheDuration     = "auth-cache-duration"
)

// nginxAnnotations are the annotations that the adapter knows.
func nginxAnnotations() []string {
	return []string{
		annotationBufferSize, annotationBodySize, annotationRedirectParam, annotationGlobalAuth, annotationSSLRedirect,
		annotationPermanentRedirect, annotationTemporalRedirect, annotationSourceRange, annotationSatisfy,
		annotationCORS, annotationCORSOrigin, annotationCacheKey, annotationCacheDuration,
	}
}

// defaultCacheDuration is how long what is kept, as ingress-nginx does when nothing else is asked for.
const defaultCacheDuration = "200 202 401 5m"

// render writes the contents of the http block for the routes.
func (s nginxSite) render(routes []Route) (string, error) {
	view, err := s.view(routes)
	if err != nil {
		return "", err
	}
	t, err := template.New("nginx.conf").Option("missingkey=error").Parse(nginxTemplateText)
	if err != nil {
		return "", fmt.Errorf("read the template of nginx.conf: %w", err)
	}
	var b strings.Builder
	if err := t.Execute(&b, view); err != nil {
		return "", fmt.Errorf("render nginx.conf: %w", err)
	}
	return b.String(), nil
}

func (s nginxSite) view(routes []Route) (nginxView, error) {
	page, err := s.pageBackend()
	if err != nil {
		return nginxView{}, err
	}
	view := nginxView{
		Purpose:     "Gateway " + s.config.Name + ". " + oneLine(s.config.Purpose),
		Certificate: quoteNginx(s.certificate), Key: quoteNginx(s.key), CacheDir: quoteNginx(s.cacheDir),
		HTTPAddr: s.httpAddr, HTTPSAddr: s.httpsAddr,
		Intercept:     len(s.config.CustomHTTPErrors) > 0 && !s.config.DisableInterceptErrors,
		ErrorCodes:    s.config.CustomHTTPErrors,
		HTTPSnippet:   s.expand.expand(s.config.HTTPSnippet),
		ServerSnippet: s.expand.expand(s.config.ServerSnippet),
		DefaultHost:   &nginxHost{PageCodes: s.config.CustomHTTPErrors, PageBackend: page},
	}
	if s.http2 {
		view.HTTP2 = " http2"
	}
	hosts := map[string]*nginxHost{}
	for _, r := range routes {
		name := r.HostLabel() + "." + Domain
		h := hosts[name]
		if h == nil {
			h = &nginxHost{Name: name, PageCodes: slices.Clone(s.config.CustomHTTPErrors), PageBackend: page, TLS: s.config.TLS}
			hosts[name] = h
			view.Hosts = append(view.Hosts, h)
			for _, other := range routes {
				if other.HostLabel() == r.HostLabel() && other.PathType == "Exact" {
					h.exact = append(h.exact, "= "+other.MatchPath())
				}
			}
		}
		if err := s.add(h, r); err != nil {
			return nginxView{}, fmt.Errorf("render route %q: %w", r.Name, err)
		}
	}
	return view, nil
}

// add puts one route on its host.
func (s nginxSite) add(h *nginxHost, r Route) error {
	if r.TLS {
		h.TLS = true
		h.RedirectToTLS = h.RedirectToTLS || r.Annotations[annotationSSLRedirect] != "false"
	}
	if snippet := s.snippet(r.ServerSnippet); snippet != "" && !slices.Contains(h.ServerSnippets, snippet) {
		h.ServerSnippets = append(h.ServerSnippets, snippet)
	}
	for _, code := range r.CustomHTTPErrors {
		if !slices.Contains(h.PageCodes, code) {
			h.PageCodes = append(h.PageCodes, code)
		}
	}
	matches, err := nginxMatches(r)
	if err != nil {
		return err
	}
	for _, match := range matches {
		if r.PathType != "Exact" && slices.Contains(h.exact, match) {
			continue // Exact goes before Prefix
		}
		location, err := s.location(r, match, len(h.Locations))
		if err != nil {
			return err
		}
		h.HasRoot = h.HasRoot || match == "/"
		h.Locations = append(h.Locations, location)
	}
	return nil
}

// nginxMatches are the locations of a route's path. A prefix is one of whole path elements, as in Kubernetes.
func nginxMatches(r Route) ([]string, error) {
	path := r.MatchPath()
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " \t\n;{}\"'") {
		return nil, fmt.Errorf("the path %q cannot be a location", path)
	}
	switch r.PathType {
	case "Exact":
		return []string{"= " + path}, nil
	case "ImplementationSpecific":
		return []string{path}, nil
	case "", "Prefix":
		path = strings.TrimRight(path, "/")
		if path == "" {
			return []string{"/"}, nil
		}
		return []string{path + "/", "= " + path}, nil
	}
	return nil, fmt.Errorf("the path type %q is none of Prefix, Exact and ImplementationSpecific", r.PathType)
}

func (s nginxSite) location(r Route, match string, index int) (nginxLocation, error) {
	backend, ok := s.backends[r.Backend]
	if !ok {
		return nginxLocation{}, fmt.Errorf("there is no backend %q", r.Backend)
	}
	auth, err := s.auth(r, index)
	if err != nil {
		return nginxLocation{}, err
	}
	return nginxLocation{
		Route: r.Name, Match: match, Auth: auth, Backend: backend,
		BodySize:             r.Annotations[annotationBodySize],
		BufferSize:           r.Annotations[annotationBufferSize],
		ConfigurationSnippet: s.snippet(r.ConfigurationSnippet),
		GatewaySnippet:       s.expand.expand(s.config.LocationSnippet),
		Intercept:            len(r.CustomHTTPErrors) > 0 && !r.DisableInterceptErrors,
		ErrorCodes:           r.CustomHTTPErrors,
		Redirect:             nginxRedirect(r),
		Allowed:              listed(r.Annotations[annotationSourceRange]),
		Satisfy:              r.Annotations[annotationSatisfy],
		CORS:                 nginxCORSOf(r),
	}, nil
}

func nginxRedirect(r Route) string {
	if to := r.Annotations[annotationPermanentRedirect]; to != "" {
		return "301 " + quoteNginx(to)
	}
	if to := r.Annotations[annotationTemporalRedirect]; to != "" {
		return "302 " + quoteNginx(to)
	}
	return ""
}

func nginxCORSOf(r Route) *nginxCORS {
	if r.Annotations[annotationCORS] != "true" {
		return nil
	}
	var origins []string
	for _, origin := range listed(r.Annotations[annotationCORSOrigin]) {
		origins = append(origins, regexp.QuoteMeta(origin))
	}
	if len(origins) == 0 {
		return &nginxCORS{}
	}
	return &nginxCORS{Origins: quoteNginxRegexp("^(?:" + strings.Join(origins, "|") + ")$")}
}

// quoteNginxRegexp makes one word of a regular expression. In a quoted word nginx takes a backslash away only before
// what it escapes, which is not the dot.
func quoteNginxRegexp(expression string) string { return `"` + expression + `"` }

// listed splits a list of an annotation.
func listed(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return c == ',' || c == ' ' })
}

// auth is nil for a route that is open. A route's own sign-in URL counts only together with its own auth URL.
func (s nginxSite) auth(r Route, index int) (*nginxAuth, error) {
	authURL, signIn := r.AuthURL, r.AuthSignIn
	if authURL == "" && r.Annotations[annotationGlobalAuth] != "false" {
		authURL, signIn = s.config.GlobalAuthURL, s.config.GlobalAuthSignIn
	}
	if authURL == "" {
		return nil, nil
	}
	authURL = s.expand.expand(authURL)
	parsed, err := url.Parse(authURL)
	if err != nil || parsed.Host == "" {
		return nil, fmt.Errorf("the auth URL %q is not an absolute URL", authURL)
	}
	a := &nginxAuth{
		Location:    fmt.Sprintf("/_gateway_auth_%d", index),
		Unreachable: fmt.Sprintf("@gateway_auth_unreachable_%d", index),
		URL:         quoteNginx(authURL),
		Host:        quoteNginx(parsed.Hostname()),
		Snippet:     s.snippet(r.AuthSnippet),
	}
	if key := r.Annotations[annotationCacheKey]; key != "" {
		a.CacheKey = quoteNginx("$host " + r.MatchPath() + " " + key)
		a.CacheValid = strings.Split(cmp.Or(r.Annotations[annotationCacheDuration], defaultCacheDuration), ",")
	}
	for i, name := range r.AuthResponseHeaders {
		a.ResponseHeaders = append(a.ResponseHeaders, nginxHeader{
			Name:     name,
			Variable: fmt.Sprintf("$gateway_auth_header_%d", i),
			Source:   "$upstream_http_" + strings.ReplaceAll(strings.ToLower(name), "-", "_"),
		})
	}
	if signIn == "" {
		return a, nil
	}
	target, err := withRd(s.expand.expand(signIn), r.Annotations[annotationRedirectParam])
	if err != nil {
		return nil, err
	}
	a.SignInLocation = fmt.Sprintf("@gateway_signin_%d", index)
	a.SignIn = quoteNginx(target)
	return a, nil
}

// withRd appends where the browser wanted to go, unless the sign-in URL says so already. Only path and query are
// escaped; scheme and host cannot hold anything that needs it.
func withRd(signIn, param string) (string, error) {
	if param == "" {
		param = "rd"
	}
	parsed, err := url.Parse(signIn)
	if err != nil {
		return "", fmt.Errorf("the sign-in URL %q cannot be read: %w", signIn, err)
	}
	query := parsed.Query()
	if query.Get(param) != "" {
		return signIn, nil
	}
	separator := "?"
	if len(query) > 0 {
		separator = "&"
	}
	return signIn + separator + param + "=$scheme://$gateway_host$escaped_request_uri", nil
}

// snippet is a route's snippet, or nothing where the gateway forbids them.
func (s nginxSite) snippet(text string) string {
	if s.config.ForbidSnippets {
		return ""
	}
	return strings.TrimSpace(s.expand.expand(text))
}

func (s nginxSite) pageBackend() (string, error) {
	if s.config.DefaultBackend == "" {
		return "", nil
	}
	page, ok := s.pages[s.config.DefaultBackend]
	if !ok {
		return "", fmt.Errorf("gateway %q: there is no default backend %q", s.config.Name, s.config.DefaultBackend)
	}
	return page, nil
}

// quoteNginx makes one word of text; variables in it stay variables.
func quoteNginx(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// routeAt finds the route that a line of a rendered configuration belongs to, "" when it is none's.
func routeAt(config string, line int) string {
	lines := strings.Split(config, "\n")
	for i := min(line, len(lines)) - 1; i >= 0; i-- {
		text := strings.TrimSpace(lines[i])
		if name, found := strings.CutPrefix(text, "# route "); found {
			return name
		}
		if strings.HasPrefix(text, "server {") {
			return ""
		}
	}
	return ""
}
