// SPDX-License-Identifier: Apache-2.0

package mockidp_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ingress-auth/conformance/mockidp"
)

// lab is a provider on loopback with one client, and the parts of a login one by one.
type lab struct {
	*mockidp.Provider
	t      *testing.T
	issuer string
	client *http.Client
	waited atomic.Int64
	hung   chan struct{}
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, hung: make(chan struct{}, 10)}
	server := httptest.NewUnstartedServer(nil)
	l.issuer = "http://" + server.Listener.Addr().String()
	cfg := testConfig()
	cfg.Issuer, cfg.AutoLogin = l.issuer, "alice"
	provider, err := mockidp.New(cfg, mockidp.WithSigningKeys(testKeys()...), mockidp.WithFaultWait(l.wait))
	if err != nil {
		t.Fatal(err)
	}
	l.Provider, server.Config.Handler = provider, provider
	server.Start()
	t.Cleanup(server.Close)
	l.client = &http.Client{Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(l.client.CloseIdleConnections)
	return l
}

// wait passes time at once, but for the five minutes of a hang, which last until the client gives up.
func (l *lab) wait(ctx context.Context, d time.Duration) error {
	if d >= 5*time.Minute {
		l.hung <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	l.waited.Add(int64(d))
	return ctx.Err()
}

// seen is what came over the wire.
type seen struct {
	status int
	proto  string
	header http.Header
	body   []byte
	err    error // of the exchange or of reading the body
	early  int
	large  bool // more than limit came
}

const seenLimit = 12 << 20

func (l *lab) send(r *http.Request) seen {
	l.t.Helper()
	var s seen
	ctx, cancel := context.WithCancel(httptrace.WithClientTrace(l.t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(int, textproto.MIMEHeader) error { s.early++; return nil }}))
	defer cancel()
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-l.hung:
			cancel()
		case <-done:
		}
	}()
	response, err := l.client.Do(r.WithContext(ctx))
	if err != nil {
		s.err = err
		return s
	}
	defer response.Body.Close()
	s.status, s.header, s.proto = response.StatusCode, response.Header, response.Proto
	s.body, s.err = io.ReadAll(io.LimitReader(response.Body, seenLimit))
	s.large = len(s.body) == seenLimit
	return s
}

func (l *lab) request(method, rawURL string, form url.Values) *http.Request {
	l.t.Helper()
	r, err := http.NewRequestWithContext(l.t.Context(), method, rawURL, strings.NewReader(form.Encode()))
	if err != nil {
		l.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		basicAuth("app", "s3cret")(r)
	}
	return r
}

