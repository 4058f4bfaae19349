// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// remoteTimeout bounds how long a client's own document may take.
	remoteTimeout = 5 * time.Second
	// remoteKeysLife is how long a client's keys are believed without looking again.
	remoteKeysLife = 5 * time.Minute
)

// remoteKeys are the sets at clients' jwks_uri. It is safe for concurrent use.
type remoteKeys struct {
	mu    sync.Mutex
	byURI map[string]fetchedKeys
}

type fetchedKeys struct {
	set jose.JSONWebKeySet
	at  time.Time
}

// fetch gets a document that a client has registered, in bounded time and size, and goes nowhere else for it.
func (p *Provider) fetch(ctx context.Context, uri string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, err
	}
	direct := *p.outbound
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := direct.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, err
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("it answers %d", response.StatusCode)
	case len(body) > maxBody:
		return nil, fmt.Errorf("it is larger than %d bytes", maxBody)
	}
	return body, nil
}

// clientKeys are the public keys of a client. again looks at jwks_uri once more whatever is remembered; fresh says that it was.
func (p *Provider) clientKeys(ctx context.Context, client *Client, again bool) (keys []jose.JSONWebKey, fresh bool, err error) {
	if client.JWKSURI == "" {
		if client.JWKS == nil {
			return nil, true, nil
		}
		return client.JWKS.Keys, true, nil
	}
	p.remote.mu.Lock()
	known, ok := p.remote.byURI[client.JWKSURI]
	p.remote.mu.Unlock()
	if ok && !again && p.now().Sub(known.at) < remoteKeysLife {
		return known.set.Keys, false, nil
	}
	body, err := p.fetch(ctx, client.JWKSURI)
	if err != nil {
		return nil, true, fmt.Errorf("fetching the client's jwks_uri: %w", err)
	}
	found := fetchedKeys{at: p.now()}
	if err := json.Unmarshal(body, &found.set); err != nil {
		return nil, true, fmt.Errorf("the client's jwks_uri is no JWKS: %w", err)
	}
	if err := (&JWKS{found.set}).check(); err != nil {
		return nil, true, fmt.Errorf("the client's jwks_uri: %w", err)
	}
	p.remote.mu.Lock()
	defer p.remote.mu.Unlock()
	if p.remote.byURI == nil || len(p.remote.byURI) >= maxRegistered {
		p.remote.byURI = map[string]fetchedKeys{}
	}
	p.remote.byURI[client.JWKSURI] = found
	return found.set.Keys, true, nil
}

// verifyByClient returns the payload of what the client has signed: with its secret if the algorithm is an HMAC, else with a key.
// Keys at jwks_uri are looked at again if none fits (Core 1.0 section 10.1.1).
func (p *Provider) verifyByClient(ctx context.Context, client *Client, signed *jose.JSONWebSignature) ([]byte, error) {
	header := signed.Signatures[0].Header
	if isHMAC(header.Algorithm) {
		if len(client.ClientSecret) < minHMACSecret {
			return nil, errors.New("the client has no secret that serves for an HMAC")
		}
		payload, err := signed.Verify([]byte(client.ClientSecret))
		if err != nil {
			return nil, errors.New("the signature does not fit the client_secret")
		}
		return payload, nil
	}
	for _, again := range []bool{false, true} {
		keys, fresh, err := p.clientKeys(ctx, client, again)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			if !serves(key, header) {
				continue
			}
			if payload, err := signed.Verify(key.Key); err == nil {
				return payload, nil
			}
		}
		if fresh {
			break
		}
	}
	return nil, errors.New("the signature fits none of the client's keys")
}

func serves(key jose.JSONWebKey, header jose.Header) bool {
	return (header.KeyID == "" || key.KeyID == header.KeyID) && (key.Algorithm == "" || key.Algorithm == header.Algorithm) && key.Use != "enc"
}
