// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/ingress-auth/conformance/proxy/redisstore"
)

func openStore(t testing.TB, c RedisConfig) *redisstore.Store {
	t.Helper()
	redisstore.Quiet()
	store, err := redisstore.Open(redisstore.Options(c))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// storedAt keeps sessions at the server with this address.
func storedAt(addr string) func(*Config) {
	return func(c *Config) {
		c.SessionStoreType, c.Redis.ConnectionURL = SessionStoreRedis, "redis://"+addr+"/0"
		c.CookieRefresh, c.CookieExpire, c.PassAccessToken = time.Minute, time.Hour, true
	}
}

// replicas returns proxies that share one store and one provider, each with a browser of its own.
func replicas(t *testing.T, count int, change func(*Config)) ([]*fixture, *miniredis.Miniredis) {
	t.Helper()
	server := miniredis.RunT(t)
	c := newClock()
	op := newTestOP(t, c)
	var all []*fixture
	for range count {
		all = append(all, newFixtureWith(t, c, op, func(cfg *Config) {
			storedAt(server.Addr())(cfg)
			if change != nil {
				change(cfg)
			}
		}))
	}
	return all, server
}

// carry gives the session of one browser to another, as a cookie for a common domain would.
func carry(from, to *browser) { to.setCookie("_oauth2_proxy", from.cookie("_oauth2_proxy")) }

func sessionKeys(server *miniredis.Miniredis) []string {
	return slices.DeleteFunc(server.Keys(), func(key string) bool { return !strings.Contains(key, "-session-") })
}

func TestOneReplicaAcceptsTheSessionOfAnother(t *testing.T) {
	both, _ := replicas(t, 2, nil)
	a, b := both[0], both[1]
	resp := a.login("/x")
	wantHeader(t, resp, "Location", "/x")
	for _, c := range resp.Cookies() {
		if c.Name == "_oauth2_proxy" && (c.MaxAge != 3600 || len(c.String()) > 300) {
			t.Errorf("the ticket's cookie is %d bytes and lasts %d s", len(c.String()), c.MaxAge)
		}
	}
	carry(a.browser, b.browser)
	resp = b.get("/oauth2/auth")
	wantStatus(t, resp, http.StatusAccepted)
	wantHeader(t, resp, "X-Auth-Request-Email", "ann@example.com")
	wantHeader(t, resp, "Set-Cookie", "")
}

func TestSigningOutAtOneReplicaEndsTheSessionAtAll(t *testing.T) {
	both, server := replicas(t, 2, nil)
	a, b := both[0], both[1]
	a.login("/")
	carry(a.browser, b.browser)
	wantStatus(t, b.get("/oauth2/sign_out"), http.StatusFound)
	if b.cookie("_oauth2_proxy") != "" {
		t.Error("the cookie is kept")
	}
	resp := a.get("/oauth2/auth")
	wantStatus(t, resp, http.StatusUnauthorized)
	if !strings.Contains(resp.Header.Get("Set-Cookie"), "Max-Age=0") {
		t.Error("a ticket that leads nowhere is kept")
	}
	if keys := sessionKeys(server); len(keys) != 0 {
		t.Errorf("left in the store: %v", keys)
	}
}

func TestALoginGetsANewTicketAndEndsTheSessionBefore(t *testing.T) {
	both, server := replicas(t, 1, nil)
	f := both[0]
	f.login("/")
	planted := f.cookie("_oauth2_proxy")
	f.login("/")
	if f.cookie("_oauth2_proxy") == planted {
		t.Fatal("the ticket was used again: whoever planted it has the new session")
	}
	other := f.another()
	other.setCookie("_oauth2_proxy", planted)
	wantStatus(t, other.get("/oauth2/auth"), http.StatusUnauthorized)
	wantStatus(t, f.get("/oauth2/auth"), http.StatusAccepted)
	if keys := sessionKeys(server); len(keys) != 1 {
		t.Errorf("%d sessions in the store", len(keys))
	}
}

func TestTheStoreShowsNothingAndForgesNothing(t *testing.T) {
	both, server := replicas(t, 1, func(c *Config) { c.BackchannelLogout = true })
	f := both[0]
	f.login("/")
	other := f.another()
	other.login("/")
	dump := server.Dump()
	u, _ := url.Parse(f.url)
	for _, c := range f.http.Jar.Cookies(u) {
		if strings.Contains(dump, c.Value) {
			t.Error("the store has the cookie's value")
		}
	}
	for _, secret := range []string{"ann", "u-1", "at-", "rt-", "dev"} {
		if strings.Contains(dump, secret) {
			t.Errorf("the store shows %q", secret)
		}
	}
	keys := sessionKeys(server)
	if len(keys) != 2 {
		t.Fatalf("%d sessions in the store", len(keys))
	}
	first, _ := server.Get(keys[0])
	second, _ := server.Get(keys[1])
	// One session's value in another's place, and a changed one.
	_ = server.Set(keys[0], second)
	_ = server.Set(keys[1], first)
	wantStatus(t, f.get("/oauth2/auth"), http.StatusUnauthorized)
	wantStatus(t, other.get("/oauth2/auth"), http.StatusUnauthorized)
	altered := []byte(first)
	altered[len(altered)/2] ^= 1
	_ = server.Set(keys[0], string(altered))
	r := requestWith(&http.Cookie{Name: "_oauth2_proxy", Value: f.cookie("_oauth2_proxy")})
	if d := f.proxy.authenticate(r); d.session != nil {
		t.Error("an altered session is accepted")
	}
}

func TestATicketIsMadeByTheProxyOnly(t *testing.T) {
	both, server := replicas(t, 1, nil)
	f := both[0]
	f.login("/")
	store := f.proxy.sessions.(*ticketStore)
	own := &session{Subject: "mallory", Refreshed: f.clock.Now().Unix(), Expires: f.clock.Now().Add(time.Minute).Unix(), ticket: newTicket()}
	sealed, err := store.seal(own)
	if err != nil {
		t.Fatal(err)
	}
	_ = server.Set(store.key(own.ticket.name()), string(sealed))
	plain := append(own.ticket.id[:], own.ticket.secret[:]...)
	foreign := testSealer(t, strings.ToUpper(testSecret), "ticket")
	inCookie := testSealer(t, testSecret, "session")
	for name, value := range map[string]string{
		"not sealed": base64.RawURLEncoding.EncodeToString(plain), "sealed with another secret": foreign.seal("_oauth2_proxy", plain),
		"sealed for the other store": inCookie.seal("_oauth2_proxy", plain), "sealed for another cookie": store.sealer.seal("other", plain),
		"too short": store.sealer.seal("_oauth2_proxy", plain[:40]),
	} {
		if d := f.proxy.authenticate(requestWith(&http.Cookie{Name: "_oauth2_proxy", Value: value})); d.session != nil || d.status != http.StatusUnauthorized {
			t.Errorf("%s: %+v", name, d)
		}
	}
	genuine := store.sealer.seal("_oauth2_proxy", plain)
	if d := f.proxy.authenticate(requestWith(&http.Cookie{Name: "_oauth2_proxy", Value: genuine})); d.session == nil {
		t.Error("the test's ticket would not be accepted in any case")
	}
}

func TestTheStoreForgetsASessionWhenItsTimeIsOver(t *testing.T) {
	both, server := replicas(t, 1, nil)
	f := both[0]
	f.login("/")
	if ttl := server.TTL(sessionKeys(server)[0]); ttl != time.Hour {
		t.Errorf("kept for %s", ttl)
	}
	f.clock.Advance(time.Minute)
	wantStatus(t, f.get("/oauth2/auth"), http.StatusAccepted)
	if ttl := server.TTL(sessionKeys(server)[0]); ttl != 59*time.Minute {
		t.Errorf("after a renewal kept for %s", ttl)
	}
	f.clock.Advance(59 * time.Minute)
	wantStatus(t, f.get("/oauth2/auth"), http.StatusUnauthorized) // by the proxy's clock, whatever the store still has
}

func TestReplicasRenewOnce(t *testing.T) {
	both, server := replicas(t, 2, nil)
	both[0].login("/")
	ticket := &http.Cookie{Name: "_oauth2_proxy", Value: both[0].cookie("_oauth2_proxy")}
	op := both[0].op
	for range 5 {
		both[0].clock.Advance(time.Minute)
		before, _ := op.hits()
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				if d := both[i%2].proxy.authenticate(requestWith(ticket)); d.session == nil || d.session.Refreshed != both[0].clock.Now().Unix() {
					t.Errorf("refused or not renewed: %s", d.reason)
				}
			})
		}
		all.Wait()
		if after, _ := op.hits(); after != before+1 {
			t.Errorf("the token endpoint was asked %d times", after-before)
		}
	}
	for _, key := range server.Keys() {
		if strings.Contains(key, "-lock-") {
			t.Error("the lock is left")
		}
	}
}

