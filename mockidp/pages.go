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
)

//go:embed pages/*.html pages/style.css
var pageFiles embed.FS

// pages renders what people see. A page loads nothing: its one style sheet is inline and named in the policy by its hash.
type pages struct {
	templates *template.Template
	policy    string
}

func newPages() (*pages, error) {
	style, err := pageFiles.ReadFile("pages/style.css")
	if err != nil {
		return nil, err
	}
	functions := template.FuncMap{"style": func() template.CSS { return template.CSS(style) }}
	templates, err := template.New("pages").Funcs(functions).ParseFS(pageFiles, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("reading the templates: %w", err)
	}
	hash := sha256.Sum256(style)
	// form-action is not set on purpose: browsers apply it to the whole chain of redirects after a form, which ends at
	// the relying party and wherever that leads.
	policy := fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; frame-ancestors 'none'",
		base64.StdEncoding.EncodeToString(hash[:]))
	return &pages{templates: templates, policy: policy}, nil
}

// write renders a page. Headers that protect it against framing and keeping go with it (RFC 9700 section 4.16).
func (p *pages) write(w http.ResponseWriter, status int, name string, data any) {
	var body bytes.Buffer
	if err := p.templates.ExecuteTemplate(&body, name, data); err != nil {
		http.Error(w, "the page could not be rendered", http.StatusInternalServerError)
		return
	}
	noStore(w)
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", p.policy)
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