// prepare does what must have gone well before the endpoint is asked, and returns the request to it.
func (l *lab) prepare(issuer, endpoint, grant string) *http.Request {
	l.t.Helper()
	authorize := l.request("GET", issuer+"/authorize?"+authParams("scope", "openid email groups offline_access", "state", "st").Encode(), nil)
	switch endpoint {
	case mockidp.EndpointDiscovery:
		return l.request("GET", issuer+"/.well-known/openid-configuration", nil)
	case mockidp.EndpointJWKS:
		return l.request("GET", issuer+"/jwks", nil)
	case mockidp.EndpointAuthorization:
		return authorize
	}
	back, err := url.Parse(l.send(authorize).header.Get("Location"))
	if err != nil {
		l.t.Fatal(err)
	}
	redeem := l.request("POST", issuer+"/token", codeParams(back.Query().Get("code")))
	if endpoint == mockidp.EndpointToken && grant != "refresh_token" {
		return redeem
	}
	var got tokens
	if err := json.Unmarshal(l.send(redeem).body, &got); err != nil {
		l.t.Fatal(err)
	}
	switch endpoint {
	case mockidp.EndpointToken:
		return l.request("POST", issuer+"/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.RefreshToken}})
	case mockidp.EndpointUserinfo:
		r := l.request("GET", issuer+"/userinfo", nil)
		r.Header.Set("Authorization", "Bearer "+got.AccessToken)
		return r
	}
	return l.request("GET", issuer+"/end_session?"+url.Values{"id_token_hint": {got.IDToken}, "state": {"bye"},
		"post_logout_redirect_uri": {"https://app.example/bye"}}.Encode(), nil)
}

// TestFaults_EachIsOnTheWire stages every row and reads the answer with other code than what made it.
func TestFaults_EachIsOnTheWire(t *testing.T) {
	faults, err := mockidp.Faults()
	if err != nil {
		t.Fatal(err)
	}
	l := newLab(t)
	for _, f := range faults {
		elsewhere := f.Endpoint == mockidp.EndpointConnection || f.Endpoint == mockidp.EndpointLogoutToken ||
			strings.HasPrefix(f.ID, "L-FCL-") // tests of their own
		if !f.Staged() || elsewhere {
			continue
		}
		endpoints := []string{f.Endpoint}
		if f.Endpoint == mockidp.AnyEndpoint {
			endpoints = []string{mockidp.EndpointToken, mockidp.EndpointDiscovery, mockidp.EndpointJWKS, mockidp.EndpointUserinfo}
		}
		for _, endpoint := range endpoints {
			t.Run(f.ID+"@"+endpoint, func(t *testing.T) {
				here := &lab{Provider: l.Provider, t: t, issuer: l.issuer, client: l.client, hung: l.hung}
				here.stage(f, endpoint, l)
			})
		}
	}
}

func (l *lab) stage(f mockidp.Fault, endpoint string, shared *lab) {
	l.t.Helper()
	normal := l.send(l.prepare(l.issuer, endpoint, f.Deviation.Grant))
	if normal.err != nil || normal.status >= 400 {
		l.t.Fatalf("without the fault: status %d, %v", normal.status, normal.err)
	}
	request := l.prepare(l.issuer, endpoint, f.Deviation.Grant)
	rule, err := l.AddFault(mockidp.FaultRule{Fault: f.ID, Endpoint: endpoint, Times: mockidp.FaultForever})
	if err != nil {
		l.t.Fatal(err)
	}
	defer l.ClearFaults()
	shared.waited.Store(0)
	if n := f.Deviation.Every; n > 1 {
		for range n - 1 {
			if got := l.send(request.Clone(l.t.Context())); got.status != normal.status {
				l.t.Errorf("status %d before the %d-th request", got.status, n)
			}
		}
		request = l.request(request.Method, request.URL.String(), nil)
	}
	got := l.send(request)
	l.checkWire(f.Deviation, normal, got, time.Duration(shared.waited.Load()))
	for _, also := range f.Deviation.Also {
		l.checkWire(&also.Deviation, seen{}, l.send(l.prepare(l.issuer, also.Endpoint, "")), 0)
	}
	if list := l.ActiveFaults(); len(list) != 1 || list[0].ID != rule.ID || list[0].Fired == 0 {
		l.t.Errorf("the rules are %+v", list)
	}
	l.ClearFaults()
	after := l.send(l.prepare(l.issuer, endpoint, f.Deviation.Grant))
	if after.status != normal.status || after.header.Get("Content-Type") != normal.header.Get("Content-Type") {
		l.t.Errorf("when the fault is over: status %d, %v", after.status, after.err)
	}
	if stable := endpoint == mockidp.EndpointDiscovery || endpoint == mockidp.EndpointJWKS; stable && !bytes.Equal(after.body, normal.body) {
		l.t.Error("when the fault is over the document is not the one it was")
	}
}

func (l *lab) checkWire(d *mockidp.Deviation, normal, got seen, waited time.Duration) {
	l.t.Helper()
	if d.HTTP != nil {
		l.checkHTTP(d.HTTP, normal, got, waited)
		return
	}
	if got.err != nil {
		l.t.Fatalf("the answer cannot be read: %v", got.err)
	}
	if d.Claims != nil || d.JOSE != nil {
		l.checkToken(d, normal, got)
	}
	if d.JSON != nil {
		l.checkJSON(d.JSON, normal.body, got.body)
	}
	if d.Keys != nil {
		l.checkKeys(d.Keys, got.body)
	}
	if d.Redirect != nil {
		l.checkRedirect(d.Redirect, normal, got)
	}
}

// checkJSON looks for what each edit leaves, in the text where an object would hide it.
func (l *lab) checkJSON(e *mockidp.JSONEdit, before, after []byte) {
	l.t.Helper()
	var was, is map[string]any
	_ = json.Unmarshal(before, &was) // may be missing
	if err := json.Unmarshal(after, &is); err != nil {
		l.t.Fatalf("not an object: %v", err)
	}
	for name, want := range e.Set {
		text, ok := want.(string)
		if value, there := is[name]; !there || (ok && !strings.Contains(text, "${") && value != text) || (!ok && reflect.TypeOf(value) != reflect.TypeOf(want)) {
			l.t.Errorf("%s is %v, want %v", name, value, want)
		}
		if was != nil && reflect.DeepEqual(is[name], was[name]) {
			l.t.Errorf("%s is what it always is: %v", name, is[name])
		}
	}
	for _, name := range e.Remove {
		if _, ok := is[name]; ok {
			l.t.Errorf("%s is still there", name)
		}
	}
	for name, suffix := range e.Append {
		if value, ok := is[name].(string); !ok || !strings.HasSuffix(value, suffix) || value == was[name] {
			l.t.Errorf("%s is %v, want %q at its end", name, is[name], suffix)
		}
	}
	for name, offset := range e.Seconds {
		value, ok := is[name].(float64)
		if at := time.Unix(int64(value), 0); !ok || time.Until(at) > time.Duration(offset)*time.Second || time.Since(at) > time.Duration(-offset)*time.Second+time.Minute {
			l.t.Errorf("%s is %v, want now and %d s", name, is[name], offset)
		}
	}
	for name, n := range e.Lists {
		if list, ok := is[name].([]any); !ok || len(list) != n {
			l.t.Errorf("%s has not %d members", name, n)
		}
	}
	for name, text := range e.Raw {
		if !bytes.Contains(after, []byte(`"`+name+`":`+text)) {
			l.t.Errorf("%s is not the text %s", name, text)
		}
	}
	for _, twice := range []map[string]string{e.First, e.Last} {
		for name, text := range twice {
			if bytes.Count(after, []byte(`"`+name+`":`)) != 2 || !bytes.Contains(after, []byte(text)) {
				l.t.Errorf("%s is not there twice", name)
			}
		}
	}
}

func tokenIn(body []byte) string {
	var response map[string]any
	if json.Unmarshal(body, &response) != nil {
		return string(body) // userinfo as a JWT
	}
	token, _ := response["id_token"].(string)
	return token
}

func (l *lab) checkToken(d *mockidp.Deviation, normal, got seen) {
	l.t.Helper()
	token := tokenIn(got.body)
	parts := strings.Split(token, ".")
	if d.JOSE != nil && d.JOSE.Form != "" {
		compact := len(parts) == 3 && strings.IndexFunc(token, func(r rune) bool { return r == '=' || r == ' ' }) < 0 && parts[1] != ""
		if compact {
			l.t.Errorf("the token is in the compact form: %.40s", token)
		}
		return
	}
	if len(parts) != 3 {
		l.t.Fatalf("the token has %d parts", len(parts))
	}
	header, payload := decodePart(l.t, parts[0]), decodePart(l.t, parts[1])
	if d.Claims != nil {
		var before []byte
		if old := strings.Split(tokenIn(normal.body), "."); len(old) == 3 {
			before = decodePart(l.t, old[1])
		}
		l.checkJSON(d.Claims, before, payload)
	}
	sign := ""
	if d.JOSE != nil {
		sign = d.JOSE.Sign
		if d.JOSE.Header != nil {
			l.checkJSON(d.JOSE.Header, nil, header)
		}
	}
	// A change that leaves the signing alone must leave the signature good, or it would test something else.
	wantGood := sign == "" || sign == "ps256" || sign == "es256"
	if good := l.signedByUs(parts); good != wantGood {
		l.t.Errorf("signature good: %t, want %t; header %s", good, wantGood, header)
	}
}

// signedByUs verifies with each published key, whatever the header says, so that edits of the header do not matter.
func (l *lab) signedByUs(parts []string) bool {
	input := parts[0] + "." + parts[1]
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return false
	}
	for _, key := range testKeys() {
		if verifies(key.Key.Public(), []byte(input), signature) {
			return true
		}
	}
	return false
}