// The holder of the lock died: its lock runs out, and then another replica renews.
func TestALockThatNobodyReleasesRunsOut(t *testing.T) {
	both, server := replicas(t, 1, nil)
	f := both[0]
	f.login("/")
	f.clock.Advance(time.Minute)
	s, err := f.proxy.sessions.load(requestWith(&http.Cookie{Name: "_oauth2_proxy", Value: f.cookie("_oauth2_proxy")}))
	if err != nil {
		t.Fatal(err)
	}
	lock := "_oauth2_proxy-lock-" + s.ticket.name()
	_ = server.Set(lock, "another replica")
	server.SetTTL(lock, lockLife)
	seen := server.CommandCount()
	answered := make(chan *response)
	go func() { answered <- f.get("/oauth2/auth") }()
	for waiting := true; waiting; {
		select {
		case <-answered:
			t.Fatal("renewed in spite of the lock")
		default:
			waiting = server.CommandCount() < seen+6 // it has looked for the other's result a few times
		}
	}
	server.FastForward(lockLife)
	wantStatus(t, <-answered, http.StatusAccepted)
	if hits, _ := f.op.hits(); hits != 2 {
		t.Errorf("the token endpoint was asked %d times, want 2: login and renewal", hits)
	}
}

// Signing out wins over a renewal on its way.
func TestARenewalDoesNotBringASessionBack(t *testing.T) {
	both, server := replicas(t, 1, nil)
	f := both[0]
	f.login("/")
	f.clock.Advance(time.Minute)
	f.op.set(func() {
		f.op.tokenFail = func(url.Values) (int, string) { server.FlushAll(); return 0, "" }
	})
	wantStatus(t, f.get("/oauth2/auth"), http.StatusUnauthorized)
	if keys := sessionKeys(server); len(keys) != 0 {
		t.Errorf("back in the store: %v", keys)
	}
}

