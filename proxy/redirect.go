// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// maxRedirectBytes bounds rd. nginx refuses request lines longer than this by default, so no honest rd is longer.
const maxRedirectBytes = 8 << 10

// hostPattern is a host name as it may stand in a URL without any escaping: no percent, no user information, no byte that
// a browser would map to another one.
var hostPattern = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*$`)

var authorityPattern = regexp.MustCompile(`^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?$`)

// allowedHost is one --whitelist-domain.
type allowedHost struct {
	host       string // lower case
	subdomains bool
	port       string // "" the scheme's own, "*" any
}

func parseAllowedHost(entry string) (allowedHost, error) {
	a := allowedHost{host: strings.ToLower(entry)}
	if i := strings.LastIndexByte(a.host, ':'); i >= 0 && !strings.HasSuffix(a.host, "]") {
		a.host, a.port = a.host[:i], a.host[i+1:]
		if n, err := strconv.ParseUint(a.port, 10, 16); a.port != "*" && (err != nil || n == 0) {
			return allowedHost{}, errors.New("has a port that is not a number: use host:8443 or host:*")
		}
	}
	a.host = strings.TrimPrefix(a.host, "*")
	if rest, ok := strings.CutPrefix(a.host, "."); ok {
		a.host, a.subdomains = rest, true
	}
	isIPv6 := strings.HasPrefix(a.host, "[") && strings.HasSuffix(a.host, "]") && isNumericHost(a.host)
	if !isIPv6 && !hostPattern.MatchString(a.host) {
		return allowedHost{}, errors.New("is not a host name: use app.example.com or .example.com, with :port where it is not the default; international names in their xn-- form")
	}
	if a.subdomains && isNumericHost(a.host) {
		return allowedHost{}, errors.New("allows subdomains of an IP address: remove the leading dot")
	}
	return a, nil
}

func (a allowedHost) matches(scheme, host, port string) bool {
	if host != a.host && !(a.subdomains && strings.HasSuffix(host, "."+a.host)) {
		return false
	}
	defaultPort := map[string]string{"http": "80", "https": "443"}[scheme]
	if port == "" {
		port = defaultPort
	}
	return a.port == "*" || a.port == port || (a.port == "" && port == defaultPort)
}

// redirectValidator decides which rd a browser may be sent to after login or logout. It accepts a path on the same host,
// or http(s) on an allowed host, and only in a spelling that every URL parser reads alike.
type redirectValidator struct {
	allowed []allowedHost
	prefix  string // the proxy's own endpoints, never a place to return to
}

// check returns why rd is refused, or nil.
func (v redirectValidator) check(rd string) error {
	if rd == "" || len(rd) > maxRedirectBytes {
		return fmt.Errorf("it has %d bytes; 1 to %d are accepted", len(rd), maxRedirectBytes)
	}
	for i := range len(rd) {
		if rd[i] < 0x20 || rd[i] == 0x7f {
			return errors.New("it has a control character, which browsers drop before they parse")
		}
	}
	// A browser trims spaces at both ends.
	if rd[0] == ' ' || rd[len(rd)-1] == ' ' {
		return errors.New("it starts or ends with a space")
	}
	scheme, rest, absolute := cutScheme(rd)
	if !absolute {
		return v.checkPath(rd, true)
	}
	end := strings.IndexAny(rest, `/?#\`)
	if end < 0 {
		end = len(rest)
	}
	m := authorityPattern.FindStringSubmatch(rest[:end])
	if m == nil {
		return errors.New("its host is not spelled plainly")
	}
	if n, err := strconv.ParseUint(m[2], 10, 16); m[2] != "" && (err != nil || n == 0) {
		return errors.New("its port is out of range")
	}
	if !v.hostAllowed(scheme, strings.ToLower(m[1]), strings.TrimLeft(m[2], "0")) {
		return errors.New("its host is not in --whitelist-domain")
	}
	return v.checkPath(rest[end:], false)
}

