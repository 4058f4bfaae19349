// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/ingress-auth/conformance/fixtures"
	"github.com/ingress-auth/conformance/suites/contract"
	"github.com/ingress-auth/conformance/suites/exchange"
	"github.com/ingress-auth/conformance/suites/subject"
)

// deployment is a gateway and an auth service in a few lines, with at most one rule broken.
type deployment struct{ broken string }

func (d deployment) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rd := r.URL.Query().Get("rd")
	foreign := rd != "" && (!strings.HasPrefix(rd, "/") || strings.ContainsAny(rd[1:], "/\\") || strings.Contains(rd, "%"))
	if foreign && d.broken != "takes every rd" {
		rd = "/"
	}
	switch r.URL.Path {
	case "/ping", "/ready":
		if d.broken == r.URL.Path {
			w.WriteHeader(http.StatusUnauthorized)
		}
	case "/oauth2/auth":
		d.auth(w)
	case "/oauth2/sign_out":
		w.Header().Set("Location", rd)
		w.WriteHeader(http.StatusFound)
	case "/oauth2/sign_in":
		fmt.Fprintf(w, `<form action="/oauth2/start"><input name="rd" value="%s"></form>`, rd)
	case "/oauth2/start":
		d.start(w, rd)
	default:
		d.page(w, r)
	}
}

func (d deployment) auth(w http.ResponseWriter) {
	if d.broken != "auth may be stored" {
		w.Header().Set("Cache-Control", "no-store")
	}
	switch d.broken {
	case "auth redirects":
		w.Header().Set("Location", "/oauth2/sign_in")
		w.WriteHeader(http.StatusFound)
	case "auth lets everybody in":
		w.WriteHeader(http.StatusAccepted)
	default:
		w.WriteHeader(http.StatusUnauthorized)
	}
}

func (d deployment) start(w http.ResponseWriter, rd string) {
	query := url.Values{"client_id": {"c"}, "state": {rand.Text() + ":" + rd}, "nonce": {rand.Text()}, "code_challenge": {rand.Text()}, "code_challenge_method": {"S256"}}
	switch d.broken {
	case "no PKCE":
		query.Del("code_challenge")
	case "plain PKCE":
		query.Set("code_challenge_method", "plain")
	case "fixed nonce":
		query.Set("nonce", "fixed")
	case "fixed state":
		query.Set("state", "fixed")
	}
	cookie := http.Cookie{Name: "_app_csrf", Value: "x", Secure: d.broken != "cookie not Secure", HttpOnly: d.broken != "cookie not HttpOnly", SameSite: http.SameSiteLaxMode}
	if d.broken == "cookie for every site" {
		cookie.SameSite = http.SameSiteNoneMode
	}
	http.SetCookie(w, &cookie)
	w.Header().Set("Location", "https://idp.example/authorize?"+query.Encode())
	w.WriteHeader(http.StatusFound)
}

// page is the protected page, and whatever else is asked of the gateway.
func (d deployment) page(w http.ResponseWriter, r *http.Request) {
	open := map[string]bool{
		"open":                  true,
		"trusts a header":       r.Header.Get("X-Forwarded-User") != "",
		"trusts underscores":    r.Header.Get("X_Auth_Request_User") != "",
		"trusts X-Original-URL": r.Header.Get("X-Original-Url") == "/ping",
		"lets POST in":          r.Method == http.MethodPost,
		"takes any token":       strings.HasPrefix(r.Header.Get("Authorization"), "Bearer "),
		"confused by dots":      strings.Contains(r.URL.Path, "..") && path.Clean(r.URL.Path) == "/app",
		"confused by slashes":   strings.HasPrefix(r.URL.Path, "//"),
		"confused by %2f":       strings.Contains(r.URL.RawPath, "%2f"),
	}
	if open[d.broken] {
		fmt.Fprint(w, "the page")
		return
	}
	asked := "http://" + r.Host + r.URL.RequestURI()
	switch d.broken {
	case "answers 401":
		w.WriteHeader(http.StatusUnauthorized)
		return
	case "forgets rd":
		asked = ""
	case "loses the query":
		asked, _, _ = strings.Cut(asked, "?")
	case "does not escape":
		w.Header().Set("Location", "http://"+r.Host+"/oauth2/sign_in?rd="+asked)
		w.WriteHeader(http.StatusFound)
		return
	case "another sign-in":
		w.Header().Set("Location", "http://"+r.Host+"/login?rd="+url.QueryEscape(asked))
		w.WriteHeader(http.StatusFound)
		return
	}
	w.Header().Set("Location", "http://"+r.Host+"/oauth2/sign_in?rd="+url.QueryEscape(asked))
	w.WriteHeader(http.StatusFound)
}