func decodePart(t *testing.T, part string) []byte {
	t.Helper()
	decoded, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}

func (l *lab) checkKeys(e *mockidp.KeysEdit, body []byte) {
	l.t.Helper()
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(body, &set); err != nil {
		l.t.Fatal(err)
	}
	has := func(name string, value any) bool {
		return slices.ContainsFunc(set.Keys, func(k map[string]any) bool { return k[name] == value })
	}
	for _, key := range slices.Concat(e.Before, e.After) {
		for name, want := range key {
			if want != "${kid}" && !has(name, want) {
				l.t.Errorf("no key has %s %v", name, want)
			}
		}
	}
	if e.Publish != "" && !e.Impostor && !has("kid", e.Publish) {
		l.t.Errorf("the %s key is not published", e.Publish)
	}
	if e.Each != nil {
		for name, want := range e.Each.Set {
			if _, ok := want.(string); ok && !has(name, want) {
				l.t.Errorf("no key has %s %v", name, want)
			}
		}
		for _, name := range e.Each.Remove {
			if slices.ContainsFunc(set.Keys, func(k map[string]any) bool { return k[name] != nil }) {
				l.t.Errorf("a key has %s", name)
			}
		}
	}
	if e.Private && !slices.ContainsFunc(set.Keys, func(k map[string]any) bool { return k["d"] != nil }) {
		l.t.Error("no key has its private part")
	}
	var parsed jose.JSONWebKeySet
	ours := 0
	if json.Unmarshal(body, &parsed) == nil {
		for _, k := range parsed.Keys {
			for _, own := range testKeys() {
				if reflect.DeepEqual(k.Public().Key, own.Key.Public()) {
					ours++
				}
			}
		}
		want := 2
		if e.Drop {
			want = 0
		} else if e.Only != "" || e.Impostor {
			want = 1
		}
		if e.Each == nil && ours != want {
			l.t.Errorf("%d keys of ours, want %d", ours, want)
		}
	}
}

