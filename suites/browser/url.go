// SPDX-License-Identifier: Apache-2.0

package browser

import (
	"fmt"
	"net"
	"regexp"
	"strings"

	"golang.org/x/net/idna"
)

// address is an http or https URL whose path, query and fragment are kept byte for byte.
type address struct {
	scheme string // "http" or "https"
	host   string // lower case, with the port unless it is the scheme's default
	target string // path and query, begins with "/"
	// fragment is without "#"; hasFragment tells an empty one from none.
	fragment    string
	hasFragment bool
}

// parseAddress reads an absolute URL that a check gives. Nothing of its path and query is changed, so what cannot
// stand in a request line is an error.
func parseAddress(raw string) (address, error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	scheme = strings.ToLower(scheme)
	if !ok || (scheme != "http" && scheme != "https") {
		return address{}, fmt.Errorf("the URL %q is not an absolute http or https URL", withoutValues(raw))
	}
	a := address{scheme: scheme}
	rest, a.fragment, a.hasFragment = strings.Cut(rest, "#")
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	var err error
	if a.host, err = parseHost(scheme, rest[:end]); err != nil {
		return address{}, fmt.Errorf("the URL %q: %w", withoutValues(raw), err)
	}
	a.target = rest[end:]
	if !strings.HasPrefix(a.target, "/") {
		a.target = "/" + a.target
	}
	if i := strings.IndexFunc(a.target, notInRequestLine); i >= 0 {
		return address{}, fmt.Errorf("the URL %q contains %q, which cannot be sent; percent-encode it", withoutValues(raw), a.target[i])
	}
	return a, nil
}

func notInRequestLine(r rune) bool { return r <= ' ' || r == 0x7f }

// parseHost reads host[:port] and drops user information, which a browser does not send without being asked.
func parseHost(scheme, authority string) (string, error) {
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		authority = authority[i+1:]
	}
	host := strings.ToLower(authority)
	for i := range len(host) {
		if host[i] >= 0x80 {
			ascii, err := idna.Lookup.ToASCII(host)
			if err != nil {
				return "", fmt.Errorf("the host %q is not a host name: %w", host, err)
			}
			host = ascii
			break
		}
	}
	host = strings.TrimSuffix(host, map[string]string{"http": ":80", "https": ":443"}[scheme])
	if !hostForm.MatchString(host) {
		return "", fmt.Errorf("the host %q is not a host name", host)
	}
	return host, nil
}

var hostForm = regexp.MustCompile(`^(?:[a-z0-9_~!$&'()*+,;=.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$`)

func (a address) String() string {
	s := a.scheme + "://" + a.host + a.target
	if a.hasFragment {
		s += "#" + a.fragment
	}
	return s
}

func (a address) origin() string { return a.scheme + "://" + a.host }

// name is the host without port.
func (a address) name() string { return hostName(a.host) }

func hostName(hostport string) string {
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		return h
	}
	return strings.Trim(hostport, "[]")
}

// path is the path of the target, without the query.
func (a address) path() string {
	p, _, _ := strings.Cut(a.target, "?")
	return p
}

var (
	schemeForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:`)
	stripped   = strings.NewReplacer("\t", "", "\n", "", "\r", "")
)

// resolve gives the address that a browser goes to for a Location (or form action), by the URL Standard: surrounding
// space removed, "\" taken for "/", dot segments removed, and exactly the bytes percent-encoded that the standard
// encodes. Bytes beyond ASCII are encoded as they are, as Chrome and Firefox do. Existing escapes are never touched.
// A reference without fragment inherits the one of a (Fetch, "location URL").
func (a address) resolve(reference string) (address, error) {
	ref := stripped.Replace(strings.TrimFunc(reference, func(r rune) bool { return r <= ' ' }))
	out := a
	var fragment string
	var has bool
	if ref, fragment, has = strings.Cut(ref, "#"); has {
		out.fragment, out.hasFragment = percentEncode(fragment, "\"<>`"), true
	}
	if scheme := strings.ToLower(schemeForm.FindString(ref)); scheme != "" {
		scheme = strings.TrimSuffix(scheme, ":")
		if scheme != "http" && scheme != "https" {
			return address{}, fmt.Errorf("a browser does not follow a redirect to the scheme %q", scheme)
		}
		ref = ref[len(scheme)+1:]
		if scheme != a.scheme || slashes(ref) > 0 {
			return out.withAuthority(scheme, ref)
		}
	}
	path, query, hasQuery := strings.Cut(ref, "?")
	switch {
	case slashes(path) >= 2:
		return out.withAuthority(a.scheme, ref)
	case slashes(path) == 1:
	case path != "":
		base := a.path()
		path = base[:strings.LastIndexByte(base, '/')+1] + path
	default:
		path = a.path()
		if !hasQuery {
			_, query, hasQuery = strings.Cut(a.target, "?")
		}
	}
	return out.withTarget(path, query, hasQuery), nil
}

// slashes counts the leading slashes, of either kind.
func slashes(s string) int { return len(s) - len(strings.TrimLeft(s, `/\`)) }

func (a address) withAuthority(scheme, rest string) (address, error) {
	rest = strings.TrimLeft(rest, `/\`)
	end := strings.IndexAny(rest, `/\?`)
	if end < 0 {
		end = len(rest)
	}
	host, err := parseHost(scheme, lenientDecode(rest[:end]))
	if err != nil {
		return address{}, err
	}
	a.scheme, a.host = scheme, host
	path, query, hasQuery := strings.Cut(rest[end:], "?")
	return a.withTarget(path, query, hasQuery), nil
}

func (a address) withTarget(path, query string, hasQuery bool) address {
	a.target = withoutDots(percentEncode(strings.ReplaceAll(path, `\`, "/"), "\"<>^`{}"))
	if hasQuery {
		a.target += "?" + percentEncode(query, "\"<>'")
	}
	return a
}

// withoutDots removes dot segments, written as "." or "%2e", and keeps empty ones.
func withoutDots(path string) string {
	var kept []string
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, s := range segments {
		last := i == len(segments)-1
		switch strings.ReplaceAll(strings.ToLower(s), "%2e", ".") {
		case "..":
			if len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
			if last {
				kept = append(kept, "")
			}
		case ".":
			if last {
				kept = append(kept, "")
			}
		default:
			kept = append(kept, s)
		}
	}
	return "/" + strings.Join(kept, "/")
}

// percentEncode encodes controls, space, bytes beyond ASCII and those in also.
func percentEncode(s, also string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(also, c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

var escape = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

func lenientDecode(s string) string {
	return escape.ReplaceAllStringFunc(s, func(e string) string {
		var c byte
		fmt.Sscanf(e, "%%%02x", &c)
		return string([]byte{c})
	})
}

// withoutValues is the URL for messages: parameter names without values, so that no code or state gets into a log.
func withoutValues(raw string) string {
	raw, _, _ = strings.Cut(raw, "#")
	path, query, ok := strings.Cut(raw, "?")
	if !ok {
		return path
	}
	var names []string
	for p := range strings.SplitSeq(query, "&") {
		name, _, hasValue := strings.Cut(p, "=")
		if hasValue {
			name += "=…"
		} else if len(name) > 20 {
			name = "…" // a value without a name
		}
		names = append(names, name)
	}
	return path + "?" + strings.Join(names, "&")
}
