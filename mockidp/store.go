// SPDX-License-Identifier: Apache-2.0

package mockidp

import (
	"errors"
	"sync"
	"time"
)

// maxEntries is how many entries of a kind are remembered unless Config.MaxEntries says otherwise: more than a test needs, and
// few enough that a login does not cost memory for ever.
const maxEntries = 10_000

// store remembers everything that outlives a request. Each table forgets an entry when its lifetime is over or the table
// is full. One lock covers all, so that "look and change" (redeem a code, rotate a token) is one step.
type store struct {
	mu            sync.Mutex
	lifetimes     Lifetimes
	grace         time.Duration // in which the reuse of a refresh token is forgiven
	transactions  *table[*transaction]
	codes         *table[*authorizationCode]
	usedCodes     *table[*grant] // for longer than a code is valid, so that a late replay still revokes what it gave
	accessTokens  *table[*accessToken]
	refreshTokens *table[*refreshToken]
	sessions      *table[*session]
	pushed        *table[*authorizationRequest]
	assertions    *table[bool] // client_id and jti of client assertions that were used
	deviceCodes   *table[*deviceAuthorization]
	userCodes     *table[*deviceAuthorization]
	consents      *table[bool] // client_id and user name of logins with access_type=offline
}

// transaction is a request that waits for a person's answer: an authorization request at the login page, a logout request
// or a device. One of them is set.
type transaction struct {
	request *authorizationRequest
	logout  *logoutRequest
	device  *deviceAuthorization
	// consenting is the session of somebody who has yet to agree to request, or nil.
	consenting *session
	browser    key // who was shown the page: the hash of the browser's login cookie
}

// session is the single sign-on session of a browser. It stays as it was made; a new login makes a new one.
type session struct {
	sid      string // published in ID tokens; not the cookie's value; "" without a browser
	username string
	authTime instant
	acr      string
	edited   *User // with the claims of this login, or nil
	life     *lifeline
}

// lifeline ties grants to the session they were made in, across new logins of the same user.
type lifeline struct {
	ended   bool
	clients []string // the client_id of each that took part in the session
	// consents are the scopes that clients may have, for as long as the session lives.
	consents map[string]scopes
}

// grant is what a user has allowed a client: one login at one client. Codes and tokens are shares in it; revoking it kills
// them all.
type grant struct {
	*session // the one it was made in, as it was then
	clientID string
	scopes   scopes
	claims   *claimsRequest // nil for none
	audience []string       // that the authorization request named, in a dialect that knows it
	flow     string         // see flowNote
	bound    *binding       // of the refresh tokens of a public client (RFC 9449 section 5, RFC 8705 section 4), or nil
	parent   *grant         // of a token exchange, or nil: it ends with that one

	acrAsked    bool // acr and amr belong into the ID token
	maxAgeAsked bool // so does auth_time
	offline     bool // access_type=offline was granted
	revoked     bool
}

type authorizationCode struct {
	grant         *grant
	redirectURI   string
	codeChallenge string
	nonce         string
	jkt           string // dpop_jkt of RFC 9449 section 10, or ""
}

type accessToken struct {
	grant      *grant
	scopes     scopes
	delegation *delegation // or nil
	issued     instant
}

// delegation is what few access tokens have: an audience that was asked for, an actor by token exchange, what they are bound to.
type delegation struct {
	audience []string       // empty: the issuer
	actor    map[string]any // act of RFC 8693 section 4.1, or nil
	bound    binding
}

func (a *accessToken) bound() binding {
	if a.delegation == nil {
		return binding{}
	}
	return a.delegation.bound
}

func (a *accessToken) audience() []string {
	if a.delegation == nil {
		return nil
	}
	return a.delegation.audience
}

func (a *accessToken) actor() map[string]any {
	if a.delegation == nil {
		return nil
	}
	return a.delegation.actor
}

type refreshToken struct {
	grant  *grant
	issued instant
	used   instant // for the first time, or 0
}

// spent says whether the token was used, and is not forgiven any more.
func (t *refreshToken) spent(now time.Time, grace time.Duration) bool {
	return t.used != 0 && !now.Before(t.used.time().Add(grace))
}

var (
	errUnknownCode  = errors.New("the code is unknown, expired, revoked or was issued to another client")
	errCodeReplayed = errors.New("the code was used before; the tokens issued for it are revoked")
	errUnknownToken = errors.New("the refresh token is unknown, expired, revoked or was issued to another client")
	errTokenReused  = errors.New("the refresh token was used before; its whole family is revoked")
)

func newStore(l Lifetimes, grace time.Duration, limit int) *store {
	return &store{
		lifetimes:     l,
		grace:         grace,
		transactions:  newTable[*transaction](l.Login, limit),
		codes:         newTable[*authorizationCode](l.Code, limit),
		usedCodes:     newTable[*grant](l.RefreshToken, limit),
		accessTokens:  newTable[*accessToken](l.AccessToken, limit),
		refreshTokens: newTable[*refreshToken](l.RefreshToken, limit),
		sessions:      newTable[*session](l.Session, limit),
		pushed:        newTable[*authorizationRequest](l.PushedRequest, limit),
		assertions:    newTable[bool](maxAssertionLife, limit),
		// Expired ones are remembered for as long again, to say that they are expired.
		deviceCodes: newTable[*deviceAuthorization](2*l.DeviceCode, limit),
		userCodes:   newTable[*deviceAuthorization](l.DeviceCode, limit),
		consents:    newTable[bool](l.RefreshToken, limit),
	}
}

