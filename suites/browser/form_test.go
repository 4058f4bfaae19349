// SPDX-License-Identifier: Apache-2.0

package browser

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const page = `<!doctype html><title>x</title><form id=f method=POST action="/login?a=1&amp;b=2">
<input type=hidden name=state value="s &amp; t"><input name=user><input type=password name=pass value=p>
<input type=checkbox name=remember><input type=checkbox name=terms checked><input type=radio name=r value=1><input type=radio name=r value=2 checked>
<input name=off value=x disabled><input value=noname><textarea name=note>a
b</textarea><select name=role><option value=u>User<option selected>Admin</select><input type=submit name=go value=Go><button name=cancel value=1>x</button>
</form><input form=f name=outside value=o><form action=other><input name=q value="1 2"></form>`

func TestFormsAreReadAndSubmittedAsABrowserDoes(t *testing.T) {
	forms, err := ParseForms([]byte(page), "https://idp.example.test/dir/page?x#frag")
	if err != nil || len(forms) != 2 {
		t.Fatalf("%d forms, %v", len(forms), err)
	}
	f := forms[0]
	f.Set("user", "älice+1")
	f.Set("remember", "on")
	r := f.Request()
	want := "state=s+%26+t&user=%C3%A4lice%2B1&pass=p&terms=on&r=2&note=a%0D%0Ab&role=Admin&outside=o&remember=on"
	if r.Method != "POST" || r.URL != "https://idp.example.test/login?a=1&b=2#frag" || string(r.Body) != want ||
		r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.Initiator != "https://idp.example.test/dir/page?x#frag" {
		t.Errorf("%s %s %v\n got %s\nwant %s", r.Method, r.URL, r.Header, r.Body, want)
	}
	if fmt.Sprint(f.Buttons) != "[{go Go} {cancel 1}]" {
		t.Errorf("buttons %v", f.Buttons)
	}
	if v, ok := f.Get("state"); !ok || v != "s & t" {
		t.Errorf("state %q", v)
	}
	if _, ok := f.Get("off"); ok {
		t.Error("a disabled control is submitted")
	}
	if r := forms[1].Request(); r.Method != "GET" || r.URL != "https://idp.example.test/dir/other?q=1+2" || r.Body != nil {
		t.Errorf("%s %s", r.Method, r.URL)
	}
}

func TestTheFirstFormOfAPageLogsIn(t *testing.T) {
	b := New(Options{Resolve: serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			r.ParseForm()
			w.Header().Set("Seen", r.PostForm.Encode()+" "+r.Header.Get("Origin"))
			return
		}
		if r.URL.Path == "/empty" {
			return
		}
		fmt.Fprint(w, `<base href="/sub/"><form method=post action=go><input type=hidden name=a value=1><input name=a value=2></form>`)
	})})
	r, err := b.Get(t.Context(), "http://idp.test/login")
	if err != nil {
		t.Fatal(err)
	}
	f, err := r.Form()
	if err != nil {
		t.Fatal(err)
	}
	if f.Action != "http://idp.test/sub/go" {
		t.Errorf("action %s", f.Action)
	}
	f.Set("a", "3")
	if r, err = b.Do(t.Context(), f.Request()); err != nil || r.Header.Get("Seen") != "a=3 http://idp.test" {
		t.Errorf("%v %v", r, err)
	}
	if r, err = b.Get(t.Context(), "http://idp.test/empty"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Form(); err == nil || !strings.Contains(err.Error(), "has no form") {
		t.Errorf("%v", err)
	}
}

func FuzzForms(f *testing.F) {
	f.Add([]byte(page))
	f.Add([]byte(`<form action="javascript:x"><input name=a>`))
	f.Add([]byte(`<base href="//b"><form><select name=s></select>`))
	f.Fuzz(func(t *testing.T, page []byte) {
		forms, err := ParseForms(page, "https://a.test/")
		if err != nil {
			return
		}
		for _, form := range forms {
			if _, err := parseAddress(form.Request().URL); err != nil {
				t.Fatalf("a form cannot be submitted: %v", err)
			}
		}
	})
}
