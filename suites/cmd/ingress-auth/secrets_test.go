// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ingress-auth/conformance/suites/browser"
	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/subject"
)

// collector listens at every part of a run, in front of everything that redacts, and keeps each secret that goes by.
type collector struct {
	mu sync.Mutex
	// secrets maps a value to what it is.
	secrets map[string]string
}

// shortestSecret is the length in bytes below which a value is no secret but a word: checks set cookies such as a=1.
const shortestSecret = 12

func (c *collector) add(kind, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range []string{value, unescaped(value)} {
		if len(v) >= shortestSecret {
			c.secrets[v] = kind
		}
	}
}

func unescaped(v string) string {
	if plain, err := url.QueryUnescape(v); err == nil {
		return plain
	}
	return v
}

// secretParameter names what is or proves a credential in OAuth 2.0 and OpenID Connect.
var secretParameter = regexp.MustCompile(`^(code|state|nonce|code_verifier|id_token|access_token|refresh_token|id_token_hint|client_secret|client_assertion|password|login|ticket|session)$`)

// around listens between a part and whoever asks it.
func (c *collector) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.request(r)
		heard := &listener{ResponseWriter: w}
		defer func() { c.answer(heard.Header(), heard.body.Bytes()) }()
		next.ServeHTTP(heard, r)
	})
}

func (c *collector) request(r *http.Request) {
	for _, cookie := range r.Cookies() {
		c.cookie(cookie)
	}
	scheme, credentials, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	c.add("credentials", credentials)
	if _, password, ok := r.BasicAuth(); ok {
		c.add(scheme+" password", password)
	}
	c.query(r.URL.RawQuery)
	if r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			c.query(string(body))
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
}

func (c *collector) cookie(cookie *http.Cookie) {
	if !strings.HasPrefix(cookie.Name, exchange.ReadableCookiePrefix) {
		c.add("cookie "+cookie.Name, cookie.Value)
	}
}

func (c *collector) query(query string) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return
	}
	for name, list := range values {
		for _, v := range list {
			if secretParameter.MatchString(name) {
				c.add(name, v)
			}
		}
	}
}

var hiddenInput = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)

func (c *collector) answer(h http.Header, body []byte) {
	for _, cookie := range (&http.Response{Header: h}).Cookies() {
		c.cookie(cookie)
	}
	if u, err := url.Parse(h.Get("Location")); err == nil {
		c.query(u.RawQuery)
	}
	var document map[string]any
	if json.Unmarshal(body, &document) == nil {
		for name, v := range document {
			if text, ok := v.(string); ok && secretParameter.MatchString(name) {
				c.add(name, text)
			}
		}
	}
	for _, input := range hiddenInput.FindAllSubmatch(body, -1) {
		if name := string(input[1]); secretParameter.MatchString(name) {
			c.add("input "+name, html.UnescapeString(string(input[2])))
		}
	}
}

// listener keeps the beginning of an answer.
type listener struct {
	http.ResponseWriter
	body bytes.Buffer
}

// Write implements http.ResponseWriter.
func (l *listener) Write(p []byte) (int, error) {
	if l.body.Len() < 1<<16 {
		l.body.Write(p)
	}
	return l.ResponseWriter.Write(p)
}

// Unwrap serves http.ResponseController.
func (l *listener) Unwrap() http.ResponseWriter { return l.ResponseWriter }

// withoutChallenge breaks the gateway, so that the run keeps evidence, which is to be searched too.
func withoutChallenge(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(challengeless{w}, r)
	})
}