func TestAnOutageOfTheStoreIs503AndKeepsTheLogin(t *testing.T) {
	both, server := replicas(t, 1, func(c *Config) { c.Upstream = "static://200" })
	f := both[0]
	f.login("/")
	value := f.cookie("_oauth2_proxy")
	server.SetError("ERR away")
	for _, path := range []string{"/oauth2/auth", "/oauth2/userinfo", "/page", "/oauth2/sign_out", "/oauth2/sign_out?rd=/"} {
		resp := f.get(path)
		wantStatus(t, resp, http.StatusServiceUnavailable)
		wantHeader(t, resp, "Set-Cookie", "")
		wantHeader(t, resp, "Retry-After", retryAfterSeconds)
		if page := strings.Contains(resp.body, "still signed in"); page != (path == "/page" || strings.HasPrefix(path, "/oauth2/sign_out")) {
			t.Errorf("%s: page %v\n%s", path, page, resp.body)
		}
	}
	resp := f.get("/page", "Accept", "application/json")
	wantStatus(t, resp, http.StatusServiceUnavailable)
	wantHeader(t, resp, "Content-Type", "application/json")
	wantStatus(t, f.get("/oauth2/sign_in"), http.StatusOK)
	back := f.atProvider(f.begin("/x"))
	resp = f.get(back)
	wantStatus(t, resp, http.StatusServiceUnavailable)
	if !strings.Contains(resp.body, "cannot be stored") {
		t.Errorf("page:\n%s", resp.body)
	}
	if f.cookie("_oauth2_proxy") != value {
		t.Fatal("the cookie was touched")
	}
	wantStatus(t, f.another().get("/oauth2/auth"), http.StatusUnauthorized) // who has no ticket has no session
	server.SetError("")
	wantStatus(t, f.get("/oauth2/auth"), http.StatusAccepted)
	wantStatus(t, f.get("/oauth2/sign_out"), http.StatusFound)
	wantStatus(t, f.get("/oauth2/auth"), http.StatusUnauthorized)
}

func TestAStoreThatLostItsSessionsAsksToSignInAgain(t *testing.T) {
	both, server := replicas(t, 1, nil)
	f := both[0]
	f.login("/")
	server.FlushAll()
	resp := f.get("/oauth2/auth")
	wantStatus(t, resp, http.StatusUnauthorized)
	if f.cookie("_oauth2_proxy") != "" {
		t.Error("a ticket that leads nowhere is kept")
	}
	f.login("/")
	wantStatus(t, f.get("/oauth2/auth"), http.StatusAccepted)
}

