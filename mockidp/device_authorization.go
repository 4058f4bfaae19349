// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// userCodeAlphabet has no vowels, so no words, and nothing that looks alike (RFC 8628 section 6.1).
	userCodeAlphabet = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeLength   = 8

	// pollInterval is how long a device waits between two polls, and what each slow_down adds (RFC 8628 section 3.5).
	pollInterval = 5 * time.Second
)

// deviceAuthorization is a device that waits for a person's decision. It is read and changed under the store's lock.
type deviceAuthorization struct {
	client   *Client
	scopes   scopes
	expires  time.Time
	interval time.Duration
	polled   time.Time
	grant    *grant // once somebody has said yes
	denied   bool
	used     bool
}

// serveDeviceAuthorization starts the device flow (RFC 8628 section 3.1).
func (p *Provider) serveDeviceAuthorization(w http.ResponseWriter, r *http.Request) {
	client, in, e := p.readClientRequest(w, r, "scope")
	if e == nil && !client.allowsGrant(grantTypeDevice) {
		e = failure(errUnauthorizedClient, "this client has not registered the grant_type %s", grantTypeDevice)
	}
	var granted scopes
	if e == nil {
		if granted = p.scopesOf(in); len(granted) == 0 && !p.dialect.OAuthOnly {
			e = failure(errInvalidScope, "scope is missing or holds no supported scope; ask for openid")
		}
	}
	if e != nil {
		p.refuseClient(w, r, "device authorization", client, e)
		return
	}
	deviceCode, userCode, now := p.random.token(), p.random.userCode(), p.now()
	p.store.putDevice(deviceCode, userCode, &deviceAuthorization{
		client: client, scopes: granted, interval: pollInterval, expires: now.Add(p.cfg.Lifetimes.DeviceCode),
	}, now)
	shown := userCode[:userCodeLength/2] + "-" + userCode[userCodeLength/2:]
	writeJSON(w, http.StatusOK, map[string]any{
		"device_code":               deviceCode,
		"user_code":                 shown,
		"verification_uri":          p.urls.front(pathDevice),
		"verification_uri_complete": p.urls.front(pathDevice) + "?" + url.Values{"user_code": {shown}}.Encode(),
		"expires_in":                int64(p.cfg.Lifetimes.DeviceCode / time.Second),
		"interval":                  int64(pollInterval / time.Second),
	})
}

// normalUserCode drops what people add and forgives lower case (RFC 8628 section 6.1).
func normalUserCode(typed string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(userCodeAlphabet, r) {
			return r
		}
		return -1
	}, strings.ToUpper(typed))
}