type challengeless struct{ http.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w challengeless) WriteHeader(status int) {
	w.Header().Del("WWW-Authenticate")
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap serves http.ResponseController.
func (w challengeless) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// forms are the ways in which a value could stand in a file: as it is, in an address, in JSON, in HTML, in Base64.
func forms(v string) []string {
	quoted, _ := json.Marshal(v)
	list := []string{v, url.QueryEscape(v), url.QueryEscape(url.QueryEscape(v)), strings.Trim(string(quoted), `"`), html.EscapeString(v), base64.StdEncoding.EncodeToString([]byte(v))}
	slices.Sort(list)
	return slices.Compact(list)
}

// leaks says of each secret that stands in the text what it is, and where; not its value. There are thousands of secrets
// and tens of megabytes of text: only where eight bytes are the first of a form, the rest is compared.
func (c *collector) leaks(text []byte) []string {
	const window = 8
	type form struct{ text, value string }
	starts := map[uint64][]form{}
	c.mu.Lock()
	defer c.mu.Unlock()
	for v := range c.secrets {
		for _, f := range forms(v) {
			first := binary.NativeEndian.Uint64([]byte(f)) // a form is no shorter than shortestSecret
			starts[first] = append(starts[first], form{f, v})
		}
	}
	at := map[string]int{}
	for i := range max(0, len(text)-window+1) {
		for _, f := range starts[binary.NativeEndian.Uint64(text[i:])] {
			if _, known := at[f.value]; !known && bytes.HasPrefix(text[i:], []byte(f.text)) {
				at[f.value] = i
			}
		}
	}
	var found []string
	for v, i := range at {
		found = append(found, fmt.Sprintf("%s of %d bytes at byte %d", c.secrets[v], len(v), i))
	}
	slices.Sort(found)
	return found
}

// secretsRun marks the process that does the run: Ginkgo runs once in a process, and another test has that run.
const secretsRun = "INGRESS_AUTH_TEST_SECRETS_RUN"

func TestNoSecretOfARunIsInWhatItLeaves(t *testing.T) {
	if testing.Short() {
		t.Skip("starts nginx")
	}
	if os.Getenv(secretsRun) == "" {
		again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		again.Env = append(os.Environ(), secretsRun+"=1")
		if out, err := again.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	c := &collector{secrets: map[string]string{}}
	f := &runFlags{wrap: map[string]func(http.Handler) http.Handler{}}
	for _, part := range []string{"gateway", "auth-service", "idp", "backend"} {
		f.wrap[part] = c.around
	}
	f.wrap["gateway"] = func(next http.Handler) http.Handler { return c.around(withoutChallenge(next)) }
	dir := t.TempDir()
	var printed bytes.Buffer
	cmd := f.command()
	cmd.SetOut(&printed)
	cmd.SetErr(&printed)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs([]string{"--platform", "local", "--report-dir", dir})
	if err := cmd.ExecuteContext(t.Context()); err != nil && !errors.As(err, new(verdict)) {
		t.Fatal(err)
	}
	if leaks := c.leaks(printed.Bytes()); len(leaks) > 0 {
		t.Errorf("printed: %s", strings.Join(leaks, "; "))
	}
	files := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		if leaks := c.leaks(text); len(leaks) > 0 {
			t.Errorf("%s: %d secrets, such as %s", entry.Name(), len(leaks), strings.Join(leaks[:min(len(leaks), 8)], "; "))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, kind := range c.secrets {
		kind, _, _ = strings.Cut(kind, " ")
		kinds[kind]++
	}
	t.Logf("looked for %d secrets in %d files: %v", len(c.secrets), files, kinds)
	for _, kind := range []string{"cookie", "code", "state", "nonce", "code_verifier", "id_token", "access_token", "Basic", "credentials"} {
		if kinds[kind] == 0 {
			t.Errorf("no %s was seen in the whole run: the test looks in the wrong place", kind)
		}
	}
	if files < 8 {
		t.Errorf("only %d files were looked at: reports, or evidence, are missing", files)
	}
}

// TestAStoryThatIsNotRedactedIsCaught is the control of the test above for the hops behind the gateway: what the parts
// record of a login is full of secrets, each of which the collector finds, and what the redactor leaves has none.
func TestAStoryThatIsNotRedactedIsCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("starts nginx")
	}
	c := &collector{secrets: map[string]string{}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := subject.NewLocal(ctx, subject.LocalOptions{
		Gateways: []subject.GatewayConfig{{Name: subject.MainGateway, TLS: true}},
		Wrap:     map[string]func(http.Handler) http.Handler{"gateway": c.around, "auth-service": c.around, "idp": c.around},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	})
	hops, err := s.Recorder.Recorded(ctx, signIn(ctx, t, s)...)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[exchange.Party]bool{}
	raw, redacted := map[string]int{}, 0
	redactor := exchange.NewRedactor()
	for _, hop := range hops {
		parts[hop.From], parts[hop.To] = true, true
		for _, leak := range c.leaks(inJSON(t, hop)) {
			kind, _, _ := strings.Cut(leak, " ")
			raw[kind]++
		}
		redacted += len(c.leaks(inJSON(t, redactor.Exchange(hop))))
	}
	if !parts[exchange.Gateway] || !parts[exchange.AuthService] || !parts[exchange.IdP] {
		t.Errorf("the story is not whole: %v", parts)
	}
	for _, kind := range []string{"cookie", "code", "state", "nonce", "id_token", "access_token", "credentials"} {
		if raw[kind] == 0 {
			t.Errorf("no %s is found in a story that is not redacted", kind)
		}
	}
	// A form's body is not kept at all: it would have the verifier in it.
	if raw["code_verifier"] > 0 || redacted > 0 {
		t.Errorf("%d verifiers are recorded, and %d secrets are left after redaction", raw["code_verifier"], redacted)
	}
}

// signIn signs alice in and returns the IDs of the requests.
func signIn(ctx context.Context, t *testing.T, s *subject.Subject) []string {
	t.Helper()
	var ids []string
	b := browser.New(browser.Options{Resolve: s.Resolve, RootCAs: s.Roots, Check: "secrets", Record: func(e exchange.Exchange) { ids = append(ids, e.RequestID) }})
	request := browser.Request{URL: "https://auth." + subject.Domain + "/oauth2/start?rd=%2F"}
	for range 2 {
		hops, err := b.Follow(ctx, request, 10)
		if err != nil {
			t.Fatal(err)
		}
		last := hops[len(hops)-1]
		if last.URL == "https://auth."+subject.Domain+"/" {
			return ids
		}
		form, err := last.Form()
		if err != nil {
			t.Fatal(err)
		}
		form.Set("user", "alice")
		request = form.Request()
	}
	t.Fatal("the login does not end")
	return nil
}

func inJSON(t *testing.T, hop exchange.Exchange) []byte {
	t.Helper()
	text, err := json.Marshal(hop)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTheCollectorFindsASecretInEveryForm(t *testing.T) {
	c := &collector{secrets: map[string]string{}}
	r := httptest.NewRequest(http.MethodGet, "/callback?code=a%2Fcode+of+length&state=x", nil)
	r.AddCookie(&http.Cookie{Name: "session", Value: "the-value-of-a-session"})
	c.request(r)
	for _, form := range append(forms("a/code of length"), forms("the-value-of-a-session")...) {
		if len(c.leaks([]byte("before "+form+" after"))) != 1 {
			t.Errorf("%q is not found", form)
		}
	}
	if leaks := c.leaks([]byte("nothing of x")); len(leaks) != 0 {
		t.Errorf("found %v", leaks)
	}
}
