// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// bearerIssuer is an issuer whose tokens are accepted as bearer tokens, for these audiences.
type bearerIssuer struct {
	provider  *provider
	audiences []string
}

// bearerIssuers are the issuers by their name; the one people log in at is always among them.
type bearerIssuers map[string]*bearerIssuer

// parseExtraIssuers reads --extra-jwt-issuers: issuer=audience, an issuer as often as it has audiences.
func parseExtraIssuers(entries []string) (map[string][]string, error) {
	out := map[string][]string{}
	for _, entry := range entries {
		i := strings.LastIndexByte(entry, '=')
		if i < 0 || entry[i+1:] == "" {
			return nil, fmt.Errorf("--extra-jwt-issuers=%q must be issuer=audience", entry)
		}
		issuer := entry[:i]
		if err := checkHTTPURL(issuer); err != nil {
			return nil, fmt.Errorf("--extra-jwt-issuers names an issuer that is not usable: %w", err)
		}
		out[issuer] = append(out[issuer], entry[i+1:])
	}
	return out, nil
}

// newBearerIssuers begins to look for the further issuers. Nothing waits for them, /ready included: an outage of one is the
// affair of its own clients.
func newBearerIssuers(ctx context.Context, main *provider, client *http.Client, now func() time.Time, log *slog.Logger) (bearerIssuers, error) {
	extra, err := parseExtraIssuers(main.cfg.ExtraJWTIssuers)
	if err != nil {
		return nil, err
	}
	all := bearerIssuers{main.cfg.IssuerURL: {provider: main, audiences: append([]string{main.cfg.ClientID}, main.cfg.ExtraAudiences...)}}
	for issuer, audiences := range extra {
		cfg := main.cfg
		cfg.IssuerURL, cfg.DiscoveryURL, cfg.LoginURL, cfg.RedeemURL, cfg.JWKSURL, cfg.ProfileURL = issuer, "", "", "", "", ""
		p := newProvider(cfg, "", client, now, log)
		p.bearerOnly = true
		p.start(ctx, 0)
		all[issuer] = &bearerIssuer{provider: p, audiences: audiences}
	}
	return all, nil
}

// of returns the issuer that raw says it is from, else the one people log in at. Nothing is believed yet: the token must
// verify by that issuer's keys.
func (b bearerIssuers) of(raw string, main string) *bearerIssuer {
	if len(b) > 1 {
		if issuer, ok := b[claimedIssuer(raw)]; ok {
			return issuer
		}
	}
	return b[main]
}

func claimedIssuer(raw string) string {
	_, rest, _ := strings.Cut(raw, ".")
	payload, _, _ := strings.Cut(rest, ".")
	content, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return ""
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	_ = json.Unmarshal(content, &claims) // what cannot be read names no issuer
	return claims.Issuer
}

func (b bearerIssuers) close() {
	for _, issuer := range b {
		issuer.provider.close()
	}
}
