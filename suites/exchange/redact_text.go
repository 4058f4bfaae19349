// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"bytes"
	"encoding/json"
	"html"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// deepest is how many layers of encoding are taken off in the search for parameters. What is wrapped deeper is
// redacted as a whole.
const deepest = 6

// secretParameters are the OAuth 2.0, OpenID Connect and form parameters whose values are secrets, in lower case with
// underscores. Sources: RFC 6749, 7009, 7523, 7636, 8628, 8693, 9126, OpenID Connect Core, Session Management and
// Back-Channel Logout.
var secretParameters = map[string]string{
	"access_token": "token", "id_token": "token", "refresh_token": "token", "token": "token", "id_token_hint": "token",
	"logout_token": "token", "subject_token": "token", "actor_token": "token", "device_secret": "token",
	"registration_access_token": "token", "client_assertion": "assertion", "assertion": "assertion",
	"code": "code", "device_code": "code", "user_code": "code", "state": "state", "nonce": "nonce",
	"code_verifier": "pkce", "code_challenge": "pkce", "request_uri": "request-uri",
	"client_secret": "secret", "cookie_secret": "secret", "password": "password", "session_state": "session",
	"sid": "session", "csrf_token": "csrf", "csrf": "csrf",
}

// parameterKind reports whether a parameter of this name is a secret, and its kind.
func parameterKind(name string) (string, bool) {
	kind, ok := secretParameters[strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "-", "_")]
	return kind, ok
}

// parameter returns what stands for the value of a secret parameter. A number of at most three digits after "code" is
// a status code in a log line, not an authorization code.
func (s *scan) parameter(name, kind, value string) string {
	if strings.EqualFold(name, "code") && statusLike.MatchString(value) {
		return value
	}
	return s.secret(kind, value)
}

var statusLike = regexp.MustCompile(`^\d{1,3}$`)

// url redacts a string that is one URL or URL reference; white space does not end a parameter here.
func (s *scan) url(raw string) string { return s.textAt(s.query(raw, 0), 0) }

// text redacts free text.
func (s *scan) text(raw string) string { return s.textAt(raw, 0) }

// body redacts a response body: HTML inputs, then whatever text redacts (JSON among it).
func (s *scan) body(raw string) string { return s.text(s.inputs(raw)) }

func (s *scan) textAt(raw string, depth int) string {
	if raw == "" {
		return raw
	}
	raw = s.headerLines(raw)
	raw = s.quoted(raw, depth)
	raw = bearer.ReplaceAllStringFunc(raw, func(m string) string {
		parts := bearer.FindStringSubmatch(m)
		if !strings.ContainsAny(parts[2], "0123456789") {
			return m // "bearer authentication-schemes": words
		}
		return parts[1] + s.secret("credential", parts[2])
	})
	return s.jwt(raw)
}