func (l *lab) checkRedirect(e *mockidp.RedirectEdit, normal, got seen) {
	l.t.Helper()
	location, err := url.Parse(got.header.Get("Location"))
	if err != nil {
		l.t.Fatal(err)
	}
	query := location.Query()
	switch e.Mode {
	case "form_post":
		if got.status != 200 || !strings.Contains(string(got.body), `method="post" action="`+callback+`"`) || !strings.Contains(string(got.body), `name="code"`) {
			l.t.Errorf("status %d, no form: %s", got.status, got.body)
		}
		return
	case "fragment":
		if !strings.Contains(location.Fragment, "code=") || query.Has("code") {
			l.t.Errorf("Location %s", location)
		}
		return
	}
	for name, want := range e.Set {
		if !query.Has(name) || (!strings.Contains(want, "${") && query.Get(name) != want) {
			l.t.Errorf("%s is %q, want %q", name, query.Get(name), want)
		}
	}
	for _, name := range e.Remove {
		if query.Has(name) {
			l.t.Errorf("%s is still there", name)
		}
	}
	before, _ := url.Parse(normal.header.Get("Location"))
	for name, suffix := range e.Append {
		if query.Get(name) != before.Query().Get(name)+suffix {
			l.t.Errorf("%s is %q", name, query.Get(name))
		}
	}
	for name := range e.Repeat {
		if len(query[name]) != 2 {
			l.t.Errorf("%s is there %d times", name, len(query[name]))
		}
	}
	if e.PercentSpaces && !strings.Contains(location.RawQuery, "%20") {
		l.t.Errorf("no %%20 in %s", location.RawQuery)
	}
	if e.Path != "" && !strings.HasSuffix(location.Path, e.Path) {
		l.t.Errorf("path %s", location.Path)
	}
	if e.Target != "" && location.Host == before.Host {
		l.t.Errorf("it goes to %s", location.Host)
	}
	if e.Status != 0 && got.status != e.Status {
		l.t.Errorf("status %d", got.status)
	}
}

