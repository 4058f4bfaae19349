// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"slices"
	"strings"
)

// userNamed is who signs in under a name that was typed or picked: a configured user, or a newcomer where anybody may sign in. For
// nobody, problem is a sentence for the person.
func (p *Provider) userNamed(name string) (user *User, problem string) {
	if user := p.directory.findUser(name); user != nil {
		return user, ""
	}
	name = strings.TrimSpace(name)
	switch known := p.directory.findUser(name); {
	case known != nil:
		return known, ""
	case name == "" || !*p.cfg.AllowAnyUser:
		return nil, unknownUser(name)
	case len(name) > maxNewcomer || !printableASCII(name):
		return nil, "A user who is not configured has a name of at most 200 ASCII characters."
	}
	return p.directory.learn(newcomer(name).inDialect(p.dialect).withDefaults(), p.cfg.MaxEntries), ""
}

// maxNewcomer bounds a name so that a sub that is made of it is no longer than Core 1.0 section 2 allows.
const maxNewcomer = 200

// newcomer is the user of a name, always the same, with what relying parties commonly need.
func newcomer(name string) User {
	email := name
	if !strings.Contains(name, "@") {
		email = strings.ReplaceAll(name, " ", ".") + "@example.com"
	}
	return User{Username: name, Name: name, Email: email}
}

// learn remembers a user who was not configured. Of more than limit the oldest are forgotten.
func (d *directory) learn(u User, limit int) *User {
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := slices.IndexFunc(d.learned, func(known *User) bool { return known.Username == u.Username }); i >= 0 {
		return d.learned[i] // another request was faster
	}
	if len(d.learned) >= limit {
		d.learned = slices.Delete(d.learned, 0, 1)
	}
	d.learned = append(d.learned, &u)
	return &u
}

// find returns the first user who fits, those who were configured before those who were not, or nil.
func (d *directory) find(fits func(*User) bool) *User {
	for i := range d.users {
		if fits(&d.users[i]) {
			return &d.users[i]
		}
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if i := slices.IndexFunc(d.learned, fits); i >= 0 {
		return d.learned[i]
	}
	return nil
}