func cutScheme(rd string) (scheme, rest string, absolute bool) {
	for _, s := range []string{"https", "http"} {
		if rest, ok := strings.CutPrefix(rd, s+"://"); ok {
			return s, rest, true
		}
	}
	return "", rd, false
}

func (v redirectValidator) hostAllowed(scheme, host, port string) bool {
	for _, a := range v.allowed {
		if a.matches(scheme, host, port) {
			return true
		}
	}
	return false
}

// checkPath looks at path, query and fragment; only the path can mislead a browser about the host.
func (v redirectValidator) checkPath(s string, relative bool) error {
	path := s
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		path = s[:i]
	}
	if relative && !strings.HasPrefix(path, "/") {
		return errors.New("it is neither a path nor http(s)://host")
	}
	if strings.Contains(path, `\`) {
		return errors.New("its path has a backslash, which browsers read as a slash")
	}
	// Harmless to a browser in "/a//b", but only a step from "//host": oauth2-proxy refuses it too.
	if relative && strings.Contains(path, "//") {
		return errors.New("its path has two slashes in a row")
	}
	decoded, err := url.PathUnescape(path)
	if err != nil {
		decoded = path // a browser sends a stray % as it is
	}
	if strings.ContainsAny(decoded, "\x00\r\n") {
		return errors.New("its path has an escaped control character")
	}
	if own := resolveDots(decoded); own == v.prefix || strings.HasPrefix(own, v.prefix+"/") {
		return errors.New("it leads back into the proxy's own endpoints")
	}
	return nil
}

var dotEscapes = strings.NewReplacer("%2e", ".", "%2E", ".")

// resolveDots removes . and .. segments as a browser does, escaped dots included (WHATWG URL §4.4, path state).
func resolveDots(path string) string {
	segments := strings.Split(path, "/")
	out := segments[:0:0]
	for i, s := range segments {
		last := i == len(segments)-1
		switch dotEscapes.Replace(s) {
		case ".":
			if last {
				out = append(out, "")
			}
		case "..":
			if len(out) > 1 {
				out = out[:len(out)-1]
			}
			if last {
				out = append(out, "")
			}
		default:
			out = append(out, s)
		}
	}
	return strings.Join(out, "/")
}

// requestedRedirect is where r asks to be sent: the rd parameter, else the X-Auth-Request-Redirect header, else "/". One
// that is refused counts as "/".
func (p *Proxy) requestedRedirect(r *http.Request) string {
	rd, found := queryValue(r.URL.RawQuery, "rd")
	if !found || rd == "" {
		rd = r.Header.Get("X-Auth-Request-Redirect")
	}
	return p.safeRedirect(r, rd)
}

// safeRedirect returns rd if it is accepted and "/" if not.
func (p *Proxy) safeRedirect(r *http.Request, rd string) string {
	if rd == "" {
		return "/"
	}
	if err := p.redirects.check(rd); err != nil {
		p.log.Info("rd refused, / used instead", "reason", err.Error(), "requestId", requestID(r))
		return "/"
	}
	return rd
}

// queryValue returns the first value of name in a raw query. Unlike net/url it leaves + alone: an rd holds a URL, in which
// a plus is a plus.
func queryValue(rawQuery, name string) (value string, found bool) {
	for pair := range strings.SplitSeq(rawQuery, "&") {
		v, ok := strings.CutPrefix(pair, name+"=")
		if !ok {
			continue
		}
		decoded, err := url.PathUnescape(v)
		if err != nil {
			return "", true
		}
		return decoded, true
	}
	return "", false
}

// redirectTo answers 302. Not http.Redirect, which rewrites the path it is given.
func redirectTo(w http.ResponseWriter, location string) {
	w.Header().Set("Location", escapeLocation(location))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusFound)
}

// escapeLocation escapes what may not stand raw in a header: spaces and bytes beyond ASCII. Control characters never get
// here; they are escaped all the same.
func escapeLocation(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
