// SPDX-License-Identifier: Apache-2.0

package browser

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Form is an HTML form with what would be submitted as it stands on the page.
type Form struct {
	// Method is GET or POST. Action is absolute.
	Method, Action string
	// Fields are the controls that would be submitted, in the order of the page; submit buttons are not among them.
	Fields []Field
	// Buttons are the submit buttons that have a name.
	Buttons []Field

	page string
}

// Field is one name and value.
type Field struct{ Name, Value string }

// Form returns the first form of the page.
func (r *Response) Form() (*Form, error) {
	forms, err := r.Forms()
	if err != nil {
		return nil, err
	}
	if len(forms) == 0 {
		return nil, fmt.Errorf("the page %s (%d, %s) has no form", withoutValues(r.URL), r.Status, r.Header.Get("Content-Type"))
	}
	return forms[0], nil
}

// Forms returns the forms of the page in order.
func (r *Response) Forms() ([]*Form, error) { return parseForms(r.Body, r.address) }

// ParseForms returns the forms of an HTML page that was got from url.
func ParseForms(page []byte, url string) ([]*Form, error) {
	at, err := parseAddress(url)
	if err != nil {
		return nil, err
	}
	return parseForms(page, at)
}

func parseForms(page []byte, at address) ([]*Form, error) {
	doc, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		return nil, fmt.Errorf("reading the page %s: %w", withoutValues(at.String()), err)
	}
	var forms []*Form
	var errs []error
	base := at
	for n := range doc.Descendants() {
		if n.DataAtom == atom.Base && n.Type == html.ElementNode && base == at {
			if href, ok := attribute(n, "href"); ok {
				if b, err := at.resolve(href); err == nil {
					base = b
				}
			}
		}
		if n.DataAtom == atom.Form && n.Type == html.ElementNode {
			f, err := formOf(doc, n, at, base)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			forms = append(forms, f)
		}
	}
	if len(forms) == 0 {
		return nil, errors.Join(errs...)
	}
	return forms, nil
}

func formOf(doc, form *html.Node, at, base address) (*Form, error) {
	f := &Form{Method: http.MethodGet, page: at.String()}
	if m, _ := attribute(form, "method"); strings.EqualFold(m, "post") {
		f.Method = http.MethodPost
	}
	to := at
	if action, _ := attribute(form, "action"); action != "" {
		var err error
		if to, err = base.resolve(action); err != nil {
			return nil, fmt.Errorf("a form of the page %s: %w", withoutValues(at.String()), err)
		}
	}
	f.Action = to.String()
	id, hasID := attribute(form, "id")
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		owner, hasOwner := attribute(n, "form")
		if hasOwner && (!hasID || owner != id) || !hasOwner && !inside(n, form) {
			continue
		}
		f.control(n)
	}
	return f, nil
}

func inside(n, ancestor *html.Node) bool {
	for p := n.Parent; p != nil; p = p.Parent {
		if p == ancestor {
			return true
		}
	}
	return false
}

// control adds what one element contributes (HTML, "constructing the entry list").
func (f *Form) control(n *html.Node) {
	name, _ := attribute(n, "name")
	if _, disabled := attribute(n, "disabled"); disabled || name == "" {
		return
	}
	value, hasValue := attribute(n, "value")
	switch n.DataAtom {
	case atom.Input:
		kind, _ := attribute(n, "type")
		switch strings.ToLower(kind) {
		case "submit":
			f.Buttons = append(f.Buttons, Field{name, value})
		case "image", "button", "reset", "file":
		case "checkbox", "radio":
			if _, checked := attribute(n, "checked"); !checked {
				return
			}
			if !hasValue {
				value = "on"
			}
			f.Fields = append(f.Fields, Field{name, value})
		default:
			f.Fields = append(f.Fields, Field{name, value})
		}
	case atom.Button:
		if kind, _ := attribute(n, "type"); kind == "" || strings.EqualFold(kind, "submit") {
			f.Buttons = append(f.Buttons, Field{name, value})
		}
	case atom.Textarea:
		f.Fields = append(f.Fields, Field{name, textOf(n)})
	case atom.Select:
		if v, ok := selected(n); ok {
			f.Fields = append(f.Fields, Field{name, v})
		}
	}
}

// selected is the value of the selected option, or of the first.
func selected(n *html.Node) (string, bool) {
	value, found := "", false
	for o := range n.Descendants() {
		if o.Type != html.ElementNode || o.DataAtom != atom.Option {
			continue
		}
		_, chosen := attribute(o, "selected")
		if found && !chosen {
			continue
		}
		var has bool
		if value, has = attribute(o, "value"); !has {
			value = strings.TrimSpace(textOf(o))
		}
		if found = true; chosen {
			break
		}
	}
	return value, found
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return b.String()
}

func attribute(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name && a.Namespace == "" {
			return a.Val, true
		}
	}
	return "", false
}

// Get returns the value of the first field of that name.
func (f *Form) Get(name string) (string, bool) {
	i := slices.IndexFunc(f.Fields, func(x Field) bool { return x.Name == name })
	if i < 0 {
		return "", false
	}
	return f.Fields[i].Value, true
}

// Set gives the fields of that name one value, and adds a field when there is none (a button, an unchecked box).
func (f *Form) Set(name, value string) {
	i := slices.IndexFunc(f.Fields, func(x Field) bool { return x.Name == name })
	if i < 0 {
		f.Fields = append(f.Fields, Field{name, value})
		return
	}
	f.Fields[i].Value = value
	f.Fields = append(f.Fields[:i+1], slices.DeleteFunc(f.Fields[i+1:], func(x Field) bool { return x.Name == name })...)
}

// Request returns the request that submits the form, as application/x-www-form-urlencoded.
func (f *Form) Request() Request {
	pairs := make([]string, len(f.Fields))
	for i, x := range f.Fields {
		pairs[i] = formEncode(x.Name) + "=" + formEncode(x.Value)
	}
	data := strings.Join(pairs, "&")
	r := Request{Method: f.Method, URL: f.Action, Initiator: f.page}
	if f.Method == http.MethodPost {
		r.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
		r.Body = []byte(data)
		return r
	}
	// GET replaces the query of the action.
	url, _, _ := strings.Cut(f.Action, "#")
	url, _, _ = strings.Cut(url, "?")
	r.URL = url + "?" + data
	return r
}

// formEncode is the application/x-www-form-urlencoded percent-encode set of the URL Standard.
func formEncode(s string) string {
	var b strings.Builder
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n")
	for i := range len(s) {
		switch c := s[i]; {
		case c == ' ':
			b.WriteByte('+')
		case c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte("*-._", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
