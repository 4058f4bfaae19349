// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"net"
	"net/url"
	"slices"
	"sync"
)

// directory answers who the clients and users are. After it is made, clients register and users
// whom nobody has configured sign in.
type directory struct {
	clients    []Client
	users      []User
	mu         sync.RWMutex
	byID       map[string]*Client
	registered map[string]*registration
	learned    []*User // who signed in without being configured, the oldest first
}

func newDirectory(clients []Client, users []User) *directory {
	d := &directory{clients: clients, users: users, byID: make(map[string]*Client, len(clients)), registered: map[string]*registration{}}
	for i := range clients {
		d.byID[clients[i].ClientID] = &clients[i]
	}
	return d
}

// client returns nil for an unknown ID.
func (d *directory) client(id string) *Client {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.byID[id]
}

// register adds a client. It returns false if there are too many.
func (d *directory) register(client *Client, r *registration) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.registered) >= maxRegistered {
		return false
	}
	d.byID[client.ClientID], d.registered[client.ClientID] = client, r
	return true
}

// replace puts a registered client in the place of the one with its ID.
func (d *directory) replace(client *Client, r *registration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.byID[client.ClientID], d.registered[client.ClientID] = client, r
}

// unregister forgets a registered client.
func (d *directory) unregister(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.byID, id)
	delete(d.registered, id)
}

// registration returns nil for a client that did not register itself.
func (d *directory) registration(id string) *registration {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.registered[id]
}

// findUser looks for a username, then an email address, then a sub: the forms a login_hint takes. It returns nil for
// nobody.
func (d *directory) findUser(hint string) *User {
	if hint == "" {
		return nil
	}
	for _, of := range []func(*User) string{
		func(u *User) string { return u.Username },
		func(u *User) string { return u.Email },
		func(u *User) string { return u.Sub },
	} {
		if user := d.find(func(u *User) bool { return of(u) == hint }); user != nil {
			return user
		}
	}
	return nil
}

func (d *directory) userBySub(sub string) *User {
	return d.find(func(u *User) bool { return u.Sub == sub })
}

// allowsRedirect compares as RFC 9700 section 4.1.3 says: exact strings, but for the port of a native client's loopback
// redirect.
func (c *Client) allowsRedirect(uri string) bool {
	return slices.Contains(c.RedirectURIs, uri) || c.allowsLoopbackPort(c.RedirectURIs, uri)
}

func (c *Client) allowsPostLogoutRedirect(uri string) bool {
	return slices.Contains(c.PostLogoutRedirectURIs, uri) || c.allowsLoopbackPort(c.PostLogoutRedirectURIs, uri)
}

func (c *Client) allowsLoopbackPort(registered []string, uri string) bool {
	if c.ApplicationType != applicationNative {
		return false
	}
	asked, ok := withoutLoopbackPort(uri)
	return ok && slices.ContainsFunc(registered, func(r string) bool {
		bare, ok := withoutLoopbackPort(r)
		return ok && bare == asked
	})
}

// withoutLoopbackPort returns a plain http URI on a loopback host without its port. The rest is put together from the
// parsed parts, so anything the parser would read in two ways (user information, a fragment) is refused.
func withoutLoopbackPort(uri string) (string, bool) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "http" || u.User != nil || u.Fragment != "" || !printableASCII(uri) {
		return "", false
	}
	host := u.Hostname()
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return "", false
	}
	if u.Port() == "" {
		return uri, true
	}
	prefix := "http://" + u.Host
	if len(uri) < len(prefix) || uri[:len(prefix)] != prefix {
		return "", false
	}
	bare := u.Host[:len(u.Host)-len(":"+u.Port())]
	return "http://" + bare + uri[len(prefix):], true
}
