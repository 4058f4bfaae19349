// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
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
	return p.directory.find(func(user *User) bool { return p.subjectOf(client, user) == sub })
}

// sector is the host of the sector identifier, else that of the redirect URIs, which Validate wants to be one.
func (c *Client) sector() string {
	from := c.SectorIdentifierURI
	if from == "" && len(c.RedirectURIs) > 0 {
		from = c.RedirectURIs[0]
	}
	if from == "" {
		return c.ClientID
	}
	u, err := url.Parse(from)
	if err != nil {
		return c.ClientID
	}
	return u.Host
}

func (c *Client) oneSector() bool {
	if c.SectorIdentifierURI != "" {
		return true
	}
	for _, uri := range c.RedirectURIs {
		if u, err := url.Parse(uri); err != nil || u.Host != c.sector() {
			return false
		}
	}
	return true
}

// validateSectorIdentifier keeps to Dynamic Client Registration 1.0 section 2.
func validateSectorIdentifier(uri string) error {
	if err := validateLogoutURI(uri); err != nil {
		return err
	}
	if u, err := url.Parse(uri); err != nil || u.Scheme != "https" {
		return fmt.Errorf("%q must be an https URL", uri)
	}
	return nil
}

// checkSector fetches the list at a client's sector identifier, and wants each of its redirect URIs there (Dynamic Client
// Registration 1.0 section 5).
func (p *Provider) checkSector(ctx context.Context, client *Client) error {
	if client.SectorIdentifierURI == "" {
		return nil
	}
	body, err := p.fetch(ctx, client.SectorIdentifierURI)
	if err != nil {
		return fmt.Errorf("it cannot be fetched: %w", err)
	}
	var listed []string
	if err := json.Unmarshal(body, &listed); err != nil || listed == nil {
		return errors.New("it is not a JSON array of redirect URIs")
	}
	for _, uri := range client.RedirectURIs {
		if !slices.Contains(listed, uri) {
			return fmt.Errorf("it does not list the redirect URI %s", uri)
		}
	}
	return nil
}
