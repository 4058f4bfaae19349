// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
)

// withFaults lets the selected fault, if any, change what an endpoint answers.
func (p *Provider) withFaults(e endpoint) http.HandlerFunc {
	name := e.name
	if name == "login" {
		name = EndpointAuthorization // where the redirect comes from when there is a login page
	}
	return func(w http.ResponseWriter, r *http.Request) {
		if p.faults.idle() {
			e.handle(w, r)
			return
		}
		form := peekForm(r)
		client := p.clientOf(name, r, form)
		rule, d := p.faults.choose(asked{name, client, form.Get("grant_type"), r.Method, r.URL.Path})
		if rule == nil {
			e.handle(w, r)
			return
		}
		s := p.newStage(r, client)
		answer := &bufferedAnswer{header: w.Header().Clone(), status: http.StatusOK}
		dropParams(r, d.Drop)
		if !d.HTTP.replaces() {
			e.handle(answer, r)
		}
		applied, err := d.apply(s, answer)
		if err != nil {
			p.log.WarnContext(r.Context(), "the fault could not be staged", "fault", rule.Fault, "endpoint", name, "error", err)
		}
		if !applied {
			p.faults.giveBack(rule, name)
			answer.send(w)
			return
		}
		p.log.InfoContext(r.Context(), "fault staged", "fault", rule.Fault, "endpoint", name, "client_id", client)
		if d.HTTP != nil {
			d.HTTP.send(r.Context(), p, w, answer)
			return
		}
		answer.send(w)
	}
}

func (p *Provider) newStage(r *http.Request, client string) *stage {
	return &stage{provider: p, issuer: p.cfg.Issuer, other: p.otherIssuer(), redirectURI: redirectURIOf(r), self: selfURL(r), clientID: client, now: p.now()}
}

// otherIssuer is another, honest issuer in the same process.
func (p *Provider) otherIssuer() string {
	if p.parent != nil {
		return p.parent.cfg.Issuer
	}
	return p.faultIssuer(noFault)
}

// redirectURIOf is what an authorization request asks for.
func redirectURIOf(r *http.Request) string { return peekForm(r).Get("redirect_uri") }

// dropParams takes parameters out of the query or the form body.
func dropParams(r *http.Request, names []string) {
	if len(names) == 0 {
		return
	}
	values := peekForm(r)
	for _, name := range names {
		values.Del(name)
	}
	if r.Method != http.MethodPost {
		r.URL.RawQuery = values.Encode()
		return
	}
	r.Body = io.NopCloser(strings.NewReader(values.Encode()))
	r.ContentLength = int64(len(values.Encode()))
}

func selfURL(r *http.Request) string {
	u := url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path, RawQuery: r.URL.RawQuery}
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		u.Scheme = "https"
	}
	return u.String()
}

// apply reports whether there was something to change.
func (d *Deviation) apply(s *stage, a *bufferedAnswer) (bool, error) {
	applied := len(d.Drop) > 0
	if d.Claims != nil || d.JOSE != nil {
		done, err := d.applyToken(s, a)
		if err != nil {
			return false, err
		}
		applied = done
	}
	for _, edit := range []struct {
		on    bool
		apply func(*stage, []byte) ([]byte, error)
	}{{d.Keys != nil, d.Keys.apply}, {d.JSON != nil, d.JSON.apply}} {
		if !edit.on || a.status != http.StatusOK {
			continue
		}
		body, err := edit.apply(s, a.body)
		if err != nil {
			return false, err
		}
		a.body, applied = body, true
	}
	if d.Redirect != nil {
		applied = d.Redirect.apply(s, a) || applied
	}
	if d.HTTP != nil {
		d.HTTP.apply(s, a)
		applied = true
	}
	return applied, nil
}

// applyToken edits the ID token of a token response, or puts a signed token in the place of a userinfo response.
func (d *Deviation) applyToken(s *stage, a *bufferedAnswer) (bool, error) {
	if a.status != http.StatusOK {
		return false, nil
	}
	response, err := decodeObject(a.body)
	if err != nil {
		return false, err
	}
	token, ok := response["id_token"].(string)
	if !ok {
		return d.applyUserinfo(s, a, response)
	}
	if token, err = d.editToken(s, token); err != nil {
		return false, err
	}
	response["id_token"] = token
	a.body, err = json.Marshal(response)
	return err == nil, err
}

// applyUserinfo answers userinfo as a JWT (Core 1.0 section 5.3.2).
func (d *Deviation) applyUserinfo(s *stage, a *bufferedAnswer, claims map[string]any) (bool, error) {
	if _, ok := claims["sub"].(string); !ok {
		return false, nil
	}
	token, err := s.provider.MintIDToken(claims["sub"].(string), s.clientID, func(minted map[string]any) {
		clear(minted)
		maps.Copy(minted, claims)
		minted["iss"], minted["aud"] = s.issuer, s.clientID
	})
	if err != nil {
		return false, err
	}
	if token, err = d.editToken(s, token); err != nil {
		return false, err
	}
	a.header.Set("Content-Type", "application/jwt")
	a.body = []byte(token)
	return true, nil
}

// peekForm returns the query, or the form body, and leaves the body to be read again.
func peekForm(r *http.Request) url.Values {
	if r.Method != http.MethodPost || r.Body == nil {
		return r.URL.Query()
	}
	start, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	rest := io.Reader(r.Body)
	if err != nil {
		rest = failingReader{err}
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(start), rest), r.Body}
	values, err := url.ParseQuery(string(start))
	if err != nil {
		return url.Values{}
	}
	return values
}

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }

// clientOf says who asks, as far as that can be seen without judging it.
func (p *Provider) clientOf(name string, r *http.Request, form url.Values) string {
	if id := form.Get("client_id"); id != "" {
		return id
	}
	switch name {
	case EndpointToken:
		shown, _ := parseBasic(r.Header.Get("Authorization"))
		return shown.clientID
	case EndpointAuthorization:
		waiting := p.store.transaction(form.Get("transaction"), keyOf(cookieValue(r, loginCookie)), p.now())
		if waiting != nil && waiting.request != nil {
			return waiting.request.client.ClientID
		}
	case EndpointUserinfo:
		token := form.Get("access_token")
		if header, ok := cutBearer(r.Header.Get("Authorization")); ok {
			token = header
		}
		if access := p.store.accessToken(token, p.now()); access != nil {
			return access.grant.clientID
		}
	}
	return ""
}

func cutBearer(header string) (string, bool) {
	const scheme = "Bearer "
	if len(header) < len(scheme) || header[:len(scheme)] != scheme {
		return "", false
	}
	return header[len(scheme):], true
}