// judgeOutside judges a server by its addresses alone and returns the findings by requirement.
func judgeOutside(t *testing.T, catalogue *Catalogue, o Outside, addresses map[string]string, with func(*subject.OutsideOptions)) map[string]contract.Finding {
	t.Helper()
	options := subject.OutsideOptions{GatewayURL: o.Gateway, AuthURL: o.Auth, SignInURL: o.SignIn, Addresses: addresses}
	if with != nil {
		with(&options)
	}
	s, err := subject.NewOutside(options)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]contract.Finding{}
	for _, f := range findings((&Judge{Subject: s, Redactor: exchange.NewRedactor()}).Run(t.Context(), catalogue.FromOutside(o).Checks)) {
		found[f.Requirement] = f
	}
	return found
}

func outsideOf(base string) Outside {
	return Outside{Gateway: base + "/app", Auth: base + "/oauth2/auth", SignIn: base + "/oauth2/sign_in"}
}

func TestEveryCheckFromOutsideTurnsRedAndIsGreenOtherwise(t *testing.T) {
	catalogue, err := NewCatalogue(fixtures.FS())
	if err != nil {
		t.Fatal(err)
	}
	killed := map[string]bool{}
	for broken, red := range map[string][]string{
		"":                       nil,
		"open":                   {"STATUS-DENIED-NEVER-REACHES-BACKEND", "STATUS-AUTH-401-SIGNIN", "REDIRECT-SIGNIN-RD-APPENDED"},
		"trusts a header":        {"STATUS-DENIED-NEVER-REACHES-BACKEND"},
		"trusts underscores":     {"STATUS-DENIED-NEVER-REACHES-BACKEND"},
		"trusts X-Original-URL":  {"STATUS-DENIED-NEVER-REACHES-BACKEND"},
		"lets POST in":           {"STATUS-DENIED-NEVER-REACHES-BACKEND"},
		"takes any token":        {"STATUS-DENIED-NEVER-REACHES-BACKEND"},
		"confused by dots":       {"STATUS-DENIED-NEVER-REACHES-BACKEND"},
		"confused by slashes":    {"STATUS-DENIED-NEVER-REACHES-BACKEND"},
		"confused by %2f":        {"STATUS-DENIED-NEVER-REACHES-BACKEND"},
		"answers 401":            {"STATUS-AUTH-401-SIGNIN", "REDIRECT-SIGNIN-RD-APPENDED"},
		"another sign-in":        {"STATUS-AUTH-401-SIGNIN"},
		"forgets rd":             {"REDIRECT-SIGNIN-RD-APPENDED"},
		"loses the query":        {"REDIRECT-SIGNIN-RD-APPENDED"},
		"does not escape":        {"REDIRECT-SIGNIN-RD-APPENDED"},
		"auth redirects":         {"PROXY-AUTH-NO-SESSION-401"},
		"auth lets everybody in": {"PROXY-AUTH-NO-SESSION-401"},
		"auth may be stored":     {"PROXY-NO-STORE"},
		"/ping":                  {"PROXY-PING-READY"},
		"/ready":                 {"PROXY-PING-READY"},
		"no PKCE":                {"SIGNIN-PKCE"},
		"plain PKCE":             {"SIGNIN-PKCE"},
		"fixed nonce":            {"SIGNIN-STATE-NONCE"},
		"fixed state":            {"SIGNIN-STATE-NONCE"},
		"cookie not Secure":      {"LOGIN-COOKIE-SECURE"},
		"cookie not HttpOnly":    {"LOGIN-COOKIE-HTTPONLY"},
		"cookie for every site":  {"LOGIN-COOKIE-SAMESITE"},
		"takes every rd":         {"REDIRECT-RD-FOREIGN-HOST", "SIGNOUT-RD"},
	} {
		t.Run(broken, func(t *testing.T) {
			server := httptest.NewServer(deployment{broken})
			defer server.Close()
			found := judgeOutside(t, catalogue, outsideOf(server.URL), nil, nil)
			want := map[string]bool{}
			for _, id := range red {
				want[id], killed[id] = true, true
			}
			for _, r := range catalogue.Contract.Judged() {
				f := found[r.ID]
				switch {
				case f.Verdict == "":
					t.Errorf("%s has no finding", r.ID)
				case want[r.ID] != (f.Verdict == contract.Fail) || f.Verdict == contract.Blocked:
					t.Errorf("%s: %s %s", r.ID, f.Verdict, f.Reason)
				}
			}
		})
	}
	for _, check := range outsideOf("https://a.example").checks() {
		for _, id := range check.Requirements {
			if !killed[id] {
				t.Errorf("nothing turns %s red from outside", id)
			}
		}
	}
}

