// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"sync"
)

//go:embed pages
var pageFiles embed.FS

// pages renders what people see. A page loads nothing: its one style sheet and its script, if it has one, are inline and
// named in the policy by their hashes.
type pages struct {
	templates func() (*template.Template, error) // parsed when the first page is asked for
	policy    string
}

func newPages() (*pages, error) {
	style, err := pageFiles.ReadFile("pages/style.css")
	if err != nil {
		return nil, err
	}
	functions := template.FuncMap{
		"style": func() template.CSS { return template.CSS(style) },
		"script": func(name string) (template.JS, error) {
			script, err := pageFiles.ReadFile("pages/" + name)
			return template.JS(script), err
		},
	}
	templates := sync.OnceValues(func() (*template.Template, error) {
		return template.New("pages").Funcs(functions).ParseFS(pageFiles, "pages/*.html")
	})
	// form-action is not set on purpose: browsers apply it to the whole chain of redirects after a form, which ends at
	// the relying party and wherever that leads.
	policy := fmt.Sprintf("default-src 'none'; style-src %s; base-uri 'none'; frame-ancestors 'none'", hashSource(style))
	return &pages{templates: templates, policy: policy}, nil
}

// hashSource names an inline style sheet or script in a policy.
func hashSource(content []byte) string {
	hash := sha256.Sum256(content)
	return "'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'"
}

// write renders a page without a script.
func (p *pages) write(w http.ResponseWriter, status int, name string, data any) {
	p.render(w, status, name, p.policy, data)
}

// writeScripted renders a page with one script of pages/. directives are added to the policy.
func (p *pages) writeScripted(w http.ResponseWriter, name, script, directives string, data any) {
	content, err := pageFiles.ReadFile("pages/" + script)
	if err != nil {
		http.Error(w, "the page could not be rendered", http.StatusInternalServerError)
		return
	}
	p.render(w, http.StatusOK, name, p.policy+"; script-src "+hashSource(content)+directives, data)
}

// render writes the headers that protect a page against framing and keeping with it (RFC 9700 section 4.16).
func (p *pages) render(w http.ResponseWriter, status int, name, policy string, data any) {
	var body bytes.Buffer
	templates, err := p.templates()
	if err == nil {
		err = templates.ExecuteTemplate(&body, name, data)
	}
	if err != nil {
		http.Error(w, "the page could not be rendered", http.StatusInternalServerError)
		return
	}
	noStore(w)
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Frame-Options", "DENY")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}

type messagePage struct{ Title, Text string }

func (p *pages) writeError(w http.ResponseWriter, status int, title, text string) {
	p.write(w, status, "message.html", messagePage{Title: title, Text: text})
}

func (p *pages) writeMessage(w http.ResponseWriter, title, text string) {
	p.write(w, http.StatusOK, "message.html", messagePage{Title: title, Text: text})
}