var (
	bearer     = regexp.MustCompile(`(?i)(\b(?:bearer|basic|dpop)[ +]+)([A-Za-z0-9._~+/=-]{16,})`)
	jwtLooking = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*){0,3}`)
)

func (s *scan) jwt(raw string) string {
	return jwtLooking.ReplaceAllStringFunc(raw, func(m string) string { return s.secret("jwt", m) })
}

// headerLine finds a header with credentials in a dump or a log line: "Cookie: a=b", "map[Cookie:[a=b]]". Headers in
// quotes are found by quoted.
var headerLine = regexp.MustCompile(`(?i)\b((?:set-)?cookie|(?:proxy-)?authorization)(\s*[:=]\s*\[?)([^\r\n"\]\[]+)`)

func (s *scan) headerLines(raw string) string {
	return headerLine.ReplaceAllStringFunc(raw, func(m string) string {
		p := headerLine.FindStringSubmatch(m)
		value := strings.TrimRight(p[3], " \t\\,")
		if value == "" {
			return m
		}
		return p[1] + p[2] + s.headerValue(headerKindOf(p[1]), value) + p[3][len(value):]
	})
}

// pending says what the next quoted string is the value of.
type pending struct {
	parameter, kind string
	header          headerKind
	list            bool // further strings of the same list belong to it too
}

func (p pending) none() bool { return p.kind == "" && p.header == textHeader }

var (
	// nameBefore finds a name directly before a quoted value: state="…", cookie: "…".
	nameBefore = regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_-]*)\s*[:=]\s*$`)
	// bareValue is a JSON number, and what precedes and follows it.
	bareValue = regexp.MustCompile(`^(\s*:\s*\[?\s*)(-?\d[\d.eE+-]*)`)
)

// quoted walks over the double-quoted strings of the text, as JSON documents and most logs have them, complete or cut
// off. Each is unescaped, redacted and, where that changed it, escaped again; a string that is the value of a secret
// parameter or header is redacted as such. What stands between the strings is redacted as plain text.
func (s *scan) quoted(raw string, depth int) string {
	var out strings.Builder
	var next pending
	for raw != "" {
		i := strings.IndexByte(raw, '"')
		if i < 0 {
			out.WriteString(s.between(raw, next, depth))
			break
		}
		gap, rest := raw[:i], raw[i+1:]
		// \" opens a string inside an escaped document just as " does in a plain one.
		escaped := strings.HasSuffix(gap, `\`)
		out.WriteString(s.between(gap, next, depth))
		next = next.after(gap)
		if next.none() {
			if m := nameBefore.FindStringSubmatch(gap); m != nil {
				next = pendingFor(m[1])
			}
		}
		literal, tail, closed := cutString(rest, escaped)
		out.WriteString(`"` + s.literal(literal, escaped, next, depth))
		if closed {
			if escaped {
				out.WriteByte('\\')
			}
			out.WriteByte('"')
		}
		next = next.following(literal, tail)
		raw = tail
	}
	return out.String()
}

// cutString cuts a string literal at its closing quote. Inside an escaped document the closing quote is \".
func cutString(s string, escaped bool) (literal, tail string, closed bool) {
	if escaped {
		literal, tail, closed = strings.Cut(s, `\"`)
		return literal, tail, closed
	}
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

func pendingFor(name string) pending {
	if kind, ok := parameterKind(name); ok {
		return pending{parameter: name, kind: kind}
	}
	return pending{header: headerKindOf(name)}
}

// after keeps or drops the pending name at the text between two strings.
func (p pending) after(gap string) pending {
	if p.none() {
		return p
	}
	switch t := strings.TrimRight(strings.Join(strings.Fields(gap), ""), `\`); t {
	case ":", "=":
		return p
	case ":[", ":[[":
		p.list = true
		return p
	case ",":
		// ["Cookie","a=b"] and further values of a list. For parameters only a list that a colon opened counts:
		// ["code","id_token"] is a list of response types.
		if p.list || p.header != textHeader {
			p.list = true
			return p
		}
	}
	return pending{}
}

// following decides what the string after literal is the value of.
func (p pending) following(literal, tail string) pending {
	key := strings.TrimLeft(tail, "\\ \t\r\n")
	isKey := strings.HasPrefix(key, ":")
	if strings.EqualFold(literal, "value") && isKey {
		return p // {"name":"Cookie","value":"a=b"}: the name still waits
	}
	if !p.none() && p.list {
		return p
	}
	if found := pendingFor(literal); !found.none() {
		if isKey || found.header != textHeader {
			return found
		}
		if p.parameter == "name" {
			return found
		}
	}
	return pending{}
}

// between redacts the text between two strings. A number directly after the key of a secret is redacted, in quotes so
// that JSON stays JSON.
func (s *scan) between(gap string, next pending, depth int) string {
	if next.kind != "" {
		if m := bareValue.FindStringSubmatch(gap); m != nil {
			marked := s.parameter(next.parameter, next.kind, m[2])
			if marked != m[2] {
				marked = `"` + marked + `"`
			}
			return m[1] + marked + s.plain(gap[len(m[0]):], depth)
		}
	}
	return s.plain(gap, depth)
}

func (s *scan) literal(literal string, escaped bool, of pending, depth int) string {
	if literal == "" {
		return literal
	}
	decoded, ok := unescape(literal)
	if !ok {
		decoded = literal
	}
	var redacted string
	switch {
	case of.kind != "":
		redacted = s.parameter(of.parameter, of.kind, decoded)
	case of.header != textHeader:
		redacted = s.headerValue(of.header, decoded)
	case depth >= deepest:
		redacted = s.plain(decoded, depth)
	case ok && decoded != literal:
		redacted = s.textAt(decoded, depth+1)
	default:
		redacted = s.plain(decoded, depth)
	}
	if redacted == decoded {
		return literal
	}
	if !ok || (escaped && decoded == literal) {
		return redacted
	}
	return escape(redacted)
}

func unescape(literal string) (string, bool) {
	if !strings.Contains(literal, `\`) {
		return literal, true
	}
	var v string
	if json.Unmarshal([]byte(`"`+literal+`"`), &v) == nil {
		return v, true
	}
	v, err := strconv.Unquote(`"` + literal + `"`)
	return v, err == nil
}

func escape(v string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return v
	}
	q := strings.TrimSuffix(b.String(), "\n")
	return q[1 : len(q)-1]
}

// word is a stretch of text that may be a URL or a list of parameters.
var word = regexp.MustCompile("[^\\s\"'<>`]+")

// plain redacts text without double quotes word by word.
func (s *scan) plain(raw string, depth int) string {
	raw = singleQuoted.ReplaceAllStringFunc(raw, func(m string) string {
		p := singleQuoted.FindStringSubmatch(m)
		if kind, ok := parameterKind(p[1]); ok {
			return p[1] + p[2] + s.parameter(p[1], kind, p[3]) + p[4]
		}
		return m
	})
	return word.ReplaceAllStringFunc(raw, func(w string) string { return s.query(w, depth) })
}

var (
	singleQuoted = regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_-]*)('?\s*[:=]\s*')([^']+)('?)`)
	// segment is what stands between two "&" or "#", numeric character references of HTML included.
	segment = regexp.MustCompile(`(?:&#[xX]?[0-9A-Fa-f]+;|[^&#])+`)
)

// query redacts the parameters of one word or URL: name=value up to "&" or "#". The values of other parameters are
// searched too, raw and with their percent-encoding taken off.
func (s *scan) query(w string, depth int) string {
	if !strings.ContainsAny(w, "=%") {
		return w
	}
	return segment.ReplaceAllStringFunc(w, func(seg string) string { return s.segment(seg, depth) })
}

func (s *scan) segment(seg string, depth int) string {
	for i := range len(seg) {
		if seg[i] != '=' {
			continue
		}
		written := lastName(seg[:i])
		name := decodedName(written)
		if kind, ok := parameterKind(name); ok {
			value := lenientUnescape(html.UnescapeString(seg[i+1:]))
			return s.encoded(seg[:i-len(written)], depth) + written + "=" + s.parameter(name, kind, value)
		}
	}
	return s.encoded(seg, depth)
}

// decodedName takes all percent-encoding off a parameter name and what stands before it.
func decodedName(written string) string {
	for range deepest {
		decoded := lenientUnescape(written)
		if decoded == written {
			break
		}
		written = decoded
	}
	return lastName(written)
}

// lastName returns the parameter name that v ends in.
func lastName(v string) string {
	i := len(v)
	for i > 0 && (v[i-1] >= 'a' && v[i-1] <= 'z' || v[i-1] >= 'A' && v[i-1] <= 'Z' || v[i-1] >= '0' && v[i-1] <= '9' ||
		v[i-1] == '_' || v[i-1] == '-' || v[i-1] == '%') {
		i--
	}
	return v[i:]
}

// encoded redacts what hides behind percent-encoding; without secrets the bytes stay as they are.
func (s *scan) encoded(seg string, depth int) string {
	if !strings.Contains(seg, "%") {
		return seg
	}
	head, value, ok := strings.Cut(seg, "=")
	if !ok {
		return s.nested(seg, depth, func(v string) string { return pathish.Replace(url.QueryEscape(v)) })
	}
	redacted := s.encoded(head, depth)
	if redacted != head {
		// "=" was written both ways: what follows belongs to the encoded secret.
		return redacted + "=" + s.secret("nested", value)
	}
	return head + "=" + s.nested(value, depth, func(v string) string { return spaces.Replace(url.QueryEscape(v)) })
}

var (
	spaces  = strings.NewReplacer("+", "%20")
	pathish = strings.NewReplacer("+", "%20", "%2F", "/", "%3A", ":", "%3F", "?", "%3D", "=")
)

// nested takes one layer of percent-encoding off, redacts, and puts it on again where there was something to redact.
func (s *scan) nested(p string, depth int, encode func(string) string) string {
	decoded := lenientUnescape(p)
	if decoded == p {
		return p
	}
	if depth >= deepest {
		return s.secret("nested", p)
	}
	redacted := decoded
	if strings.ContainsAny(decoded, " \t\r\n\v\f\"'<>`") {
		redacted = s.query(decoded, depth+1) // white space and quotes do not end a parameter here
	}
	if redacted = s.textAt(redacted, depth+1); redacted != decoded {
		return encode(redacted)
	}
	return p
}

// lenientUnescape takes one layer of percent-encoding off and leaves malformed escapes as they are.
func lenientUnescape(v string) string {
	if !strings.Contains(v, "%") {
		return v
	}
	var b strings.Builder
	for i := 0; i < len(v); i++ {
		if v[i] == '%' && i+2 < len(v) {
			if n, err := strconv.ParseUint(v[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(v[i])
	}
	return b.String()
}

var (
	inputTag = regexp.MustCompile(`(?is)<(?:input|button|meta)\b[^>]*>?`)
	nameAttr = regexp.MustCompile(`(?is)\bname\s*=\s*(?:"([^"]*)"?|'([^']*)'?|([^\s"'>]+))`)
	valAttr  = regexp.MustCompile(`(?is)\b((?:value|content)\s*=\s*)(?:"([^"]*)("?)|'([^']*)('?)|([^\s"'>]+))`)
)

// inputs redacts the values of HTML form controls that carry secret parameters (OAuth 2.0 Form Post Response Mode).
func (s *scan) inputs(page string) string {
	if !strings.Contains(page, "<") {
		return page
	}
	return inputTag.ReplaceAllStringFunc(page, func(tag string) string {
		n := nameAttr.FindStringSubmatch(tag)
		if n == nil {
			return tag
		}
		name := html.UnescapeString(n[1] + n[2] + n[3])
		kind, ok := parameterKind(name)
		if !ok {
			return tag
		}
		return valAttr.ReplaceAllStringFunc(tag, func(a string) string {
			p := valAttr.FindStringSubmatch(a)
			value := html.UnescapeString(p[2] + p[4] + p[6])
			return p[1] + `"` + s.parameter(name, kind, value) + `"`
		})
	})
}
