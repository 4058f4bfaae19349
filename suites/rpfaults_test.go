// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/ingress-auth/conformance/mockidp"
	"github.com/ingress-auth/conformance/mockidp/rptest"
	"github.com/ingress-auth/conformance/proxy"
	"github.com/ingress-auth/conformance/proxy/redisstore"
	"github.com/ingress-auth/conformance/suites/platform/local"
	"github.com/ingress-auth/conformance/suites/subject"
)

const (
	// faultResults is where the verdicts stand; UPDATE_FAULT_RESULTS=1 writes them.
	faultResults = "../docs/faults-results.md"
	// realProxy is judged by "make faults", since it has to be compiled and takes as long as it waits for providers that hang.
	realProxy = "oauth2-proxy-7.8.1"

	faultResultsIntro = `# The fault catalogue against relying parties

Written by a test (` + "`make faults UPDATE=1`" + `): do not edit. [faults.md](faults.md) says what each fault is and what a correct
relying party does. *proxy* is the one of this repository, in the process of the test, with a clock that the test moves.
*oauth2-proxy 7.8.1* is the real program, compiled from its Go module and run as a child process with the flags of
` + "`suites/rpfaults_test.go`" + `; its clock cannot be moved, so its sessions are refreshed after a second of real time. For the faults
of refreshing its nonce check is off (` + "`--insecure-oidc-skip-nonce`" + `, its default): with it on, every refreshed ID token without a nonce,
which Core 12.2 recommends, ends the session. It gets three gigabytes of address space.

For the faults of logging out (` + "*L-BCL-…*, *L-RPI-…* at end_session" + `) the proxy keeps its sessions in a store that speaks Redis
(` + "`--session-store-type=redis --backchannel-logout --oidc-end-session`" + `); for all others they are in the cookie, as oauth2-proxy's
always are: it has no back-channel logout, and its sign-out goes to the provider only where the link to it says so. *L-FCL-…* needs
front-channel logout, which neither has. What a relying party asks for at its start alone is judged by a second start.

A verdict goes by what can be seen: what the browser got at the callback, what the session endpoint answers afterwards
(access), whether there is a session cookie, which endpoints of the provider were asked, in the order of the first
time, and whether a foreign host learned anything. *Bounded* means: a login ends within 45 seconds and takes no more than 256 MiB
of memory. *Not judged* means that the relying party never asked for what the fault changes, or lacks the feature. A fault
that fits any endpoint has a row for each that a login reaches: *H-HANG* is the token endpoint's.

`
)

// faultClock is the proxy's time.
type faultClock struct {
	mu     sync.Mutex
	offset time.Duration
}

func (c *faultClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset)
}

