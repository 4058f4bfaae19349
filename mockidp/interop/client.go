// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/ingress-auth/conformance/suites/platform/local"
)

// client is a relying party that somebody else wrote.
type client struct {
	name, version string
	// needs are the steps that it must be seen to take.
	needs []string
	// start makes it ready for the provider. What it returns logs in with a new browser and fails unless the client then says
	// that alice is signed in.
	start func(ctx context.Context, idp *provider) (*party, error)
}

// party is a client that is ready.
type party struct {
	login func(ctx context.Context) error
	// rest does what is left after a login that went well: refresh, logout. It may be nil.
	rest func(ctx context.Context) error
	stop func(ctx context.Context) error
}

// browser keeps cookies and follows redirects.
type browser struct{ http.Client }

func newBrowser() *browser {
	jar, _ := cookiejar.New(nil) // fails for no options at all
	return &browser{http.Client{Jar: jar, Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}}
}

// maxPage bounds a page that is read, in bytes.
const maxPage = 1 << 20

// get returns what is at the end of the redirects. A status that is no success is an error.
func (b *browser) get(ctx context.Context, at string) (body string, res *http.Response, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return "", nil, err
	}
	r.Header.Set("Accept", "text/html, */*;q=0.5") // without it Apache takes a browser for a script and does not redirect
	res, err = b.Do(r)
	if err != nil {
		return "", nil, withoutURL(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxPage))
	if err == nil && res.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%s answered %s", res.Request.URL.Path, res.Status)
	}
	return string(text), res, err
}

// withoutURL drops the URL of an error, which may hold a code.
func withoutURL(err error) error {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// program is a client that runs as a child process and listens.
type program struct {
	process *local.Process
	log     *local.Log
	url     string
}

// startProgram runs it and waits until it accepts connections at addr.
func startProgram(ctx context.Context, addr string, c local.Command) (*program, error) {
	c.Stop = []local.StopStep{{Signal: syscall.SIGTERM, Grace: 3 * time.Second}}
	log := local.NewLog()
	process, err := local.Start(ctx, c, log)
	if err != nil {
		return nil, err
	}
	p := &program{process, log, "http://" + addr}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr); err == nil {
			return p, conn.Close()
		}
		select {
		case <-tick.C:
		case <-process.Done():
			return nil, fmt.Errorf("%s ended: %s", c.Path, strings.TrimSpace(log.String()))
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("%s does not listen: %s", c.Path, strings.TrimSpace(log.String())), p.stop(context.WithoutCancel(ctx)))
		}
	}
}

func (p *program) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return p.process.Stop(ctx)
}