func (s *store) putTransaction(id string, t *transaction, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.transactions.put(id, t, now)
}

// transaction returns nil if it is unknown, expired or belongs to another browser.
func (s *store) transaction(id string, browser key, now time.Time) *transaction {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.transactions.get(id, now)
	if !ok || t.browser != browser {
		return nil
	}
	return t
}

// takeTransaction is transaction, once.
func (s *store) takeTransaction(id string, browser key, now time.Time) *transaction {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.transactions.get(id, now)
	if !ok || t.browser != browser {
		return nil
	}
	s.transactions.drop(id)
	return t
}

func (s *store) putCode(code string, c *authorizationCode, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes.put(code, c, now)
}

// redeemCode uses up a code. check sees the code of the right client, and its error leaves the code unused. A second use
// revokes everything the first one gave (RFC 6749 section 4.1.2).
func (s *store) redeemCode(code, clientID string, now time.Time, check func(*authorizationCode) error) (*authorizationCode, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g, used := s.usedCodes.get(code, now); used && g.clientID == clientID {
		g.revoked = true
		return nil, errCodeReplayed
	}
	c, ok := s.codes.get(code, now)
	if !ok || c.grant.clientID != clientID || !c.grant.alive() {
		return nil, errUnknownCode
	}
	if err := check(c); err != nil {
		return nil, err
	}
	s.codes.drop(code)
	s.usedCodes.put(code, c.grant, now)
	return c, nil
}

func (s *store) putAccessToken(token string, a *accessToken, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accessTokens.put(token, a, now)
}

// accessToken returns nil if the token is unknown, expired or revoked.
func (s *store) accessToken(token string, now time.Time) *accessToken {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.accessTokens.get(token, now)
	if !ok || !a.grant.alive() {
		return nil
	}
	return a
}

func (s *store) putRefreshToken(token string, g *grant, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refreshTokens.put(token, &refreshToken{grant: g, issued: instantOf(now)}, now)
}

// redeemRefreshToken uses up a refresh token. check sees the grant, and its error leaves the token unused. A second use
// revokes the family (RFC 9700 section 4.14.2), unless it comes within the grace period.
func (s *store) redeemRefreshToken(token, clientID string, now time.Time, check func(*grant) error) (*grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.refreshTokens.get(token, now)
	if !ok || t.grant.clientID != clientID {
		return nil, errUnknownToken
	}
	if t.spent(now, s.grace) {
		t.grant.revoked = true
		return nil, errTokenReused
	}
	if !t.grant.alive() {
		return nil, errUnknownToken
	}
	if err := check(t.grant); err != nil {
		return nil, err
	}
	if t.used == 0 {
		t.used = instantOf(now)
	}
	return t.grant, nil
}

// refreshToken returns nil if the token is unknown, used, expired or revoked.
func (s *store) refreshToken(token string, now time.Time) *refreshToken {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.refreshTokens.get(token, now)
	if !ok || t.spent(now, s.grace) || !t.grant.alive() {
		return nil
	}
	return t
}

// revoke ends an access token, or everything a refresh token's grant gave (RFC 7009 section 2.1). It says false, and does
// nothing, if the token is another client's.
func (s *store) revoke(token, clientID string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.accessTokens.get(token, now); ok {
		if a.grant.clientID != clientID {
			return false
		}
		s.accessTokens.drop(token)
	}
	if t, ok := s.refreshTokens.get(token, now); ok {
		if t.grant.clientID != clientID {
			return false
		}
		t.grant.revoked = true
	}
	return true
}

// revokeClient ends every grant of a client. It looks at all there is, which a client that removes itself is worth.
func (s *store) revokeClient(clientID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.accessTokens.entries {
		e.value.grant.revoked = e.value.grant.revoked || e.value.grant.clientID == clientID
	}
	for _, e := range s.refreshTokens.entries {
		e.value.grant.revoked = e.value.grant.revoked || e.value.grant.clientID == clientID
	}
}

// bindGrant binds refresh tokens, unless they are.
func (s *store) bindGrant(g *grant, bound binding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.bound == nil {
		g.bound = &bound
	}
}

func (s *store) putPushed(uri string, req *authorizationRequest, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushed.put(uri, req, now)
}

// takePushed returns a pushed request once, to the client that pushed it; otherwise nil.
func (s *store) takePushed(uri, clientID string, now time.Time) *authorizationRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	req, ok := s.pushed.get(uri, now)
	if !ok || req.client.ClientID != clientID {
		return nil
	}
	s.pushed.drop(uri)
	return req
}

// useAssertion says whether the client's jti is new, and remembers it.
func (s *store) useAssertion(clientID, jti string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := clientID + "\x00" + jti
	if _, used := s.assertions.get(name, now); used {
		return false
	}
	s.assertions.put(name, true, now)
	return true
}

// consentOnce says whether this is the first time that a user lets the client act offline, or is asked again.
func (s *store) consentOnce(clientID, username string, again bool, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := clientID + "\x00" + username
	_, before := s.consents.get(name, now)
	if !before {
		s.consents.put(name, true, now)
	}
	return again || !before
}

// alive is called with the store's lock held.
func (g *grant) alive() bool {
	return !g.revoked && (!g.life.ended || g.offline || g.scopes.has(scopeOfflineAccess)) && (g.parent == nil || g.parent.alive())
}