func TestFromOutsideOnlyWhatWasNamedIsAsked(t *testing.T) {
	catalogue, err := NewCatalogue(fixtures.FS())
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		handler http.HandlerFunc
		want    contract.Verdict
	}{
		"a 401":                       {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, contract.Pass},
		"a redirect nobody asked for": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) }, contract.Fail},
	} {
		server := httptest.NewServer(row.handler)
		found := judgeOutside(t, catalogue, Outside{Gateway: server.URL + "/app"}, nil, nil)
		server.Close()
		if f := found["STATUS-AUTH-401-DENIES"]; f.Verdict != row.want {
			t.Errorf("%s: %s %s", name, f.Verdict, f.Reason)
		}
		for id, reason := range map[string]string{"SIGNIN-PKCE": "no --signin-url was given", "PROXY-NO-STORE": "no --auth-url was given", "SIGNIN-ALREADY": "cannot be judged from outside"} {
			if f := found[id]; f.Verdict != contract.NotApplicable || f.Reason != reason {
				t.Errorf("%s: %s %q", id, f.Verdict, f.Reason)
			}
		}
	}
}

// TestTheReferenceSubjectHoldsFromOutside asks the real listeners of nginx, proxy and identity provider on loopback.
func TestTheReferenceSubjectHoldsFromOutside(t *testing.T) {
	if testing.Short() {
		t.Skip("starts nginx")
	}
	catalogue, err := NewCatalogue(fixtures.FS())
	if err != nil {
		t.Fatal(err)
	}
	local, err := subject.NewLocal(t.Context(), subject.LocalOptions{Gateways: []subject.GatewayConfig{{Name: subject.MainGateway, TLS: true}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := local.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	r := appRoute("outside")
	if err := local.Gateway.Expose(t.Context(), []subject.Route{r}); err != nil {
		t.Fatal(err)
	}
	address, ok := local.Resolve("https", Host(r))
	if !ok {
		t.Fatal("nobody serves the route")
	}
	o := Outside{Gateway: URL(r, "/app"), Auth: authEndpoint(""), SignIn: publicURL("auth") + "/oauth2/sign_in"}
	found := judgeOutside(t, catalogue, o, map[string]string{"https": address}, func(o *subject.OutsideOptions) { o.Roots = local.Roots })
	judged := 0
	for id, f := range found {
		if f.Verdict == contract.Fail || f.Verdict == contract.Blocked {
			t.Errorf("%s: %s %s", id, f.Verdict, f.Reason)
		}
		if f.Verdict == contract.Pass {
			judged++
		}
	}
	if judged < 13 {
		t.Errorf("only %d requirements were judged", judged)
	}
}