func (c *faultClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

func faultDriver(start func(context.Context, rptest.Setting) (*rptest.RelyingParty, error), refreshAfter time.Duration) rptest.Driver {
	return rptest.Driver{
		Start: start, LoginPath: "/oauth2/start?rd=/", CallbackPath: "/oauth2/callback", AuthPath: "/oauth2/auth",
		SessionCookie: "_oauth2_proxy", RefreshAfter: refreshAfter,
	}
}

// proxyDriver is for the proxy of this repository, which the provider can tell of logouts.
func proxyDriver() rptest.Driver {
	d := faultDriver(startProxy, 90*time.Second)
	d.BackchannelLogoutPath, d.SignOutPath = "/oauth2/backchannel-logout", "/oauth2/sign_out"
	return d
}

func startProxy(ctx context.Context, s rptest.Setting) (*rptest.RelyingParty, error) {
	cfg := proxy.DefaultConfig()
	cfg.IssuerURL, cfg.ClientID, cfg.ClientSecret = s.Issuer, s.ClientID, s.ClientSecret
	cfg.CookieSecret = rand.Text()[:16] + rand.Text()[:16]
	cfg.CookieSecure, cfg.CookieRefresh = false, time.Minute
	cfg.EmailDomains, cfg.Scope = []string{"example.com"}, "openid email profile groups offline_access"
	if s.CAFile != "" {
		cfg.ProviderCAFiles = []string{s.CAFile}
	}
	before := heapFromSystem()
	clock := &faultClock{}
	options := proxy.Options{Clock: clock.now, Logger: slog.New(slog.DiscardHandler)}
	closeStore := func() {}
	if s.Logout {
		var err error
		if options.Store, closeStore, err = logoutStore(&cfg); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	p, err := proxy.New(ctx, cfg, options)
	if err != nil {
		cancel()
		closeStore()
		return nil, err
	}
	server := httptest.NewServer(p)
	return &rptest.RelyingParty{
		URL: server.URL, Age: clock.add,
		PeakMemory: func() (uint64, error) { return max(heapFromSystem(), before) - before, nil },
		Close: func() {
			server.Close()
			_ = p.Close() // nothing is left to do about it
			cancel()
			closeStore()
		},
	}, nil
}

// logoutStore lets the provider end sessions, which needs a session store, and sign-out end the provider's.
func logoutStore(cfg *proxy.Config) (store proxy.Store, stop func(), err error) {
	cfg.SessionStoreType, cfg.BackchannelLogout, cfg.EndSession = proxy.SessionStoreRedis, true, true
	server := miniredis.NewMiniRedis()
	if err := server.Start(); err != nil {
		return nil, nil, err
	}
	cfg.Redis.ConnectionURL = "redis://" + server.Addr()
	redis, err := redisstore.Open(redisstore.Options(cfg.Redis))
	if err != nil {
		server.Close()
		return nil, nil, err
	}
	return redis, func() {
		_ = redis.Close() // the server ends too
		server.Close()
	}, nil
}

// heapFromSystem hardly shrinks, so that a peak between two looks is seen.
func heapFromSystem() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapSys
}

// oauth2ProxyStarter starts the real one. Its sessions are refreshed after a second, if they are to be at all; it counts in
// whole seconds, so that two must pass to be sure.
func oauth2ProxyStarter(program string) func(context.Context, rptest.Setting) (*rptest.RelyingParty, error) {
	return func(ctx context.Context, s rptest.Setting) (party *rptest.RelyingParty, err error) {
		for range 5 { // somebody else may take the port between the look and the use
			if party, err = startOAuth2Proxy(ctx, program, s); err == nil || !strings.Contains(err.Error(), "address already in use") {
				break
			}
		}
		return party, err
	}
}

func startOAuth2Proxy(ctx context.Context, program string, s rptest.Setting) (*rptest.RelyingParty, error) {
	addrs, err := local.FreeAddrs(ctx, 1)
	if err != nil {
		return nil, err
	}
	url, ping := "http://"+addrs[0], "/ping-"+rand.Text() // its own, so that nobody else answers
	args := []string{
		"--provider=oidc", "--oidc-issuer-url=" + s.Issuer, "--http-address=" + addrs[0], "--redirect-url=" + url + "/oauth2/callback",
		"--client-id=" + s.ClientID, "--client-secret=" + s.ClientSecret, "--cookie-secret=" + rand.Text()[:16] + rand.Text()[:16], "--cookie-secure=false",
		"--email-domain=example.com", "--scope=openid email profile groups offline_access", "--upstream=static://200", "--ping-path=" + ping,
		"--code-challenge-method=S256", "--skip-provider-button", fmt.Sprintf("--insecure-oidc-skip-nonce=%t", s.Refreshes),
	}
	if s.Refreshes {
		args = append(args, "--cookie-refresh=1s")
	}
	if s.CAFile != "" {
		args = append(args, "--provider-ca-file="+s.CAFile)
	}
	process, err := local.Start(ctx, local.Command{
		// What it takes beyond three gigabytes it does not get: a machine that tests others should live.
		Path: "/bin/sh", Args: append([]string{"-c", `ulimit -v 3000000; exec "$@"`, "sh", program}, args...),
		Stop: []local.StopStep{{Signal: syscall.SIGTERM, Grace: time.Second}},
	}, local.NewLog())
	if err != nil {
		return nil, err
	}
	stop := func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = process.Stop(ctx) // it is killed in any case
	}
	if err := answers(ctx, url+ping, process); err != nil {
		stop()
		return nil, err
	}
	return &rptest.RelyingParty{
		URL: url, Age: func(d time.Duration) { pass(ctx, d) }, Close: stop,
		PeakMemory: func() (uint64, error) { return peakMemory(process.Pid()) },
	}, nil
}

