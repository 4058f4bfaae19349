// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"golang.org/x/sync/errgroup"
)

const (
	crowdWaves = 4
	// crowdParallel is how many requests one visitor sends at once with the same cookie.
	crowdParallel = 3
)

// crowd is many people who sign in while those who signed in before are renewed.
type crowd struct {
	t       *testing.T
	op      *testOP
	clock   *clock
	proxies []*Proxy // replicas behind one store
	// patient visitors try again after a 503, which a store that is restarted causes.
	patient bool
	refused atomic.Int64 // 503 answers
	renewed atomic.Int64 // visits that were due
}

func newCrowd(t *testing.T, replicas int, change func(*Config)) *crowd {
	c := &crowd{t: t, clock: newClock()}
	c.op = newTestOP(t, c.clock)
	for range replicas {
		cfg := testConfig(c.op.issuer)
		cfg.CookieRefresh, cfg.CookieExpire, cfg.RedirectURL = time.Minute, time.Hour, "https://app.test/oauth2/callback"
		options := Options{Clock: c.clock.Now, Logger: slog.New(slog.DiscardHandler)}
		if change != nil {
			change(&cfg)
			options.Store = openStore(t, cfg.Redis)
		}
		p, err := New(context.Background(), cfg, options)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close() })
		c.proxies = append(c.proxies, p)
	}
	return c
}

// run lets size people sign in, in waves. While a wave signs in, each one of the waves before sends several requests at once,
// all of them due for renewal. Between waves the clock goes on.
func (c *crowd) run(size int) {
	c.t.Helper()
	var here []*visitor
	for wave := range crowdWaves {
		group, _ := errgroup.WithContext(c.t.Context())
		group.SetLimit(16 * runtime.GOMAXPROCS(0))
		newcomers := make([]*visitor, size/crowdWaves)
		for i := range max(len(here), len(newcomers)) {
			if i < len(newcomers) {
				newcomers[i] = &visitor{crowd: c, name: fmt.Sprintf("u-%d-%d", wave, i), cookies: map[string]string{}}
				group.Go(newcomers[i].signIn)
			}
			if i < len(here) {
				group.Go(here[i].visit)
			}
		}
		if err := group.Wait(); err != nil {
			c.t.Fatal(err)
		}
		here = append(here, newcomers...)
		c.clock.Advance(time.Minute)
	}
	if c.op.get(func() bool { return c.op.reused > 0 }) {
		c.t.Errorf("%d refresh tokens were used twice", c.op.reused)
	}
	hits, _ := c.op.hits()
	logins := crowdWaves * (size / crowdWaves)
	if want := logins + int(c.renewed.Load()); !c.patient && hits != want {
		c.t.Errorf("the token endpoint was asked %d times, want %d: %d logins, %d renewals", hits, want, logins, c.renewed.Load())
	}
	c.t.Logf("%d people signed in and were renewed %d times, %d requests each; %d answers of 503", logins, c.renewed.Load(), crowdParallel, c.refused.Load())
}

// visitor is one person with one browser.
type visitor struct {
	crowd   *crowd
	name    string
	mu      sync.Mutex
	cookies map[string]string
	turn    int
}

// ask sends one request to the next replica.
func (v *visitor) ask(path string) *http.Response {
	r := httptest.NewRequest(http.MethodGet, "https://app.test"+path, nil)
	v.mu.Lock()
	v.turn++
	p := v.crowd.proxies[v.turn%len(v.crowd.proxies)]
	for name, value := range v.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	v.mu.Unlock()
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w.Result()
}

func (v *visitor) keep(resp *http.Response) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, c := range resp.Cookies() {
		v.cookies[c.Name] = c.Value
		if c.MaxAge < 0 {
			delete(v.cookies, c.Name)
		}
	}
}

// await asks until the answer is no 503, where the crowd is patient.
func (v *visitor) await(path string) *http.Response {
	for {
		resp := v.ask(path)
		if resp.StatusCode != http.StatusServiceUnavailable || !v.crowd.patient {
			return resp
		}
		v.crowd.refused.Add(1)
		if resp.Header.Get("Set-Cookie") != "" {
			v.crowd.t.Errorf("%s: a 503 sets cookies", v.name)
		}
		select {
		case <-v.crowd.t.Context().Done():
			return resp
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (v *visitor) signIn() error {
	for {
		start := v.ask("/oauth2/start?rd=/" + v.name)
		v.keep(start)
		authorize := httptest.NewRequest(http.MethodGet, start.Header.Get("Location"), nil)
		authorize.Header.Set("X-Test-User", v.name)
		w := httptest.NewRecorder()
		v.crowd.op.Config.Handler.ServeHTTP(w, authorize)
		back, err := url.Parse(w.Result().Header.Get("Location"))
		if err != nil {
			return err
		}
		end := v.ask(back.RequestURI())
		if end.StatusCode == http.StatusServiceUnavailable && v.crowd.patient && v.crowd.t.Context().Err() == nil {
			v.crowd.refused.Add(1)
			continue // sign in again: the code has been used
		}
		if end.StatusCode != http.StatusFound || end.Header.Get("Location") != "/"+v.name {
			return fmt.Errorf("%s: the callback answered %d to %q", v.name, end.StatusCode, end.Header.Get("Location"))
		}
		v.keep(end)
		return v.check(v.await("/oauth2/auth"))
	}
}

// visit sends several requests with the same cookie at once.
func (v *visitor) visit() error {
	answers := make([]*http.Response, crowdParallel)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = v.await("/oauth2/auth") })
	}
	all.Wait()
	v.crowd.renewed.Add(1)
	for _, answer := range answers {
		if err := v.check(answer); err != nil {
			return err
		}
		v.keep(answer)
	}
	return nil
}

// check demands that the visitor is seen, as nobody else.
func (v *visitor) check(resp *http.Response) error {
	user, email := resp.Header.Get("X-Auth-Request-User"), resp.Header.Get("X-Auth-Request-Email")
	if resp.StatusCode != http.StatusAccepted || user != v.name || email != v.name+"@example.com" {
		return fmt.Errorf("%s: got %d and is taken for %q, %q", v.name, resp.StatusCode, user, email)
	}
	return nil
}

func TestNobodyIsMixedUpOrLostWithTheCookieStore(t *testing.T) {
	newCrowd(t, 1, nil).run(crowdSize)
}

func TestNobodyIsMixedUpOrLostBetweenReplicas(t *testing.T) {
	newCrowd(t, 2, storedAt(miniredis.RunT(t).Addr())).run(crowdSize)
}
