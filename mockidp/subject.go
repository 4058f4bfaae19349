// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
)

// Subject types of Core 1.0 section 8.
const (
	subjectPublic   = "public"
	subjectPairwise = "pairwise"
)

// subjectOf is the sub of a user for a client: the user's own, or one that other sectors cannot compare (Core 1.0 section 8.1).
// It depends on the issuer, the sector and the user alone, so it stays the same from start to start. client may be nil.
func (p *Provider) subjectOf(client *Client, user *User) string {
	if client == nil || client.SubjectType != subjectPairwise {
		return user.Sub
	}
	mac := hmac.New(sha256.New, []byte(p.cfg.Issuer))
	mac.Write([]byte(client.sector() + "\x00" + user.Sub))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// userBySubject finds the user whom a client knows by a sub, or nil.
func (p *Provider) userBySubject(client *Client, sub string) *User {
	if client == nil || client.SubjectType != subjectPairwise {
		return p.directory.userBySub(sub)
	}
	for i := range p.directory.users {
		if user := &p.directory.users[i]; p.subjectOf(client, user) == sub {
			return user
		}
	}
	return nil
}

// sector is the host of the redirect URIs, which Validate wants to be one.
func (c *Client) sector() string {
	if len(c.RedirectURIs) == 0 {
		return c.ClientID
	}
	u, err := url.Parse(c.RedirectURIs[0])
	if err != nil {
		return c.ClientID
	}
	return u.Host
}

func (c *Client) oneSector() bool {
	for _, uri := range c.RedirectURIs {
		if u, err := url.Parse(uri); err != nil || u.Host != c.sector() {
			return false
		}
	}
	return true
}
