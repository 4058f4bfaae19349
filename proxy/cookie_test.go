// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

var testCookies = cookieMaker{secure: true, sameSite: http.SameSiteLaxMode, domain: "example.com"}

func requestWith(cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

func TestSplitValueJoinsAgain(t *testing.T) {
	for _, length := range []int{1, 3900, 3990, 4000, 4090, 4096, 4100, 8000, 12345, 25000} {
		value := strings.Repeat("abcdefghij", length/10+1)[:length]
		cookies, err := testCookies.split("_oauth2_proxy", value, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cookies {
			if n := len(c.String()); n > maxCookieBytes {
				t.Errorf("length %d: %s has %d bytes", length, c.Name, n)
			}
			if !c.HttpOnly || !c.Secure || c.Path != "/" || c.MaxAge != 3600 {
				t.Errorf("%s lacks attributes: %s", c.Name, c)
			}
		}
		if length < 3900 && (len(cookies) != 1 || cookies[0].Name != "_oauth2_proxy") {
			t.Errorf("length %d: split without need", length)
		}
		got := testCookies.join(requestWith(cookies...), "_oauth2_proxy")
		if len(got) != 1 || got[0] != value {
			t.Errorf("length %d: %d cookies do not join to the value", length, len(cookies))
		}
	}
}

func TestTooLongValueIsAnError(t *testing.T) {
	if _, err := testCookies.split("n", strings.Repeat("x", maxChunks*maxCookieBytes), time.Hour); err == nil {
		t.Error("no error")
	}
}

func TestPartsOfALongerValueAreNotRead(t *testing.T) {
	long, _ := testCookies.split("n", strings.Repeat("L", 11000), time.Hour)
	short, _ := testCookies.split("n", strings.Repeat("S", 6000), time.Hour)
	if len(long) != 3 || len(short) != 2 {
		t.Fatalf("%d and %d parts", len(long), len(short))
	}
	r := requestWith(short[0], short[1], long[2])
	if got := testCookies.join(r, "n"); len(got) != 1 || got[0] != strings.Repeat("S", 6000) {
		t.Error("the left-over part was read")
	}
	gone := testCookies.deletions(r, "n", short...)
	if len(gone) != 1 || gone[0].Name != "n_2" {
		t.Errorf("deletions: %v", gone)
	}
}

func TestDeletionHasTheSameScope(t *testing.T) {
	r := requestWith(&http.Cookie{Name: "n", Value: "x"}, &http.Cookie{Name: "n_0", Value: "x"}, &http.Cookie{Name: "n_1", Value: "x"}, &http.Cookie{Name: "nn", Value: "x"}, &http.Cookie{Name: "n_csrf", Value: "x"})
	var got []string
	for _, c := range testCookies.deletions(r, "n") {
		got = append(got, c.String())
	}
	const scope = "=; Path=/; Domain=example.com; Max-Age=0; HttpOnly; Secure; SameSite=Lax"
	want := "n" + scope + "\nn_0" + scope + "\nn_1" + scope
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
}

// An ingress may drop one of several Set-Cookie headers, so that a session and what it replaced are both presented.
func TestOfSeveralSessionsTheOneRenewedLastCounts(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	store := &cookieStore{name: "n", sealer: testSealer(t, testSecret, "session"), cookies: testCookies, now: func() time.Time { return now }}
	save := func(subject string, refreshed int64, email string) []*http.Cookie {
		set, _, err := store.create(requestWith(), &session{Subject: subject, Email: email, Refreshed: refreshed, Expires: now.Unix() + 60})
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	var random strings.Builder
	for range 150 {
		random.WriteString(randomToken())
	}
	oldWhole, newWhole := save("old", 1, ""), save("new", 2, "")
	oldParts, newParts := save("old", 1, random.String()), save("new", 2, random.String())
	for name, cookies := range map[string][]*http.Cookie{
		"it shrank": append(oldParts, newWhole...), "it grew": append(oldWhole, newParts...), "twice the name": append(newWhole, oldWhole...), "twice the name, the other way": append(oldWhole, newWhole...),
	} {
		if s, err := store.load(requestWith(cookies...)); err != nil || s.Subject != "new" {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	if _, err := store.load(requestWith(newParts[0], oldParts[1])); err == nil {
		t.Error("parts of two sessions make one")
	}
}

func TestUnchunkedNames(t *testing.T) {
	for name, want := range map[string]string{"n_0": "n", "n_12": "n", "n": "n", "n1": "n1", "n_": "n_", "n_x1": "n_x1", "n_csrf_3": "n_csrf", "_7": "", "": ""} {
		if got := unchunked(name); got != want {
			t.Errorf("%q: got %q", name, got)
		}
	}
}

// A header full of cookies must not make a login cost many times what it costs without.
func TestTidyingStateCookiesIsBounded(t *testing.T) {
	f := newFixture(t, nil)
	var header strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&header, "%s_%08d_csrf_0=x; a=b; ", f.proxy.states.cookieName, i)
	}
	r := requestWith()
	r.Header["Cookie"] = []string{header.String()}
	own, names := f.proxy.states.ownCookies(r)
	if len(names) != maxPruned || len(own.Header.Get("Cookie")) > maxPruned*64 {
		t.Errorf("%d names in %d bytes are looked at", len(names), len(own.Header.Get("Cookie")))
	}
	_, cookies, err := f.proxy.states.begin(r, "/")
	if err != nil || len(cookies) != 1+maxPruned {
		t.Errorf("%d cookies are set: %v", len(cookies), err)
	}
}

// Whatever Cookie header a client sends, reading a session or a state ends without one and without a panic, unless the
// genuine cookie is in it.
func FuzzCookieHeader(f *testing.F) {
	now := time.Unix(1_700_000_000, 0)
	clock := func() time.Time { return now }
	sessionSealer, _ := newSealer("session", []byte(testSecret))
	stateSealer, _ := newSealer("state", []byte(testSecret))
	sessions := &cookieStore{name: "n", sealer: sessionSealer, cookies: testCookies, now: clock}
	states := &stateStore{cookieName: "n", sealer: stateSealer, cookies: testCookies, lifetime: time.Minute, now: clock}
	set, _, err := sessions.create(requestWith(), &session{Subject: "u", Refreshed: now.Unix(), Expires: now.Add(time.Hour).Unix()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("n="+set[0].Value, "x")
	f.Add("n_0=2.abc; n_1=def; n_2=ghi", "abcdefgh")
	f.Add("n_0=999999999999999999999.x; n=; n=a; n=b; n=c", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	f.Add("n_aaaaaaaa_csrf=x; n_aaaaaaaa_csrf_0=3.x; n_bbbbbbbb_csrf_1=", "aaaaaaaaa")
	f.Fuzz(func(t *testing.T, header, state string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Cookie"] = []string{header}
		if s, err := sessions.load(r); err == nil && s.Subject != "u" {
			t.Errorf("a session out of nowhere: %+v", s)
		}
		if _, err := states.find(r, state); err == nil {
			t.Error("a login out of nowhere")
		}
		_ = sessions.forget(r)
		_ = states.prune(r)
	})
}
