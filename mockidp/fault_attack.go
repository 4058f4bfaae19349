// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"strings"
	"time"
)

// What an attacker has got hold of elsewhere and slips in. It is real: the endpoints of this provider take it as they take
// any other, so that only the relying party's own checks stand against it.
func (s *stage) loot() map[string]func() string {
	return map[string]func() string{
		// of the attacker's own login at the same client, in another browser and so with another nonce and no challenge
		"${code_of_another_user}": func() string { return s.stolenCode(s.clientID) },
		// of the attacker's login at another client
		"${code_of_another_client}": func() string { return s.stolenCode("another-client") },
		"${token_of_another_user}":  s.stolenToken,
		// of an earlier login of the same user
		"${earlier_id_token}": s.earlierIDToken,
		"${random}":           s.provider.random.token,
	}
}

func (s *stage) expandLoot(text string) string {
	for name, get := range s.loot() {
		if strings.Contains(text, name) {
			text = strings.ReplaceAll(text, name, get())
		}
	}
	return text
}

// anotherGrant is that of the last user of the configuration.
func (s *stage) anotherGrant(clientID string) *grant {
	p := s.provider
	attacker := DefaultUsername
	if n := len(p.directory.users); n > 0 {
		attacker = p.directory.users[n-1].Username
	}
	theirs := &session{sid: p.random.token(), username: attacker, authTime: instantOf(s.now), life: &lifeline{clients: []string{clientID}}}
	return &grant{session: theirs, clientID: clientID, scopes: userScopes()}
}

func (s *stage) stolenCode(clientID string) string {
	code := s.provider.random.token()
	s.provider.store.putCode(code, &authorizationCode{grant: s.anotherGrant(clientID), redirectURI: s.redirectURI, nonce: s.provider.random.token()}, s.now)
	return code
}

func (s *stage) stolenToken() string {
	client := s.provider.directory.client(s.clientID)
	if client == nil {
		return ""
	}
	token, e := s.provider.newAccessToken(client, s.anotherGrant("another-client"), userScopes(), nil, nil, binding{})
	if e != nil {
		return ""
	}
	return token
}

func (s *stage) earlierIDToken() string {
	user := s.provider.cfg.AutoLogin
	if user == "" && len(s.provider.directory.users) > 0 {
		user = s.provider.directory.users[0].Username
	}
	then := s.now.Add(-time.Minute).Unix()
	token, err := s.provider.MintIDToken(user, s.clientID, Claim("nonce", s.provider.random.token()), Claim("iat", then), Claim("auth_time", then))
	if err != nil {
		return ""
	}
	return token
}
