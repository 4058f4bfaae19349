// SPDX-License-Identifier: Apache-2.0

package redisstore

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

func open(t *testing.T, o Options) *Store {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func write(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestValuesAreStoredOnTheirConditions(t *testing.T) {
	server := miniredis.RunT(t)
	s, ctx := open(t, Options{ConnectionURL: "redis://" + server.Addr()}), t.Context()
	did := func(ok bool, err error) bool {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if did(s.Replace(ctx, "k", []byte("a"), time.Minute)) {
		t.Error("replaced what is not there")
	}
	if _, found, err := s.Get(ctx, "k"); found || err != nil {
		t.Errorf("found what is not there: %v", err)
	}
	if !did(s.Create(ctx, "k", []byte("a\x00\xff"), time.Minute)) || did(s.Create(ctx, "k", []byte("b"), time.Minute)) {
		t.Error("created not at all or twice")
	}
	if value, found, err := s.Get(ctx, "k"); string(value) != "a\x00\xff" || !found || err != nil {
		t.Errorf("got %q, %v, %v", value, found, err)
	}
	if !did(s.Replace(ctx, "k", []byte("c"), time.Hour)) || server.TTL("k") != time.Hour {
		t.Errorf("not replaced, or kept for %s", server.TTL("k"))
	}
	for _, tc := range []struct {
		value string
		left  bool
	}{{"other", true}, {"c", false}, {"c", false}} {
		if err := s.DeleteIf(ctx, "k", []byte(tc.value)); err != nil {
			t.Fatal(err)
		}
		if server.Exists("k") != tc.left {
			t.Errorf("after deleting it if it is %q: there is %v", tc.value, !tc.left)
		}
	}
	did(s.Create(ctx, "x", nil, time.Minute))
	if err := s.Delete(ctx, "x", "never there"); err != nil || server.Exists("x") {
		t.Errorf("not deleted: %v", err)
	}
}

func TestMembersLeaveWhenTheirTimeIsOver(t *testing.T) {
	server := miniredis.RunT(t)
	s, ctx := open(t, Options{ConnectionURL: "redis://" + server.Addr()}), t.Context()
	for member, ttl := range map[string]time.Duration{"over": -time.Minute, "stays": time.Hour} {
		if err := s.AddMember(ctx, "set", member, max(ttl, time.Second)); err != nil {
			t.Fatal(err)
		}
		if ttl < 0 {
			if _, err := server.ZAdd("set", float64(time.Now().Add(ttl).Unix()), member); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.AddMember(ctx, "set", "last", time.Hour); err != nil {
		t.Fatal(err)
	}
	members, err := s.Members(ctx, "set")
	slices.Sort(members)
	if err != nil || strings.Join(members, " ") != "last stays" || server.TTL("set") != time.Hour {
		t.Errorf("%v, %v, for %s", members, err, server.TTL("set"))
	}
	if members, err := s.Members(ctx, "no set"); len(members) != 0 || err != nil {
		t.Errorf("%v, %v", members, err)
	}
}

func TestAServerThatIsAwayIsAnErrorAndComesBack(t *testing.T) {
	server := miniredis.RunT(t)
	s := open(t, Options{ConnectionURL: "redis://" + server.Addr()})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := s.Create(ctx, "k", []byte("v"), time.Hour); err != nil {
		t.Fatal(err)
	}
	server.Close()
	if _, found, err := s.Get(ctx, "k"); err == nil || found {
		t.Error("no error while the server is away")
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	if _, found, err := s.Get(t.Context(), "k"); err != nil || !found {
		t.Errorf("after the server came back: %v, %v", found, err)
	}
}

func TestThePasswordFileIsReadForEachConnection(t *testing.T) {
	server := miniredis.RunT(t)
	server.RequireUserAuth("proxy", "first")
	file := write(t, "first\n")
	o := Options{ConnectionURL: "redis://" + server.Addr(), Username: "proxy", PasswordFile: file}
	if _, _, err := open(t, o).Get(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	s := open(t, o)
	server.RequireUserAuth("proxy", "second")
	if _, _, err := s.Get(t.Context(), "k"); err == nil || strings.Contains(err.Error(), "first") {
		t.Errorf("with the wrong password: %v", err)
	}
	if err := os.WriteFile(file, []byte("second"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Get(t.Context(), "k"); err != nil {
		t.Errorf("after the file changed: %v", err)
	}
}

func TestMistakesNameTheSettingToMend(t *testing.T) {
	for _, tc := range []struct {
		options Options
		want    string
	}{
		{Options{}, "--redis-connection-url"},
		{Options{ConnectionURL: "http://u:hidden@x"}, "--redis-connection-url"},
		{Options{ConnectionURL: "redis://u:hidden@x:port"}, "--redis-connection-url"},
		{Options{ConnectionURL: "redis://x", Password: "hidden", PasswordFile: "f"}, "contradict"},
		{Options{ConnectionURL: "redis://u:hidden@x", Password: "p"}, "has a password already"},
		{Options{ConnectionURL: "redis://x", PasswordFile: "no such file"}, "--redis-password-file"},
		{Options{ConnectionURL: "redis://x", PasswordFile: write(t, "\n")}, "is empty"},
		{Options{ConnectionURL: "redis://x", CAFile: "f"}, "rediss://"},
		{Options{ConnectionURL: "rediss://x", CAFile: "no such file"}, "--redis-ca-path"},
		{Options{ConnectionURL: "rediss://x", CAFile: write(t, "no PEM")}, "no PEM"},
	} {
		_, err := Open(tc.options)
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%+v: %v", tc.options, err)
		}
	}
}
