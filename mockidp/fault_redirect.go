// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// RedirectEdit changes the redirect back to the relying party.
type RedirectEdit struct {
	Set    map[string]string `json:"set,omitempty"`
	Remove []string          `json:"remove,omitempty"`
	Append map[string]string `json:"append,omitempty"`
	// Repeat adds a parameter a second time.
	Repeat map[string]string `json:"repeat,omitempty"`
	// Raw is put behind the query as it is.
	Raw string `json:"raw,omitempty"`
	// PercentSpaces writes a space as %20, which is the other right way.
	PercentSpaces bool `json:"percent_spaces,omitempty"`
	// Path is put behind the path of the redirect URI; Target replaces everything before the query.
	Path   string `json:"path,omitempty"`
	Target string `json:"target,omitempty"`
	// Mode is query (default), fragment or form_post.
	Mode string `json:"mode,omitempty"`
	// Status replaces 302 and 303.
	Status int `json:"status,omitempty"`
}

func (e *RedirectEdit) validate() error {
	switch {
	case e == nil:
		return nil
	case !slices.Contains([]string{"", "query", "fragment", "form_post"}, e.Mode):
		return fmt.Errorf("redirect.mode: %q must be query, fragment or form_post", e.Mode)
	case e.Status != 0 && (e.Status < 300 || e.Status > 399):
		return fmt.Errorf("redirect.status: %d must be from 300 to 399", e.Status)
	case e.Path != "" && !strings.HasPrefix(e.Path, "/"):
		return fmt.Errorf("redirect.path: %q must start with /", e.Path)
	}
	return nil
}

// formPost is parsed when it is first needed, so that no start waits for it.
var formPost = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("form_post").Parse(`<!doctype html><html lang="en"><title>Signing in</title>
<body onload="document.forms[0].submit()"><form method="post" action="{{.Action}}">
{{range .Fields}}<input type="hidden" name="{{.Name}}" value="{{.Value}}">
{{end}}<button>Continue</button></form></body></html>
`))
})

type formField struct{ Name, Value string }

// apply reports whether there was a redirect to change.
func (e *RedirectEdit) apply(s *stage, a *bufferedAnswer) bool {
	location, err := url.Parse(a.header.Get("Location"))
	if err != nil || location.Host == "" {
		return false
	}
	if location.Fragment != "" {
		location.RawQuery, location.Fragment = location.Fragment, ""
	}
	values := location.Query()
	for name, value := range e.Set {
		values.Set(name, s.expand(value))
	}
	for name, suffix := range e.Append {
		if values.Has(name) {
			values.Set(name, values.Get(name)+s.expand(suffix))
		}
	}
	for name, value := range e.Repeat {
		values.Add(name, s.expand(value))
	}
	for _, name := range e.Remove {
		values.Del(name)
	}
	location.RawQuery = ""
	target := location.String() + e.Path
	if e.Target != "" {
		target = s.expand(e.Target)
	}
	e.write(a, target, values)
	return true
}

func (e *RedirectEdit) write(a *bufferedAnswer, target string, values url.Values) {
	query := values.Encode() + e.Raw
	if e.PercentSpaces {
		query = strings.ReplaceAll(query, "+", "%20")
	}
	switch e.Mode {
	case "form_post":
		page := struct {
			Action string
			Fields []formField
		}{Action: target}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			for _, value := range values[name] {
				page.Fields = append(page.Fields, formField{name, value})
			}
		}
		var out strings.Builder
		if err := formPost().Execute(&out, page); err != nil {
			return
		}
		a.header.Del("Location")
		a.header.Set("Content-Type", "text/html; charset=utf-8")
		a.status, a.body = http.StatusOK, []byte(out.String())
		return
	case "fragment":
		a.header.Set("Location", target+"#"+query)
	default:
		a.header.Set("Location", target+"?"+query)
	}
	if e.Status != 0 {
		a.status = e.Status
	}
}