func (l *lab) checkHTTP(e *mockidp.HTTPEdit, normal, got seen, waited time.Duration) {
	l.t.Helper()
	if e.Transport != "" && !l.checkTransport(e.Transport, normal, got) {
		return
	}
	if got.err != nil {
		l.t.Fatalf("the answer cannot be read: %v", got.err)
	}
	if e.Status != 0 && got.status != e.Status {
		l.t.Errorf("status %d, want %d", got.status, e.Status)
	}
	for name, want := range e.Headers {
		if value := got.header.Get(name); value != want && !strings.Contains(want, "${") {
			l.t.Errorf("%s is %q, want %q", name, value, want)
		}
	}
	if e.Body != nil && string(got.body) != *e.Body {
		l.t.Errorf("body %q, want %q", got.body, *e.Body)
	}
	if e.Redirect != "" && got.header.Get("Location") == "" {
		l.t.Error("no Location")
	}
	if (e.Prefix != "" && !bytes.HasPrefix(got.body, []byte(e.Prefix))) || (e.Suffix != "" && !bytes.HasSuffix(got.body, []byte(e.Suffix))) {
		l.t.Errorf("body %.20q ... without prefix or suffix", got.body)
	}
	if e.Cut && json.Valid(got.body) {
		l.t.Error("the JSON is whole")
	}
	if e.DelaySeconds > 0 && waited != time.Duration(e.DelaySeconds)*time.Second {
		l.t.Errorf("it waited for %s", waited)
	}
	if e.DripSeconds > 0 && waited < time.Duration(len(got.body))*time.Second {
		l.t.Errorf("it waited for %s and sent %d bytes", waited, len(got.body))
	}
	if e.SpaceBytes > 0 && (!got.large || len(bytes.TrimSpace(got.body)) > 0) {
		l.t.Errorf("%d bytes came", len(got.body))
	}
	if n := len(got.header); n < e.ManyHeaders {
		l.t.Errorf("%d headers", n)
	}
}

// checkTransport reports whether there is an answer to look at.
func (l *lab) checkTransport(transport string, normal, got seen) bool {
	l.t.Helper()
	good := false
	switch transport {
	case "hang":
		good = errors.Is(got.err, context.Canceled)
	case "reset":
		good = got.err != nil && got.status == 0 && strings.Contains(got.err.Error(), "reset")
	case "close":
		good = got.err != nil && got.status == 0 && strings.Contains(got.err.Error(), "EOF")
	case "close-mid", "length-too-long":
		good = got.status == 200 && errors.Is(got.err, io.ErrUnexpectedEOF)
	case "length-too-short":
		good = got.err == nil && !json.Valid(got.body)
	case "bad-chunk", "gzip-lie":
		good = got.status == 200 && got.err != nil
	case "gzip-bomb":
		good = got.large
	case "informational":
		good = got.early > 1 && (got.err != nil || got.early == 1000)
	case "http-1.0":
		good = got.proto == "HTTP/1.0" && got.err == nil && json.Valid(got.body)
	case "not-http":
		good = got.err != nil && strings.Contains(got.err.Error(), "malformed HTTP")
	case "close-after":
		good = got.err == nil && got.status == normal.status && json.Valid(got.body)
	}
	if !good {
		l.t.Errorf("%s: status %d, %d bytes, %v", transport, got.status, len(got.body), got.err)
	}
	return false
}

