// SPDX-License-Identifier: Apache-2.0

//go:build unix

package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"
)

// pollInterval is how often Observe asks for the configuration that is served.
const pollInterval = 3 * time.Millisecond

// Observe waits until the configuration loaded last is the only one that takes new connections. It returns a
// *ConfigError as soon as nginx says that it does not take it.
func (i *Instance) Observe(ctx context.Context) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		seen, err := i.look(ctx)
		if err != nil || seen == "" {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for nginx to serve its new configuration: %w; last seen: %s", ctx.Err(), seen)
		}
	}
}

// look returns "" when the current generation is served alone, or else what there is instead.
func (i *Instance) look(ctx context.Context) (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.process == nil {
		return "", errors.New("nginx was never started")
	}
	ended := i.ended()
	if err := i.refusal(ended); err != nil {
		if AddressInUse(err) && !ended {
			// It would try again for seconds; the caller has better addresses by then.
			err = errors.Join(err, i.process.Stop(ctx))
		}
		return "", err
	}
	generation, pid, err := i.ask(ctx)
	if err != nil {
		return err.Error(), nil
	}
	if generation != i.generation {
		return fmt.Sprintf("configuration %d of %d", generation, i.generation), nil
	}
	lines, next, _ := i.log.Since(i.workers.read)
	i.workers.follow(lines, next)
	if others := i.workers.accepting(pid); others > 0 {
		return fmt.Sprintf("%d worker of an earlier configuration", others), nil
	}
	return "", nil
}

// ask returns the generation that answers now and the worker that serves it.
func (i *Instance) ask(ctx context.Context) (generation, pid int, err error) {
	socket := filepath.Join(i.dir, socketName)
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://observe/", nil)
	if err != nil {
		return 0, 0, err
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, 0, fmt.Errorf("no answer: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 64))
	if err != nil {
		return 0, 0, fmt.Errorf("no answer: %w", err)
	}
	if _, err := fmt.Sscanf(string(body), "%d %d", &generation, &pid); err != nil {
		return 0, 0, fmt.Errorf("an answer that is not nginx's: %q", body)
	}
	return generation, pid, nil
}
