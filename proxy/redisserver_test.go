// SPDX-License-Identifier: Apache-2.0

//go:build redisserver

package proxy

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// These tests need redis-server (or valkey-server) in PATH: make test-redis.

const crowdSize = 10_000

// redisServer is a real server that has on disk what it said it stored: by default it may lose the last second.
type redisServer struct {
	t       *testing.T
	addr    string
	dir     string
	extra   []string
	process *exec.Cmd
}

func startRedis(t *testing.T, extra ...string) *redisServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &redisServer{t: t, addr: l.Addr().String(), dir: t.TempDir(), extra: extra}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *redisServer) start() {
	s.t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		if program, err = exec.LookPath("valkey-server"); err != nil {
			s.t.Fatal("neither redis-server nor valkey-server is in PATH; make test-redis installs one")
		}
	}
	_, port, _ := net.SplitHostPort(s.addr)
	args := append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "yes", "--appendfsync", "always"}, s.extra...)
	s.process = exec.Command(program, args...)
	s.process.Stderr = os.Stderr
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	client := s.client()
	defer client.Close()
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := client.Ping(context.Background()).Err()
		if err == nil || strings.Contains(err.Error(), "NOAUTH") {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the server does not answer: %v", err)
		}
	}
}

func (s *redisServer) client() *redis.Client {
	return redis.NewClient(&redis.Options{Addr: s.addr, DialerRetries: 1})
}

// kill leaves the server no time for anything.
func (s *redisServer) kill() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
	s.process = nil
}

func TestNobodyIsMixedUpOrLostWithARealServer(t *testing.T) {
	newCrowd(t, 2, storedAt(startRedis(t).addr)).run(crowdSize)
}

// The server is killed and started again while thousands sign in and are renewed.
func TestNobodyIsMixedUpOrLostWhileTheServerIsKilled(t *testing.T) {
	server := startRedis(t)
	c := newCrowd(t, 2, storedAt(server.addr))
	c.patient = true
	var disturbance sync.WaitGroup
	stop := make(chan struct{})
	kills := 0
	disturbance.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Second):
			}
			server.kill()
			kills++
			time.Sleep(200 * time.Millisecond) // the outage is the point
			server.start()
		}
	})
	func() {
		defer disturbance.Wait()
		defer close(stop)
		c.run(crowdSize / 10)
	}()
	if kills == 0 || c.refused.Load() == 0 {
		t.Errorf("the server was killed %d times and %d requests noticed: the test proves nothing", kills, c.refused.Load())
	}
	t.Logf("the server was killed %d times", kills)
}

func TestARealServerKilledRestartedFlushed(t *testing.T) {
	server := startRedis(t)
	c := newClock()
	f := newFixtureWith(t, c, newTestOP(t, c), storedAt(server.addr))
	f.login("/")
	value := f.cookie("_oauth2_proxy")
	wantStatus(t, f.get("/oauth2/auth"), http.StatusAccepted)
	server.kill()
	resp := f.get("/oauth2/auth")
	wantStatus(t, resp, http.StatusServiceUnavailable)
	wantHeader(t, resp, "Set-Cookie", "")
	wantHeader(t, resp, "Retry-After", retryAfterSeconds)
	wantStatus(t, f.get("/oauth2/sign_out"), http.StatusServiceUnavailable)
	if f.cookie("_oauth2_proxy") != value {
		t.Fatal("the outage touched the cookie")
	}
	server.start()
	wantStatus(t, f.get("/oauth2/auth"), http.StatusAccepted)
	c.Advance(time.Minute)
	wantStatus(t, f.get("/oauth2/auth"), http.StatusAccepted)
	client := server.client()
	defer client.Close()
	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, f.get("/oauth2/auth"), http.StatusUnauthorized)
	if f.cookie("_oauth2_proxy") != "" {
		t.Error("a ticket that leads nowhere is kept")
	}
	f.login("/")
	wantStatus(t, f.get("/oauth2/auth"), http.StatusAccepted)
}

// A server that is frozen neither answers nor refuses.
func TestAFrozenServerIsNotWaitedForLong(t *testing.T) {
	server := startRedis(t)
	c := newClock()
	f := newFixtureWith(t, c, newTestOP(t, c), storedAt(server.addr))
	f.login("/")
	for _, step := range []struct {
		signal syscall.Signal
		want   int
	}{{syscall.SIGSTOP, http.StatusServiceUnavailable}, {syscall.SIGCONT, http.StatusAccepted}} {
		if err := server.process.Process.Signal(step.signal); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, f.get("/oauth2/auth"), step.want)
	}
}

func TestAPasswordOfARealServer(t *testing.T) {
	server := startRedis(t, "--requirepass", "open sesame")
	c := newClock()
	f := newFixtureWith(t, c, newTestOP(t, c), func(cfg *Config) {
		storedAt(server.addr)(cfg)
		cfg.Redis.PasswordFile = writeFile(t, "open sesame\n")
	})
	f.login("/")
	wantStatus(t, f.get("/oauth2/auth"), http.StatusAccepted)
	if strings.Contains(f.log.String(), "sesame") {
		t.Error("the password is in the log")
	}
}