// verifies tries the signature as RS256, PS256 and ES256.
func verifies(key crypto.PublicKey, input, signature []byte) bool {
	hash := sha256.Sum256(input)
	switch key := key.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, hash[:], signature) == nil || rsa.VerifyPSS(key, crypto.SHA256, hash[:], signature, nil) == nil
	case *ecdsa.PublicKey:
		return len(signature) == 64 && ecdsa.Verify(key, hash[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
	}
	return false
}

// A client that redeems its code under a fault for another client, or without one, sees no difference.
func TestFaults_OthersAreLeftAlone(t *testing.T) {
	l := newLab(t)
	normal := l.send(l.prepare(l.issuer, mockidp.EndpointToken, ""))
	if _, err := l.AddFault(mockidp.FaultRule{Fault: "T-NO-ID-TOKEN", ClientID: "other", Times: mockidp.FaultForever}); err != nil {
		t.Fatal(err)
	}
	got := l.send(l.prepare(l.issuer, mockidp.EndpointToken, ""))
	if got.status != 200 || tokenIn(got.body) == "" || !reflect.DeepEqual(got.header.Get("Content-Type"), normal.header.Get("Content-Type")) {
		t.Errorf("status %d: %s", got.status, got.body)
	}
	if list := l.ActiveFaults(); list[0].Fired != 0 {
		t.Errorf("it fired %d times", list[0].Fired)
	}
}

func TestFaults_HappenAsOftenAsAsked(t *testing.T) {
	for times, want := range map[int][]int{0: {500, 200, 200}, 2: {500, 500, 200}, mockidp.FaultForever: {500, 500, 500}} {
		l := newLab(t)
		if _, err := l.AddFault(mockidp.FaultRule{Fault: "D-500", Times: times}); err != nil {
			t.Fatal(err)
		}
		for i, status := range want {
			if got := l.send(l.prepare(l.issuer, mockidp.EndpointDiscovery, "")); got.status != status {
				t.Errorf("times %d: request %d gets %d, want %d", times, i+1, got.status, status)
			}
		}
	}
}

