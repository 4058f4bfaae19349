// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

//go:embed page.css
var stylesheet string

//go:embed page.html
var pageSource string

const providerAway = "The identity provider cannot be reached at the moment."

// pages are the proxy's own HTML pages. The style stands in the page itself; nothing is loaded from anywhere.
var pages = template.Must(template.New("page").Funcs(template.FuncMap{
	"style": func() template.CSS { return template.CSS(stylesheet) },
}).Parse(pageSource))

// contentSecurityPolicy allows that one style and nothing else. It has no form-action: browsers apply it to the redirects
// that follow a form, and where the identity provider redirects to is not known here.
var contentSecurityPolicy = func() string {
	hash := sha256.Sum256([]byte(stylesheet))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'; base-uri 'none'; frame-ancestors 'none'"
}()

// page is what the templates show.
type page struct {
	Title     string
	Message   string
	RequestID string
	Retry     string
	Continue  string
	SignIn    signInData
}

type signInData struct {
	StartPath, Redirect, Provider, SignedInAs string
}

// problem is an answer that is not what the person wanted.
type problem struct {
	status  int
	message string // shown to the person
	cause   error  // logged, not shown
	retry   string // where a new login should end
}

// fail answers with an error page, or JSON for a client that asks for it.
func (p *Proxy) fail(w http.ResponseWriter, r *http.Request, pr problem) {
	attributes := []any{"status", pr.status, "message", pr.message, "requestId", requestID(r)}
	if pr.cause != nil {
		attributes = append(attributes, "cause", pr.cause.Error())
	}
	p.log.Warn("request failed", attributes...)
	if pr.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryAfterSeconds)
	}
	if wantsJSON(r) {
		p.failJSON(w, r, pr.status, pr.message)
		return
	}
	if pr.retry == "" {
		pr.retry = "/"
	}
	p.render(w, r, pr.status, "error", page{
		Title:   fmt.Sprintf("%d %s", pr.status, http.StatusText(pr.status)),
		Message: pr.message,
		Retry:   p.cfg.ProxyPrefix + "/start?rd=" + url.QueryEscape(escapeLocation(pr.retry)),
	})
}

func (p *Proxy) failJSON(w http.ResponseWriter, r *http.Request, status int, message string) {
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, status, map[string]any{"status": status, "error": http.StatusText(status), "message": message, "requestId": requestID(r)})
}

func (p *Proxy) providerUnavailable(w http.ResponseWriter, r *http.Request, redirect string) {
	p.fail(w, r, problem{status: http.StatusServiceUnavailable, message: providerAway, cause: p.provider.lastError(), retry: redirect})
}

// continuePage goes on to location by itself.
func (p *Proxy) continuePage(w http.ResponseWriter, r *http.Request, location string) {
	p.render(w, r, http.StatusOK, "continue", page{Title: "Signed in", Continue: escapeLocation(location)})
}

func (p *Proxy) render(w http.ResponseWriter, r *http.Request, status int, name string, data page) {
	data.RequestID = requestID(r)
	var body bytes.Buffer
	if err := pages.ExecuteTemplate(&body, name, data); err != nil {
		p.log.Error("page not rendered", "page", name, "error", err.Error())
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", contentSecurityPolicy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}

// wantsJSON says whether a client asks for JSON and not for HTML. A browser asks for HTML.
func wantsJSON(r *http.Request) bool {
	json := false
	for _, line := range r.Header.Values("Accept") {
		for item := range strings.SplitSeq(line, ",") {
			mediaType, parameters, err := mime.ParseMediaType(item)
			if err != nil || parameters["q"] == "0" {
				continue
			}
			switch mediaType {
			case "text/html":
				return false
			case "application/json":
				json = true
			}
		}
	}
	return json
}
