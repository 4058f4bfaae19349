// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"context"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	typLogoutToken = "logout+jwt" // Back-Channel Logout 1.0 section 2.4

	// logoutTokenLife is the two minutes that section 2.4 recommends at most.
	logoutTokenLife = 2 * time.Minute
	// logoutTimeout bounds how long one relying party may take, so that the person who signs out is not kept waiting.
	logoutTimeout = 5 * time.Second

	backchannelLogoutEvent = "http://schemas.openid.net/event/backchannel-logout"
)

// endedSession is what is left of a session: whom it was of, and who has to be told.
type endedSession struct {
	sid      string
	username string
	clients  []string // client_ids, sorted
}

// clientsOf returns the clients of an ended session that want to be told in some way.
func (p *Provider) clientsOf(ended *endedSession, wants func(*Client) bool) []*Client {
	if ended == nil {
		return nil
	}
	var list []*Client
	for _, id := range ended.clients {
		if client := p.directory.client(id); client != nil && wants(client) {
			list = append(list, client)
		}
	}
	return list
}

// tellBackchannels posts a logout token to every client of the session that has registered for it, all at once, and returns
// when all have answered or their time is over (Back-Channel Logout 1.0 section 2.5).
func (p *Provider) tellBackchannels(ctx context.Context, ended *endedSession) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logoutTimeout)
	defer cancel()
	var done sync.WaitGroup
	for _, client := range p.clientsOf(ended, func(c *Client) bool { return c.BackchannelLogoutURI != "" }) {
		done.Go(func() {
			status, err := p.postLogoutToken(ctx, client, ended)
			if err != nil || status >= http.StatusBadRequest {
				p.log.WarnContext(ctx, "back-channel logout failed", "client_id", client.ClientID, "status", status, "error", err)
				return
			}
			p.log.InfoContext(ctx, "back-channel logout sent", "client_id", client.ClientID, "status", status)
		})
	}
	done.Wait()
}

func (p *Provider) postLogoutToken(ctx context.Context, client *Client, ended *endedSession) (status int, err error) {
	tokens, err := p.logoutTokens(ctx, client, ended)
	if err != nil {
		return 0, err
	}
	for _, token := range tokens {
		if status, err = p.postToken(ctx, client, token); err != nil {
			return 0, err
		}
	}
	return status, nil
}

func (p *Provider) postToken(ctx context.Context, client *Client, token string) (status int, err error) {
	body := strings.NewReader(url.Values{"logout_token": {token}}.Encode())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, client.BackchannelLogoutURI, body)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := p.outbound.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// logoutToken has no nonce, so that it can never pass for an ID token (section 2.4).
func (p *Provider) logoutToken(client *Client, ended *endedSession) (string, error) {
	now := p.now()
	claims := map[string]any{
		"iss":    p.issuerFor(p.directory.findUser(ended.username)),
		"aud":    client.ClientID,
		"iat":    now.Unix(),
		"exp":    now.Add(logoutTokenLife).Unix(),
		"jti":    p.random.token(),
		"sid":    ended.sid,
		"events": map[string]any{backchannelLogoutEvent: map[string]any{}},
	}
	if user := p.directory.findUser(ended.username); user != nil {
		claims["sub"] = p.subjectOf(client, user)
	}
	return p.keys.sign(client.IDTokenSignedResponseAlg, typLogoutToken, claims)
}

// frontchannelPage loads each client's logout URI in a frame and then goes on (Front-Channel Logout 1.0 section 3).
type frontchannelPage struct {
	Frames []string
	Target template.URL // registered, as for formPostPage; "" to stay
}

// frontchannelURIs returns what to load for the clients of a session.
func (p *Provider) frontchannelURIs(ended *endedSession) []string {
	var list []string
	for _, client := range p.clientsOf(ended, func(c *Client) bool { return c.FrontchannelLogoutURI != "" }) {
		values := url.Values{}
		if client.FrontchannelLogoutSessionRequired {
			values = url.Values{"iss": {p.cfg.Issuer}, "sid": {ended.sid}}
		}
		list = append(list, addQuery(client.FrontchannelLogoutURI, values))
	}
	return list
}

// writeFrontchannel lets the page frame the clients' origins and no others.
func (p *Provider) writeFrontchannel(w http.ResponseWriter, frames []string, target string) {
	var origins []string
	for _, frame := range frames {
		if u, err := url.Parse(frame); err == nil {
			origins = append(origins, u.Scheme+"://"+u.Host)
		}
	}
	slices.Sort(origins)
	directives := "; frame-src " + strings.Join(slices.Compact(origins), " ")
	p.pages.writeScripted(w, "frontchannel_logout.html", "frontchannel_logout.js", directives, frontchannelPage{frames, template.URL(target)})
}