// The identity provider rotated the refresh token and the store went away before it had the new one.
func TestARenewedSessionThatTheStoreDidNotTakeIsNotLost(t *testing.T) {
	both, server := replicas(t, 1, nil)
	f := both[0]
	f.proxy.sessions.(*ticketStore).patience = time.Millisecond
	f.login("/")
	f.clock.Advance(time.Minute)
	f.op.set(func() {
		f.op.tokenFail = func(url.Values) (int, string) { server.SetError("ERR away"); return 0, "" }
	})
	resp := f.get("/oauth2/auth")
	wantStatus(t, resp, http.StatusServiceUnavailable)
	wantHeader(t, resp, "Set-Cookie", "")
	server.SetError("")
	f.clock.Advance(2 * refreshMemory)
	server.FastForward(lockLife)
	wantStatus(t, f.get("/oauth2/auth"), http.StatusAccepted)
	f.op.set(func() { f.op.tokenFail = nil })
	f.clock.Advance(time.Minute)
	wantStatus(t, f.get("/oauth2/auth"), http.StatusAccepted)
	if f.op.get(func() bool { return f.op.reused > 0 }) {
		t.Error("a refresh token was used twice")
	}
}

func TestARefusedRenewalEndsTheSessionInTheStore(t *testing.T) {
	both, server := replicas(t, 1, nil)
	f := both[0]
	f.login("/")
	f.clock.Advance(time.Minute)
	f.op.set(func() { f.op.tokenFail = func(url.Values) (int, string) { return 400, "invalid_grant" } })
	wantStatus(t, f.get("/oauth2/auth"), http.StatusUnauthorized)
	if keys := sessionKeys(server); len(keys) != 0 {
		t.Errorf("left in the store: %v", keys)
	}
}

func TestReadyOnceTheStoreWasReached(t *testing.T) {
	both, server := replicas(t, 1, nil)
	f := both[0]
	server.SetError("NOAUTH Authentication required.")
	resp := f.get("/ready")
	wantStatus(t, resp, http.StatusServiceUnavailable)
	if !strings.Contains(resp.body, "session store") {
		t.Errorf("ready says %q", resp.body)
	}
	server.SetError("")
	wantStatus(t, f.get("/ready"), http.StatusOK)
	server.SetError("ERR away")
	wantStatus(t, f.get("/ready"), http.StatusOK)
}

func TestCookieSecretsRotate(t *testing.T) {
	const next = "ZYXWVUTSRQPONMLKJIHGFEDCBA987654"
	for _, kind := range []string{SessionStoreCookie, SessionStoreRedis} {
		t.Run(kind, func(t *testing.T) {
			server := miniredis.RunT(t)
			c := newClock()
			op := newTestOP(t, c)
			with := func(secret string, previous ...string) *fixture {
				return newFixtureWith(t, c, op, func(cfg *Config) {
					if kind == SessionStoreRedis {
						storedAt(server.Addr())(cfg)
					}
					cfg.CookieSecret = secret
					for _, p := range previous {
						cfg.PreviousCookieSecretFiles = append(cfg.PreviousCookieSecretFiles, writeFile(t, p+"\n"))
					}
				})
			}
			before, after, much := with("!"+testSecret[1:]), with(next, "!"+testSecret[1:]), with(next)
			before.login("/")
			for _, f := range []*fixture{after, much} {
				carry(before.browser, f.browser)
			}
			wantStatus(t, after.get("/oauth2/auth"), http.StatusAccepted)
			wantStatus(t, much.get("/oauth2/auth"), http.StatusUnauthorized)
			after.login("/")
			carry(after.browser, much.browser)
			wantStatus(t, much.get("/oauth2/auth"), http.StatusAccepted)
		})
	}
}

// Whatever a cookie says, reading a ticket ends without a session and without a panic, unless it is the genuine one.
func FuzzTicket(f *testing.F) {
	sealer, err := newSealer("ticket", []byte(testSecret))
	if err != nil {
		f.Fatal(err)
	}
	st := &ticketStore{name: "n", sealer: sealer, cookies: testCookies, now: time.Now}
	genuine := ticket{id: [ticketIDLength]byte{1, 2, 3}, secret: [ticketSecretLength]byte{4, 5, 6}} // the same in all processes that fuzz
	value := sealer.seal("n", append(genuine.id[:], genuine.secret[:]...))
	f.Add(value)
	f.Add("")
	f.Add(value[:20])
	f.Add(base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{1}, 77)))
	f.Fuzz(func(t *testing.T, value string) {
		if got, err := st.openTicket(value); err == nil && got != genuine {
			t.Errorf("%q opened", value)
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Cookie"] = []string{"n=" + value}
		_ = st.forget(r)
	})
}