func TestFaults_AreQueuedInOrder(t *testing.T) {
	l := newLab(t)
	for _, id := range []string{"D-500", "D-404", "J-500"} {
		if _, err := l.AddFault(mockidp.FaultRule{Fault: id}); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []int{500, 404, 200} {
		if got := l.send(l.prepare(l.issuer, mockidp.EndpointDiscovery, "")); got.status != want {
			t.Errorf("status %d, want %d", got.status, want)
		}
	}
}

// A login page is not yet the answer: the fault waits for the redirect that follows it.
func TestFaults_WaitForTheLoginPage(t *testing.T) {
	s := newIDP(t, nil)
	if _, err := s.AddFault(mockidp.FaultRule{Fault: "A-ISS-WRONG", ClientID: "app"}); err != nil {
		t.Fatal(err)
	}
	if got := s.redirected(s.login("alice"), callback).Get("iss"); got == issuer || got == "" {
		t.Errorf("iss is %q", got)
	}
}

// An issuer that a URL names is wrong in its one way and right in all else, by discovery as by its tokens.
func TestFaultIssuer_IsWrongByItsURL(t *testing.T) {
	l := newLab(t)
	wrong, err := l.FaultIssuer("C-AUD")
	if err != nil || wrong != l.issuer+"/faults/C-AUD" {
		t.Fatalf("%s, %v", wrong, err)
	}
	var doc map[string]any
	if err := json.Unmarshal(l.send(l.prepare(wrong, mockidp.EndpointDiscovery, "")).body, &doc); err != nil || doc["issuer"] != wrong || doc["token_endpoint"] != wrong+"/token" {
		t.Fatalf("%v, %v", doc, err)
	}
	for range 2 { // for ever
		parts := strings.Split(tokenIn(l.send(l.prepare(wrong, mockidp.EndpointToken, "")).body), ".")
		var claims map[string]any
		if err := json.Unmarshal(decodePart(t, parts[1]), &claims); err != nil || claims["aud"] != "app1" || claims["iss"] != wrong || !l.signedByUs(parts) {
			t.Errorf("%v, %v", claims, err)
		}
	}
	for path, want := range map[string]int{"/faults/H-HANG@jwks/.well-known/openid-configuration": 200, "/faults/D-500/jwks": 200,
		"/faults/NONE/jwks": 200, "/faults/NOPE/jwks": 404, "/faults/X-CLICKJACK/jwks": 404, "/faults/c-aud/jwks": 404, "/faults/H-TLS-EXPIRED/jwks": 404, "/faults/C-AUD@jwks/jwks": 404} {
		if got := l.send(l.request("GET", l.issuer+path, nil)); got.status != want {
			t.Errorf("%s: %d, want %d", path, got.status, want)
		}
	}
}

func TestAddFault_SaysWhatIsWrong(t *testing.T) {
	l := newLab(t)
	for want, rule := range map[string]mockidp.FaultRule{
		"near it are C-AUD":   {Fault: "C-AUDX-AUD"},
		"there is no fault":   {Fault: "nothing"},
		"cannot be staged":    {Fault: "X-CLICKJACK"},
		"fault of token, not": {Fault: "C-AUD@jwks"},
		"must be one of":      {Fault: "H-HANG@nowhere"},
		"has no client":       {Fault: "D-500", ClientID: "app"},
		"no client \"x\"":     {Fault: "C-AUD", ClientID: "x"},
		"must be -1":          {Fault: "C-AUD", Times: -2},
		"not both":            {Fault: "C-AUD", Deviation: &mockidp.Deviation{}},
		"is empty":            {Endpoint: "token"},
		"goes with the":       {Endpoint: "token", Deviation: &mockidp.Deviation{Connection: "expired"}},
		"connection: \"x\"":   {Endpoint: "connection", Deviation: &mockidp.Deviation{Connection: "x"}},
		"only a logout_token": {Endpoint: "token", Deviation: &mockidp.Deviation{Repeat: 2}},
		"repeat: -1":          {Endpoint: "logout_token", Deviation: &mockidp.Deviation{Repeat: -1}},
		"claims, jose and":    {Endpoint: "logout_token", Deviation: &mockidp.Deviation{HTTP: &mockidp.HTTPEdit{Status: 500}}},
		"http.status":         {Endpoint: "token", Deviation: &mockidp.Deviation{HTTP: &mockidp.HTTPEdit{Status: 99}}},
		"jose.sign":           {Endpoint: "token", Deviation: &mockidp.Deviation{JOSE: &mockidp.JOSEEdit{Sign: "x"}}},
	} {
		if _, err := l.AddFault(rule); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", rule, err, want)
		}
	}
}

// A fault in one tenant is not in another, nor in the first issuer.
func TestFaults_StayInTheirTenant(t *testing.T) {
	l := newLab(t)
	tenant, err := l.AddTenant(mockidp.Tenant{Path: "/realms/a"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.AddTenant(mockidp.Tenant{Path: "/realms/b"}); err != nil {
		t.Fatal(err)
	}
	if _, err := tenant.AddFault(mockidp.FaultRule{Fault: "D-500", Times: mockidp.FaultForever}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"": 200, "/realms/a": 500, "/realms/b": 200} {
		if got := l.send(l.prepare(l.issuer+path, mockidp.EndpointDiscovery, "")); got.status != want {
			t.Errorf("%s: status %d, want %d", path, got.status, want)
		}
	}
}
