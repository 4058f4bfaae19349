// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/http"
)

// memory is what a server's process holds, in bytes.
type memory struct {
	Server             string
	Begun, After, Most int64
	Cookie             int // bytes of the Cookie header
}

// memoryWith signs b.Sessions people in at a fresh server, asks once about each, and looks at the process.
func (b *bench) memoryWith(ctx context.Context, name string) (memory, error) {
	s, err := b.start(ctx, name, false)
	if err != nil {
		return memory{}, err
	}
	m := memory{Server: name}
	if m.Begun, _, err = processMemory(s.pid()); err != nil {
		return memory{}, err
	}
	cookies, err := b.browser.logins(ctx, s.url(), b.Sessions)
	if err != nil {
		return memory{}, fmt.Errorf("sign %d people in at %s: %w", b.Sessions, name, err)
	}
	m.Cookie = len(cookies[0])
	for i, c := range cookies {
		if err := b.ask(ctx, s, c, username(i)+"@example.com"); err != nil {
			return memory{}, err
		}
	}
	if m.After, m.Most, err = processMemory(s.pid()); err != nil {
		return memory{}, err
	}
	return m, b.stopAll()
}

// ask asks about one session and holds the answer against the person it was issued to.
func (b *bench) ask(ctx context.Context, s *server, cookie, email string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url()+"/oauth2/auth", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Cookie", cookie)
	resp, err := b.browser.client.Do(req)
	if err != nil {
		return err
	}
	if err := resp.Body.Close(); err != nil {
		return err
	}
	if got := resp.Header.Get("X-Auth-Request-Email"); resp.StatusCode != http.StatusAccepted || got != email {
		return fmt.Errorf("%s answers %d for %q where %q is signed in", s.name, resp.StatusCode, got, email)
	}
	return nil
}