// answers returns when the URL does, or with how the process ended before.
func answers(ctx context.Context, url string, process *local.Process) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-process.Done():
			lines := strings.Split(strings.TrimSpace(process.Log().String()), "\n")
			return fmt.Errorf("it ended (%w): %s", process.Err(), lines[len(lines)-1])
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", ctx.Err())
		}
	}
}

// pass lets real time pass: the clock of another process cannot be moved.
func pass(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// peakMemory is VmHWM of proc(5), in bytes.
func peakMemory(pid int) (uint64, error) {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmHWM:" {
			kib, err := strconv.ParseUint(fields[1], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("the process %d does not say how much memory it took", pid)
}

// The proxy goes through the whole fault catalogue. A failure that nothing explains is red, and so is a verdict that is not
// the written one.
func TestProxyStandsTheFaultCatalogue(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as the proxy's own deadlines")
	}
	results := judgeFaults(t, proxyDriver(), 24)
	data, err := os.ReadFile("../fixtures/faults/proxy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	known, err := rptest.ParseKnownFailures(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range rptest.Unexplained(results, known) {
		t.Error(problem)
	}
	checkFaultResults(t, "proxy", results)
}

// The real oauth2-proxy goes through it too: its failures are what the table tells, and none is expected or excused.
func TestOAuth2ProxyAgainstTheFaultCatalogue(t *testing.T) {
	if os.Getenv("FAULTS_OAUTH2_PROXY") == "" {
		t.Skip(`"make faults" runs it: it compiles oauth2-proxy and takes minutes`)
	}
	program, err := subject.FindAuthService(t.Context(), realProxy, func(said string) { t.Log(said) })
	if err != nil {
		t.Fatal(err)
	}
	results := judgeFaults(t, faultDriver(oauth2ProxyStarter(program.Path), 2100*time.Millisecond), 24)
	for _, r := range results {
		if r.Verdict == rptest.Blocked {
			t.Errorf("%s could not be judged: %s %s", r.Fault.ID, r.Reason, r.Detail)
		}
	}
	checkFaultResults(t, "oauth2-proxy 7.8.1", results)
}

// judgeFaults runs the catalogue, once or FAULTS_REPEAT times.
func judgeFaults(t *testing.T, d rptest.Driver, parallel int) []rptest.Result {
	t.Helper()
	faults, err := mockidp.Faults()
	if err != nil {
		t.Fatal(err)
	}
	options := rptest.Options{Parallel: parallel}
	if n := os.Getenv("FAULTS_REPEAT"); n != "" {
		if options.Repeat, err = strconv.Atoi(n); err != nil {
			t.Fatalf("FAULTS_REPEAT: %v", err)
		}
	}
	results, err := rptest.Run(t.Context(), d, rptest.AtEveryEndpoint(faults), options)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// checkFaultResults compares one column of the table with what is written, and writes it if asked to.
func checkFaultResults(t *testing.T, name string, results []rptest.Result) {
	t.Helper()
	written, err := os.ReadFile(faultResults)
	if err != nil {
		t.Fatal(err)
	}
	table := rptest.ReadTable(string(written), "proxy", "oauth2-proxy 7.8.1")
	changes := table.Set(name, results)
	var out strings.Builder
	out.WriteString(faultResultsIntro)
	if err := table.Write(&out, faultsOf(results)); err != nil {
		t.Fatal(err)
	}
	if os.Getenv("UPDATE_FAULT_RESULTS") != "" {
		if err := os.WriteFile(faultResults, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Logf("%d changes written to %s", len(changes), faultResults)
		return
	}
	for _, change := range changes {
		t.Error(change)
	}
	if len(changes) == 0 && out.String() != string(written) {
		t.Errorf("%s is not as it is written: make faults UPDATE=1", faultResults)
	}
}

func faultsOf(results []rptest.Result) []mockidp.Fault {
	var list []mockidp.Fault
	for _, r := range results {
		list = append(list, r.Fault)
	}
	return list
}
