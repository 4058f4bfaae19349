// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// browser signs people in: it keeps no cookies beyond one login and follows no redirect by itself.
type browser struct{ client *http.Client }

func newBrowser() browser {
	return browser{&http.Client{
		Timeout:       30 * time.Second,
		Transport:     &http.Transport{MaxIdleConnsPerHost: loginsAtOnce},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// loginsAtOnce bounds the connections that logins take.
const loginsAtOnce = 8

// logins signs user 0 to n-1 in at the auth service and returns the Cookie header of each.
func (b browser) logins(ctx context.Context, service string, n int) ([]string, error) {
	cookies, failures := make([]string, n), make([]error, loginsAtOnce)
	var group sync.WaitGroup
	for worker := range loginsAtOnce {
		group.Go(func() {
			for i := worker; i < n && failures[worker] == nil; i += loginsAtOnce {
				cookies[i], failures[worker] = b.login(ctx, service, username(i))
			}
		})
	}
	group.Wait()
	return cookies, errors.Join(failures...)
}

// login goes the whole way: start, the identity provider, callback.
func (b browser) login(ctx context.Context, service, user string) (string, error) {
	start, err := b.redirect(ctx, service+"/oauth2/start?rd=%2F", "")
	if err != nil {
		return "", fmt.Errorf("begin a login: %w", err)
	}
	authorized, err := b.redirect(ctx, start.location+"&login_hint="+url.QueryEscape(user), "")
	if err != nil {
		return "", fmt.Errorf("authorize at the identity provider: %w", err)
	}
	done, err := b.redirect(ctx, authorized.location, start.cookies)
	if err != nil {
		return "", fmt.Errorf("end a login: %w", err)
	}
	if done.cookies == "" {
		return "", errors.New("the login ended without a session cookie")
	}
	return done.cookies, nil
}

type redirect struct{ location, cookies string }

func (b browser) redirect(ctx context.Context, address, cookies string) (redirect, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return redirect{}, err
	}
	if cookies != "" {
		req.Header.Set("Cookie", cookies)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return redirect{}, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)); err != nil {
		return redirect{}, err
	}
	if resp.StatusCode != http.StatusFound && resp.StatusCode != http.StatusSeeOther {
		return redirect{}, fmt.Errorf("status %d where a redirect was awaited", resp.StatusCode)
	}
	var kept []string
	for _, c := range resp.Cookies() {
		if c.MaxAge >= 0 && c.Value != "" && !c.Expires.Before(time.Now()) || c.MaxAge > 0 {
			kept = append(kept, c.Name+"="+c.Value)
		}
	}
	return redirect{resp.Header.Get("Location"), strings.Join(kept, "; ")}, nil
}
